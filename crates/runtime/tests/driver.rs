//! The loop: requests, timers, shutdown.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Ask, DEADLINE, Echoing, Told};
use hookswitch_machine::{Question, Transport};
use hookswitch_runtime::{Bound, Clock, Driver, Listen, Options, RequestError, StartError};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[test]
fn requests_and_media_events_reach_the_machine() {
    let echoing = Echoing::start(&[(Transport::Udp, "127.0.0.1:0")]);
    echoing.ask(Ask::Ping(7));
    assert_eq!(echoing.next(), Told::Pong(7));
    echoing.running.shards()[0].media_event(9).unwrap();
    assert_eq!(echoing.next(), Told::Media(9));
    echoing.stop();
}

#[test]
fn timers_fire_on_time_and_never_early() {
    let echoing = Echoing::start(&[(Transport::Udp, "127.0.0.1:0")]);
    let mut late = Vec::new();
    for millis in [1, 3, 10, 20, 50, 5, 2, 7, 1, 4] {
        echoing.ask(Ask::Timer(Duration::from_millis(millis)));
        let Told::Fired { wanted, now } = echoing.next() else { panic!("expected the timer") };
        assert!(now >= wanted);
        late.push(now.since(wanted));
    }
    late.sort();
    // The median, as the machine may be busy with something else at times.
    assert!(late[late.len() / 2] < Duration::from_millis(3), "{late:?}");
    echoing.stop();
}

#[test]
fn a_full_queue_refuses_at_once_and_gives_the_request_back() {
    let mut options = Options::default();
    options.requests = 10;
    let echoing = Echoing::with(&[(Transport::Udp, "127.0.0.1:0")], options, 1, |_| {});
    let (block, until) = channel();
    echoing.ask(Ask::Block(until));
    let mut taken = 0;
    let refused = loop {
        match echoing.running.shards()[0].request(Ask::Ping(taken)) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        // The request that blocks may or may not have been taken out of the queue yet.
        assert!(taken <= 20);
    };
    assert!(matches!(refused, RequestError::Full(Ask::Ping(number)) if number == taken));
    drop(block);
    for number in 0..taken {
        assert_eq!(echoing.next(), Told::Pong(number));
    }
    echoing.stop();
}

#[test]
fn accepted_requests_are_handled_before_the_end_and_later_ones_refused() {
    let echoing = Echoing::start(&[(Transport::Udp, "127.0.0.1:0")]);
    let handle = echoing.running.shards()[0].clone();
    for number in 0..100 {
        handle.request(Ask::Ping(number)).unwrap();
    }
    let Echoing { running, told } = echoing;
    running.shutdown(DEADLINE).unwrap();
    let pongs: Vec<Told> = told.try_iter().collect();
    assert_eq!(pongs, (0..100).map(Told::Pong).collect::<Vec<_>>());
    assert!(matches!(handle.request(Ask::Ping(1)), Err(RequestError::Closed(_))));
}

#[test]
fn shutdown_of_a_blocked_machine_is_bounded() {
    let echoing = Echoing::start(&[(Transport::Udp, "127.0.0.1:0")]);
    let (block, until) = channel();
    echoing.ask(Ask::Block(until));
    let begin = Instant::now();
    let unfinished = echoing.running.shutdown(Duration::from_millis(200)).unwrap_err();
    assert_eq!(unfinished.threads, 1);
    assert!(begin.elapsed() < Duration::from_secs(5));
    drop(block);
}

#[test]
fn a_machine_that_fails_takes_no_more_requests_and_leaves_the_other_shards_alone() {
    let echoing = Echoing::with(&[(Transport::Udp, "127.0.0.1:0")], Options::default(), 2, |_| {});
    let [first, second] = echoing.running.shards() else { panic!("expected two shards") };
    assert!(echoing.running.is_healthy());
    first.request(Ask::Fail).unwrap();
    let begin = Instant::now();
    while !matches!(first.request(Ask::Ping(1)), Err(RequestError::Closed(_))) {
        assert!(begin.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    second.request(Ask::Ping(2)).unwrap();
    assert_eq!(echoing.next(), Told::Pong(2));
    let begin = Instant::now();
    while echoing.running.is_healthy() {
        assert!(begin.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    echoing.stop();
}

#[test]
fn an_idle_driver_sleeps() {
    let echoing = Echoing::start(&[(Transport::Udp, "127.0.0.1:0"), (Transport::Tcp, "127.0.0.1:0")]);
    echoing.ask(Ask::Ping(1));
    echoing.next();
    let before = echoing.running.figures().turns;
    // Time passes without a sleep: a look-up that nobody answers takes until its deadline.
    echoing.ask(Ask::Timer(Duration::from_millis(300)));
    echoing.next();
    let turns = echoing.running.figures().turns - before;
    assert!(turns < 10, "{turns} turns with nothing to do");
    echoing.stop();
}

#[test]
fn numeric_hosts_are_answered_at_once() {
    let echoing = Echoing::start(&[(Transport::Udp, "127.0.0.1:0")]);
    let question = Question { host: "192.0.2.9".to_owned(), port: None, transport: None };
    echoing.ask(Ask::Resolve(question, DEADLINE));
    let Told::Resolved(Ok(targets)) = echoing.next() else { panic!("expected targets") };
    assert_eq!(targets[0].address, "192.0.2.9:5060".parse().unwrap());
    assert_eq!(echoing.running.figures().questions, 0);
    echoing.stop();
}

#[test]
fn one_machine_per_shard_is_asked_for() {
    let listen = [Listen::on(Transport::Udp, "127.0.0.1:0".parse().unwrap())];
    let bound = Bound::open(&listen, 2).unwrap();
    let driver = Driver::new(bound, Clock::start());
    let error = driver.start::<common::Echo, common::Tell>(Vec::new()).unwrap_err();
    assert!(matches!(error, StartError::Shards { machines: 0, shards: 2 }), "{error}");
}
