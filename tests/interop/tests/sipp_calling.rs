//! Our line calls SIPp. One test for one scenario of `tests/sipp`; what a scenario proves stands at its head.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch::{
    Audio, Call, CallState, ConnectedMode, Disconnect, DisconnectMode, EndedBy, Error, Event, HandOffTarget,
    OperationError, RequestError, StateKind, TransferOutcome,
};
use hookswitch_interop::{Rig, Sipp, TimelineEntry, TimelineFact, Way, needs, reached, soon, until};
use std::time::Duration;

/// A line that is a trunk to a SIPp that waits, and the call it makes.
async fn calling(scenario: &str, options: &[&str], keys: &str) -> Option<(Sipp, Rig, Call)> {
    if !needs(&["sipp"]) {
        return None;
    }
    let sipp = Sipp::waits(scenario, options).await;
    let rig = Rig::trunk(sipp.port(), keys).await;
    let call = soon("the call", rig.line().call(&sipp.uri(), Audio::echo())).await.expect("the call is made");
    Some((sipp, rig, call))
}

async fn finish(sipp: Sipp, rig: Rig, call: Call) {
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

async fn ended(call: &Call) -> Disconnect {
    soon("the end", call.ended()).await.expect("the other side ends the call")
}

/// Runs a scenario in which the call is connected and the line hangs up.
async fn hung_up(scenario: &str, options: &[&str]) {
    let Some((sipp, rig, call)) = calling(scenario, options, "").await else { return };
    soon("the answer", call.connected()).await.expect("the call is answered");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    reached(&call, StateKind::Idle).await;
    finish(sipp, rig, call).await;
}

/// Checklist 39.
#[tokio::test]
async fn a_basic_call() {
    hung_up("callee-basic", &[]).await;
}

#[tokio::test]
async fn a_basic_call_over_tcp() {
    if !needs(&["sipp"]) {
        return;
    }
    let sipp = Sipp::waits("callee-basic", &["-t", "t1"]).await;
    let folder = hookswitch_interop::root().join("tests/out");
    std::fs::create_dir_all(&folder).expect("a folder for the profile");
    let profile = folder.join("trunk-over-tcp.toml");
    std::fs::write(&profile, "name = 'tcp'\ntransport = 'tcp'\n").expect("the profile is written");
    let rig = Rig::trunk_over("tcp", sipp.port(), &format!("profile = '{}'", profile.display())).await;
    let call = soon("the call", rig.line().call(&sipp.uri(), Audio::echo())).await.expect("the call is made");
    soon("the answer", call.connected()).await.expect("the call is answered");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    finish(sipp, rig, call).await;
}

#[tokio::test]
async fn a_call_through_proxies_that_stay_in_the_way() {
    hung_up("callee-record-route", &[]).await;
}

/// Checklist 49.
#[tokio::test]
async fn a_call_that_is_forked() {
    hung_up("callee-forked", &[]).await;
}

/// Runs a scenario that sends two 200: the line hangs up after the second.
async fn answered_twice(scenario: &str) {
    let Some((sipp, rig, call)) = calling(scenario, &[], "").await else { return };
    soon("the answer", call.connected()).await.expect("the call is answered");
    until(Duration::from_secs(5), "a second 200", async || {
        let entries = call.timeline().await.expect("a timeline");
        let answer = |entry: &&TimelineEntry| {
            matches!(&entry.fact, TimelineFact::Response { status: 200, way: Way::Received, .. })
        };
        (entries.iter().filter(answer).count() >= 2).then_some(())
    })
    .await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    reached(&call, StateKind::Idle).await;
    finish(sipp, rig, call).await;
}

/// Checklist 49.
#[tokio::test]
async fn each_200_is_acknowledged() {
    answered_twice("callee-repeats-200").await;
}

#[tokio::test]
async fn a_call_that_two_answer() {
    answered_twice("callee-forked-twice").await;
}

#[tokio::test]
async fn early_media() {
    let Some((sipp, rig, call)) = calling("callee-early-media", &["-d", "1000"], "").await else { return };
    soon("the answer", call.connected()).await.expect("the call is answered");
    let ladder = soon("the ladder", call.ladder()).await.expect("a ladder");
    let (early, connected) = (ladder.find("early media"), ladder.find("connected"));
    assert!(early.is_some() && early < connected, "{ladder}");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    finish(sipp, rig, call).await;
}

/// Checklist 38.
#[tokio::test]
async fn the_callee_hangs_up() {
    let Some((sipp, rig, call)) = calling("callee-hangs-up", &["-d", "500"], "").await else { return };
    soon("the answer", call.connected()).await.expect("the call is answered");
    let end = ended(&call).await;
    assert_eq!((end.mode, end.by), (DisconnectMode::Normal, EndedBy::Peer), "{end}");
    finish(sipp, rig, call).await;
}

/// Runs a scenario in which the call is refused.
async fn refused(scenario: &str, status: u16, mode: DisconnectMode) {
    let Some((sipp, rig, call)) = calling(scenario, &[], "").await else { return };
    let end = ended(&call).await;
    assert_eq!((end.status, end.mode, end.by), (Some(status), mode, EndedBy::Peer), "{end}");
    assert!(!end.reason.is_empty(), "the reason phrase is reported");
    finish(sipp, rig, call).await;
}

/// Checklist 40.
#[tokio::test]
async fn a_wrong_number() {
    refused("callee-404", 404, DisconnectMode::BadAddress).await;
}

/// Checklist 40.
#[tokio::test]
async fn a_busy_callee() {
    refused("callee-486", 486, DisconnectMode::Busy).await;
}

/// Checklist 40.
#[tokio::test]
async fn a_congested_network() {
    refused("callee-503", 503, DisconnectMode::Congestion).await;
}

/// Checklist 40.
#[tokio::test]
async fn a_callee_who_declines() {
    refused("callee-603", 603, DisconnectMode::Reject).await;
}

/// Checklist 40.
#[tokio::test]
async fn a_callee_who_does_not_answer() {
    let Some((sipp, rig, call)) = calling("callee-no-answer", &[], "").await else { return };
    reached(&call, StateKind::Ringback).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is abandoned");
    reached(&call, StateKind::Idle).await;
    finish(sipp, rig, call).await;
}

/// Checklist 40.
#[tokio::test]
async fn a_callee_who_does_not_answer_in_the_time_given() {
    if !needs(&["sipp"]) {
        return;
    }
    let sipp = Sipp::waits("callee-no-answer", &[]).await;
    let rig = Rig::trunk(sipp.port(), "").await;
    let patience = Duration::from_secs(1);
    let call = soon("the call", rig.line().call_for(&sipp.uri(), Audio::silence(), patience)).await;
    let call = call.expect("the call is made");
    let end = ended(&call).await;
    assert_eq!(end.mode, DisconnectMode::NoAnswer, "{end}");
    finish(sipp, rig, call).await;
}

/// Checklist 29.
#[tokio::test]
async fn a_hang_up_before_anything_was_heard() {
    if !needs(&["sipp"]) {
        return;
    }
    let sipp = Sipp::waits("callee-slow", &["-d", "500"]).await;
    let rig = Rig::trunk(sipp.port(), "").await;
    // The request to call completes with the first response. Whoever gives up before it drops the request with the call.
    let uri = sipp.uri();
    let call = rig.line().call(&uri, Audio::silence());
    let call = soon("the call", call).await.expect("the call is made");
    soon("the hang-up", call.hang_up()).await.expect("the call is abandoned");
    finish(sipp, rig, call).await;
}

/// Checklist 33, 53.
#[tokio::test]
async fn a_200_that_crosses_our_cancel() {
    let Some((sipp, rig, call)) = calling("callee-cancel-glare", &[], "").await else { return };
    reached(&call, StateKind::Ringback).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is abandoned");
    finish(sipp, rig, call).await;
}

async fn challenged(scenario: &str) {
    let Some((sipp, rig, call)) = calling(scenario, &[], "").await else { return };
    soon("the answer", call.connected()).await.expect("the call is answered");
    let end = tokio::time::timeout(Duration::from_millis(1_000), call.ended()).await;
    if end.is_err() {
        soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    }
    finish(sipp, rig, call).await;
}

#[tokio::test]
async fn credentials_for_a_server() {
    challenged("callee-401").await;
}

#[tokio::test]
async fn credentials_for_a_proxy() {
    challenged("callee-407").await;
}

/// Runs a scenario in which the first response refuses: the request fails, and there is no call. Tells the status.
async fn refused_at_once(scenario: &str, options: &[&str], keys: &str) -> u16 {
    let sipp = Sipp::waits(scenario, options).await;
    let rig = Rig::trunk(sipp.port(), keys).await;
    let refused = soon("the refusal", rig.line().call(&sipp.uri(), Audio::echo())).await;
    let status = match refused {
        Err(Error::Failed(RequestError::Operation(OperationError::Refused { status, .. }))) => status,
        other => panic!("the call was not refused: {other:?}"),
    };
    sipp.passed().await;
    rig.end().await;
    status
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    if needs(&["sipp"]) {
        assert_eq!(refused_at_once("callee-wrong-password", &[], "password = 'wrong'").await, 401);
    }
}

/// Checklist 56.
#[tokio::test]
async fn our_hold_and_retrieve() {
    let Some((sipp, rig, call)) = calling("callee-held", &[], "").await else { return };
    soon("the answer", call.connected()).await.expect("the call is answered");
    soon("hold", call.hold()).await.expect("the call is held");
    reached(&call, StateKind::OnHold).await;
    soon("retrieve", call.retrieve()).await.expect("the call is retrieved");
    reached(&call, StateKind::Connected).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    finish(sipp, rig, call).await;
}

/// Checklist 42.
#[tokio::test]
async fn their_hold_and_retrieve() {
    let Some((sipp, mut rig, call)) = calling("callee-holds", &[], "").await else { return };
    let mut modes = Vec::new();
    rig.event("three states", |event| {
        if let Event::State { state: CallState::Connected(mode), .. } = event {
            modes.push(mode);
        }
        (modes.len() == 3).then_some(())
    })
    .await;
    assert_eq!(modes, [ConnectedMode::Active, ConnectedMode::ActiveHeld, ConnectedMode::Active]);
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    finish(sipp, rig, call).await;
}

#[tokio::test]
async fn a_redirection_is_followed() {
    if !needs(&["sipp"]) {
        return;
    }
    let target = Sipp::waits("callee-basic", &[]).await;
    let port = target.port().to_string();
    let Some((sipp, rig, call)) = calling("callee-redirects", &["-key", "target_port", &port], "").await
    else {
        return;
    };
    soon("the answer", call.connected()).await.expect("the call is answered");
    let info = soon("the call's information", call.info()).await.expect("information");
    assert!(info.redirection.address.contains(&port), "{info:?}");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    target.passed().await;
    finish(sipp, rig, call).await;
}

#[tokio::test]
async fn a_redirection_is_reported_where_the_profile_says_so() {
    if !needs(&["sipp"]) {
        return;
    }
    let folder = hookswitch_interop::root().join("tests/out");
    std::fs::create_dir_all(&folder).expect("a folder for the profile");
    let profile = folder.join("reports-redirects.toml");
    std::fs::write(&profile, "name = 'reports'\nfollow-redirects = false\n").expect("the profile is written");
    let keys = format!("profile = '{}'", profile.display());
    assert_eq!(refused_at_once("callee-redirects", &["-key", "target_port", "5999"], &keys).await, 302);
}

/// Checklist 58.
#[tokio::test]
async fn a_hand_off_that_succeeds() {
    let Some((sipp, rig, call)) = calling("callee-refer", &[], "").await else { return };
    soon("the answer", call.connected()).await.expect("the call is answered");
    let target = HandOffTarget::Address("sip:target@127.0.0.1".into());
    let outcome = soon("the outcome", call.hand_off(target)).await;
    assert_eq!(outcome, Ok(Some(TransferOutcome::Succeeded)));
    finish(sipp, rig, call).await;
}

#[tokio::test]
async fn a_refer_to_a_foreign_domain_is_refused() {
    let Some((sipp, rig, call)) = calling("callee-refers", &[], "").await else { return };
    soon("the answer", call.connected()).await.expect("the call is answered");
    let end = tokio::time::timeout(Duration::from_millis(1_500), call.ended()).await;
    if end.is_err() {
        soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    }
    finish(sipp, rig, call).await;
}
