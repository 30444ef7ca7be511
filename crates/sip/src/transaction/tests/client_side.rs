use super::*;
use crate::transaction::{Cancelled, ClientId, Output};

fn transmissions(outputs: &[(u64, Output)]) -> Vec<u64> {
    outputs
        .iter()
        .filter(|(_, output)| matches!(output, Output::Transmit { .. }))
        .map(|(at, _)| at / 10 * 10)
        .collect()
}

#[test]
fn an_invite_that_nobody_answers_is_sent_seven_times() {
    let mut bench = Bench::new();
    let (id, bytes) = bench.request(Method::Invite);
    assert_eq!(bench.sent(), [bytes]);
    let all = bench.pass(60_000);
    assert_eq!(transmissions(&all), [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    let [.., (at, Output::TimedOut(out)), (_, Output::ClientGone(gone))] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert!((32_000..32_010).contains(at));
    assert_eq!((*out, *gone), (id, id));
    assert!(bench.layer.is_idle());
}

#[test]
fn a_request_that_nobody_answers_is_sent_eleven_times() {
    let mut bench = Bench::new();
    let (id, _) = bench.request(Method::Options);
    bench.sent();
    let all = bench.pass(60_000);
    let at = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(transmissions(&all), at);
    let ends: Vec<&Output> = all.iter().map(|(_, o)| o).skip(at.len()).collect();
    assert_eq!(ends, [&Output::TimedOut(id), &Output::ClientGone(id)]);
}

#[test]
fn a_provisional_response_stops_the_invite() {
    let mut bench = Bench::new();
    let (id, bytes) = bench.request(Method::Invite);
    bench.sent();
    assert_eq!(bench.receive(&response(&bytes, 100)), Received::Response(id));
    assert_eq!(bench.receive(&response(&bytes, 180)), Received::Response(id));
    assert_eq!(bench.pass(300_000), []);
}

#[test]
fn a_provisional_response_slows_other_requests_to_t2() {
    let mut bench = Bench::new();
    let (id, bytes) = bench.request(Method::Refer);
    bench.sent();
    assert_eq!(bench.receive(&response(&bytes, 100)), Received::Response(id));
    let all = bench.pass(60_000);
    assert_eq!(transmissions(&all), [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500]);
    assert!(all.iter().any(|(_, output)| *output == Output::TimedOut(id)));
}

#[test]
fn a_failure_is_acknowledged_as_often_as_it_comes() {
    let mut bench = Bench::new();
    let (id, bytes) = bench.request(Method::Invite);
    bench.sent();
    let busy = response(&bytes, 486);
    assert_eq!(bench.receive(&busy), Received::Response(id));
    let sent = bench.sent();
    assert_eq!(sent.len(), 1);
    let (invite, ack) = (parse(&bytes), parse(&sent[0]));
    assert_eq!(ack.method(), Method::Ack);
    assert_eq!(ack.request_uri(), invite.request_uri());
    assert_eq!(ack.header(Name::Via), invite.header(Name::Via));
    assert_eq!(ack.header(Name::From), invite.header(Name::From));
    assert_eq!(ack.to_tag(), Some("b2"));
    assert_eq!((ack.call_id(), ack.cseq().number), (invite.call_id(), 7));
    assert_eq!(ack.header(Name::Route), invite.header(Name::Route));
    assert_eq!(bench.receive(&busy), Received::Absorbed);
    assert_eq!(bench.sent(), sent);
    let end = bench.pass(60_000);
    assert!(matches!(end.as_slice(), [(32_000..=32_010, Output::ClientGone(_))]), "{end:?}");
    assert_eq!(bench.receive(&busy), Received::Unmatched);
    assert!(bench.layer.is_idle());
}

#[test]
fn every_2xx_to_an_invite_is_for_the_user() {
    let mut bench = Bench::new();
    let (id, bytes) = bench.request(Method::Invite);
    bench.sent();
    let ok = response(&bytes, 200);
    assert_eq!(bench.receive(&ok), Received::Response(id));
    assert_eq!(bench.receive(&ok), Received::Response(id));
    assert_eq!(bench.receive(&response(&bytes, 180)), Received::Absorbed);
    assert_eq!(bench.receive(&response(&bytes, 486)), Received::Absorbed);
    let end = bench.pass(60_000);
    assert!(matches!(end.as_slice(), [(32_000..=32_010, Output::ClientGone(_))]), "{end:?}");
    assert_eq!(bench.receive(&ok), Received::StrayResponse);
    assert!(bench.layer.is_idle());
}

#[test]
fn a_2xx_after_a_failure_is_a_stray() {
    let mut bench = Bench::new();
    let (_, bytes) = bench.request(Method::Invite);
    let _ = bench.receive(&response(&bytes, 486));
    assert_eq!(bench.receive(&response(&bytes, 200)), Received::StrayResponse);
}

#[test]
fn retransmitted_final_responses_are_absorbed_for_t4() {
    let mut bench = Bench::new();
    let (id, bytes) = bench.request(Method::Bye);
    bench.sent();
    let ok = response(&bytes, 200);
    assert_eq!(bench.receive(&ok), Received::Response(id));
    assert_eq!(bench.receive(&ok), Received::Absorbed);
    let end = bench.pass(60_000);
    assert!(matches!(end.as_slice(), [(5_000..=5_010, Output::ClientGone(_))]), "{end:?}");
    assert_eq!(bench.receive(&ok), Received::Unmatched);
}

#[test]
fn streams_need_no_retransmission_and_no_memory() {
    let mut bench = Bench::new();
    bench.flow = stream(3);
    for method in [Method::Invite, Method::Message] {
        let branch = bench.layer.next_branch();
        let bytes = request(method, branch);
        let id = bench.layer.request(bench.now, bench.flow, true, branch, method, bytes.clone()).unwrap();
        assert_eq!(bench.sent().len(), 1);
        assert_eq!(bench.pass(20_000), []);
        assert_eq!(bench.receive(&response(&bytes, 480)), Received::Response(id));
        assert_eq!(bench.outputs().last(), Some(&Output::ClientGone(id)));
    }
    assert!(bench.layer.is_idle());
}

#[test]
fn a_response_matches_by_branch_and_method() {
    let mut bench = Bench::new();
    let (_, bytes) = bench.request(Method::Options);
    let text = std::str::from_utf8(&response(&bytes, 200)).unwrap().to_owned();
    let other_method = text.replace("CSeq: 7 OPTIONS", "CSeq: 7 INFO");
    assert_eq!(bench.receive(&other_method.into()), Received::Unmatched);
    let other_branch = text.replace("branch=z9hG4bK", "branch=z9hG4bKx");
    assert_eq!(bench.receive(&other_branch.into()), Received::Unmatched);
    let branch = Branch::new(0, 1);
    assert_eq!(bench.receive(&response(&request(Method::Options, branch), 200)), Received::Unmatched);
    assert_eq!(bench.receive(&response(&request(Method::Invite, branch), 486)), Received::Unmatched);
    assert_eq!(bench.receive(&response(&request(Method::Invite, branch), 200)), Received::StrayResponse);
}

/// An INVITE, and the CANCEL that went out for it.
fn cancelled(bench: &mut Bench) -> (ClientId, Bytes, Bytes) {
    let (id, invite) = bench.request(Method::Invite);
    bench.sent();
    assert_eq!(bench.receive(&response(&invite, 180)), Received::Response(id));
    assert_eq!(
        bench.layer.cancel(bench.now, id, Some("SIP;cause=200;text=\"Call completed elsewhere\"")),
        Cancelled::Sent
    );
    let sent = bench.sent();
    assert_eq!(sent.len(), 1);
    (id, invite, sent[0].clone())
}

#[test]
fn a_cancel_resembles_its_invite() {
    let mut bench = Bench::new();
    let (_, invite, cancel) = cancelled(&mut bench);
    let (invite, cancel) = (parse(&invite), parse(&cancel));
    assert_eq!(cancel.method(), Method::Cancel);
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::Route] {
        assert_eq!(cancel.header(name), invite.header(name), "{name:?}");
    }
    assert_eq!((cancel.request_uri(), cancel.cseq().number), (invite.request_uri(), 7));
    assert_eq!(cancel.header(Name::Reason), Some("SIP;cause=200;text=\"Call completed elsewhere\""));
}

#[test]
fn a_cancelled_invite_ends_with_487() {
    let mut bench = Bench::new();
    let (id, invite, cancel) = cancelled(&mut bench);
    assert_eq!(bench.layer.cancel(bench.now, id, None), Cancelled::Sent);
    assert_eq!(bench.sent().len(), 0);
    assert_eq!(bench.receive(&response(&cancel, 200)), Received::Absorbed);
    assert_eq!(bench.receive(&response(&invite, 487)), Received::Response(id));
    let sent = bench.sent();
    assert_eq!(parse(&sent[0]).method(), Method::Ack);
    assert_eq!(bench.layer.cancel(bench.now, id, None), Cancelled::TooLate);
    let end: Vec<Output> = bench.pass(60_000).into_iter().map(|(_, output)| output).collect();
    assert_eq!(end, [Output::ClientGone(id)]);
    assert!(bench.layer.is_idle());
}

#[test]
fn a_200_may_be_faster_than_the_cancel() {
    let mut bench = Bench::new();
    let (id, invite, cancel) = cancelled(&mut bench);
    assert_eq!(bench.receive(&response(&invite, 200)), Received::Response(id));
    assert_eq!(bench.receive(&response(&cancel, 481)), Received::Absorbed);
    let end: Vec<Output> = bench.pass(60_000).into_iter().map(|(_, output)| output).collect();
    assert_eq!(end, [Output::ClientGone(id)]);
    assert!(bench.layer.is_idle());
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut bench = Bench::new();
    let (id, invite) = bench.request(Method::Invite);
    bench.sent();
    assert_eq!(bench.layer.cancel(bench.now, id, Some("SIP;cause=200")), Cancelled::Waiting);
    assert_eq!(bench.layer.cancel(bench.now, id, None), Cancelled::Waiting);
    assert_eq!(bench.sent().len(), 0);
    assert_eq!(bench.receive(&response(&invite, 100)), Received::Response(id));
    let sent = bench.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(parse(&sent[0]).method(), Method::Cancel);
    assert_eq!(parse(&sent[0]).header(Name::Reason), Some("SIP;cause=200"));
}

#[test]
fn a_cancelled_invite_without_any_response_just_ends() {
    let mut bench = Bench::new();
    let (id, invite) = bench.request(Method::Invite);
    let _ = bench.layer.cancel(bench.now, id, None);
    bench.sent();
    let all = bench.pass(60_000);
    for (_, output) in &all {
        if let Output::Transmit { bytes, .. } = output {
            assert_eq!(*bytes, invite);
        }
    }
    assert!(all.iter().any(|(_, output)| *output == Output::TimedOut(id)));
    assert!(bench.layer.is_idle());
}

#[test]
fn a_cancelled_invite_without_final_response_ends_after_64_t1() {
    let mut bench = Bench::new();
    let (id, _, cancel) = cancelled(&mut bench);
    assert_eq!(bench.receive(&response(&cancel, 200)), Received::Absorbed);
    let all = bench.pass(60_000);
    let [(at, Output::TimedOut(out)), (_, Output::ClientGone(_))] = all.as_slice() else { panic!("{all:?}") };
    assert!((32_000..32_010).contains(at));
    assert_eq!(*out, id);
    assert!(bench.layer.is_idle());
}

#[test]
fn only_invites_without_final_response_are_cancelled() {
    let mut bench = Bench::new();
    let (options, _) = bench.request(Method::Options);
    let (invite, bytes) = bench.request(Method::Invite);
    let _ = bench.receive(&response(&bytes, 200));
    bench.outputs();
    for id in [options, invite] {
        assert_eq!(bench.layer.cancel(bench.now, id, None), Cancelled::TooLate);
    }
    assert_eq!(bench.outputs(), []);
}

#[test]
fn a_request_without_response_fails_with_its_flow() {
    let mut bench = Bench::new();
    let (invite, _) = bench.request(Method::Invite);
    let (options, _) = bench.request(Method::Options);
    bench.sent();
    bench.layer.flow_closed(bench.now, udp(5061));
    assert_eq!(bench.outputs(), []);
    bench.layer.flow_closed(bench.now, bench.flow);
    let outputs = [
        Output::TransportFailed(invite),
        Output::ClientGone(invite),
        Output::TransportFailed(options),
        Output::ClientGone(options),
    ];
    assert_eq!(bench.outputs(), outputs);
    assert!(bench.layer.is_idle());
}

#[test]
fn a_proceeding_invite_survives_its_stream() {
    let mut bench = Bench::new();
    bench.flow = stream(3);
    let branch = bench.layer.next_branch();
    let invite = request(Method::Invite, branch);
    let id =
        bench.layer.request(bench.now, bench.flow, true, branch, Method::Invite, invite.clone()).unwrap();
    let _ = bench.receive(&response(&invite, 180));
    bench.sent();
    bench.layer.flow_closed(bench.now, stream(3));
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.layer.cancel(bench.now, id, None), Cancelled::Sent);
    let outputs = bench.outputs();
    let [Output::Transmit { flow, .. }] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(*flow, Flow { connection: 0, ..stream(3) });
    assert_eq!(bench.receive(&response(&invite, 487)), Received::Response(id));
}

#[test]
fn a_request_on_any_connection_fails_with_the_one_it_got() {
    let mut bench = Bench::new();
    bench.flow = Flow { connection: 0, ..stream(0) };
    let branch = bench.layer.next_branch();
    let bytes = request(Method::Register, branch);
    let id = bench.layer.request(bench.now, bench.flow, true, branch, Method::Register, bytes).unwrap();
    bench.sent();
    bench.layer.flow_closed(bench.now, stream(9));
    assert_eq!(bench.outputs(), [Output::TransportFailed(id), Output::ClientGone(id)]);
}
