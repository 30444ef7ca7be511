//! Calls between our lines and Asterisk, with what was heard.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch::{
    Audio, Call, CallState, ConnectedMode, DisconnectMode, EndedBy, Error, Event, ForwardCondition,
    ForwardRule, ForwardTarget, ForwardingRules, HandOffTarget, Interest, MediaTypes, OperationError,
    Privilege, RejectReason, RequestError, StateKind, TransferOutcome,
};
use hookswitch_interop::sound::{carries, contains};
use hookswitch_interop::{Rig, asterisk, is_sip, needs, reached, root, soon, until};
use std::path::PathBuf;
use std::time::Duration;

/// Two lines in service, 1001 and 1002.
async fn two_lines() -> Rig {
    let mut rig = Rig::with(&[asterisk::line("1001"), asterisk::line("1002")]).await;
    rig.in_service(0).await;
    rig.in_service(1).await;
    rig
}

async fn one_line() -> Rig {
    let mut rig = Rig::with(&[asterisk::line("1001")]).await;
    rig.in_service(0).await;
    rig
}

/// Ends a test: no call is left on either side.
async fn end(rig: Rig) {
    rig.end().await;
    asterisk::quiet().await;
}

/// A recording of ours.
fn recording(name: &str) -> PathBuf {
    let folder = root().join("tests/out/interop");
    std::fs::create_dir_all(&folder).expect("a folder for recordings");
    let path = folder.join(format!("{name}.wav"));
    asterisk::forget(&path);
    path
}

/// The length of a recording: nothing is waited for.
async fn record_for(seconds: f32) {
    tokio::time::sleep(Duration::from_secs_f32(seconds)).await;
}

async fn call(rig: &Rig, line: usize, number: &str, audio: Audio) -> Call {
    let line = rig.lines.get(line).expect("a line");
    soon("the call", line.call(number, audio)).await.expect("the call is made")
}

async fn answered(rig: &Rig, line: usize, number: &str, audio: Audio) -> Call {
    let call = call(rig, line, number, audio).await;
    soon("the answer", call.connected()).await.unwrap_or_else(|end| panic!("{number}: {end}"));
    call
}

async fn recorded(call: &Call, name: &str, seconds: f32) -> PathBuf {
    let path = recording(name);
    soon("record", call.record(&path)).await.expect("the call is recorded");
    record_for(seconds).await;
    soon("the end of the recording", call.stop_recording()).await.expect("the recording is complete");
    asterisk::complete(&path).await
}

async fn hang_up(call: Call) {
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    reached(&call, StateKind::Idle).await;
}

/// What a test of Asterisk begins with.
macro_rules! with_asterisk {
    () => {
        if !needs(&["asterisk"]) {
            return;
        }
        let _alone = asterisk::alone().await;
    };
}

#[tokio::test]
async fn an_echo_is_heard() {
    with_asterisk!();
    let rig = one_line().await;
    let call = answered(&rig, 0, "600", Audio::tone(700)).await;
    record_for(0.3).await;
    let path = recorded(&call, "echo", 3.0).await;
    hang_up(call).await;
    carries(&path, Some(0), 700, 2.5);
    carries(&path, Some(1), 700, 2.5);
    end(rig).await;
}

#[tokio::test]
async fn both_ways_for_ten_seconds_as_asterisk_records_it() {
    with_asterisk!();
    let (heard, said) =
        (asterisk::recordings().join("603-77-heard.wav"), asterisk::recordings().join("603-77-said.wav"));
    asterisk::forget(&heard);
    asterisk::forget(&said);
    let rig = one_line().await;
    let call = answered(&rig, 0, "60377", Audio::tone(1_000)).await;
    let ours = recorded(&call, "ten-seconds", 10.5).await;
    hang_up(call).await;
    carries(&asterisk::complete(&heard).await, None, 1_000, 10.0);
    carries(&asterisk::complete(&said).await, None, 440, 10.0);
    carries(&ours, Some(0), 440, 10.0);
    end(rig).await;
}

/// Checklist 38, 39, 52.
#[tokio::test]
async fn two_lines_hear_each_other_for_ten_seconds() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let from = call(&rig, 1, "1001", Audio::tone(1_100)).await;
    let to = rig.offered().await;
    soon("accept", to.accept()).await.expect("the call is accepted");
    reached(&from, StateKind::Ringback).await;
    soon("the answer", to.answer(Audio::tone(700))).await.expect("the call is answered");
    soon("the answer", from.connected()).await.expect("the call is answered");
    let caller = to.first_info().expect("information").caller.clone();
    assert!(caller.address.contains("1002"), "{caller:?}");
    record_for(0.3).await;
    let (from_path, to_path) =
        tokio::join!(recorded(&from, "from-1002", 10.5), recorded(&to, "to-1001", 10.5));
    hang_up(from).await;
    let over = soon("the end", to.ended()).await.expect("the other side hangs up");
    assert_eq!((over.mode, over.by), (DisconnectMode::Normal, EndedBy::Peer), "{over}");
    drop(to);
    carries(&from_path, Some(0), 700, 10.0);
    carries(&to_path, Some(0), 1_100, 10.0);
    end(rig).await;
}

/// Checklist 51, 52.
#[tokio::test]
async fn asterisk_calls_and_is_answered() {
    with_asterisk!();
    let mut rig = one_line().await;
    asterisk::originate("1001", "601").await;
    let call = rig.offered().await;
    soon("accept", call.accept()).await.expect("the call is accepted");
    reached(&call, StateKind::Accepted).await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    record_for(0.3).await;
    let path = recorded(&call, "called", 3.0).await;
    carries(&path, Some(0), 440, 2.5);
    hang_up(call).await;
    end(rig).await;
}

/// Checklist 40, 53.
#[tokio::test]
async fn a_line_that_is_busy() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let from = call(&rig, 1, "1001", Audio::silence()).await;
    let to = rig.offered().await;
    soon("the refusal", to.drop_call(RejectReason::Busy)).await.expect("the call is refused");
    let over = soon("the end", from.ended()).await.expect("the call is refused");
    assert_eq!((over.mode, over.status), (DisconnectMode::Busy, Some(486)), "{over}");
    drop((from, to));
    end(rig).await;
}

/// Checklist 40, 53.
#[tokio::test]
async fn a_line_that_declines() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let from = call(&rig, 1, "1001", Audio::silence()).await;
    let to = rig.offered().await;
    soon("the refusal", to.drop_call(RejectReason::Decline)).await.expect("the call is declined");
    let over = soon("the end", from.ended()).await.expect("the call is refused");
    // Asterisk keeps the cause (call rejected, 21) and says 403 or 603 to the caller, by its version.
    assert!(matches!(over.mode, DisconnectMode::Reject | DisconnectMode::Blocked), "{over}");
    println!("a declined call is reported as: {over}");
    drop((from, to));
    end(rig).await;
}

/// Checklist 41.
#[tokio::test]
async fn a_caller_who_gives_up() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let from = call(&rig, 1, "1001", Audio::silence()).await;
    let to = rig.offered().await;
    reached(&from, StateKind::Ringback).await;
    hang_up(from).await;
    let over = soon("the end", to.ended()).await.expect("the caller gives up");
    assert_eq!((over.mode, over.by), (DisconnectMode::Cancelled, EndedBy::Peer), "{over}");
    drop(to);
    end(rig).await;
}

/// Checklist 54.
#[tokio::test]
async fn a_redirected_call() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let from = call(&rig, 1, "1001", Audio::tone(700)).await;
    let to = rig.offered().await;
    soon("the redirection", to.redirect("600")).await.expect("the call is redirected");
    reached(&to, StateKind::Idle).await;
    soon("the answer", from.connected()).await.expect("the new target answers");
    record_for(0.3).await;
    carries(&recorded(&from, "redirected", 2.0).await, Some(0), 700, 1.5);
    hang_up(from).await;
    drop(to);
    end(rig).await;
}

/// Checklist 55.
#[tokio::test]
async fn a_forwarding_rule() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let to = ForwardTarget::Address("601".into());
    let rule = ForwardRule { when: ForwardCondition::Unconditional, from: None, origin: None, to };
    let rules = ForwardingRules { rules: vec![rule], no_answer_after: None };
    soon("forward", rig.line().forward(rules)).await.expect("the rules are taken");
    let from = answered(&rig, 1, "1001", Audio::silence()).await;
    record_for(0.3).await;
    carries(&recorded(&from, "forwarded", 2.0).await, Some(0), 440, 1.5);
    rig.nothing_offered().await;
    hang_up(from).await;
    end(rig).await;
}

/// Checklist 58.
#[tokio::test]
async fn a_hand_off_of_a_call_that_we_made() {
    with_asterisk!();
    let rig = one_line().await;
    let call = answered(&rig, 0, "610", Audio::tone(700)).await;
    asterisk::bridged().await;
    let outcome = soon("the outcome", call.hand_off(HandOffTarget::Address("601".into()))).await;
    assert_eq!(outcome, Ok(Some(TransferOutcome::Succeeded)));
    drop(call);
    rig.end().await;
    // What was transferred plays on to nobody.
    asterisk::rx("channel request hangup all").await;
    asterisk::quiet().await;
}

/// Checklist 58.
#[tokio::test]
async fn a_hand_off_of_a_call_to_us() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let from = call(&rig, 1, "1001", Audio::silence()).await;
    let to = rig.offered().await;
    soon("the answer", to.answer(Audio::silence())).await.expect("the call is answered");
    soon("the answer", from.connected()).await.expect("the call is answered");
    asterisk::bridged().await;
    let outcome = soon("the outcome", to.hand_off(HandOffTarget::Address("601".into()))).await;
    assert_eq!(outcome, Ok(Some(TransferOutcome::Succeeded)));
    record_for(0.5).await;
    carries(&recorded(&from, "handed-off", 2.0).await, Some(0), 440, 1.5);
    hang_up(from).await;
    drop(to);
    end(rig).await;
}

/// Checklist 58.
#[tokio::test]
async fn a_hand_off_to_nobody_leaves_the_call() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let from = call(&rig, 1, "1001", Audio::silence()).await;
    let to = rig.offered().await;
    soon("the answer", to.answer(Audio::silence())).await.expect("the call is answered");
    soon("the answer", from.connected()).await.expect("the call is answered");
    asterisk::bridged().await;
    let outcome = soon("the outcome", to.hand_off(HandOffTarget::Address("888".into()))).await;
    println!("a hand-off to nobody: {outcome:?}");
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(to.state().kind(), StateKind::Connected);
    hang_up(from).await;
    soon("the end", to.ended()).await;
    drop(to);
    end(rig).await;
}

/// Checklist 71.
#[tokio::test]
async fn a_hand_off_to_an_application_sends_nothing() {
    with_asterisk!();
    let mut rig = one_line().await;
    let mut second = rig.service.attach("second").await.expect("an application can attach");
    let line = second.open("1001", Interest::owner(MediaTypes::VOICE)).await.expect("the line opens");
    asterisk::originate("1001", "601").await;
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    // The first exchange is over when Asterisk has nothing more to say about the connected line.
    record_for(0.3).await;
    let sip = async |call: &Call| {
        let entries = soon("the timeline", call.timeline()).await.expect("a timeline");
        entries.iter().filter(|entry| is_sip(entry)).count()
    };
    let before = sip(&call).await;
    soon("the hand-off", call.hand_off(HandOffTarget::Application("second".into()))).await.expect("handed");
    let taken = soon("the call at the other application", async {
        loop {
            if let Some(Event::Appeared { call, privilege: Privilege::Owner, .. }) = second.next().await {
                return call;
            }
        }
    })
    .await;
    drop(call);
    assert_eq!(sip(&taken).await, before);
    hang_up(taken).await;
    drop(line);
    drop(second);
    end(rig).await;
}

/// Checklist 56.
#[tokio::test]
async fn who_is_held_hears_asterisks_music() {
    with_asterisk!();
    let mut rig = two_lines().await;
    let from = call(&rig, 1, "1001", Audio::silence()).await;
    let to = rig.offered().await;
    soon("the answer", to.answer(Audio::tone(700))).await.expect("the call is answered");
    soon("the answer", from.connected()).await.expect("the call is answered");
    let path = recording("held");
    soon("record", from.record(&path)).await.expect("the call is recorded");
    record_for(1.0).await;
    soon("hold", to.hold()).await.expect("the call is held");
    reached(&to, StateKind::OnHold).await;
    record_for(2.0).await;
    soon("retrieve", to.retrieve()).await.expect("the call is retrieved");
    reached(&to, StateKind::Connected).await;
    assert_eq!(to.state(), CallState::Connected(ConnectedMode::Active));
    record_for(1.5).await;
    soon("the end of the recording", from.stop_recording()).await.expect("the recording is complete");
    let path = asterisk::complete(&path).await;
    assert!(contains(&path, Some(0), 620, 1.5), "{}: 620 Hz while held", path.display());
    assert!(contains(&path, Some(0), 700, 1.9), "{}: 700 Hz before and after", path.display());
    hang_up(to).await;
    soon("the end", from.ended()).await;
    drop(from);
    end(rig).await;
}

/// Checklist 63.
#[tokio::test]
async fn digits_go_out_and_come_back() {
    with_asterisk!();
    let file = asterisk::recordings().join("608-1001.txt");
    asterisk::forget(&file);
    let rig = one_line().await;
    let call = answered(&rig, 0, "608", Audio::silence()).await;
    record_for(0.3).await;
    soon("digits", call.send_digits("159*0#")).await.expect("the digits are sent");
    let mut heard = String::new();
    while let Some(digit) =
        hookswitch_interop::within(Duration::from_secs(20), "a digit or the end", call.next_digit()).await
    {
        heard.push(digit);
    }
    let text = until(Duration::from_secs(5), "the digits in Asterisk's file", async || {
        std::fs::read_to_string(&file).ok().filter(|text| !text.is_empty())
    })
    .await;
    assert_eq!((text.trim(), &*heard), ("159*0", "159*0"));
    drop(call);
    end(rig).await;
}

/// Checklist 40.
#[tokio::test]
async fn every_refusal_has_its_mode() {
    with_asterisk!();
    let rig = one_line().await;
    for (number, mode, status) in [
        ("604", DisconnectMode::Busy, 486),
        ("606", DisconnectMode::Congestion, 503),
        ("888", DisconnectMode::BadAddress, 404),
    ] {
        // A refusal before any other response fails the request: there was no call.
        match soon("the call", rig.line().call(number, Audio::silence())).await {
            Ok(call) => {
                let over = soon("the end", call.ended()).await.expect("the call is refused");
                assert_eq!(
                    (over.mode, over.status, over.by),
                    (mode, Some(status), EndedBy::Peer),
                    "{number}: {over}"
                );
            }
            Err(Error::Failed(RequestError::Operation(OperationError::Refused { status: told, .. }))) => {
                assert_eq!(told, status, "{number}");
            }
            Err(error) => panic!("{number}: {error}"),
        }
    }
    end(rig).await;
}

/// Checklist 53.
#[tokio::test]
async fn nobody_answers() {
    with_asterisk!();
    let rig = one_line().await;
    let given_up = call(&rig, 0, "605", Audio::silence()).await;
    reached(&given_up, StateKind::Ringback).await;
    hang_up(given_up).await;
    let call = rig.line().call_for("605", Audio::silence(), Duration::from_secs(1));
    let call = soon("the call", call).await.expect("the call is made");
    let over = soon("the end", call.ended()).await.expect("nobody answers");
    assert_eq!((over.mode, over.by), (DisconnectMode::NoAnswer, EndedBy::Us), "{over}");
    drop(call);
    end(rig).await;
}

/// Checklist 38.
#[tokio::test]
async fn asterisk_hangs_up() {
    with_asterisk!();
    let rig = one_line().await;
    let call = answered(&rig, 0, "607", Audio::silence()).await;
    let over = soon("the end", call.ended()).await.expect("Asterisk hangs up");
    assert_eq!((over.mode, over.by), (DisconnectMode::Normal, EndedBy::Peer), "{over}");
    drop(call);
    end(rig).await;
}

#[tokio::test]
async fn early_media_is_heard_before_the_answer() {
    with_asterisk!();
    let rig = one_line().await;
    let call = call(&rig, 0, "609", Audio::silence()).await;
    let path = recording("early");
    until(Duration::from_secs(3), "early media", async || {
        let ladder = call.ladder().await.expect("a ladder");
        ladder.contains("early media").then_some(())
    })
    .await;
    assert_ne!(call.state().kind(), StateKind::Connected);
    soon("record", call.record(&path)).await.expect("the call is recorded");
    record_for(1.5).await;
    assert_ne!(call.state().kind(), StateKind::Connected, "the answer comes after three seconds");
    soon("the end of the recording", call.stop_recording()).await.expect("the recording is complete");
    carries(&asterisk::complete(&path).await, Some(0), 440, 1.2);
    soon("the answer", call.connected()).await.expect("the call is answered");
    hang_up(call).await;
    end(rig).await;
}
