//! Transfers with consultation, bridges of ours, and sessions that others put in the place of ours.

mod common;

use common::*;
use hookswitch_media::control::Command;
use hookswitch_sip::message::Name;
use hookswitch_spi::StateKind as S;
use hookswitch_spi::*;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn setup(call: CallId, to: &str) -> Operation {
    Operation::SetupTransfer { call, consult: ConsultOptions::to(to) }
}

fn complete(call: CallId, consult: CallId) -> Operation {
    Operation::CompleteTransfer { call, consult, mode: TransferMode::Transfer, deadline: secs(30) }
}

/// A held call and its consultation call, which has got this far.
fn prepared(r: &mut Rig, answers: &[&str]) -> (CallId, CallId) {
    let call = r.talking_to("600", "one");
    let (asked, consult) = r.ask(setup(call, "700"));
    let consult = consult.expect("the consultation call");
    r.holds("recvonly");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Call(consult))));
    for status in answers {
        if status.starts_with("200") { r.peer_answers("two") } else { r.reply("INVITE", status, "") }
    }
    (call, consult)
}

/// The peer of the held call tells how its INVITE went.
fn notify(r: &mut Rig, cseq: u32, status: &str) {
    let frag = format!("SIP/2.0 {status}\r\n");
    r.callee_sends(
        "one",
        "NOTIFY",
        cseq,
        &format!(
            "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n\
             Content-Length: {}\r\n\r\n{frag}",
            frag.len()
        ),
    );
}

fn direction(r: &Rig) -> String {
    let body = String::from_utf8_lossy(r.last("INVITE").unwrap().body()).into_owned();
    ["sendrecv", "sendonly", "recvonly", "inactive"].into_iter().find(|d| body.contains(d)).unwrap().into()
}

#[test]
fn the_consultation_call_begins_when_the_other_is_held() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "one");
    let (asked, consult) = r.ask(setup(call, ""));
    let consult = consult.unwrap();
    assert_eq!(direction(&r), "sendonly");
    assert_eq!((r.result(asked), r.states(consult)), (None, vec![]));
    assert!(matches!(r.refused(Operation::drop(consult)), OperationError::NoSuchCall(_)));
    assert_eq!(r.p.line_status(LINE).unwrap().calls, CallCounts { active: 1, held: 0, pending: 0 });
    r.holds("recvonly");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Call(consult))));
    assert_eq!((r.state(call), r.states(consult)), (S::OnHoldPendingTransfer, vec![S::Dialtone]));
    assert_eq!(r.p.line_status(LINE).unwrap().calls, CallCounts { active: 1, held: 0, pending: 1 });
    assert_eq!(r.info(consult).related, Some(r.info(call).physical));
    assert_eq!(r.info(call).related, Some(r.info(consult).physical));
    r.ask(Operation::Dial { call: consult, digits: "700".into() });
    r.reply("INVITE", "180 Ringing", "");
    assert_eq!(r.states(consult), [S::Dialtone, S::Dialing, S::Proceeding, S::Ringback]);
    // Its first event came after the completion.
    let at = |wanted: &dyn Fn(&ProviderEvent) -> bool| r.events.iter().position(wanted).unwrap();
    assert!(
        at(&|e| matches!(e, ProviderEvent::Completed { request, .. } if *request == asked))
            < at(&|e| matches!(e, ProviderEvent::CallState { call, .. } if *call == consult))
    );
}

#[test]
fn a_hold_that_is_refused_leaves_no_consultation_call() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "one");
    let (asked, consult) = r.ask(setup(call, "700"));
    r.reply("INVITE", "488 Not Acceptable Here", "");
    assert!(matches!(r.result(asked), Some(Err(OperationError::Refused { status: 488, .. }))));
    assert_eq!((r.state(call), r.p.call_state(consult.unwrap())), (S::Connected, None));
    assert_eq!((r.p.alive().calls, r.states(consult.unwrap())), (1, vec![]));
}

#[test]
fn a_call_that_ends_meanwhile_takes_the_embryo_with_it() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "one");
    let (asked, _) = r.ask(setup(call, "700"));
    r.callee_sends("one", "BYE", 5, "");
    assert_eq!(r.result(asked), Some(Err(OperationError::CallEnded)));
    assert_eq!((r.p.alive().calls, r.state(call)), (1, S::Disconnected));
}

#[test]
fn a_transfer_is_completed_with_refer_and_replaces() {
    let mut r = Rig::new(trunk(|_| {}));
    let (call, consult) = prepared(&mut r, &["180 Ringing", "200 OK"]);
    assert!(r.p.call_status(call).unwrap().possible.contains(Feature::CompleteTransfer));
    let dialog = r.last("ACK").unwrap();
    let (call_id, ours) = (dialog.call_id().to_owned(), dialog.from_tag().unwrap().to_owned());
    let (asked, _) = r.ask(complete(call, consult));
    let refer = r.last("REFER").unwrap();
    assert_eq!(refer.to_tag(), Some("one"), "to the held party");
    assert_eq!(
        refer.header(Name::ReferTo).unwrap().to_ascii_lowercase(),
        format!("<sip:peer@10.0.0.2:5060?replaces={call_id}%3bto-tag%3dtwo%3bfrom-tag%3d{ours}>")
            .to_ascii_lowercase()
    );
    r.reply("REFER", "202 Accepted", "");
    notify(&mut r, 20, "200 OK");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Transferred(TransferOutcome::Succeeded))));
    assert_eq!((r.state(call), r.state(consult)), (S::Idle, S::Idle));
    assert_eq!(r.count("BYE"), 2);
    assert_eq!(&*r.info(call).redirection.address, "sip:700@pbx.test");
    for call in [call, consult] {
        r.p.close_call(r.now, call);
    }
    r.run(secs(60));
    assert_eq!((r.p.alive().calls, r.p.alive().sessions), (0, 0));
}

#[test]
fn the_target_may_end_our_consultation_before_the_outcome_is_told() {
    let mut r = Rig::new(trunk(|_| {}));
    let (call, consult) = prepared(&mut r, &["200 OK"]);
    let (asked, _) = r.ask(complete(call, consult));
    r.reply("REFER", "202 Accepted", "");
    let offers = r.count("INVITE");
    r.callee_sends("two", "BYE", 3, "");
    assert_eq!(r.state(call), S::OnHoldPendingTransfer, "it does not come back");
    notify(&mut r, 20, "200 OK");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Transferred(TransferOutcome::Succeeded))));
    assert_eq!((r.state(call), r.state(consult), r.count("INVITE")), (S::Idle, S::Idle, offers));
}

#[test]
fn a_transfer_that_is_refused_leaves_both_calls_as_they_were() {
    for later in [false, true] {
        let mut r = Rig::new(trunk(|_| {}));
        let (call, consult) = prepared(&mut r, &["200 OK"]);
        let (asked, _) = r.ask(complete(call, consult));
        assert!(matches!(r.refused(complete(call, consult)), OperationError::Failed(_)));
        if later {
            r.reply("REFER", "202 Accepted", "");
            notify(&mut r, 20, "603 Decline");
        } else {
            r.reply("REFER", "603 Decline", "");
        }
        assert!(matches!(r.result(asked), Some(Err(OperationError::Refused { status: 603, .. }))));
        assert_eq!((r.state(call), r.state(consult)), (S::OnHoldPendingTransfer, S::Connected));
        // And it can be tried again.
        r.ask(complete(call, consult));
    }
}

#[test]
fn a_consultation_that_only_rings_becomes_a_blind_transfer() {
    let mut r = Rig::new(trunk(|_| {}));
    let (call, consult) = prepared(&mut r, &["180 Ringing"]);
    let (asked, _) = r.ask(complete(call, consult));
    assert_eq!(r.last("REFER").unwrap().header(Name::ReferTo), Some("<sip:700@pbx.test>"));
    assert_eq!(r.count("CANCEL"), 0, "until the transfer is taken on, it rings on");
    r.reply("REFER", "202 Accepted", "");
    assert_eq!(r.count("CANCEL"), 1);
    let invite = r.sent.iter().rev().find(|text| text.starts_with("INVITE sip:700")).unwrap().clone();
    let invite = hookswitch_sip::message::Message::parse(invite.into(), &Default::default()).unwrap();
    r.get(reply(&invite, "487 Request Terminated", ""));
    assert_eq!((r.state(call), r.state(consult)), (S::OnHoldPendingTransfer, S::Idle));
    notify(&mut r, 20, "200 OK");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Transferred(TransferOutcome::Succeeded))));
    assert_eq!(r.state(call), S::Idle);
}

#[test]
fn when_the_consultation_ends_the_call_comes_back_where_the_profile_says_so() {
    for reconnect in [true, false] {
        for by_us in [true, false] {
            let mut r = Rig::new(trunk(|p| p.reconnect = reconnect));
            assert_eq!(r.p.capabilities(LINE).unwrap().flags.reconnects, reconnect);
            let (call, consult) = prepared(&mut r, &["200 OK"]);
            if by_us {
                r.ask(Operation::drop(consult));
                r.reply("BYE", "200 OK", "");
            } else {
                r.callee_sends("two", "BYE", 3, "");
            }
            if reconnect {
                assert_eq!(direction(&r), "sendrecv");
                r.holds("sendrecv");
                assert_eq!(r.state(call), S::Connected);
            } else {
                assert_eq!(r.state(call), S::OnHoldPendingTransfer);
                r.ask(Operation::Retrieve { call });
                r.holds("sendrecv");
                assert_eq!(r.state(call), S::Connected);
            }
        }
    }
}

#[test]
fn a_busy_target_gives_the_call_back() {
    let mut r = Rig::new(trunk(|_| {}));
    let (call, consult) = prepared(&mut r, &["486 Busy Here"]);
    assert_eq!(r.states(consult), [S::Dialing, S::Proceeding, S::Busy, S::Disconnected]);
    r.holds("sendrecv");
    assert_eq!(r.state(call), S::Connected);
}

#[test]
fn taking_the_held_call_back_ends_the_consultation() {
    let mut r = Rig::new(trunk(|_| {}));
    let (call, consult) = prepared(&mut r, &["200 OK"]);
    let (asked, _) = r.ask(Operation::Retrieve { call });
    r.holds("sendrecv");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Done)));
    assert_eq!(r.state(call), S::Connected);
    r.reply("BYE", "200 OK", "");
    assert_eq!(r.states(consult), [S::Dialing, S::Proceeding, S::Connected, S::Idle]);
    assert!(matches!(r.refused(complete(call, consult)), OperationError::InvalidCallState { .. }));
}

#[test]
fn partners_can_be_exchanged_and_then_joined() {
    let mut r = Rig::new(trunk(|_| {}));
    let (call, consult) = prepared(&mut r, &["200 OK"]);
    let (swapped, _) = r.ask(Operation::SwapHold { active: consult, held: call });
    r.holds("recvonly");
    r.holds("sendrecv");
    assert_eq!(r.result(swapped), Some(Ok(Outcome::Done)));
    assert_eq!((r.state(call), r.state(consult)), (S::Connected, S::OnHoldPendingTransfer));
    r.ask(complete(consult, call));
    let refer = r.last("REFER").unwrap();
    assert_eq!(refer.to_tag(), Some("two"));
    assert!(
        refer.header(Name::ReferTo).unwrap().contains("to-tag%3Done"),
        "{:?}",
        refer.header(Name::ReferTo)
    );
}

#[test]
fn only_partners_are_joined() {
    let mut r = Rig::new(trunk(|_| {}));
    let (call, _) = prepared(&mut r, &["200 OK"]);
    let other = r.talking_to("800", "three");
    assert_eq!(r.refused(complete(call, other)), OperationError::NotConsultation(other));
}

// --- Bridges ---

fn mixes(r: &Rig) -> usize {
    r.media.iter().filter(|command| matches!(command, Command::Mix { mix: Some(_), .. })).count()
}

#[test]
fn where_refer_is_not_understood_the_two_are_bridged_and_end_together() {
    for first in ["one", "two"] {
        let mut r = Rig::new(trunk(|p| p.refer = false));
        assert!(r.p.capabilities(LINE).unwrap().flags.bridges);
        let (call, consult) = prepared(&mut r, &["200 OK"]);
        let (asked, _) = r.ask(complete(call, consult));
        assert_eq!(direction(&r), "sendrecv");
        r.holds("sendrecv");
        assert_eq!(r.result(asked), Some(Ok(Outcome::Transferred(TransferOutcome::Bridged))));
        assert_eq!((r.state(call), r.state(consult), mixes(&r)), (S::Idle, S::Idle, 2));
        for call in [call, consult] {
            r.p.close_call(r.now, call);
            assert_eq!((r.p.call_state(call), r.p.call_info(call)), (None, None));
            assert!(matches!(
                r.refused(Operation::SetAppSpecific { call, value: 1 }),
                OperationError::NoSuchCall(_)
            ));
        }
        r.run(secs(600));
        assert_eq!((r.p.alive().sessions, r.count("BYE")), (2, 0), "they talk on");
        let heard = r.events.len();
        r.callee_sends(first, "BYE", 30, "");
        assert_eq!(r.count("BYE"), 1, "the other is hung up");
        r.reply("BYE", "200 OK", "");
        r.run(secs(60));
        assert_eq!((r.p.alive().calls, r.p.alive().sessions, r.events.len()), (0, 0, heard));
        assert_eq!(r.p.line_status(LINE).unwrap().calls, CallCounts::default());
    }
}

#[test]
fn a_bridge_to_a_ringing_target_waits_for_its_answer() {
    let mut r = Rig::new(trunk(|p| p.refer = false));
    let (call, consult) = prepared(&mut r, &["180 Ringing"]);
    let (asked, _) = r.ask(complete(call, consult));
    assert_eq!(r.result(asked), None);
    r.peer_answers("two");
    r.holds("sendrecv");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Transferred(TransferOutcome::Bridged))));
    let mut r = Rig::new(trunk(|p| p.refer = false));
    let (call, consult) = prepared(&mut r, &["180 Ringing"]);
    let (asked, _) = r.ask(complete(call, consult));
    r.reply("INVITE", "486 Busy Here", "");
    assert!(matches!(r.result(asked), Some(Err(_))));
    r.holds("sendrecv");
    assert_eq!((r.state(call), r.state(consult)), (S::Connected, S::Disconnected));
}

#[test]
fn closing_the_line_ends_a_bridge() {
    let mut r = Rig::new(trunk(|p| p.refer = false));
    let (call, consult) = prepared(&mut r, &["200 OK"]);
    r.ask(complete(call, consult));
    r.holds("sendrecv");
    r.p.close_call(r.now, call);
    r.p.close_line(r.now, LINE);
    r.drain();
    assert_eq!((r.count("BYE"), r.p.alive().calls), (2, 0));
    let _ = consult;
}

// --- Replaces (checklist 46, 49) ---

fn replaces(r: &Rig, more: &str) -> String {
    let ack = r.last("ACK").unwrap();
    format!(
        "Replaces: {};to-tag={};from-tag={}{more}\r\n",
        ack.call_id(),
        ack.from_tag().unwrap(),
        ack.to_tag().unwrap()
    )
}

#[test]
fn a_session_that_is_replaced_is_the_same_call_with_another_party() {
    for held in [false, true] {
        let mut r = Rig::new(trunk(|_| {}));
        let call = r.talking_to("600", "one");
        let more = replaces(&r, "");
        if held {
            r.ask(Operation::Hold { call });
            r.holds("recvonly");
        }
        let states = r.states(call);
        r.invite("dave@pbx.test", &more);
        assert_eq!((r.count("SIP/2.0 200"), r.count("SIP/2.0 180")), (1, 0));
        let answer = String::from_utf8_lossy(r.last("SIP/2.0 200").unwrap().body()).into_owned();
        assert_eq!(answer.contains("a=sendonly"), held, "{answer}");
        r.acknowledge("dave@pbx.test");
        assert_eq!((r.count("BYE"), r.last_new(), r.states(call)), (1, None, states));
        let told = r.events.iter().any(|event| {
            *event == ProviderEvent::CallInfo { call, changed: InfoParts::CONNECTED.union(InfoParts::REASON) }
        });
        assert!(told);
        let info = r.info(call);
        assert_eq!((&*info.connected.address, info.reason), ("sip:dave@pbx.test", Reason::Transferred));
        r.reply("BYE", "200 OK", "");
        if !held {
            r.ask(Operation::Hold { call });
            r.holds("recvonly");
        }
        r.caller_sends("dave@pbx.test", "BYE", 2, "");
        assert_eq!(r.state(call), S::Disconnected);
        r.p.close_call(r.now, call);
        r.run(secs(60));
        assert_eq!((r.p.alive().calls, r.p.alive().sessions), (0, 0));
    }
}

#[test]
fn a_call_that_came_in_can_be_replaced_too() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.answered("bob@pbx.test");
    let ok = r.last("SIP/2.0 200").unwrap();
    let more = format!("Replaces: bob;to-tag={};from-tag=bob\r\n", ok.to_tag().unwrap());
    r.invite("dave@pbx.test", &more);
    assert_eq!((r.count("SIP/2.0 200"), r.count("BYE")), (2, 1));
    assert_eq!((r.state(call), r.last_new()), (S::Connected, Some(call)));
}

#[test]
fn a_call_that_we_make_can_be_picked_up_where_it_rings() {
    let mut r = Rig::new(trunk(|_| {}));
    let (asked, call) = r.make("600");
    r.reply("INVITE", "180 Ringing", "");
    let invite = r.last("INVITE").unwrap();
    let more = format!(
        "Replaces: {};to-tag={};from-tag=peer;early-only\r\n",
        invite.call_id(),
        invite.from_tag().unwrap()
    );
    r.invite("dave@pbx.test", &more);
    assert_eq!(r.result(asked), Some(Ok(Outcome::Call(call))));
    assert_eq!(r.states(call), [S::Proceeding, S::Ringback, S::Connected]);
    assert!(r.last("CANCEL").unwrap().header(Name::Reason).unwrap().contains("cause=200"));
    r.get(reply(&invite, "487 Request Terminated", ""));
    r.acknowledge("dave@pbx.test");
    r.run(secs(400));
    assert_eq!((r.state(call), &*r.info(call).connected.address), (S::Connected, "sip:dave@pbx.test"));
}

#[test]
fn what_cannot_be_replaced_is_refused_and_nothing_changes() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "one");
    let good = replaces(&r, "");
    for (n, (more, status)) in [
        ("Replaces: x;to-tag=h0-0-0-1;from-tag=b\r\n".to_owned(), 481),
        (good.replace("from-tag=one", "from-tag=two"), 481),
        (good.replace("Replaces: ", "Replaces: x"), 481),
        (replaces(&r, ";early-only"), 486),
        ("Replaces: nonsense\r\n".to_owned(), 400),
    ]
    .into_iter()
    .enumerate()
    {
        r.invite(&format!("u{n}@pbx.test"), &more);
        assert!(r.count(&format!("SIP/2.0 {status}")) > 0, "{more}");
    }
    // One that is offered here rings on.
    let offered = r.offered("bob@pbx.test", "");
    let ringing = r.last("SIP/2.0 180").unwrap();
    let more = format!("Replaces: bob;to-tag={};from-tag=bob;early-only\r\n", ringing.to_tag().unwrap());
    r.invite("dave@pbx.test", &more);
    assert_eq!((r.state(offered), r.state(call), r.count("BYE")), (S::Offering, S::Connected, 0));
}

#[test]
fn what_was_being_sent_to_a_party_that_is_replaced_completes() {
    let mut r = Rig::new(trunk(|profile| profile.info_digits = true));
    let call = r.talking_to("600", "one");
    let more = replaces(&r, "");
    let (told, _) = r.ask(Operation::SendUserInfo { call, data: UserInfo(b"x".to_vec()) });
    assert_eq!((r.count("INFO"), r.result(told)), (1, None));
    r.invite("dave@pbx.test", &more);
    r.acknowledge("dave@pbx.test");
    r.reply("INFO", "200 OK", "");
    r.reply("BYE", "200 OK", "");
    r.run(secs(60));
    assert_eq!(r.state(call), S::Connected);
    assert!(r.result(told).is_some(), "nobody is left to answer it");
}
