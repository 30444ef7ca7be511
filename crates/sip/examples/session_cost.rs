//! What a call costs two user agents in one process, INVITE to the 200 for BYE:
//! `cargo run --release -p hookswitch-sip --example session_cost`.
#![allow(unsafe_code)] // Counting allocations takes an allocator.
#![allow(clippy::disallowed_methods)] // Measuring takes a clock.

use bytes::Bytes;
use hookswitch_machine::{Endpoint, EndpointId, Entropy, Flow, Time, Transport};
use hookswitch_sip::message::{Limits, Message};
use hookswitch_sip::transaction::{self, Layer, Output};
use hookswitch_sip::ua::{Config, Indication, Invitation, LegId, UserAgent};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const SDP: &[u8] =
    b"v=0\r\no=- 3908512 3908512 IN IP4 192.0.2.33\r\ns=call\r\nc=IN IP4 192.0.2.33\r\nt=0 0\r\n\
    m=audio 40378 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

struct Side {
    ua: UserAgent,
    layer: Layer,
    contact: Arc<str>,
}

fn address(n: usize) -> SocketAddr {
    ([192, 0, 2, n as u8 + 1], 5060).into()
}

fn side(n: usize) -> Side {
    let mut entropy = Entropy::from_number(n as u64);
    let endpoint = Endpoint { id: EndpointId(0), transport: Transport::Udp, advertised: address(n) };
    let transactions = transaction::Config {
        max_server: 4_000_000,
        max_client: 4_000_000,
        ..transaction::Config::default()
    };
    Side {
        layer: Layer::new(transactions, entropy.fork()),
        ua: UserAgent::new(Config { endpoints: vec![endpoint], ..Config::default() }, entropy),
        contact: format!("sip:{n}@{}", address(n)).into(),
    }
}

/// Carries messages over until none is left, and notes which calls were answered.
fn run(sides: &mut [Side; 2], now: Time, answered: &mut Vec<LegId>) {
    let mut wire: VecDeque<(usize, Bytes)> = VecDeque::new();
    loop {
        for (n, side) in sides.iter_mut().enumerate() {
            while let Some(output) = side.layer.poll() {
                match output {
                    Output::Transmit { bytes, .. } => wire.push_back((1 - n, bytes)),
                    other => {
                        side.ua.transaction_event(now, &mut side.layer, &other);
                    }
                }
            }
        }
        let Some((to, bytes)) = wire.pop_front() else { return };
        let flow = Flow::to(EndpointId(0), address(1 - to));
        let message = Message::parse(bytes, &Limits::default()).expect("a message of ours");
        let Side { ua, layer, contact } = &mut sides[to];
        match ua.receive(now, layer, flow, &message) {
            Indication::Incoming(leg) => {
                ua.accept(now, layer, leg, Arc::clone(contact), None, SDP).expect("invited");
            }
            Indication::Answered(leg) => {
                ua.acknowledge(now, layer, leg, None).expect("answered");
                answered.push(leg);
            }
            _ => {}
        }
    }
}

fn begin(sides: &mut [Side; 2], now: Time) {
    let Side { ua, layer, contact } = &mut sides[0];
    let invitation = Invitation {
        flow: Flow::to(EndpointId(0), address(1)),
        account: None,
        uri: "sip:bob@192.0.2.2",
        from: "\"Alice\" <sip:alice@example.com>",
        to: "<sip:bob@example.com>",
        contact: Arc::clone(contact),
        fields: "",
        offer: Some(SDP),
    };
    ua.invite(now, layer, &invitation).expect("room");
}

/// Lets the timers of a minute run out.
fn rest(sides: &mut [Side; 2], now: &mut Time) {
    for _ in 0..600 {
        *now = *now + Duration::from_millis(100);
        for side in sides.iter_mut() {
            side.layer.timeout(*now);
        }
        run(sides, *now, &mut Vec::new());
    }
}

fn main() {
    const CALLS: u64 = 20_000;
    let mut sides = [side(0), side(1)];
    let mut now = Time::from_millis(1);
    for round in 0..3 {
        let (start, before) = (Instant::now(), ALLOCATIONS.load(Ordering::Relaxed));
        for _ in 0..CALLS {
            now = now + Duration::from_micros(200);
            begin(&mut sides, now);
            let mut answered = Vec::new();
            run(&mut sides, now, &mut answered);
            for leg in answered {
                sides[0].ua.hang_up(now, &mut sides[0].layer, leg, None).expect("up");
            }
            run(&mut sides, now, &mut Vec::new());
        }
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        println!(
            "round {round}: {:.2} us and {:.1} allocations per call, both sides, 5 messages",
            start.elapsed().as_secs_f64() * 1e6 / CALLS as f64,
            allocations as f64 / CALLS as f64
        );
        rest(&mut sides, &mut now);
    }
    let base = LIVE.load(Ordering::Relaxed);
    let mut answered = Vec::new();
    for _ in 0..CALLS {
        begin(&mut sides, now);
        run(&mut sides, now, &mut answered);
    }
    let bytes = |base: i64| (LIVE.load(Ordering::Relaxed) - base) / (2 * CALLS as i64);
    println!("just answered: {} bytes per session and side, transactions included", bytes(base));
    rest(&mut sides, &mut now);
    println!("after a minute: {} bytes per session and side", bytes(base));
    for leg in answered {
        sides[0].ua.hang_up(now, &mut sides[0].layer, leg, None).expect("up");
    }
    run(&mut sides, now, &mut Vec::new());
    rest(&mut sides, &mut now);
    println!("after the end: {} bytes; idle: {}", bytes(base), sides.iter().all(|side| side.layer.is_idle()));
}
