//! What it costs to read a 1 kB INVITE and to answer it: `cargo run --release -p hookswitch-sip --example parse_cost`.
#![allow(unsafe_code)] // Counting allocations takes an allocator.
#![allow(clippy::disallowed_methods)] // Measuring takes a clock.

use bytes::Bytes;
use hookswitch_sip::message::{Forward, Limits, Message, Method, Name, Request, Response};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const SDP: &str = "v=0\r\no=- 3908512 3908512 IN IP4 192.0.2.33\r\ns=call\r\nc=IN IP4 192.0.2.33\r\nt=0 0\r\n\
    m=audio 40378 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn invite() -> Bytes {
    Request::new(Method::Invite, "sip:+4930123456@provider.example;user=phone")
        .via("UDP", "192.0.2.33:5060", "z9hG4bKPj6d9f8a7b-1c2d-4e5f-8a9b-0c1d2e3f4a5b")
        .max_forwards(70)
        .header(Name::From, "\"Alice Liddell\" <sip:alice@provider.example>;tag=4fb1a93e-77d2-4f0a")
        .header(Name::To, "<sip:+4930123456@provider.example;user=phone>")
        .header(Name::Contact, "<sip:alice@192.0.2.33:5060;ob>;+sip.instance=\"<urn:uuid:1>\"")
        .call_id("b7a1c0de-3a52-4d1e-9c64-77f3a1e9d2c4")
        .cseq(21_734, Method::Invite)
        .header(
            Name::Allow,
            "PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS",
        )
        .header(Name::Supported, "replaces, 100rel, timer, norefersub")
        .header(Name::SessionExpires, 1_800)
        .header(Name::MinSe, 90)
        .header(Name::UserAgent, "Example Softphone 3.21.3")
        .body("application/sdp", SDP.as_bytes())
        .finish()
}

fn measure(what: &str, mut run: impl FnMut()) {
    // Short batches, and the best of them: what other processes take on a shared machine is not our cost.
    const BATCHES: u32 = 1_000;
    const ROUNDS: u32 = 200;
    let mut best = f64::MAX;
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..BATCHES {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| run());
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
    }
    let allocations = (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64 / f64::from(BATCHES * ROUNDS);
    println!("{what:<40} {best:>8.0} ns {allocations:>6.2} allocations");
}

fn main() {
    let bytes = invite();
    let limits = Limits::default();
    let source = SocketAddr::from(([192, 0, 2, 33], 5060));
    println!("INVITE of {} octets", bytes.len());
    measure("parse", || {
        let _ = black_box(Message::parse(black_box(bytes.clone()), &limits));
    });
    measure("parse, six typed header fields", || {
        if let Ok(message) = Message::parse(black_box(bytes.clone()), &limits) {
            black_box((message.via().branch(), message.from().tag(), message.to().tag()));
            black_box((message.call_id(), message.cseq(), message.contact().map(|c| c.uri().host())));
        }
    });
    let Ok(message) = Message::parse(bytes, &limits) else { return };
    measure("180 Ringing", || {
        black_box(Response::to(&message, 180).to_tag("1c2d4e5f").received(source).finish());
    });
    measure("200 OK with Contact and SDP", || {
        let response =
            Response::to(&message, 200).to_tag("1c2d4e5f").header(Name::Contact, "<sip:192.0.2.1:5060>");
        black_box(response.body("application/sdp", SDP.as_bytes()).finish());
    });
    measure("INVITE written", || {
        black_box(invite());
    });
    measure("INVITE forwarded", || {
        let forward = Forward::new(&message).push_via("UDP", "192.0.2.1:5060", "z9hG4bK7").received(source);
        black_box(forward.push_record_route("<sip:192.0.2.1;lr>").decrement_max_forwards().finish());
    });
    if let Ok(uri) = message.uri() {
        measure("URI compared", || {
            black_box(uri.equivalent(black_box(&uri)));
        });
    }
}
