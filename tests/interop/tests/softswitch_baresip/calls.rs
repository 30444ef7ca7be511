//! Calls between a phone and a line, and between two phones.

use crate::{
    LINE, OTHER_PHONE, PHONE, RECORDED, SECONDS, another, calls, dials, ended, line, one_recording, phone,
    recording,
};
use hookswitch::{Audio, DisconnectMode, EndedBy, StateKind};
use hookswitch_interop::{Switchboard, needs, reached, recorded, soon, sound};

/// A phone calls a line, which answers with a tone; the phone hangs up.
async fn calls_a_line(transport: &str) {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, transport).await;
    let mut rig = line(&board, "1002", transport).await;
    dials(&board, &mut phone, "1002").await;
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::tone(LINE))).await.expect("the call is answered");
    let ours = recording(&format!("called-{transport}"));
    soon("recording", call.record(&ours)).await.expect("the call is recorded");
    phone.event("CALL_ESTABLISHED").await;
    phone.hears_for(RECORDED).await;
    phone.tell("hangup", "").await;
    let end = ended(&call).await;
    assert_eq!((end.mode, end.by), (DisconnectMode::Normal, EndedBy::Peer), "{end}");
    sound::carries(&one_recording(&mut phone).await, None, LINE, SECONDS);
    recorded(&ours).await;
    sound::carries(&ours, Some(0), PHONE, SECONDS);
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn calls_a_line_over_udp() {
    calls_a_line("udp").await;
}

#[tokio::test]
async fn calls_a_line_over_tcp() {
    calls_a_line("tcp").await;
}

/// A line calls a phone, which answers by itself; the line hangs up.
async fn is_called_by_a_line(transport: &str) {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, transport).await;
    let rig = line(&board, "1002", transport).await;
    let call = calls(&board, rig.line(), "1001").await;
    soon("the answer", call.connected()).await.expect("the phone answers");
    let ours = recording(&format!("calling-{transport}"));
    soon("recording", call.record(&ours)).await.expect("the call is recorded");
    phone.event("CALL_ESTABLISHED").await;
    phone.hears_for(RECORDED).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    reached(&call, StateKind::Idle).await;
    phone.event("CALL_CLOSED").await;
    sound::carries(&one_recording(&mut phone).await, None, LINE, SECONDS);
    recorded(&ours).await;
    sound::carries(&ours, Some(0), PHONE, SECONDS);
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn is_called_by_a_line_over_udp() {
    is_called_by_a_line("udp").await;
}

#[tokio::test]
async fn is_called_by_a_line_over_tcp() {
    is_called_by_a_line("tcp").await;
}

#[tokio::test]
async fn phones_call_each_other_over_udp_and_tcp() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut one = phone(&board, "udp").await;
    let mut two = another(&board, "two", &["USER=1002", "TRANSPORT=tcp", "TONE=700"]).await;
    dials(&board, &mut one, "1002").await;
    one.event("CALL_ESTABLISHED").await;
    one.hears_for(RECORDED).await;
    two.hears_for(RECORDED).await;
    two.tell("hangup", "").await;
    one.event("CALL_CLOSED").await;
    sound::carries(&one_recording(&mut one).await, None, OTHER_PHONE, SECONDS);
    sound::carries(&one_recording(&mut two).await, None, PHONE, SECONDS);
    one.end().await;
    two.end().await;
    board.end().await;
}
