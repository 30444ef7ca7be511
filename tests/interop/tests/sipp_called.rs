//! SIPp calls our line. One test for one scenario of `tests/sipp`; what a scenario proves stands at its head.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch::{
    Audio, CallState, ConnectedMode, Disconnect, DisconnectMode, EndedBy, Error, Event, ForwardCondition,
    ForwardRule, ForwardTarget, ForwardingRules, HandOffTarget, RejectReason, RequestError, StateKind,
    TransferOutcome,
};
use hookswitch_interop::{Rig, Sipp, TestLine, needs, reached, root, script, soon, within};
use std::time::Duration;

const TARGET: &str = "sip:target@127.0.0.1";

/// Runs a scenario in which the line answers and the caller hangs up.
async fn answered(scenario: &str, options: &[&str]) {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls(scenario, rig.address(), options);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::echo())).await.expect("the call is answered");
    let end = within(Duration::from_secs(60), "the end", call.ended()).await.expect("the caller hangs up");
    assert_eq!((end.mode, end.by), (DisconnectMode::Normal, EndedBy::Peer), "{end}");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Runs a scenario of which no application hears anything.
async fn unheard(scenario: &str, options: &[&str]) {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    Sipp::calls(scenario, rig.address(), options).passed().await;
    rig.nothing_offered().await;
    rig.end().await;
}

/// As [`answered`], over TCP.
async fn answered_over_tcp(scenario: &str, options: &[&str]) {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::trunk_over("tcp", 9, "").await;
    let sipp = Sipp::calls(scenario, rig.address(), &[&["-t", "t1"], options].concat());
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::echo())).await.expect("the call is answered");
    let end = within(Duration::from_secs(60), "the end", call.ended()).await.expect("the caller hangs up");
    assert_eq!((end.mode, end.by), (DisconnectMode::Normal, EndedBy::Peer), "{end}");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

macro_rules! scenarios {
    ($run:ident: $($name:ident = $scenario:literal [$($option:literal),*];)+) => {$(
        #[tokio::test]
        async fn $name() {
            $run($scenario, &[$($option),*]).await;
        }
    )+};
}

scenarios! { answered:
    a_basic_call = "caller-basic" ["-d", "500"];
    a_basic_call_with_echo = "caller-basic" ["-rtp_echo", "-d", "3000"];
    compact_and_folded_headers = "caller-compact" [];
    requests_within_a_call = "caller-in-dialog" [];
    info_of_an_unknown_package = "caller-info" [];
    a_late_offer = "caller-late-offer" ["-d", "500"];
    a_late_offer_in_a_re_invite = "caller-late-reinvite" [];
    a_200_that_was_lost = "caller-lost-200" [];
    a_refer_to_a_foreign_domain_is_refused = "caller-refers" [];
    a_second_bye = "caller-second-bye" [];
    an_update = "caller-update" [];
    a_video_stream_is_rejected_alone = "caller-video" [];
}

scenarios! { answered_over_tcp:
    a_basic_call_over_tcp = "caller-basic" ["-d", "300"];
    compact_and_folded_headers_over_tcp = "caller-compact" [];
    their_hold_over_tcp = "caller-hold" [];
}

scenarios! { unheard:
    a_body_that_is_no_sdp = "caller-bad-sdp" [];
    an_offer_without_a_codec_of_ours = "caller-no-codec" [];
    options_outside_a_call = "caller-options" [];
    max_forwards_of_nought = "caller-max-forwards" [];
    a_method_that_is_not_allowed = "caller-not-allowed" [];
    an_unknown_method = "caller-unknown-method" [];
    an_unknown_option_tag_is_required = "caller-require" [];
    an_ack_of_nothing = "caller-stray-ack" [];
    a_bye_of_no_dialog = "caller-unmatched-bye" [];
    a_cancel_of_nothing = "caller-unmatched-cancel" [];
    an_invite_of_no_dialog = "caller-unmatched-invite" [];
    a_datagram_shorter_than_it_says = "malformed-content-length" [];
    a_cseq_out_of_range = "malformed-cseq-number" [];
    a_request_without_cseq = "malformed-no-cseq" [];
    a_request_without_from = "malformed-no-from" [];
    a_request_with_two_to = "malformed-two-to" [];
    another_version_of_the_protocol = "malformed-version" [];
}

#[tokio::test]
async fn a_line_that_does_not_exist() {
    if !needs(&["sipp"]) {
        return;
    }
    let line = |user: &str| TestLine {
        user: user.into(),
        registrar: "127.0.0.1:9".into(),
        keys: "register = false".into(),
    };
    let mut rig = Rig::with(&[line("1001"), line("1002")]).await;
    Sipp::calls("caller-unknown", rig.address(), &["-s", "nobody"]).passed().await;
    rig.nothing_offered().await;
    rig.end().await;
}

#[tokio::test]
async fn a_busy_line() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-busy", rig.address(), &[]);
    let call = rig.offered().await;
    soon("the refusal", call.drop_call(RejectReason::Busy)).await.expect("the call is refused");
    sipp.passed().await;
    drop(call);
    rig.end().await;
}

/// Checklist 50.
#[tokio::test]
async fn a_line_with_as_many_calls_as_it_takes_is_busy() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("max-calls = 1").await;
    let first = Sipp::calls("caller-cancel", rig.address(), &["-d", "1500"]);
    let call = rig.offered().await;
    Sipp::calls("caller-busy", rig.address(), &[]).passed().await;
    first.passed().await;
    assert_eq!(call.ended().await.map(|end| end.mode), Some(DisconnectMode::Cancelled));
    drop(call);
    rig.end().await;
}

/// Checklist 55.
#[tokio::test]
async fn a_busy_line_forwards_by_its_rule() {
    if !needs(&["sipp"]) {
        return;
    }
    let rule = format!("max-calls = 1\n[[line.forward]]\nwhen = 'busy'\nto = '{TARGET}'");
    let mut rig = Rig::called(&rule).await;
    let first = Sipp::calls("caller-cancel", rig.address(), &["-d", "1500"]);
    let call = rig.offered().await;
    Sipp::calls("caller-forwarded", rig.address(), &[]).passed().await;
    first.passed().await;
    drop(call);
    rig.end().await;
}

/// Checklist 53.
#[tokio::test]
async fn a_declined_call() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-declined", rig.address(), &[]);
    let call = rig.offered().await;
    soon("the refusal", call.drop_call(RejectReason::Decline)).await.expect("the call is declined");
    sipp.passed().await;
    drop(call);
    rig.end().await;
}

async fn given_up(options: &[&str]) {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-cancel", rig.address(), options);
    let call = rig.offered().await;
    soon("accept", call.accept()).await.expect("the call is accepted");
    let end = soon("the end", call.ended()).await.expect("the caller gives up");
    assert_eq!((end.mode, end.by), (DisconnectMode::Cancelled, EndedBy::Peer), "{end}");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Checklist 41.
#[tokio::test]
async fn a_caller_who_gives_up() {
    given_up(&[]).await;
}

#[tokio::test]
async fn a_caller_who_waits_and_gives_up() {
    given_up(&["-d", "5000"]).await;
}

/// Checklist 64.
#[tokio::test]
async fn digits_come_once_each_and_in_order() {
    if !needs(&["sipp", "root"]) {
        return;
    }
    let folder = root().join("tests/out/digits");
    std::fs::create_dir_all(&folder).expect("a folder for the capture");
    let capture = folder.join("digits.pcap");
    let made = script("tests/sipp/make-digits", &["123#", &capture.to_string_lossy()]).await;
    assert!(made.done, "{}", made.errors);
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls_in(&folder, "caller-digits", rig.address(), &["-d", "1500"]);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    let mut heard = String::new();
    while let Some(digit) = soon("a digit or the end", call.next_digit()).await {
        heard.push(digit);
    }
    assert_eq!(heard, "123#");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Checklist 54.
#[tokio::test]
async fn an_application_redirects() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-redirect", rig.address(), &[]);
    let call = rig.offered().await;
    soon("the redirection", call.redirect(TARGET)).await.expect("the call is redirected");
    reached(&call, StateKind::Idle).await;
    sipp.passed().await;
    drop(call);
    rig.end().await;
}

/// Checklist 54.
#[tokio::test]
async fn a_hand_off_to_an_address_while_it_rings_is_a_redirection() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-redirect", rig.address(), &[]);
    let call = rig.offered().await;
    soon("the hand-off", call.hand_off(HandOffTarget::Address(TARGET.into()))).await.expect("handed off");
    sipp.passed().await;
    drop(call);
    rig.end().await;
}

#[tokio::test]
async fn a_rule_of_the_configuration_forwards() {
    if !needs(&["sipp"]) {
        return;
    }
    let rule = format!("[[line.forward]]\nwhen = 'unconditional'\nto = '{TARGET}'");
    let mut rig = Rig::called(&rule).await;
    Sipp::calls("caller-forwarded", rig.address(), &[]).passed().await;
    rig.nothing_offered().await;
    rig.end().await;
}

/// Checklist 55.
#[tokio::test]
async fn a_rule_that_an_application_sets_forwards_until_it_is_taken_back() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let rule = ForwardRule {
        when: ForwardCondition::Unconditional,
        from: None,
        origin: None,
        to: ForwardTarget::Address(TARGET.into()),
    };
    let rules = ForwardingRules { rules: vec![rule], no_answer_after: None };
    soon("forward", rig.line().forward(rules)).await.expect("the rules are taken");
    Sipp::calls("caller-forwarded", rig.address(), &[]).passed().await;
    soon("forward", rig.line().forward(ForwardingRules::default())).await.expect("the rules are taken");
    let sipp = Sipp::calls("caller-basic", rig.address(), &["-d", "100"]);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    sipp.passed().await;
    drop(call);
    rig.end().await;
}

/// Checklist 55.
#[tokio::test]
async fn a_rule_forwards_what_nobody_answers() {
    if !needs(&["sipp"]) {
        return;
    }
    let rule = format!("no-answer-seconds = 1\n[[line.forward]]\nwhen = 'no-answer'\nto = '{TARGET}'");
    let mut rig = Rig::called(&rule).await;
    let sipp = Sipp::calls("caller-forwarded", rig.address(), &[]);
    let call = rig.offered().await;
    let end = soon("the end", call.ended()).await.expect("the call is diverted");
    assert_eq!((end.mode, end.by), (DisconnectMode::Forwarded, EndedBy::Us), "{end}");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Checklist 56.
#[tokio::test]
async fn our_hold_and_retrieve() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-held", rig.address(), &[]);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    soon("hold", call.hold()).await.expect("the call is held");
    reached(&call, StateKind::OnHold).await;
    soon("retrieve", call.retrieve()).await.expect("the call is retrieved");
    reached(&call, StateKind::Connected).await;
    soon("the end", call.ended()).await.expect("the caller hangs up");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

#[tokio::test]
async fn a_hold_that_meets_another_offer_is_tried_again() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-491", rig.address(), &[]);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    soon("hold", call.hold()).await.expect("the call is held at the second attempt");
    reached(&call, StateKind::OnHold).await;
    soon("the end", call.ended()).await.expect("the caller hangs up");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Checklist 56.
#[tokio::test]
async fn a_hold_that_is_refused_leaves_the_call_as_it_was() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-hold-refused", rig.address(), &[]);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    refused_with(488, soon("hold", call.hold()).await);
    assert_eq!(call.state().kind(), StateKind::Connected);
    soon("the end", call.ended()).await.expect("the caller hangs up");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Fails unless the other side refused with this status.
fn refused_with<T: std::fmt::Debug>(status: u16, result: Result<T, Error>) {
    match result {
        Err(Error::Failed(RequestError::Operation(error))) => {
            assert!(error.to_string().contains(&status.to_string()), "{error}");
        }
        other => panic!("refused with {status} is expected, not {other:?}"),
    }
}

/// Checklist 42.
#[tokio::test]
async fn their_hold_and_retrieve() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-hold", rig.address(), &[]);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    let mut modes = Vec::new();
    rig.event("the end", |event| {
        match event {
            Event::State { state: CallState::Connected(mode), .. } => modes.push(mode),
            Event::State { state: CallState::Disconnected(_), .. } => return Some(()),
            _ => {}
        }
        None
    })
    .await;
    assert_eq!(modes, [ConnectedMode::Active, ConnectedMode::ActiveHeld, ConnectedMode::Active]);
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Checklist 31.
#[tokio::test]
async fn our_hang_up() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-hung-up", rig.address(), &[]);
    let call = rig.offered().await;
    soon("accept", call.accept()).await.expect("the call is accepted");
    reached(&call, StateKind::Accepted).await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    reached(&call, StateKind::Idle).await;
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Checklist 49.
#[tokio::test]
async fn the_same_request_by_two_ways_is_one_call() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-merged", rig.address(), &[]);
    let call = rig.offered().await;
    let end = soon("the end", call.ended()).await.expect("the caller gives up");
    assert_eq!(end.mode, DisconnectMode::Cancelled, "{end}");
    sipp.passed().await;
    rig.nothing_offered().await;
    drop(call);
    rig.end().await;
}

#[tokio::test]
async fn a_caller_who_never_acknowledges() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-no-ack", rig.address(), &["-timeout", "90s"]);
    let call = rig.offered().await;
    let answered = within(Duration::from_secs(40), "the answer's end", call.answer(Audio::silence())).await;
    assert!(matches!(answered, Err(Error::Failed(_))), "{answered:?}");
    let end = soon("the end", call.ended()).await.expect("the call ends");
    assert_eq!(end.by, EndedBy::Network, "{end}");
    drop(call);
    sipp.passed().await;
    rig.end().await;
}

/// Checklist 49.
#[tokio::test]
async fn an_invite_that_comes_twice_is_one_call() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls("caller-repeats", rig.address(), &[]);
    let call = rig.offered().await;
    soon("accept", call.accept()).await.expect("the call is accepted");
    // The caller repeats itself while the line rings.
    tokio::time::sleep(Duration::from_millis(500)).await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    soon("the end", call.ended()).await.expect("the caller hangs up");
    sipp.passed().await;
    rig.nothing_offered().await;
    drop(call);
    rig.end().await;
}

/// Runs a scenario in which the line hands the answered call off to an address; returns what became of it and how the call
/// ended.
async fn handed_off(
    scenario: &str,
    options: &[&str],
    deadline: Duration,
) -> Option<(Result<TransferOutcome, Error>, Option<Disconnect>)> {
    if !needs(&["sipp"]) {
        return None;
    }
    let mut rig = Rig::called("").await;
    let sipp = Sipp::calls(scenario, rig.address(), options);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    let outcome = soon("the outcome", call.transfer(TARGET, deadline)).await;
    if outcome.is_err() {
        assert_eq!(call.state().kind(), StateKind::Connected, "a hand-off that fails leaves the call");
    }
    let end = soon("the end", call.ended()).await;
    drop(call);
    sipp.passed().await;
    rig.end().await;
    Some((outcome, end))
}

const PATIENT: Duration = Duration::from_secs(8);

/// Checklist 58.
#[tokio::test]
async fn a_hand_off_that_succeeds() {
    if let Some((outcome, _)) = handed_off("caller-refer", &[], PATIENT).await {
        assert_eq!(outcome, Ok(TransferOutcome::Succeeded));
    }
}

/// Checklist 58.
#[tokio::test]
async fn a_hand_off_to_a_busy_target() {
    if let Some((outcome, end)) = handed_off("caller-refer-busy", &[], PATIENT).await {
        refused_with(486, outcome);
        assert_eq!(end.map(|end| end.by), Some(EndedBy::Peer));
    }
}

/// Checklist 58.
#[tokio::test]
async fn a_hand_off_that_is_declined() {
    if let Some((outcome, end)) = handed_off("caller-refer-declined", &[], PATIENT).await {
        refused_with(603, outcome);
        assert_eq!(end.map(|end| end.by), Some(EndedBy::Peer));
    }
}

#[tokio::test]
async fn a_hand_off_after_which_the_peer_hangs_up_early() {
    if let Some((outcome, _)) = handed_off("caller-refer-hangs-up", &[], PATIENT).await {
        assert_eq!(outcome, Ok(TransferOutcome::Unknown));
    }
}

#[tokio::test]
async fn a_hand_off_has_a_deadline_of_its_own() {
    let options = ["-d", "3000"];
    if let Some((outcome, _)) =
        handed_off("caller-refer-silent", &options, Duration::from_millis(1_000)).await
    {
        assert_eq!(outcome, Ok(TransferOutcome::Unknown));
    }
}

/// Checklist 71.
#[tokio::test]
async fn a_hand_off_to_an_application_needs_no_sip() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("").await;
    let mut second = rig.service.attach("second").await.expect("an application can attach");
    let interest = hookswitch::Interest::owner(hookswitch::MediaTypes::VOICE);
    let _line = second.open("1001", interest).await.expect("the line opens");
    let sipp = Sipp::calls("caller-basic", rig.address(), &["-d", "1000"]);
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::echo())).await.expect("the call is answered");
    let before = soon("the timeline", call.timeline()).await.expect("a timeline");
    soon("the hand-off", call.hand_off(HandOffTarget::Application("second".into()))).await.expect("handed");
    let taken = soon("the call at the other application", async {
        loop {
            if let Some(Event::Appeared { call, privilege, .. }) = second.next().await {
                assert_eq!(privilege, hookswitch::Privilege::Owner);
                return call;
            }
        }
    })
    .await;
    drop(call);
    let after = soon("the timeline", taken.timeline()).await.expect("a timeline");
    let on_the_wire = |entries: &[hookswitch_interop::TimelineEntry]| {
        entries.iter().filter(|entry| hookswitch_interop::is_sip(entry)).count()
    };
    assert!(on_the_wire(&before) >= 4);
    assert_eq!(on_the_wire(&after), on_the_wire(&before), "a hand-off to an application sends nothing");
    let end = soon("the end", taken.ended()).await.expect("the caller hangs up");
    assert_eq!(end.by, EndedBy::Peer);
    sipp.passed().await;
    drop(taken);
    drop(second);
    rig.end().await;
}
