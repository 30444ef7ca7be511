//! A softphone and our line: through Asterisk, and directly.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch::{Audio, CallState, ConnectedMode, DisconnectMode, EndedBy, StateKind};
use hookswitch_interop::sound::carries;
use hookswitch_interop::{Rig, Softphone, asterisk, needs, reached, root, soon};
use std::path::PathBuf;
use std::time::Duration;

fn recording(name: &str) -> PathBuf {
    let folder = root().join("tests/out/interop");
    std::fs::create_dir_all(&folder).expect("a folder for recordings");
    let path = folder.join(format!("{name}.wav"));
    asterisk::forget(&path);
    path
}

/// The length of a recording: nothing is waited for.
async fn talk(seconds: f32) {
    tokio::time::sleep(Duration::from_secs_f32(seconds)).await;
}

async fn phone(name: &str, settings: &[&str]) -> Softphone {
    Softphone::start(name, settings).await.unwrap_or_else(|said| panic!("{}", said.errors))
}

async fn phone_of_asterisk(name: &str) -> Softphone {
    phone(name, &[&format!("REGISTRAR={}", asterisk::registrar()), "USER=1002", "TONE=1000"]).await
}

async fn line_of_asterisk() -> Rig {
    let mut rig = Rig::with(&[asterisk::line("1001")]).await;
    rig.in_service(0).await;
    rig
}

#[tokio::test]
async fn the_phone_calls_our_line_through_asterisk() {
    if !needs(&["asterisk", "baresip"]) {
        return;
    }
    let _alone = asterisk::alone().await;
    let mut rig = line_of_asterisk().await;
    let mut phone = phone_of_asterisk("interop-calls").await;
    phone.tell("dial", &format!("sip:1001@{}", asterisk::registrar())).await;
    let call = rig.offered().await;
    let caller = &call.first_info().expect("information").caller;
    assert!(caller.address.contains("1002"), "{caller:?}");
    soon("accept", call.accept()).await.expect("the call is accepted");
    soon("the answer", call.answer(Audio::tone(700))).await.expect("the call is answered");
    phone.event("CALL_ESTABLISHED").await;
    talk(0.5).await;
    let path = recording("phone-calls");
    soon("record", call.record(&path)).await.expect("the call is recorded");
    talk(4.0).await;
    soon("the end of the recording", call.stop_recording()).await.expect("the recording is complete");
    phone.tell("hangup", "").await;
    let end = soon("the end", call.ended()).await.expect("the phone hangs up");
    assert_eq!((end.mode, end.by), (DisconnectMode::Normal, EndedBy::Peer), "{end}");
    phone.event("CALL_CLOSED").await;
    carries(&asterisk::complete(&path).await, Some(0), 1_000, 3.5);
    let heard = phone.heard().await;
    carries(heard.first().expect("the phone's recording"), None, 700, 3.5);
    drop(call);
    rig.end().await;
}

#[tokio::test]
async fn our_line_calls_the_phone_through_asterisk() {
    if !needs(&["asterisk", "baresip"]) {
        return;
    }
    let _alone = asterisk::alone().await;
    let rig = line_of_asterisk().await;
    let mut phone = phone_of_asterisk("interop-called").await;
    let call = soon("the call", rig.line().call("1002", Audio::tone(700))).await.expect("the call is made");
    soon("the answer", call.connected()).await.expect("the phone answers");
    phone.event("CALL_ESTABLISHED").await;
    talk(0.5).await;
    let path = recording("phone-called");
    soon("record", call.record(&path)).await.expect("the call is recorded");
    talk(4.0).await;
    soon("the end of the recording", call.stop_recording()).await.expect("the recording is complete");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    phone.event("CALL_CLOSED").await;
    carries(&asterisk::complete(&path).await, Some(0), 1_000, 3.5);
    let heard = phone.heard().await;
    carries(heard.first().expect("the phone's recording"), None, 700, 3.5);
    drop(call);
    rig.end().await;
}

#[tokio::test]
async fn the_phone_calls_our_line_directly_and_holds() {
    if !needs(&["baresip"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let mut phone = phone("interop-direct", &["REGISTER=0", "USER=2001", "PASSWORD=none", "TONE=1000"]).await;
    phone.tell("dial", &format!("sip:1001@{}", rig.address())).await;
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::tone(700))).await.expect("the call is answered");
    phone.event("CALL_ESTABLISHED").await;
    talk(0.5).await;
    let path = recording("phone-direct");
    soon("record", call.record(&path)).await.expect("the call is recorded");
    talk(10.2).await;
    soon("the end of the recording", call.stop_recording()).await.expect("the recording is complete");
    phone.tell("hold", "").await;
    let held = CallState::Connected(ConnectedMode::ActiveHeld);
    assert_eq!(soon("the hold", call.wait_for(|state| *state == held)).await, held);
    phone.tell("resume", "").await;
    let active = CallState::Connected(ConnectedMode::Active);
    assert_eq!(soon("the resumption", call.wait_for(|state| *state == active)).await, active);
    phone.tell("hangup", "").await;
    let end = soon("the end", call.ended()).await.expect("the phone hangs up");
    assert_eq!((end.mode, end.by), (DisconnectMode::Normal, EndedBy::Peer), "{end}");
    phone.event("CALL_CLOSED").await;
    carries(&asterisk::complete(&path).await, Some(0), 1_000, 10.0);
    let heard = phone.heard().await;
    carries(heard.first().expect("a recording"), None, 700, 10.0);
    drop(call);
    rig.end().await;
}

#[tokio::test]
async fn our_line_calls_the_phone_directly_holds_it_and_sends_digits() {
    if !needs(&["baresip"]) {
        return;
    }
    let mut phone = phone("interop-trunk", &["REGISTER=0", "USER=2001", "PASSWORD=none", "TONE=1000"]).await;
    let uri = format!("sip:2001@127.0.0.1:{}", phone.port());
    let rig = Rig::trunk(phone.port(), "").await;
    let call = soon("the call", rig.line().call(&uri, Audio::tone(700))).await.expect("the call is made");
    soon("the answer", call.connected()).await.expect("the phone answers");
    phone.event("CALL_ESTABLISHED").await;
    soon("hold", call.hold()).await.expect("the phone is held");
    reached(&call, StateKind::OnHold).await;
    soon("retrieve", call.retrieve()).await.expect("the phone is retrieved");
    reached(&call, StateKind::Connected).await;
    soon("digits", call.send_digits("19#")).await.expect("the digits are sent");
    for digit in ["'1'", "'9'", "'#'"] {
        phone.logs(&format!("received event: {digit}")).await;
    }
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    phone.event("CALL_CLOSED").await;
    drop(call);
    rig.end().await;
}
