//! Transfers to the tone, by a phone and by a line.

use crate::{EXTENSION, LINE, SHORT, SHORT_RECORDED, another, calls, dials, is_long, line, phone, recording};
use hookswitch::Audio;
use hookswitch_interop::{Switchboard, needs, recorded, soon, sound};

#[tokio::test]
async fn a_phone_transfers_a_phone_to_the_tone() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut one = phone(&board, "udp").await;
    let mut two = another(&board, "two", &["USER=1002", "TONE=700", "TRANSPORT=tcp"]).await;
    dials(&board, &mut one, "1002").await;
    one.event("CALL_ESTABLISHED").await;
    two.event("CALL_ESTABLISHED").await;
    one.tell("transfer", &board.uri("601")).await;
    let asked = two.event("TRANSFER").await;
    assert!(asked.more.contains("601"), "{asked:?}");
    two.event("CALL_ESTABLISHED").await;
    one.event("CALL_CLOSED").await;
    two.hears_for(SHORT_RECORDED).await;
    two.tell("hangup", "").await;
    let heard = two.heard().await;
    sound::carries(heard.last().expect("a recording"), None, EXTENSION, SHORT);
    one.end().await;
    two.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_phone_transfers_a_line_to_the_tone() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, "udp").await;
    let mut rig = line(&board, "1002", "udp").await;
    dials(&board, &mut phone, "1002").await;
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::tone(LINE))).await.expect("the call is answered");
    phone.event("CALL_ESTABLISHED").await;
    phone.tell("transfer", &board.uri("601")).await;
    phone.event("CALL_CLOSED").await;
    let ours = recording("transferred");
    soon("recording", call.record(&ours)).await.expect("the call is recorded");
    is_long(&ours).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    recorded(&ours).await;
    sound::carries(&ours, Some(0), EXTENSION, SHORT);
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_line_transfers_a_phone_to_the_tone() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, "udp").await;
    let rig = line(&board, "1002", "udp").await;
    let call = calls(&board, rig.line(), "1001").await;
    soon("the answer", call.connected()).await.expect("the phone answers");
    phone.event("CALL_ESTABLISHED").await;
    let target = hookswitch::HandOffTarget::Address(board.uri("601"));
    let outcome = soon("the outcome", call.hand_off(target)).await;
    assert_eq!(outcome, Ok(Some(hookswitch::TransferOutcome::Succeeded)));
    phone.hears_for(SHORT_RECORDED).await;
    phone.tell("hangup", "").await;
    let heard = phone.heard().await;
    assert!(heard.iter().any(|path| sound::contains(path, None, EXTENSION, SHORT)), "{heard:?}");
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}
