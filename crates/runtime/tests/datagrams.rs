//! UDP: echo, sizes, ICMP, steering.
#![allow(clippy::disallowed_methods)]

mod common;

use bytes::Bytes;
use common::{Ask, DEADLINE, Echoing, Told};
use hookswitch_machine::{CloseReason, EndpointId, Flow, Transport};
use hookswitch_runtime::Options;
use std::net::{SocketAddr, UdpSocket};

fn peer(of: &str) -> UdpSocket {
    let socket = UdpSocket::bind(of).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

fn echoes(address: &str) {
    let echoing = Echoing::start(&[(Transport::Udp, address)]);
    let peer = peer(address);
    let mut buffer = [0; 65_536];
    for size in [1, 500, 1_500, 9_000, 60_000] {
        let message: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        peer.send_to(&message, echoing.address(0)).unwrap();
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], message);
        assert_eq!(from, echoing.address(0));
        let flow = Flow::to(EndpointId(0), peer.local_addr().unwrap());
        assert_eq!(echoing.next(), Told::Received(0, flow, message.into()));
    }
    // The turn that sent has ended once the next one answers.
    echoing.ask(Ask::Ping(1));
    assert_eq!(echoing.next(), Told::Pong(1));
    let figures = echoing.running.figures();
    assert_eq!((figures.datagrams_in, figures.datagrams_out), (5, 5));
    echoing.stop();
}

#[test]
fn datagrams_are_echoed_over_ipv4() {
    echoes("127.0.0.1:0");
}

#[test]
fn datagrams_are_echoed_over_ipv6() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("no IPv6 on this host");
        return;
    }
    echoes("[::1]:0");
}

#[test]
fn two_sockets_of_one_shard_are_both_served() {
    let echoing = Echoing::start(&[(Transport::Udp, "127.0.0.1:0"), (Transport::Udp, "127.0.0.1:0")]);
    let peer = peer("127.0.0.1:0");
    let mut buffer = [0; 100];
    for endpoint in [1, 0, 1] {
        peer.send_to(b"hello", echoing.address(endpoint)).unwrap();
        let (_, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(from, echoing.address(endpoint));
    }
    echoing.stop();
}

#[test]
fn datagrams_above_the_limit_are_dropped_and_counted() {
    let mut options = Options::default();
    options.datagram_limit = 1_000;
    let echoing = Echoing::with(&[(Transport::Udp, "127.0.0.1:0")], options, 1, |_| {});
    let peer = peer("127.0.0.1:0");
    peer.send_to(&[1; 1_001], echoing.address(0)).unwrap();
    peer.send_to(&[2; 20_000], echoing.address(0)).unwrap();
    peer.send_to(&[3; 1_000], echoing.address(0)).unwrap();
    let mut buffer = [0; 2_000];
    assert_eq!(peer.recv(&mut buffer).unwrap(), 1_000);
    assert_eq!(buffer[0], 3);
    assert_eq!(echoing.running.figures().oversize, 2);
    echoing.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn an_icmp_error_closes_the_flow() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(nobody) = UdpSocket::bind(address) else { continue };
        let to = nobody.local_addr().unwrap();
        drop(nobody);
        let echoing = Echoing::start(&[(Transport::Udp, address)]);
        let flow = Flow::to(EndpointId(0), to);
        echoing.ask(Ask::Send(flow, Bytes::from_static(b"anybody there?")));
        assert_eq!(echoing.next(), Told::Closed(0, flow, CloseReason::Refused));
        // Others are not affected.
        let peer = peer(address);
        peer.send_to(b"hello", echoing.address(0)).unwrap();
        assert_eq!(peer.recv(&mut [0; 10]).unwrap(), 5);
        echoing.stop();
    }
}

#[test]
fn what_the_system_refuses_to_send_closes_the_flow_and_the_rest_is_sent() {
    let echoing = Echoing::start(&[(Transport::Udp, "127.0.0.1:0")]);
    let peer = peer("127.0.0.1:0");
    let other_family: SocketAddr = "[::1]:9".parse().unwrap();
    let impossible = Flow::to(EndpointId(0), other_family);
    let possible = Flow::to(EndpointId(0), peer.local_addr().unwrap());
    echoing.ask(Ask::Send(impossible, Bytes::from_static(b"lost")));
    echoing.ask(Ask::Send(possible, Bytes::from_static(b"sent")));
    assert_eq!(echoing.next(), Told::Closed(0, impossible, CloseReason::Failed));
    assert_eq!(peer.recv(&mut [0; 10]).unwrap(), 4);
    let unknown = Flow::to(EndpointId(7), other_family);
    echoing.ask(Ask::Send(unknown, Bytes::from_static(b"lost")));
    assert_eq!(echoing.next(), Told::Closed(0, unknown, CloseReason::Failed));
    echoing.stop();
}

#[test]
fn datagrams_reach_the_shard_that_they_name() {
    let echoing = Echoing::with(&[(Transport::Udp, "127.0.0.1:0")], Options::default(), 2, |_| {});
    // Many peers, so that the kernel spreads them over both sockets.
    let peers: Vec<_> = (0..16).map(|_| peer("127.0.0.1:0")).collect();
    for (i, peer) in peers.iter().enumerate() {
        let message = if i % 2 == 0 { b"0 hello" } else { b"1 hello" };
        peer.send_to(message, echoing.address(0)).unwrap();
        let mut buffer = [0; 100];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&message[..], echoing.address(0)));
        let Told::Received(shard, ..) = echoing.next() else { panic!("expected a message") };
        assert_eq!(shard, i % 2);
    }
    let figures = echoing.running.figures();
    assert!(figures.steered > 0, "all 16 peers were on the right socket by chance: {figures:?}");
    echoing.stop();
}

#[test]
fn a_message_that_names_no_shard_stays_where_it_arrived() {
    let echoing = Echoing::with(&[(Transport::Udp, "127.0.0.1:0")], Options::default(), 2, |_| {});
    let peer = peer("127.0.0.1:0");
    peer.send_to(b"hello", echoing.address(0)).unwrap();
    assert_eq!(peer.recv(&mut [0; 10]).unwrap(), 5);
    assert_eq!(echoing.running.figures().steered, 0);
    echoing.stop();
}
