//! Calls that come in, through the whole stack in virtual time.

mod common;

use common::{bench, bench_with, hookswitch, millis, profile, request, secs, switch};
use hookswitch_sip::message::Name;
use hookswitch_sip::ua::Failure;
use hookswitch_spi::{
    AddressId, CallState, DisconnectMode, EndedBy, ForwardCondition, ForwardRule, ForwardTarget,
    ForwardingRules, MediaTypes, Operation, OperationError, RejectReason, StateKind as S,
};
use hookswitch_telephony::{HandOffTarget, Interest, Reply, Request, RequestError};
use hookswitch_testkit::apps::{Act, Plan};
use hookswitch_testkit::phone::{Ending, Progress, Talk};
use std::net::SocketAddr;

#[test]
fn a_call_is_offered_accepted_answered_and_hung_up() {
    let mut b = bench();
    b.plan(Plan { at_first: vec![(secs(1), Act::Accept), (secs(2), Act::Answer)], ..Plan::default() });
    let calling = b.ring().talking(Talk::for_(secs(10)));
    b.phone_calls(calling);
    b.stage.run_for(secs(20));
    assert_eq!(
        b.wire(),
        ["< INVITE", "> 180 INVITE", "> 200 INVITE", "< ACK", "< BYE", "> 200 BYE"],
        "{}",
        b.stage.wire()
    );
    assert_eq!(b.states(), [S::Offering, S::Accepted, S::Connected, S::Disconnected, S::Idle]);
    let ringing = b.sent("180");
    assert!(ringing.to_tag().is_some() && ringing.contact().is_some());
    let ok = b.sent("200");
    assert_eq!(ok.to_tag(), ringing.to_tag());
    assert!(ok.content_type_is("application/sdp"));
    let sdp = String::from_utf8_lossy(ok.body()).into_owned();
    assert!(sdp.contains("m=audio 20000 RTP/AVP 0") && sdp.contains("a=sendrecv"), "{sdp}");
    b.finish();
}

#[test]
fn trying_goes_out_when_nothing_else_does() {
    let mut b = bench_with(
        |account| profile(account, |p| p.alerting = hookswitch_provider::Alerting::OnAccept),
        |_| {},
    );
    b.plan(Plan::then(secs(2), Act::Accept));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(5));
    assert_eq!(b.wire(), ["< INVITE", "> 100 INVITE", "> 180 INVITE"]);
    b.finish();
}

#[test]
fn a_drop_while_offering_refuses_by_policy() {
    for (reason, status) in [
        (RejectReason::Default, 486),
        (RejectReason::Busy, 486),
        (RejectReason::NoAnswer, 480),
        (RejectReason::Decline, 603),
    ] {
        let mut b = bench();
        b.plan(Plan::then(secs(1), Act::Drop(reason)));
        let calling = b.ring();
        b.phone_calls(calling);
        b.stage.run_for(secs(3));
        assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE", &format!("> {status} INVITE"), "< ACK"]);
        assert_eq!(b.states(), [S::Offering, S::Idle]);
        let ended = Progress::Ended { established: false, how: Ending::Refused(Failure::Status(status)) };
        assert_eq!(b.phone_call(0).progress, ended);
        b.finish();
    }
}

#[test]
fn a_redirection_is_302_with_its_contact() {
    let mut b = bench();
    b.plan(Plan::then(secs(1), Act::Redirect("+33 1 23".into())));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(3));
    assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE", "> 302 INVITE", "< ACK"]);
    let moved = b.sent("302");
    assert_eq!(moved.contact().map(|c| c.uri().as_str().to_owned()).as_deref(), Some("sip:+33123@10.0.0.2"));
    assert_eq!(moved.header(Name::Diversion), Some("<sip:line@10.0.0.2>;reason=deflection"));
    assert_eq!(b.states(), [S::Offering, S::Idle]);
    b.finish();
}

#[test]
fn a_bad_address_to_redirect_to_changes_nothing() {
    let mut b = bench();
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(1));
    let call = b.call();
    let asked = b.stage.act(b.app, call, &Act::Redirect("no address at all".into()));
    let answer = b.stage.answer_to(b.app, asked).cloned();
    assert!(
        matches!(answer, Some(Err(RequestError::Operation(OperationError::InvalidAddress { .. })))),
        "{answer:?}"
    );
    assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE"]);
    b.stage.act(b.app, call, &Act::Answer);
    b.stage.run_for(secs(1));
    assert_eq!(b.states(), [S::Offering, S::Connected]);
    b.finish();
}

fn rules(when: ForwardCondition, from: Option<&str>, to: ForwardTarget) -> Request {
    let rules = ForwardingRules {
        rules: vec![ForwardRule { when, from: from.map(Into::into), origin: None, to }],
        no_answer_after: Some(secs(6)),
    };
    Request::Operate(Operation::Forward { line: common::LINE, address: AddressId(0), rules })
}

fn mailbox() -> ForwardTarget {
    ForwardTarget::Address("mailbox".into())
}

#[test]
fn an_unconditional_rule_diverts_before_any_offer() {
    let mut b = bench();
    b.stage.ask(b.app, rules(ForwardCondition::Unconditional, None, mailbox()));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(1));
    assert_eq!(b.wire(), ["< INVITE", "> 302 INVITE", "< ACK"]);
    let moved = b.sent("302");
    assert_eq!(moved.contact().map(|c| c.uri().as_str().to_owned()).as_deref(), Some("sip:mailbox@10.0.0.2"));
    assert_eq!(moved.header(Name::Diversion), Some("<sip:line@10.0.0.2>;reason=unconditional"));
    assert_eq!(b.stage.last_call(b.app), None);
    b.finish();
}

#[test]
fn a_rule_for_one_caller_leaves_the_others_alone() {
    let mut b = bench();
    b.stage.ask(b.app, rules(ForwardCondition::Unconditional, Some("carol"), mailbox()));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(1));
    assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE"]);
    b.stage.ask(b.app, rules(ForwardCondition::Unconditional, Some("bob"), mailbox()));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(1));
    assert_eq!(b.count("> 302 INVITE"), 1);
    b.finish();
}

#[test]
fn do_not_disturb_refuses() {
    let mut b = bench();
    b.stage.ask(b.app, rules(ForwardCondition::Unconditional, None, ForwardTarget::DoNotDisturb));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(1));
    assert_eq!(b.wire(), ["< INVITE", "> 480 INVITE", "< ACK"]);
    b.finish();
}

#[test]
fn a_busy_line_diverts_or_refuses_the_next_call() {
    let mut b = bench_with(|account| account.max_calls = 1, |_| {});
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(1));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(1));
    assert_eq!(b.count("> 486 INVITE"), 1);
    b.stage.ask(b.app, rules(ForwardCondition::Busy, None, mailbox()));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(1));
    assert_eq!(b.sent("302").header(Name::Diversion), Some("<sip:line@10.0.0.2>;reason=user-busy"));
    b.finish();
}

#[test]
fn nobody_answering_diverts_after_the_time_of_the_rule() {
    let mut b = bench();
    b.stage.ask(b.app, rules(ForwardCondition::NoAnswer, None, mailbox()));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(5));
    assert_eq!(b.states(), [S::Offering]);
    b.stage.run_for(millis(1_020));
    assert_eq!(b.states(), [S::Offering, S::Disconnected]);
    assert!(matches!(b.last_state(), CallState::Disconnected(end) if end.mode == DisconnectMode::Forwarded));
    assert_eq!(b.sent("302").header(Name::Diversion), Some("<sip:line@10.0.0.2>;reason=no-answer"));
    b.finish();
}

#[test]
fn a_caller_that_gives_up_gets_487() {
    let mut b = bench();
    let mut calling = b.ring();
    calling.patience = Some(secs(3));
    b.phone_calls(calling);
    b.stage.run_for(secs(4));
    assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE", "< CANCEL", "> 200 CANCEL", "> 487 INVITE", "< ACK"]);
    let states = b.stage.states(b.app, b.call());
    assert!(
        matches!(&states[1], CallState::Disconnected(end)
            if end.mode == DisconnectMode::Cancelled && end.by == EndedBy::Peer),
        "{states:?}"
    );
    b.finish();
}

#[test]
fn a_cancel_that_crosses_the_200_ends_in_a_bye() {
    let mut b = bench();
    b.plan(Plan::answer(millis(1_000)));
    let mut calling = b.ring();
    // It arrives 5 ms later, when the 200 has just left.
    calling.patience = Some(millis(1_003));
    b.phone_calls(calling);
    b.stage.run_for(secs(3));
    assert_eq!(
        b.wire(),
        [
            "< INVITE",
            "> 180 INVITE",
            "< CANCEL",
            "> 200 INVITE",
            "> 200 CANCEL",
            "< ACK",
            "< BYE",
            "> 200 BYE"
        ],
        "{}",
        b.stage.wire()
    );
    assert_eq!(b.states(), [S::Offering, S::Connected, S::Disconnected, S::Idle]);
    b.finish();
}

#[test]
fn a_200_is_sent_again_until_its_ack() {
    let mut b = bench();
    b.plan(Plan::answer(secs(1)));
    let mut calling = b.ring();
    calling.acknowledge = Some(secs(4));
    b.phone_calls(calling);
    b.stage.run_for(secs(20));
    // At 0, 0.5, 1.5 and 3.5 s.
    assert_eq!(b.count("> 200 INVITE"), 4);
    assert_eq!(b.last_state().kind(), S::Connected);
    b.finish();
}

#[test]
fn a_200_that_is_never_acknowledged_ends_in_a_bye_with_its_cause() {
    let mut b = bench();
    b.plan(Plan::answer(secs(1)));
    let mut calling = b.ring();
    calling.acknowledge = None;
    b.phone_calls(calling);
    b.stage.run_for(secs(10));
    assert_eq!(b.last_state().kind(), S::Connected);
    b.stage.run_for(secs(30));
    assert_eq!(b.count("> 200 INVITE"), 11);
    assert_eq!(b.sent("BYE").header(Name::Reason), Some("SIP;cause=408;text=\"No ACK\""));
    let states = b.stage.states(b.app, b.call());
    assert!(
        matches!(&states[2], CallState::Disconnected(end)
            if end.mode == DisconnectMode::TemporaryFailure && end.by == EndedBy::Network),
        "{states:?}"
    );
    b.finish();
}

#[test]
fn a_drop_waits_for_the_ack() {
    let mut b = bench();
    b.plan(Plan {
        at_first: vec![(secs(1), Act::Answer), (millis(1_100), Act::Drop(RejectReason::Default))],
        ..Plan::default()
    });
    let mut calling = b.ring();
    calling.acknowledge = Some(secs(2));
    b.phone_calls(calling);
    b.stage.run_for(secs(10));
    let wire = b.wire();
    let at = |what: &str| wire.iter().position(|line| line == what);
    assert!(at("> BYE") > at("< ACK"), "{wire:?}");
    assert_eq!(b.states(), [S::Offering, S::Connected, S::Idle]);
    b.finish();
}

#[test]
fn a_late_offer_is_made_in_the_200_and_answered_in_the_ack() {
    let mut b = bench();
    b.plan(Plan::answer(secs(1)));
    let mut calling = b.ring();
    calling.offer = false;
    b.phone_calls(calling);
    b.stage.run_for(secs(2));
    let messages = b.messages();
    let bodies: Vec<bool> = messages.iter().map(|(_, message)| !message.body().is_empty()).collect();
    assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE", "> 200 INVITE", "< ACK"]);
    assert_eq!(bodies, [false, false, true, true]);
    assert_eq!(b.states(), [S::Offering, S::Connected]);
    b.finish();
}

#[test]
fn two_applications_hand_a_call_over_without_any_sip() {
    let mut b = bench();
    let second = b.stage.attach("support");
    b.stage.open(second, common::LINE, Interest::owner(MediaTypes::VOICE));
    b.plan(Plan::then(secs(1), Act::HandOff(HandOffTarget::Application("support".into()))));
    b.stage.app(second).otherwise = Plan::answer(secs(1));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(millis(1_500));
    assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE"]);
    let call = b.call();
    assert_eq!(b.stage.last_call(second), Some(call));
    b.stage.run_for(secs(2));
    assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE", "> 200 INVITE", "< ACK"]);
    // Up, it moves back, and still nothing is sent.
    let asked = b.stage.act(second, call, &Act::HandOff(HandOffTarget::Application("reception".into())));
    assert!(matches!(b.stage.answer_to(second, asked), Some(Ok(Reply::Done))));
    b.stage.run_for(secs(2));
    assert_eq!(b.wire().len(), 4);
    b.finish();
}

#[test]
fn an_offered_call_handed_to_an_address_is_redirected() {
    let mut b = bench();
    b.plan(Plan::then(secs(1), Act::HandOff(HandOffTarget::Address("sip:x@10.0.0.9".into()))));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(2));
    assert_eq!(b.wire(), ["< INVITE", "> 180 INVITE", "> 302 INVITE", "< ACK"]);
    b.finish();
}

#[test]
fn a_call_from_an_unknown_source_gets_403() {
    let mut b = bench();
    let stranger = SocketAddr::from(([203, 0, 113, 9], 5060));
    b.stage.world.watch(stranger);
    b.stage.world.inject(stranger, hookswitch(), request("INVITE", "sip:line@10.0.0.1", ""));
    b.stage.run_for(millis(100));
    assert_eq!(b.count("> 403 INVITE"), 1);
    assert_eq!(b.stage.last_call(b.app), None);
    b.stage.run_for(secs(60));
    b.finish();
}

#[test]
fn requests_that_do_not_fit_get_their_status_and_ack_gets_none() {
    let with_tag = |method: &str| {
        request(method, "sip:line@10.0.0.1", "X: 1\r\n")
            .replace("To: <sip:line@10.0.0.1>", "To: <sip:line@10.0.0.1>;tag=h0-0-0-1")
    };
    for (bytes, expected) in [
        (request("FOO", "sip:line@10.0.0.1", ""), Some("> 501 FOO")),
        (request("PUBLISH", "sip:line@10.0.0.1", ""), Some("> 405 PUBLISH")),
        (request("SUBSCRIBE", "sip:line@10.0.0.1", "Event: x\r\n"), Some("> 405 SUBSCRIBE")),
        (request("CANCEL", "sip:line@10.0.0.1", ""), Some("> 481 CANCEL")),
        (request("BYE", "sip:line@10.0.0.1", ""), Some("> 481 BYE")),
        (with_tag("BYE"), Some("> 481 BYE")),
        (with_tag("INVITE"), Some("> 481 INVITE")),
        (request("ACK", "sip:line@10.0.0.1", ""), None),
        (with_tag("ACK"), None),
        (request("INVITE", "sip:line@10.0.0.1", "Require: 100rel\r\n"), Some("> 420 INVITE")),
        (request("INVITE", "tel:+123", ""), Some("> 416 INVITE")),
        (request("OPTIONS", "sip:line@10.0.0.1", ""), Some("> 200 OPTIONS")),
        (
            "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKx\r\nCSeq: nonsense\r\n\r\n"
                .into(),
            None,
        ),
        ("garbage".into(), None),
    ] {
        let mut b = bench();
        // Nobody answers at this port, so that all that is sent comes from the engine.
        let peer = SocketAddr::from((switch().ip(), 5999));
        b.stage.world.watch(peer);
        let bytes = bytes.replace("10.0.0.2:5060;branch", "10.0.0.2:5999;branch");
        b.stage.world.inject(peer, hookswitch(), bytes.clone());
        b.stage.run_for(millis(100));
        let sent: Vec<String> = b.wire().into_iter().filter(|line| line.starts_with('>')).collect();
        match expected {
            Some(expected) => assert_eq!(sent, [expected], "{bytes}"),
            None => assert!(sent.iter().all(|line| line.starts_with("> 400")), "{bytes} {sent:?}"),
        }
        if expected.is_some_and(|e| e.contains("405") || e.contains("501")) {
            let (_, response) = b.messages().pop().unwrap();
            assert!(response.header(Name::Allow).is_some_and(|allow| allow.contains("INVITE")));
        }
        b.stage.run_for(secs(60));
        b.finish();
    }
}

#[test]
fn an_offer_without_a_common_codec_gets_488_and_video_alone_too() {
    for m in ["m=audio 4000 RTP/AVP 18\r\n", "m=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"] {
        let mut b = bench();
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n{m}");
        let head = request("INVITE", "sip:line@10.0.0.1", "Content-Type: application/sdp\r\n");
        let bytes =
            head.replace("Content-Length: 0\r\n\r\n", &format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len()));
        b.stage.world.inject(switch(), hookswitch(), bytes);
        b.stage.run_for(millis(100));
        assert_eq!(b.count("> 488 INVITE"), 1, "{}", b.stage.wire());
        b.stage.run_for(secs(60));
        b.finish();
    }
}
