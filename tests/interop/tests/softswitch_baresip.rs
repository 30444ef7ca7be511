//! Real softphones at our own softswitch: what they register, call, hold, transfer and hear. Audio is measured in what they
//! recorded: at least 99 % of its 20 ms frames carry the tone that the other side says, and no gap is longer than 40 ms.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch::{
    Audio, Call, CallState, ConnectedMode, Disconnect, DisconnectMode, EndedBy, Event, Line, RejectReason,
    SoftswitchEvent, StateKind, Unregistered,
};
use hookswitch_interop::{Rig, Softphone, Switchboard, needs, reached, recorded, root, soon, sound, until};
use hookswitch_media::audio::read_wav;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECONDS: f32 = 10.0;
/// The recording has the time in it that passes before the tone arrives.
const RECORDED: f32 = 10.4;
const SHORT: f32 = 2.0;
const SHORT_RECORDED: f32 = 2.4;
/// What a softphone says, and what a line says.
const PHONE: u16 = 1_000;
const OTHER_PHONE: u16 = 700;
const LINE: u16 = 620;
/// What the tone extension says.
const EXTENSION: u16 = 440;

/// A phone of user 1001 that answers by itself.
async fn phone(board: &Switchboard, transport: &str) -> Softphone {
    another(board, "one", &["USER=1001", &format!("TRANSPORT={transport}")]).await
}

async fn another(board: &Switchboard, name: &str, settings: &[&str]) -> Softphone {
    let registrar = format!("REGISTRAR={}", board.address());
    let mut all = vec![registrar.as_str()];
    all.extend(settings);
    Softphone::start(name, &all).await.unwrap_or_else(|said| panic!("{}", said.errors))
}

/// A line of ours that is registered with the softswitch.
async fn line(board: &Switchboard, user: &str, transport: &str) -> Rig {
    let keys = format!("profile = '{}'", profile(transport).display());
    let mut rig = Rig::over("udp tcp", &[board.line(user, &keys)]).await;
    rig.in_service(0).await;
    let contacts = board.snapshot().await.registrations;
    let over = |connected: bool| connected == (transport == "tcp");
    assert!(contacts.iter().any(|c| c.user == user && over(c.flow.connection != 0)), "{contacts:?}");
    rig
}

/// A profile that registers over `transport`.
fn profile(transport: &str) -> PathBuf {
    let folder = root().join("tests/out");
    std::fs::create_dir_all(&folder).expect("a folder for the profile");
    let path = folder.join(format!("softswitch-{transport}.toml"));
    std::fs::write(&path, format!("name = 'softswitch-{transport}'\ntransport = '{transport}'\n"))
        .expect("the profile is written");
    path
}

/// Where the line's own recording of a call goes.
fn recording(name: &str) -> PathBuf {
    let path = root().join(format!("tests/out/softswitch-{name}.wav"));
    let _ = std::fs::remove_file(&path);
    path
}

async fn ended(call: &Call) -> Disconnect {
    soon("the end", call.ended()).await.expect("the other side ends the call")
}

/// The only stretch of audio that a phone heard.
async fn one_recording(phone: &mut Softphone) -> PathBuf {
    let mut all = phone.heard().await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// The states of a call, until `wanted` of them have come.
async fn modes(rig: &mut Rig, wanted: usize) -> Vec<ConnectedMode> {
    let mut modes = Vec::new();
    rig.event(&format!("{wanted} states"), |event| {
        if let Event::State { state: CallState::Connected(mode), .. } = event {
            modes.push(mode);
        }
        (modes.len() == wanted).then_some(())
    })
    .await;
    modes
}

async fn dials(board: &Switchboard, phone: &mut Softphone, user: &str) {
    phone.tell("dial", &board.uri(user)).await;
}

async fn calls(board: &Switchboard, line: &Line, user: &str) -> Call {
    soon("the call", line.call(&board.uri(user), Audio::tone(LINE))).await.expect("the call is made")
}

// Registration.

async fn registers(transport: &str) {
    if !needs(&["baresip"]) {
        return;
    }
    let mut board = Switchboard::start();
    let phone = phone(&board, transport).await;
    let snapshot = board.registrations(1).await;
    let registration = snapshot.registrations.first().expect("a registration");
    assert_eq!(registration.user, "1001");
    assert_eq!(registration.flow.connection != 0, transport == "tcp", "{registration:?}");
    phone.end().await;
    let why = board
        .event("the end of the registration", |event| match event {
            SoftswitchEvent::Unregistered { why, .. } => Some(why),
            _ => None,
        })
        .await;
    assert_eq!(why, Unregistered::Removed);
    board.end().await;
}

#[tokio::test]
async fn registers_over_udp() {
    registers("udp").await;
}

#[tokio::test]
async fn registers_over_tcp() {
    registers("tcp").await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    if !needs(&["baresip"]) {
        return;
    }
    let mut board = Switchboard::start();
    for transport in ["udp", "tcp"] {
        let registrar = format!("REGISTRAR={}", board.address());
        let transport = format!("TRANSPORT={transport}");
        let settings = [&registrar, "USER=1001", "PASSWORD=wrong", &transport, "SECONDS_TO_START=2"];
        let said = Softphone::start("wrong", &settings).await.err().expect("no registration");
        assert!(said.errors.contains("403 Forbidden"), "{}", said.errors);
        let refused = board.event("a refusal", |event| match event {
            SoftswitchEvent::Refused { method, from, status, .. } => Some((method, from, status)),
            _ => None,
        });
        assert_eq!(refused.await, ("REGISTER".into(), "1001".into(), 403));
    }
    board.end().await;
}

// Extensions.

/// Calls an extension and returns what was heard.
async fn extension(transport: &str, user: &str, seconds: f32) -> Option<PathBuf> {
    if !needs(&["baresip"]) {
        return None;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, transport).await;
    dials(&board, &mut phone, user).await;
    phone.event("CALL_ESTABLISHED").await;
    phone.hears_for(seconds).await;
    phone.tell("hangup", "").await;
    phone.event("CALL_CLOSED").await;
    let heard = one_recording(&mut phone).await;
    phone.end().await;
    board.end().await;
    Some(heard)
}

#[tokio::test]
async fn the_tone_over_udp() {
    let Some(heard) = extension("udp", "601", RECORDED).await else { return };
    sound::carries(&heard, None, EXTENSION, SECONDS);
}

#[tokio::test]
async fn the_tone_over_tcp() {
    let Some(heard) = extension("tcp", "601", RECORDED).await else { return };
    sound::carries(&heard, None, EXTENSION, SECONDS);
}

#[tokio::test]
async fn the_echo_over_udp() {
    let Some(heard) = extension("udp", "600", RECORDED).await else { return };
    sound::carries(&heard, None, PHONE, SECONDS);
}

#[tokio::test]
async fn the_echo_over_tcp() {
    let Some(heard) = extension("tcp", "600", RECORDED).await else { return };
    sound::carries(&heard, None, PHONE, SECONDS);
}

#[tokio::test]
async fn music_over_udp() {
    let Some(heard) = extension("udp", "602", SHORT_RECORDED).await else { return };
    is_melodious(&heard);
}

#[tokio::test]
async fn music_over_tcp() {
    let Some(heard) = extension("tcp", "602", SHORT_RECORDED).await else { return };
    is_melodious(&heard);
}

/// Fails unless every quarter of a second has sound, and not the same for long.
fn is_melodious(path: &Path) {
    let file = File::open(path).expect("a recording");
    let samples = read_wav(file, 8_000, Duration::from_secs(60)).expect("a recording");
    let loud =
        |part: &[i16]| part.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / part.len() as f64;
    let parts: Vec<f64> = samples.chunks_exact(2_000).map(|part| loud(part).sqrt()).collect();
    println!("{}: {} quarters of a second, rms {parts:.0?}", path.display(), parts.len());
    let sound = parts.iter().filter(|rms| **rms > 100.0).count();
    assert!(sound as f32 * 0.25 >= SHORT - 0.25, "{parts:?}");
    let longest = [262, 330, 392, 440, 523].map(|hertz| sound::tone(path, None, hertz).share());
    assert!(longest.iter().all(|share| *share < 0.9), "{longest:?}");
}

// Calls between a phone and a line.

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

// Within a call.

/// Waits until a line's recording is long enough to be measured.
async fn is_long(ours: &Path) {
    until(Duration::from_secs(10), "a recording of the line", async || {
        let long = std::fs::metadata(ours).is_ok_and(|file| file.len() as f32 > SHORT_RECORDED * 32_000.0);
        long.then_some(())
    })
    .await;
}

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

// Calls that go elsewhere.

#[tokio::test]
async fn of_two_that_ring_one_answers() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut one = another(&board, "one", &["USER=1001", "ANSWER=manual"]).await;
    let mut two = another(&board, "two", &["USER=1001", "ANSWER=manual", "TRANSPORT=tcp", "TONE=700"]).await;
    // A line of ours rings as well and says why it stopped.
    let mut three = line(&board, "1001", "udp").await;
    let rig = line(&board, "1002", "udp").await;
    board.registrations(4).await;
    let call = calls(&board, rig.line(), "1001").await;
    one.event("CALL_INCOMING").await;
    two.event("CALL_INCOMING").await;
    let rings = three.offered().await;
    two.tell("accept", "").await;
    two.event("CALL_ESTABLISHED").await;
    soon("the answer", call.connected()).await.expect("one phone answers");
    one.event("CALL_CLOSED").await;
    let end = ended(&rings).await;
    assert_eq!(end.mode, DisconnectMode::Pickup, "{end}");
    two.hears_for(SHORT_RECORDED).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    two.event("CALL_CLOSED").await;
    sound::carries(&one_recording(&mut two).await, None, LINE, SHORT);
    assert!(one.heard().await.is_empty());
    drop((call, rings));
    rig.end().await;
    three.end().await;
    one.end().await;
    two.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_line_gives_up_and_the_phone_stops_ringing() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = another(&board, "one", &["USER=1001", "ANSWER=manual"]).await;
    let rig = line(&board, "1002", "udp").await;
    let call = calls(&board, rig.line(), "1001").await;
    phone.event("CALL_INCOMING").await;
    reached(&call, StateKind::Ringback).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    reached(&call, StateKind::Idle).await;
    phone.event("CALL_CLOSED").await;
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_phone_gives_up_and_the_line_stops_ringing() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, "udp").await;
    let mut rig = line(&board, "1002", "udp").await;
    dials(&board, &mut phone, "1002").await;
    let call = rig.offered().await;
    soon("accepting", call.accept()).await.expect("the call is accepted");
    phone.event("CALL_RINGING").await;
    phone.tell("hangup", "").await;
    let end = ended(&call).await;
    assert_eq!((end.mode, end.by), (DisconnectMode::Cancelled, EndedBy::Peer), "{end}");
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_busy_phone_and_a_busy_line() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = another(&board, "one", &["USER=1001", "ANSWER=manual"]).await;
    let mut rig = line(&board, "1002", "udp").await;
    let call = calls(&board, rig.line(), "1001").await;
    phone.event("CALL_INCOMING").await;
    phone.tell("hangup", "").await;
    let end = ended(&call).await;
    assert_eq!((end.status, end.mode), (Some(486), DisconnectMode::Busy), "{end}");
    drop(call);

    phone.events();
    dials(&board, &mut phone, "1002").await;
    let call = rig.offered().await;
    soon("refusing", call.drop_call(RejectReason::Busy)).await.expect("the call is refused");
    let closed = phone.event("CALL_CLOSED").await;
    assert!(closed.more.contains("486"), "{closed:?}");
    drop(call);

    for (user, status) in [("1003", "480"), ("9999", "404")] {
        dials(&board, &mut phone, user).await;
        let closed = phone.event("CALL_CLOSED").await;
        assert!(closed.more.contains(status), "{user}: {closed:?}");
    }
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_line_redirects_to_the_echo() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, "udp").await;
    let mut rig = line(&board, "1002", "udp").await;
    dials(&board, &mut phone, "1002").await;
    let call = rig.offered().await;
    soon("redirecting", call.redirect(&board.uri("600"))).await.expect("the call is redirected");
    phone.event("CALL_ESTABLISHED").await;
    phone.hears_for(SHORT_RECORDED).await;
    phone.tell("hangup", "").await;
    phone.event("CALL_CLOSED").await;
    sound::carries(&one_recording(&mut phone).await, None, PHONE, SHORT);
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_line_redirects_to_another_phone() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut one = phone(&board, "udp").await;
    let mut three = another(&board, "three", &["USER=1003", "TONE=700", "TRANSPORT=tcp"]).await;
    let mut rig = line(&board, "1002", "udp").await;
    dials(&board, &mut one, "1002").await;
    let call = rig.offered().await;
    soon("redirecting", call.redirect(&board.uri("1003"))).await.expect("the call is redirected");
    one.event("CALL_ESTABLISHED").await;
    one.hears_for(SHORT_RECORDED).await;
    three.hears_for(SHORT_RECORDED).await;
    one.tell("hangup", "").await;
    three.event("CALL_CLOSED").await;
    sound::carries(&one_recording(&mut one).await, None, OTHER_PHONE, SHORT);
    sound::carries(&one_recording(&mut three).await, None, PHONE, SHORT);
    drop(call);
    rig.end().await;
    one.end().await;
    three.end().await;
    board.end().await;
}

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
