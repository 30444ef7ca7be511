use super::*;
use crate::transaction::RequestError;

#[test]
fn a_flood_does_not_grow_beyond_the_limit() {
    let mut bench = Bench::with(Config { max_server: 800, refusals_per_second: 10, ..Config::default() });
    let (mut new, mut refused, mut dropped) = (0, 0, 0);
    for n in 0..100_000u32 {
        let bytes = foreign("INVITE", &format!("192.0.2.1;branch=z9hG4bK{n}"), &format!("call-{n}"));
        match bench.receive(&bytes) {
            Received::Request(_) => new += 1,
            Received::Overloaded { refused: true } => refused += 1,
            Received::Overloaded { refused: false } => dropped += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new, refused, dropped), (700, 10, 99_290));
    assert_eq!(bench.layer.counts().server_invite, 700);
    assert_eq!(bench.layer.counts().timers, 700);
    let sent = bench.sent();
    assert_eq!(sent.len(), 10);
    let answer = parse(&sent[0]);
    assert_eq!((answer.status(), answer.header(Name::RetryAfter)), (Some(503), Some("5")));
    assert!(answer.to_tag().is_some());
}

#[test]
fn every_copy_of_a_refused_request_gets_the_same_tag() {
    let mut bench = Bench::with(Config { max_server: 0, ..Config::default() });
    let bytes = foreign("INVITE", "192.0.2.1;branch=z9hG4bKabc", "call-1");
    for _ in 0..2 {
        assert_eq!(bench.receive(&bytes), Received::Overloaded { refused: true });
    }
    let sent = bench.sent();
    assert_eq!(sent[0], sent[1]);
}

#[test]
fn a_full_layer_can_still_end_calls() {
    let mut bench = Bench::with(Config { max_server: 16, ..Config::default() });
    for n in 0..14 {
        let via = format!("192.0.2.1;branch=z9hG4bK{n}");
        assert!(matches!(bench.receive(&foreign("INVITE", &via, &via)), Received::Request(_)));
    }
    let refused = bench.receive(&foreign("OPTIONS", "192.0.2.1;branch=z9hG4bKx", "x"));
    assert_eq!(refused, Received::Overloaded { refused: true });
    let cancel = bench.receive(&foreign("CANCEL", "192.0.2.1;branch=z9hG4bK3", "z"));
    assert!(matches!(cancel, Received::Cancel { invite: Some(_), .. }), "{cancel:?}");
    let bye = with_to_tag(&foreign("BYE", "192.0.2.1;branch=z9hG4bKbye", "y"), "b2");
    assert!(matches!(bench.receive(&bye), Received::Request(_)));
    let bye = with_to_tag(&foreign("BYE", "192.0.2.1;branch=z9hG4bKbye2", "y"), "b2");
    assert!(matches!(bench.receive(&bye), Received::Overloaded { .. }));
}

#[test]
fn invites_leave_room_for_other_requests() {
    let mut bench = Bench::with(Config { max_client: 16, ..Config::default() });
    for _ in 0..14 {
        bench.request(Method::Invite);
    }
    let mut send = |method| {
        let branch = bench.layer.next_branch();
        bench.layer.request(bench.now, bench.flow, false, branch, method, request(method, branch)).map(|_| ())
    };
    assert_eq!(send(Method::Invite), Err(RequestError::Full { live: 14 }));
    assert_eq!(send(Method::Bye), Ok(()));
    assert_eq!(send(Method::Bye), Ok(()));
    assert_eq!(send(Method::Bye), Err(RequestError::Full { live: 16 }));
}

#[test]
fn branches_name_their_shard() {
    let mut layer = Layer::new(Config { shard: 513, ..Config::default() }, Entropy::from_number(1));
    let branch = layer.next_branch();
    assert_eq!(Branch::parse(&branch.to_string()).map(Branch::shard), Some(513));
    assert_ne!(layer.next_branch(), branch);
}

#[test]
fn an_entry_is_small() {
    // With its key, its timer and a response of 500 octets, a lingering transaction stays below 1,000.
    let (server, client) = super::super::entry_sizes();
    assert!(server <= 208, "{server}");
    assert!(client <= 208, "{client}");
}
