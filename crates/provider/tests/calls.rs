//! Calls as applications see them: dialling, holding, exchanging, and how they end.

mod common;

use common::*;
use hookswitch_spi::StateKind as S;
use hookswitch_spi::*;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

// --- Dialling (checklist 27, 28, 61) ---

#[test]
fn off_hook_is_a_dialtone_without_any_invite() {
    let mut r = Rig::new(trunk(|_| {}));
    let (asked, call) = r.make("");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Call(call))));
    assert_eq!(r.states(call), [S::Dialtone]);
    assert_eq!(r.count("INVITE"), 0);
    let (dialled, _) = r.ask(Operation::Dial { call, digits: "600".into() });
    assert_eq!(r.result(dialled), Some(Ok(Outcome::Done)));
    assert_eq!(r.last("INVITE").unwrap().request_uri(), Some("sip:600@pbx.test"));
    r.reply("INVITE", "180 Ringing", "");
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.states(call), [S::Dialtone, S::Dialing, S::Proceeding, S::Ringback, S::Connected]);
}

#[test]
fn an_address_is_dialled_in_parts_until_one_does_not_end_in_a_semicolon() {
    let mut r = Rig::new(trunk(|_| {}));
    let (_, call) = r.make("6;");
    assert_eq!(r.states(call), [S::Dialing]);
    r.ask(Operation::Dial { call, digits: "0;".into() });
    r.run(secs(30));
    assert_eq!(r.count("INVITE"), 0);
    assert_eq!(
        r.refused(Operation::Dial { call, digits: "W;".into() }),
        OperationError::UnsupportedDialCharacter('W')
    );
    assert_eq!(
        r.refused(Operation::Dial { call, digits: "$".into() }),
        OperationError::UnsupportedDialCharacter('$')
    );
    r.ask(Operation::Dial { call, digits: "".into() });
    assert_eq!(r.last("INVITE").unwrap().request_uri(), Some("sip:60@pbx.test"));
    assert_eq!(r.states(call), [S::Dialing, S::Proceeding]);
    assert!(matches!(
        r.refused(Operation::Dial { call, digits: "1".into() }),
        OperationError::InvalidCallState { .. }
    ));
}

#[test]
fn nothing_dialled_ends_no_address() {
    let mut r = Rig::new(trunk(|_| {}));
    let (_, call) = r.make("");
    assert!(matches!(
        r.refused(Operation::Dial { call, digits: "".into() }),
        OperationError::InvalidAddress { .. }
    ));
    let (dropped, _) = r.ask(Operation::drop(call));
    assert_eq!(r.result(dropped), Some(Ok(Outcome::Done)));
    assert_eq!(r.states(call), [S::Dialtone, S::Idle]);
}

#[test]
fn a_call_dialled_in_parts_is_given_up_after_its_own_time() {
    let mut r = Rig::new(trunk(|_| {}));
    let (_, call) =
        r.make_with("6;", CallOptions { no_answer_after: Some(secs(10)), ..CallOptions::default() });
    r.run(secs(60));
    r.ask(Operation::Dial { call, digits: "00".into() });
    r.reply("INVITE", "180 Ringing", "");
    r.run(secs(9));
    assert_eq!(r.count("CANCEL"), 0);
    r.run(secs(2));
    assert!(r.count("CANCEL") > 0);
}

#[test]
fn without_registration_there_is_no_dialtone() {
    let mut r = Rig::new(account("10.0.0.2", true));
    let (asked, call) = r.make("");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Call(call))));
    assert_eq!(r.end(call).map(|end| end.mode), Some(DisconnectMode::NoDialtone));
    for destination in ["600", "6;"] {
        let make = Operation::MakeCall {
            line: LINE,
            address: FIRST,
            destination: destination.into(),
            options: CallOptions::default(),
        };
        assert!(matches!(r.refused(make), OperationError::OutOfService(_)), "{destination}");
    }
}

#[test]
fn commands_of_a_dial_string_are_refused_before_anything_is_sent() {
    for c in ['W', 'w', '@', '$', '?'] {
        for text in [format!("{c}600"), format!("6{c}00"), format!("6{c}0;")] {
            let mut r = Rig::new(trunk(|_| {}));
            let make = Operation::MakeCall {
                line: LINE,
                address: FIRST,
                destination: text.clone(),
                options: CallOptions::default(),
            };
            assert_eq!(r.refused(make), OperationError::UnsupportedDialCharacter(c), "{text}");
            assert_eq!((r.count("INVITE"), r.p.alive().calls), (0, 0));
        }
    }
}

#[test]
fn a_refusal_as_the_first_response_leaves_no_call_and_no_event() {
    let mut r = Rig::new(trunk(|_| {}));
    r.p.detect_status(LINE, Set::ALL).unwrap();
    r.events.clear();
    let (asked, call) = r.make("600");
    assert!(matches!(r.refused(Operation::drop(call)), OperationError::NoSuchCall(_)));
    assert_eq!(r.p.line_status(LINE).map(|s| s.calls.all()), Some(0));
    r.reply("INVITE", "503 Service Unavailable", "");
    assert!(
        matches!(r.result(asked), Some(Err(OperationError::Refused { status: 503, .. }))),
        "{:?}",
        r.result(asked)
    );
    assert_eq!(r.events.len(), 1, "{:?}", r.events);
    r.p.close_call(r.now, call);
    r.run(secs(40));
    let alive = r.p.alive();
    assert_eq!((alive.calls, alive.sessions, alive.transactions, r.events.len()), (0, 0, 0, 1));
}

#[test]
fn a_refusal_after_100_is_the_end_of_a_call() {
    let mut r = Rig::new(trunk(|_| {}));
    let (asked, call) = r.make("600");
    r.reply("INVITE", "100 Trying", "");
    assert_eq!(r.result(asked), Some(Ok(Outcome::Call(call))));
    r.reply("INVITE", "486 Busy Here", "");
    assert_eq!(r.states(call), [S::Proceeding, S::Busy, S::Disconnected]);
    assert_eq!(r.end(call).map(|end| (end.mode, end.status)), Some((DisconnectMode::Busy, Some(486))));
}

#[test]
fn call_data_goes_with_the_call_from_its_beginning() {
    let mut r = Rig::new(trunk(|_| {}));
    let (_, call) = r.make_with("600", CallOptions { call_data: b"42".to_vec(), ..CallOptions::default() });
    r.reply("INVITE", "180 Ringing", "");
    assert_eq!(&*r.info(call).call_data, b"42");
}

// --- Requests and ends (checklist 18, 29-33) ---

#[test]
fn closing_a_line_completes_what_is_outstanding_and_nothing_is_heard_afterwards() {
    let mut r = Rig::new(trunk(|_| {}));
    let up = r.talking_to("600", "one");
    let (dropped, _) = r.ask(Operation::drop(up));
    let (made, _) = r.make("700");
    let invite = r.last("INVITE").unwrap();
    r.p.close_line(r.now, LINE);
    r.drain();
    assert!(matches!(r.result(dropped), Some(Err(OperationError::Closed))), "{:?}", r.result(dropped));
    assert!(matches!(r.result(made), Some(Err(OperationError::Closed))));
    let heard = r.events.len();
    r.get(reply(&invite, "180 Ringing", ""));
    assert_eq!(r.count("CANCEL"), 1);
    r.get(reply(&invite, "200 OK", SDP));
    assert_eq!(r.count("BYE"), 2, "{:#?}", r.sent);
    r.run(secs(60));
    assert_eq!(r.events.len(), heard);
    r.p.open_line(r.now, LINE, InterfaceVersion::V1).unwrap();
    r.drain();
    assert_eq!(r.p.call_state(up), None);
    r.talking_to("600", "again");
}

#[test]
fn a_provider_that_wants_a_line_closed_completes_its_requests_first() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "one");
    let (held, _) = r.ask(Operation::Hold { call });
    let (made, _) = r.make("700");
    r.p.request_close(r.now, LINE, "maintenance");
    r.drain();
    let at = |wanted: &dyn Fn(&ProviderEvent) -> bool| r.events.iter().position(wanted).unwrap();
    let asked = at(&|event| matches!(event, ProviderEvent::CloseRequested { .. }));
    for id in [held, made] {
        let done = at(&|event| matches!(event, ProviderEvent::Completed { request, .. } if *request == id));
        assert!(done < asked);
    }
    // It stays usable until it is closed.
    let (dropped, _) = r.ask(Operation::drop(call));
    r.reply("BYE", "200 OK", "");
    assert_eq!(r.result(dropped), Some(Ok(Outcome::Done)));
}

#[test]
fn closing_a_call_that_is_being_made_completes_it_and_cancels_once_that_may_be() {
    for (first, cancels, byes) in [(None, 0, 0), (Some("180 Ringing"), 1, 0), (Some("200 OK"), 0, 1)] {
        let mut r = Rig::new(trunk(|_| {}));
        let (made, call) = r.make("600");
        r.p.close_call(r.now, call);
        r.drain();
        assert!(matches!(r.result(made), Some(Err(_))));
        let heard = r.events.len();
        assert_eq!(r.count("CANCEL"), 0, "RFC 3261 9.1");
        if let Some(first) = first {
            r.reply("INVITE", first, if first.starts_with('2') { SDP } else { "" });
        }
        r.run(secs(60));
        assert_eq!((r.count("CANCEL") > 0) as usize, cancels, "{first:?}");
        assert_eq!((r.count("BYE") > 0) as usize, byes, "{first:?}");
        assert_eq!(r.events.len(), heard);
    }
}

#[test]
fn drop_and_close_back_to_back_are_both_fine() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "one");
    let (dropped, _) = r.ask(Operation::drop(call));
    r.p.close_call(r.now, call);
    r.drain();
    assert!(r.result(dropped).is_some());
    let heard = r.events.len();
    r.reply("BYE", "200 OK", "");
    r.run(secs(60));
    assert_eq!(r.events.len(), heard);
    assert_eq!((r.p.alive().calls, r.p.alive().sessions), (0, 0));
}

#[test]
fn a_drop_is_followed_by_one_idle_even_if_the_peer_is_deaf() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "one");
    let (dropped, _) = r.ask(Operation::drop(call));
    r.run(secs(33));
    assert_eq!(r.result(dropped), Some(Ok(Outcome::Done)));
    assert_eq!(r.states(call), [S::Proceeding, S::Connected, S::Idle]);
}

#[test]
fn a_call_hung_up_by_the_peer_is_disconnected_until_it_is_dropped() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.answered("bob@10.0.0.9");
    r.caller_sends("bob@10.0.0.9", "BYE", 2, "");
    r.run(secs(60));
    assert_eq!(r.states(call), [S::Offering, S::Connected, S::Disconnected]);
    assert_eq!(r.info(call).caller.address.as_ref(), "sip:bob@10.0.0.9");
    r.ask(Operation::drop(call));
    assert_eq!(r.state(call), S::Idle);
    assert_eq!(r.info(call).caller.address.as_ref(), "sip:bob@10.0.0.9");
}

/// The rows of the table of ends, without and with a Reason header field (checklist 40).
#[test]
fn every_failure_has_its_mode() {
    use DisconnectMode as M;
    for (status, more, mode) in [
        ("603 Decline", "", M::Reject),
        ("607 Unwanted", "", M::Reject),
        ("300 Multiple", "", M::Forwarded),
        ("305 Proxy", "", M::Forwarded),
        ("380 Alternative", "", M::Forwarded),
        ("486 Busy", "", M::Busy),
        ("600 Busy", "", M::Busy),
        ("480 Unavailable", "", M::NoAnswer),
        ("408 Timeout", "", M::NoAnswer),
        ("404 Not Found", "", M::BadAddress),
        ("416 Scheme", "", M::BadAddress),
        ("484 Incomplete", "", M::BadAddress),
        ("485 Ambiguous", "", M::BadAddress),
        ("604 Nowhere", "", M::BadAddress),
        ("430 Flow", "", M::Unreachable),
        ("482 Loop", "", M::Unreachable),
        ("483 Hops", "", M::Unreachable),
        ("504 Timeout", "", M::Unreachable),
        ("503 Unavailable", "", M::Congestion),
        ("406 Not", "", M::Incompatible),
        ("415 Media", "", M::Incompatible),
        ("488 Not", "", M::Incompatible),
        ("493 Und", "", M::Incompatible),
        ("501 Not", "", M::Incompatible),
        ("505 Version", "", M::Incompatible),
        ("513 Large", "", M::Incompatible),
        ("606 Not", "", M::Incompatible),
        ("301 Moved", "", M::NumberChanged),
        ("410 Gone", "", M::NumberChanged),
        ("502 Bad", "", M::OutOfOrder),
        ("500 Error", "", M::TemporaryFailure),
        ("481 None", "", M::TemporaryFailure),
        ("580 Precondition", "", M::QosUnavailable),
        ("402 Pay", "", M::Blocked),
        ("403 No", "", M::Blocked),
        ("433 Anonymity", "", M::Blocked),
        ("608 Rejected", "", M::Blocked),
        ("480 Do Not Disturb", "", M::DoNotDisturb),
        ("499 What", "", M::Unknown),
        ("488 Not", "Warning: 370 pbx \"Insufficient bandwidth\"\r\n", M::QosUnavailable),
        ("503 Unavailable", "Reason: Q.850;cause=17\r\n", M::Busy),
        ("480 Unavailable", "Reason: SIP;cause=603, Q.850;cause=34\r\n", M::Congestion),
        ("480 Unavailable", "Reason: SIP;cause=404\r\n", M::BadAddress),
        ("480 Unavailable", "Reason: Q.850;cause=99, SIP;cause=404\r\n", M::BadAddress),
        ("500 Error", "Reason: Q.850;cause=127\r\n", M::Unavailable),
        ("480 Unavailable", "Reason: Q.850;cause=27\r\n", M::OutOfOrder),
    ] {
        let mut r = Rig::new(trunk(|p| p.follow_redirects = false));
        let (_, call) = r.make("600");
        r.reply("INVITE", "180 Ringing", "");
        let invite = r.last("INVITE").unwrap();
        let text = reply(&invite, status, "").replace("Content-Length", &format!("{more}Content-Length"));
        r.get(text);
        assert_eq!(r.end(call).map(|end| end.mode), Some(mode), "{status} {more}");
    }
}

#[test]
fn a_cancel_says_where_the_call_went() {
    use DisconnectMode as M;
    for (more, mode) in [
        ("", M::Cancelled),
        ("Reason: Q.850;cause=16\r\n", M::Cancelled),
        ("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n", M::Pickup),
        ("Reason: Q.850;cause=26\r\n", M::Pickup),
        ("Reason: SIP;cause=302\r\n", M::Forwarded),
    ] {
        let mut r = Rig::new(trunk(|_| {}));
        let call = r.offered("bob@10.0.0.2", "");
        r.get(
            invitation("bob@10.0.0.2", more)
                .replace("INVITE sip", "CANCEL sip")
                .replace("1 INVITE", "1 CANCEL")
                .split("Content-Type")
                .next()
                .unwrap()
                .to_owned()
                + "Content-Length: 0\r\n\r\n",
        );
        assert_eq!(r.end(call).map(|end| end.mode), Some(mode), "{more}");
    }
}

// --- Hold and exchange (checklist 42, 51, 56) ---

#[test]
fn two_calls_are_exchanged_and_both_say_so() {
    let mut r = Rig::new(trunk(|_| {}));
    let first = r.talking_to("600", "one");
    r.ask(Operation::Hold { call: first });
    r.holds("recvonly");
    let second = r.talking_to("700", "two");
    assert!(r.p.call_status(second).unwrap().possible.contains(Feature::SwapHold));
    let (swapped, _) = r.ask(Operation::SwapHold { active: second, held: first });
    assert!(r.last("INVITE").map(|m| String::from_utf8_lossy(m.body()).contains("a=sendonly")).unwrap());
    r.holds("recvonly");
    assert_eq!(r.result(swapped), None);
    assert!(r.last("INVITE").map(|m| String::from_utf8_lossy(m.body()).contains("a=sendrecv")).unwrap());
    r.holds("sendrecv");
    assert_eq!(r.result(swapped), Some(Ok(Outcome::Done)));
    assert_eq!((r.state(first), r.state(second)), (S::Connected, S::OnHold));
}

#[test]
fn an_exchange_that_is_refused_leaves_both_as_they_were() {
    let mut r = Rig::new(trunk(|_| {}));
    let first = r.talking_to("600", "one");
    r.ask(Operation::Hold { call: first });
    r.holds("recvonly");
    let second = r.talking_to("700", "two");
    let (refused, _) = r.ask(Operation::SwapHold { active: second, held: first });
    r.reply("INVITE", "488 Not Acceptable Here", "");
    assert!(matches!(r.result(refused), Some(Err(OperationError::Refused { status: 488, .. }))));
    assert_eq!((r.state(first), r.state(second)), (S::OnHold, S::Connected));
    // The second half is refused: the first is taken back.
    let (refused, _) = r.ask(Operation::SwapHold { active: second, held: first });
    r.holds("recvonly");
    r.reply("INVITE", "500 No", "");
    assert!(matches!(r.result(refused), Some(Err(OperationError::Refused { status: 500, .. }))));
    r.holds("sendrecv");
    assert_eq!((r.state(first), r.state(second)), (S::OnHold, S::Connected));
}

#[test]
fn answering_does_to_the_active_call_what_the_profile_says() {
    for (mode, state) in
        [(AnswerMode::None, S::Connected), (AnswerMode::Hold, S::OnHold), (AnswerMode::Drop, S::Idle)]
    {
        let mut r = Rig::new(trunk(|p| p.answer_mode = mode));
        assert_eq!(r.p.capabilities(LINE).unwrap().answer_mode, mode);
        let first = r.talking_to("600", "one");
        let second = r.offered("bob@10.0.0.2", "");
        let (answered, _) = r.ask(Operation::answer(second));
        match mode {
            AnswerMode::None => assert_eq!(r.count("INVITE"), 1),
            AnswerMode::Hold => r.holds("recvonly"),
            AnswerMode::Drop => r.reply("BYE", "200 OK", ""),
        }
        r.acknowledge("bob@10.0.0.2");
        assert_eq!(r.result(answered), Some(Ok(Outcome::Done)));
        assert_eq!((r.state(first), r.state(second)), (state, S::Connected), "{mode:?}");
        let told = r.end(first).map(|end| (end.mode, end.by));
        assert_eq!(told, (mode == AnswerMode::Drop).then_some((DisconnectMode::Normal, EndedBy::Us)));
    }
}

// --- Counts (checklist 50) ---

#[test]
fn calls_are_counted_once_they_exist() {
    let mut r = Rig::new(trunk(|_| {}));
    r.p.detect_status(LINE, Set::of(&[StatusKind::CallCount])).unwrap();
    let counts = |r: &Rig| r.p.address_status(LINE, FIRST).unwrap().calls;
    let told = |r: &Rig| {
        r.events.iter().rev().find_map(|event| match event {
            ProviderEvent::CallCount { calls, .. } => Some(*calls),
            _ => None,
        })
    };
    let (_, call) = r.make("600");
    assert_eq!((counts(&r).all(), told(&r)), (0, None));
    r.reply("INVITE", "180 Ringing", "");
    assert_eq!(told(&r), Some(CallCounts { active: 1, held: 0, pending: 0 }));
    r.reply("INVITE", "200 OK", SDP);
    r.ask(Operation::Hold { call });
    r.holds("recvonly");
    assert_eq!(counts(&r), CallCounts { active: 0, held: 1, pending: 0 });
    assert_eq!(told(&r), Some(counts(&r)));
    let other = r.offered("bob@10.0.0.2", "");
    assert_eq!(counts(&r), CallCounts { active: 1, held: 1, pending: 0 });
    r.p.close_call(r.now, other);
    r.drain();
    r.ask(Operation::drop(call));
    r.reply("BYE", "200 OK", "");
    assert_eq!((counts(&r).all(), told(&r)), (0, Some(CallCounts::default())));
    assert_eq!(r.p.line_status(LINE).unwrap().calls, CallCounts::default());
}

#[test]
fn a_call_that_has_ended_takes_no_room_until_it_is_closed() {
    let mut r = Rig::new(with_room_for(1));
    for n in 0..3 {
        let call = r.talking_to("600", &format!("t{n}"));
        r.invite(&format!("busy{n}@pbx.test"), "");
        assert_eq!(r.count("SIP/2.0 486"), n + 1);
        r.callee_sends(&format!("t{n}"), "BYE", 3, "");
        assert_eq!(r.state(call), S::Disconnected);
    }
    // But an application that closes nothing does not fill the memory.
    let mut made = 0;
    while made < 1_000 && !r.p.line_status(LINE).unwrap().possible.is_empty() {
        let make = Operation::MakeCall {
            line: LINE,
            address: FIRST,
            destination: "".into(),
            options: CallOptions::default(),
        };
        let Ok(Some(call)) = r.p.submit(r.now, RequestId(10_000 + made), make) else { break };
        r.p.submit(r.now, RequestId(20_000 + made), Operation::drop(call)).unwrap();
        r.drain();
        made += 1;
    }
    assert!((32..200).contains(&made), "{made}");
}

#[test]
fn what_is_possible_follows_the_limits_of_the_line() {
    let mut r = Rig::new(with_room_for(1));
    let call = r.talking_to("600", "one");
    let possible = r.p.call_status(call).unwrap().possible;
    assert!(possible.contains(Feature::Hold) && !possible.contains(Feature::SetupTransfer));
    assert!(!possible.contains(Feature::SwapHold) && !possible.contains(Feature::Retrieve));
    let setup = Operation::SetupTransfer { call, consult: ConsultOptions::default() };
    assert_eq!(r.refused(setup), OperationError::TooManyCalls(1));
    assert!(matches!(r.refused(Operation::Retrieve { call }), OperationError::InvalidCallState { .. }));
    let park = Operation::Park { call, at: ParkAt::Anywhere };
    assert!(matches!(r.refused(park), OperationError::Unavailable(_)));
}

fn with_room_for(max_calls: u32) -> hookswitch_provider::Account {
    hookswitch_provider::Account { max_calls, ..trunk(|_| {}) }
}
