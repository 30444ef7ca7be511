use super::*;
use crate::transaction::{RespondError, ServerId, response_flow};

const VIA: &str = "192.0.2.1:5060;branch=z9hG4bKabc;rport";

fn invite() -> Bytes {
    foreign("INVITE", VIA, "call-1")
}

fn ack() -> Bytes {
    with_to_tag(&foreign("ACK", VIA, "call-1"), "b2")
}

fn new(received: Received) -> ServerId {
    match received {
        Received::Request(id) => id,
        other => panic!("expected a new request, got {other:?}"),
    }
}

#[test]
fn a_retransmitted_invite_gets_the_last_response() {
    let mut bench = Bench::new();
    let id = new(bench.receive(&invite()));
    let ringing = bench.respond(id, &invite(), 180);
    assert_eq!(bench.receive(&invite()), Received::Absorbed);
    assert_eq!(bench.sent(), [ringing.clone(), ringing]);
    let progress = bench.respond(id, &invite(), 183);
    let _ = bench.receive(&invite());
    assert_eq!(bench.sent(), [progress.clone(), progress]);
    let busy = bench.respond(id, &invite(), 486);
    let _ = bench.receive(&invite());
    assert_eq!(bench.sent(), [busy.clone(), busy]);
}

#[test]
fn a_slow_user_has_a_100_sent_for_it() {
    let mut bench = Bench::new();
    let id = new(bench.receive(&invite()));
    assert_eq!(bench.receive(&invite()), Received::Absorbed);
    assert!(bench.sent().is_empty());
    let outputs = bench.pass(5_000);
    let [(at, Output::Transmit { bytes, flow })] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert!((200..=202).contains(at));
    assert_eq!(*flow, udp(5060));
    let trying = parse(bytes);
    assert_eq!((trying.status(), trying.to_tag()), (Some(100), None));
    assert_eq!(trying.via().rport(), Some(Some(5060)));
    let _ = bench.receive(&invite());
    assert_eq!(bench.sent(), std::slice::from_ref(bytes));
    let ringing = bench.respond(id, &invite(), 180);
    assert_eq!(bench.sent(), [ringing]);
}

#[test]
fn a_user_that_answers_in_time_has_no_100_sent() {
    let mut bench = Bench::new();
    let id = new(bench.receive(&invite()));
    bench.respond(id, &invite(), 180);
    bench.sent();
    assert_eq!(bench.pass(5_000), []);
}

#[test]
fn a_failure_is_retransmitted_until_its_ack() {
    let mut bench = Bench::new();
    let id = new(bench.receive(&invite()));
    let busy = bench.respond(id, &invite(), 486);
    bench.sent();
    let again = bench.pass(8_000);
    assert!(again.iter().all(|(_, o)| *o == Output::Transmit { flow: udp(5060), bytes: busy.clone() }));
    let at: Vec<u64> = again.iter().map(|(at, _)| at / 10 * 10).collect();
    assert_eq!(at, [500, 1_500, 3_500, 7_500]);
    assert_eq!(bench.receive(&ack()), Received::Absorbed);
    assert_eq!(bench.outputs(), [Output::Acked(id)]);
    assert_eq!(bench.receive(&ack()), Received::Absorbed);
    assert_eq!(bench.receive(&invite()), Received::Absorbed);
    assert_eq!(bench.outputs(), []);
    let end = bench.pass(60_000);
    assert!(matches!(end.as_slice(), [(5_000..=5_010, Output::ServerGone(gone))] if *gone == id), "{end:?}");
    assert!(bench.layer.is_idle());
}

#[test]
fn a_failure_without_ack_ends_after_64_t1() {
    let mut bench = Bench::new();
    let id = new(bench.receive(&invite()));
    bench.respond(id, &invite(), 603);
    bench.sent();
    let end = bench.pass(60_000);
    let transmissions = end.iter().filter(|(_, o)| matches!(o, Output::Transmit { .. })).count();
    assert_eq!(transmissions, 10);
    let [.., (at, Output::NoAck(no_ack)), (_, Output::ServerGone(gone))] = end.as_slice() else {
        panic!("{end:?}")
    };
    assert!((32_000..32_010).contains(at));
    assert_eq!((*no_ack, *gone), (id, id));
    assert!(bench.layer.is_idle());
}

#[test]
fn an_accepted_invite_leaves_the_2xx_to_the_user() {
    let mut bench = Bench::new();
    let id = new(bench.receive(&invite()));
    let ok = bench.respond(id, &invite(), 200);
    assert_eq!(bench.sent(), std::slice::from_ref(&ok));
    assert_eq!(bench.receive(&invite()), Received::Absorbed);
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.receive(&ack()), Received::Ack);
    bench.respond(id, &invite(), 200);
    assert_eq!(bench.sent(), [ok]);
    let late = bench.layer.respond(bench.now, id, 486, response(&invite(), 486));
    assert_eq!(late, Err(RespondError::Final(id)));
    let late = bench.layer.respond(bench.now, id, 180, response(&invite(), 180));
    assert_eq!(late, Err(RespondError::Final(id)));
    let end = bench.pass(60_000);
    assert!(matches!(end.as_slice(), [(32_000..=32_010, Output::ServerGone(_))]), "{end:?}");
    let gone = bench.layer.respond(bench.now, id, 200, Bytes::new());
    assert_eq!(gone, Err(RespondError::Gone(id)));
    assert!(bench.layer.is_idle());
}

#[test]
fn an_ack_with_a_branch_of_its_own_is_for_the_user() {
    let mut bench = Bench::new();
    let id = new(bench.receive(&invite()));
    bench.respond(id, &invite(), 200);
    let other = with_to_tag(&foreign("ACK", "192.0.2.1:5060;branch=z9hG4bKother", "call-1"), "b2");
    assert_eq!(bench.receive(&other), Received::Ack);
}

#[test]
fn a_request_is_answered_from_memory_for_64_t1() {
    let mut bench = Bench::new();
    let options = foreign("OPTIONS", VIA, "call-1");
    let id = new(bench.receive(&options));
    assert_eq!(bench.receive(&options), Received::Absorbed);
    assert_eq!(bench.outputs(), []);
    let ok = bench.respond(id, &options, 200);
    let _ = bench.receive(&options);
    assert_eq!(bench.sent(), [ok.clone(), ok]);
    let late = bench.layer.respond(bench.now, id, 200, Bytes::new());
    assert_eq!(late, Err(RespondError::Final(id)));
    let end = bench.pass(60_000);
    assert!(matches!(end.as_slice(), [(32_000..=32_010, Output::ServerGone(_))]), "{end:?}");
    assert!(bench.layer.is_idle());
}

#[test]
fn a_request_that_the_user_forgets_ends_with_the_patience_of_the_peer() {
    for provisional in [false, true] {
        let mut bench = Bench::new();
        let options = foreign("OPTIONS", VIA, "call-1");
        let id = new(bench.receive(&options));
        if provisional {
            bench.respond(id, &options, 100);
            bench.sent();
        }
        let end = bench.pass(60_000);
        assert!(matches!(end.as_slice(), [(32_000..=32_010, Output::ServerGone(_))]), "{end:?}");
        let late = bench.layer.respond(bench.now, id, 200, Bytes::new());
        assert_eq!(late, Err(RespondError::Gone(id)));
        assert!(bench.layer.is_idle());
    }
}

#[test]
fn streams_need_no_memory() {
    let mut bench = Bench::new();
    bench.flow = stream(3);
    let options = foreign("OPTIONS", VIA, "call-1");
    let id = new(bench.receive(&options));
    bench.respond(id, &options, 200);
    let outputs = bench.outputs();
    assert!(matches!(outputs.as_slice(), [Output::Transmit { .. }, Output::ServerGone(gone)] if *gone == id));
    let id = new(bench.receive(&invite()));
    bench.respond(id, &invite(), 486);
    bench.sent();
    assert_eq!(bench.pass(10_000), []);
    assert_eq!(bench.receive(&ack()), Received::Absorbed);
    assert_eq!(bench.outputs(), [Output::Acked(id), Output::ServerGone(id)]);
    assert!(bench.layer.is_idle());
}

#[test]
fn a_cancel_finds_its_invite() {
    let mut bench = Bench::new();
    let cancel = foreign("CANCEL", VIA, "call-1");
    let invite_id = new(bench.receive(&invite()));
    let received = bench.receive(&cancel);
    let Received::Cancel { cancel: cancel_id, invite: Some(found) } = received else {
        panic!("{received:?}")
    };
    assert_eq!(found, invite_id);
    let ok = bench.respond(cancel_id, &cancel, 200);
    let terminated = bench.respond(invite_id, &invite(), 487);
    assert_eq!(bench.sent(), [ok.clone(), terminated]);
    assert_eq!(bench.receive(&cancel), Received::Absorbed);
    assert_eq!(bench.sent(), [ok]);
}

#[test]
fn a_cancel_of_nothing_finds_nothing() {
    let mut bench = Bench::new();
    let _ = bench.receive(&invite());
    let received = bench.receive(&foreign("CANCEL", "192.0.2.1:5060;branch=z9hG4bKabd", "call-1"));
    assert!(matches!(received, Received::Cancel { invite: None, .. }), "{received:?}");
}

#[test]
fn branch_and_host_compare_without_case_and_with_the_default_port() {
    let mut bench = Bench::new();
    new(bench.receive(&foreign("OPTIONS", "Host.Example.net;branch=z9hG4bKAbC", "x")));
    let again = foreign("OPTIONS", "host.example.net:5060;branch=Z9HG4BKaBc", "x");
    assert_eq!(bench.receive(&again), Received::Absorbed);
}

#[test]
fn the_same_branch_of_another_sender_is_another_transaction() {
    let mut bench = Bench::new();
    new(bench.receive(&foreign("OPTIONS", "192.0.2.1;branch=z9hG4bKabc", "x")));
    new(bench.receive(&foreign("OPTIONS", "192.0.2.1:5062;branch=z9hG4bKabc", "y")));
    new(bench.receive(&foreign("OPTIONS", "192.0.2.2;branch=z9hG4bKabc", "z")));
    new(bench.receive(&foreign("INFO", "192.0.2.1;branch=z9hG4bKabc", "w")));
    assert_eq!(bench.layer.counts().server_non_invite, 4);
}

#[test]
fn a_request_with_credentials_under_the_old_branch_is_new() {
    let mut bench = Bench::new();
    let register = foreign("REGISTER", VIA, "call-1");
    let id = new(bench.receive(&register));
    bench.respond(id, &register, 401);
    let text = std::str::from_utf8(&register).unwrap().replace("CSeq: 1", "CSeq: 2");
    assert_ne!(new(bench.receive(&text.into())), id);
}

#[test]
fn elements_of_rfc_2543_are_matched_by_the_rest() {
    for via in ["192.0.2.1:5060", "192.0.2.1:5060;branch=1", "192.0.2.1:5060;branch=z9hG4bK"] {
        let mut bench = Bench::new();
        let first = foreign("INVITE", via, "call-1");
        let id = new(bench.receive(&first));
        assert_eq!(bench.receive(&first), Received::Absorbed);
        new(bench.receive(&foreign("INVITE", via, "call-2")));
        let cancel = bench.receive(&foreign("CANCEL", via, "call-1"));
        assert!(matches!(cancel, Received::Cancel { invite: Some(found), .. } if found == id), "{cancel:?}");
        bench.respond(id, &first, 486);
        bench.outputs();
        assert_eq!(bench.receive(&with_to_tag(&foreign("ACK", via, "call-1"), "b2")), Received::Absorbed);
        assert_eq!(bench.outputs(), [Output::Acked(id)]);
    }
}

#[test]
fn a_merged_request_is_told_from_a_new_one() {
    let mut bench = Bench::new();
    let other_way = foreign("INVITE", "192.0.2.7:5060;branch=z9hG4bKdef", "call-1");
    let id = new(bench.receive(&invite()));
    let received = bench.receive(&other_way);
    let Received::Merged(merged) = received else { panic!("{received:?}") };
    assert_ne!(merged, id);
    bench.respond(merged, &other_way, 482);
    assert_eq!(bench.receive(&other_way), Received::Absorbed);
    // The first one is accepted: whatever comes later is still a copy.
    bench.respond(id, &invite(), 200);
    let third = bench.receive(&foreign("INVITE", "192.0.2.8:5060;branch=z9hG4bKghi", "call-1"));
    assert!(matches!(third, Received::Merged(_)), "{third:?}");
    // Within the dialog the same From tag, Call-ID and CSeq are no sign of anything.
    let inside = with_to_tag(&foreign("INVITE", "192.0.2.8:5060;branch=z9hG4bKjkl", "call-1"), "b2");
    new(bench.receive(&inside));
}

#[test]
fn what_was_refused_may_come_another_way() {
    let mut bench = Bench::new();
    let id = new(bench.receive(&invite()));
    bench.respond(id, &invite(), 503);
    new(bench.receive(&foreign("INVITE", "192.0.2.7:5060;branch=z9hG4bKdef", "call-1")));
}

#[test]
fn a_proxy_gets_its_spirals_back() {
    let mut bench = Bench::with(Config { detect_merged: false, ..Config::default() });
    new(bench.receive(&invite()));
    new(bench.receive(&foreign("INVITE", "192.0.2.7:5060;branch=z9hG4bKdef", "call-1")));
}

#[test]
fn responses_go_where_via_says() {
    let from = udp(33_000);
    for (via, port) in [
        ("192.0.2.1;branch=z9hG4bKabc", 5060),
        ("192.0.2.1:5070;branch=z9hG4bKabc", 5070),
        ("10.0.0.1:5070;branch=z9hG4bKabc", 5070),
        ("10.0.0.1:5070;branch=z9hG4bKabc;rport", 33_000),
        ("10.0.0.1:5070;branch=z9hG4bKabc;maddr=203.0.113.1", 5070),
    ] {
        let request = parse(&foreign("OPTIONS", via, "x"));
        assert_eq!(response_flow(&request, from), udp(port), "{via}");
        assert_eq!(response_flow(&request, stream(3)), stream(3), "{via}");
    }
}

#[test]
fn a_response_survives_its_stream() {
    let mut bench = Bench::new();
    bench.flow = stream(3);
    let options = foreign("OPTIONS", "192.0.2.1:5070;branch=z9hG4bKabc", "x");
    let id = new(bench.receive(&options));
    bench.layer.flow_closed(bench.now, stream(3));
    bench.respond(id, &options, 200);
    let outputs = bench.outputs();
    let [Output::Transmit { flow, .. }, Output::ServerGone(_)] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        (flow.endpoint, flow.connection, flow.peer),
        (EndpointId(1), 0, ([192, 0, 2, 1], 5070).into())
    );
}

#[test]
fn a_response_that_cannot_be_sent_is_told_and_the_transaction_goes_on() {
    let mut bench = Bench::new();
    bench.flow = stream(3);
    let id = new(bench.receive(&invite()));
    bench.layer.flow_closed(bench.now, stream(3));
    bench.layer.flow_closed(bench.now, Flow::to(EndpointId(1), ([192, 0, 2, 1], 5060).into()));
    assert_eq!(bench.outputs(), [Output::ResponseFailed(id)]);
    bench.respond(id, &invite(), 486);
    bench.sent();
    let end = bench.pass(40_000);
    assert!(matches!(end.as_slice(), [(_, Output::NoAck(_)), (_, Output::ServerGone(_))]), "{end:?}");
    assert!(bench.layer.is_idle());
}
