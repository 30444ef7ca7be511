//! Hold and retrieve.

use crate::{
    LINE, PHONE, SHORT, SHORT_RECORDED, calls, is_long, line, modes, one_recording, phone, recording,
};
use hookswitch::{Call, ConnectedMode, StateKind};
use hookswitch_interop::{Softphone, Switchboard, needs, reached, recorded, soon, sound};
use std::path::Path;

/// After a re-INVITE baresip 1.0 plays what it hears and records it no more. What the line sends reaches it all the same: a digit,
/// which it reports; and what it says is in the line's recording.
async fn is_heard_again(phone: &Softphone, call: &Call, ours: &Path) {
    soon("a digit", call.send_digits("5")).await.expect("the digit is sent");
    phone.logs("received event: '5'").await;
    is_long(ours).await;
}

/// The phone holds and resumes; the line hears of both, and afterwards both hear each other again.
async fn holds_and_resumes(transport: &str) {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, transport).await;
    let mut rig = line(&board, "1002", transport).await;
    let call = calls(&board, rig.line(), "1001").await;
    soon("the answer", call.connected()).await.expect("the phone answers");
    assert_eq!(modes(&mut rig, 1).await, [ConnectedMode::Active]);
    phone.event("CALL_ESTABLISHED").await;
    phone.hears_for(SHORT_RECORDED).await;
    phone.tell("hold", "").await;
    assert_eq!(modes(&mut rig, 1).await, [ConnectedMode::ActiveHeld]);
    phone.tell("resume", "").await;
    assert_eq!(modes(&mut rig, 1).await, [ConnectedMode::Active]);
    let ours = recording(&format!("resumed-{transport}"));
    soon("recording", call.record(&ours)).await.expect("the call is recorded");
    is_heard_again(&phone, &call, &ours).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    phone.event("CALL_CLOSED").await;
    recorded(&ours).await;
    sound::carries(&ours, Some(0), PHONE, SHORT);
    assert!(sound::contains(&one_recording(&mut phone).await, None, LINE, SHORT));
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn holds_and_resumes_over_udp() {
    holds_and_resumes("udp").await;
}

#[tokio::test]
async fn holds_and_resumes_over_tcp() {
    holds_and_resumes("tcp").await;
}

#[tokio::test]
async fn is_held_and_retrieved_by_a_line() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, "udp").await;
    let rig = line(&board, "1002", "udp").await;
    let call = calls(&board, rig.line(), "1001").await;
    soon("the answer", call.connected()).await.expect("the phone answers");
    phone.hears_for(SHORT_RECORDED).await;
    soon("hold", call.hold()).await.expect("the call is held");
    reached(&call, StateKind::OnHold).await;
    soon("retrieve", call.retrieve()).await.expect("the call is retrieved");
    reached(&call, StateKind::Connected).await;
    let ours = recording("retrieved");
    soon("recording", call.record(&ours)).await.expect("the call is recorded");
    is_heard_again(&phone, &call, &ours).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    phone.event("CALL_CLOSED").await;
    recorded(&ours).await;
    sound::carries(&ours, Some(0), PHONE, SHORT);
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}
