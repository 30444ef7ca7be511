//! TCP: framing, limits, opening, keep-alive, closing.
#![allow(clippy::disallowed_methods)]

mod common;

use bytes::Bytes;
use common::{Ask, DEADLINE, Echoing, Told, message};
use hookswitch_machine::{CloseReason, EndpointId, Flow, Transport};
use hookswitch_runtime::Options;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const TCP: &[(Transport, &str)] = &[(Transport::Tcp, "127.0.0.1:0")];

fn connect(echoing: &Echoing) -> TcpStream {
    patient(TcpStream::connect(echoing.address(0)).unwrap())
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, expected);
}

/// The peer sees an end: of the stream, or by a reset.
fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

fn received(told: Told) -> (usize, Flow, Bytes) {
    match told {
        Told::Received(shard, flow, bytes) => (shard, flow, bytes),
        other => panic!("expected a message, got {other:?}"),
    }
}

fn closed(told: Told) -> (Flow, CloseReason) {
    match told {
        Told::Closed(_, flow, reason) => (flow, reason),
        other => panic!("expected a closed flow, got {other:?}"),
    }
}

#[test]
fn messages_are_framed_however_they_arrive() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        if TcpListener::bind(address).is_err() {
            continue;
        }
        let echoing = Echoing::start(&[(Transport::Tcp, address)]);
        let mut stream = connect(&echoing);
        stream.set_nodelay(true).unwrap();
        let (first, second, third) = (message("FIRST"), message("SECOND"), message("THIRD"));
        stream.write_all(&[&first[..], &second, &third[..5]].concat()).unwrap();
        expect(&mut stream, &[&first[..], &second].concat());
        for byte in &third[5..] {
            stream.write_all(&[*byte]).unwrap();
        }
        expect(&mut stream, &third);
        let body = vec![b'x'; 60_000];
        let big = [b"BIG sip:peer SIP/2.0\r\nContent-Length: 60000\r\n\r\n", &body[..]].concat();
        stream.write_all(&big).unwrap();
        expect(&mut stream, &big);
        let (_, flow, _) = received(echoing.next());
        assert_eq!(flow.peer, stream.local_addr().unwrap());
        assert_ne!(flow.connection, 0);
        echoing.stop();
    }
}

#[test]
fn the_end_of_a_connection_is_told_to_every_shard() {
    let echoing = Echoing::with(TCP, Options::default(), 2, |_| {});
    let mut stream = connect(&echoing);
    let messages = [message("0"), message("1")].concat();
    stream.write_all(&messages).unwrap();
    // The shards answer independently of one another.
    let mut answers = vec![0; messages.len()];
    stream.read_exact(&mut answers).unwrap();
    let (first, flow, _) = received(echoing.next());
    let (second, same, _) = received(echoing.next());
    assert_eq!(flow, same);
    assert_ne!(first, second);
    drop(stream);
    let mut told = Vec::new();
    for _ in 0..2 {
        match echoing.next() {
            Told::Closed(shard, closed, CloseReason::Ended) if closed == flow => told.push(shard),
            other => panic!("expected the end, got {other:?}"),
        }
    }
    told.sort_unstable();
    assert_eq!(told, [0, 1]);
    // Sending on it now only concerns the sender.
    echoing.ask(Ask::Send(flow, message("LATE")));
    assert_eq!(echoing.next(), Told::Closed(0, flow, CloseReason::Ended));
    echoing.stop();
}

#[test]
fn a_ping_is_answered_with_a_pong() {
    let echoing = Echoing::start(TCP);
    let mut stream = connect(&echoing);
    stream.write_all(b"\r\n\r\n").unwrap();
    expect(&mut stream, b"\r\n");
    echoing.stop();
}

#[test]
fn what_is_no_message_closes_the_connection() {
    let echoing = Echoing::start(TCP);
    let mut stream = connect(&echoing);
    stream.write_all(b"<html>").unwrap();
    assert_eq!(closed(echoing.next()).1, CloseReason::Malformed);
    expect_end(&mut stream);
    assert_eq!(echoing.running.figures().malformed, 1);
    echoing.stop();
}

#[test]
fn a_message_without_a_usable_length_is_answered_before_the_end() {
    let echoing = Echoing::start(TCP);
    let mut stream = connect(&echoing);
    let head = b"INVITE sip:peer SIP/2.0\r\nContent-Length: many\r\n\r\n";
    stream.write_all(head).unwrap();
    let (_, _, bytes) = received(echoing.next());
    assert_eq!(&bytes[..], head);
    expect(&mut stream, head);
    assert_eq!(closed(echoing.next()).1, CloseReason::Malformed);
    echoing.stop();
}

#[test]
fn connections_above_the_limit_are_turned_away() {
    let mut options = Options::default();
    options.streams.connections_per_address = 2;
    let echoing = Echoing::with(TCP, options, 1, |_| {});
    let mut admitted = [connect(&echoing), connect(&echoing)];
    for stream in &mut admitted {
        stream.write_all(&message("HELLO")).unwrap();
        expect(stream, &message("HELLO"));
    }
    expect_end(&mut connect(&echoing));
    assert_eq!(echoing.running.figures().turned_away, 1);
    // Room is made by whoever leaves.
    let [leaver, mut stayer] = admitted;
    drop(leaver);
    while !matches!(echoing.next(), Told::Closed(..)) {}
    let mut next = connect(&echoing);
    next.write_all(&message("HELLO")).unwrap();
    expect(&mut next, &message("HELLO"));
    stayer.write_all(&message("HELLO")).unwrap();
    expect(&mut stayer, &message("HELLO"));
    echoing.stop();
}

#[test]
fn a_peer_that_does_not_read_is_closed() {
    let mut options = Options::default();
    options.streams.write_queue = 100_000;
    let echoing = Echoing::with(TCP, options, 1, |_| {});
    let mut stream = connect(&echoing);
    stream.write_all(&message("HELLO")).unwrap();
    let (_, flow, _) = received(echoing.next());
    let large = Bytes::from(vec![b'x'; 50_000]);
    // Whatever the system buffers, this is more.
    let mut sent = 0;
    let told = loop {
        if let Ok(told) = echoing.told.try_recv() {
            break told;
        }
        assert!(sent < 100_000, "5 GB without an overflow");
        if echoing.running.shards()[0].request(Ask::Send(flow, large.clone())).is_ok() {
            sent += 1;
        }
    };
    assert_eq!(closed(told), (flow, CloseReason::Overflow));
    assert_eq!(echoing.running.figures().overflows, 1);
    echoing.stop();
}

#[test]
fn a_connection_is_opened_on_demand_and_used_again() {
    let echoing = Echoing::start(TCP);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Flow::to(EndpointId(0), listener.local_addr().unwrap());
    echoing.ask(Ask::Mute);
    echoing.ask(Ask::Send(to, message("ONE")));
    echoing.ask(Ask::Send(to, message("TWO")));
    let mut stream = patient(listener.accept().unwrap().0);
    expect(&mut stream, &[message("ONE"), message("TWO")].concat());
    stream.write_all(&message("ANSWER")).unwrap();
    let (_, flow, bytes) = received(echoing.next());
    assert_eq!((flow.peer, &bytes[..]), (to.peer, &message("ANSWER")[..]));
    assert_ne!(flow.connection, 0);
    echoing.ask(Ask::Send(flow, message("THREE")));
    echoing.ask(Ask::Send(to, message("FOUR")));
    expect(&mut stream, &[message("THREE"), message("FOUR")].concat());
    assert_eq!(echoing.running.figures().opened, 1);
    drop(stream);
    assert_eq!(closed(echoing.next()), (flow, CloseReason::Ended));
    // A new one has a new number.
    echoing.ask(Ask::Send(to, message("FIVE")));
    let mut stream = patient(listener.accept().unwrap().0);
    expect(&mut stream, &message("FIVE"));
    stream.write_all(&message("AGAIN")).unwrap();
    assert!(received(echoing.next()).1.connection > flow.connection);
    echoing.stop();
}

#[test]
fn a_refused_connection_is_reported() {
    let echoing = Echoing::start(TCP);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Flow::to(EndpointId(0), listener.local_addr().unwrap());
    drop(listener);
    echoing.ask(Ask::Send(to, message("HELLO")));
    assert_eq!(closed(echoing.next()), (to, CloseReason::Refused));
    echoing.stop();
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let mut options = Options::default();
    options.streams.message_time = Duration::from_millis(50);
    let echoing = Echoing::with(TCP, options, 1, |_| {});
    let mut stream = connect(&echoing);
    // Part of a message is not one.
    stream.write_all(b"HEL").unwrap();
    expect_end(&mut stream);
    assert_eq!(closed(echoing.next()).1, CloseReason::Ended);
    echoing.stop();
}

#[test]
fn a_message_that_does_not_end_closes_the_connection() {
    let mut options = Options::default();
    options.streams.message_time = Duration::from_millis(50);
    let echoing = Echoing::with(TCP, options, 1, |_| {});
    let mut stream = connect(&echoing);
    stream.write_all(&[&message("HELLO")[..], b"HEL"].concat()).unwrap();
    expect(&mut stream, &message("HELLO"));
    expect_end(&mut stream);
    echoing.stop();
}

#[test]
fn an_idle_connection_is_closed() {
    let mut options = Options::default();
    options.streams.idle = Duration::from_millis(50);
    let echoing = Echoing::with(TCP, options, 1, |_| {});
    let mut stream = connect(&echoing);
    stream.write_all(&message("HELLO")).unwrap();
    expect(&mut stream, &message("HELLO"));
    expect_end(&mut stream);
    echoing.stop();
}

#[test]
fn opened_connections_are_probed_and_a_peer_that_stops_answering_is_given_up() {
    let mut options = Options::default();
    options.streams.ping = Duration::from_millis(30);
    options.streams.pong = Duration::from_millis(30);
    let echoing = Echoing::with(TCP, options, 1, |_| {});
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Flow::to(EndpointId(0), listener.local_addr().unwrap());
    echoing.ask(Ask::Mute);
    echoing.ask(Ask::Send(to, message("HELLO")));
    let mut stream = patient(listener.accept().unwrap().0);
    expect(&mut stream, &[&message("HELLO")[..], b"\r\n\r\n"].concat());
    // One that never answers is only probed on.
    expect(&mut stream, b"\r\n\r\n");
    stream.write_all(b"\r\n").unwrap();
    assert_eq!(closed(echoing.next()).1, CloseReason::Failed);
    expect_end(&mut stream);
    echoing.stop();
}

#[test]
fn shutdown_writes_what_is_queued() {
    let echoing = Echoing::start(TCP);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer: SocketAddr = listener.local_addr().unwrap();
    let to = Flow::to(EndpointId(0), peer);
    let large = Bytes::from(vec![b'x'; 200_000]);
    for _ in 0..4 {
        echoing.ask(Ask::Send(to, large.clone()));
    }
    let mut stream = patient(listener.accept().unwrap().0);
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all.len()
    });
    // All of it is on its way to the connection once the machine has answered and the first bytes are there.
    echoing.ask(Ask::Ping(1));
    assert_eq!(echoing.next(), Told::Pong(1));
    echoing.stop();
    assert_eq!(reading.join().unwrap(), 4 * large.len());
}
