//! Once a stream runs, no packet allocates: neither sent, received, echoed, mixed, nor put through the jitter buffer.
//!
//! Unsafe code: a counting allocator can only be written with it. It adds nothing to the system's but the count.
#![allow(unsafe_code)]

use hookswitch_machine::{Entropy, Time, WallClock};
use hookswitch_media::codec::Codec;
use hookswitch_media::control::{Direction, Event, MixPart, StreamId, StreamParameters};
use hookswitch_media::stream::{Feed, Members, Mix, Outbox, Recorder, Stream, StreamConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static REPORTS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Holds one tick's packets without allocating.
struct Wire {
    packets: [([u8; 256], usize); 8],
    count: usize,
}

impl Wire {
    fn new() -> Self {
        Self { packets: [([0; 256], 0); 8], count: 0 }
    }
}

impl Outbox for Wire {
    fn rtp(&mut self, _: SocketAddr, packet: &[u8]) {
        let (bytes, length) = &mut self.packets[self.count];
        bytes[..packet.len()].copy_from_slice(packet);
        *length = packet.len();
        self.count += 1;
    }

    fn rtcp(&mut self, _: SocketAddr, _: &[u8]) {
        REPORTS.with(|count| count.set(count.get() + 1));
    }

    fn event(&mut self, _: Event) {}
}

#[derive(Debug)]
struct Loudness(u64);

impl Recorder for Loudness {
    fn record(&mut self, _: u32, received: &[i16], sent: &[i16]) {
        self.0 += received.iter().chain(sent).map(|s| u64::from(s.unsigned_abs())).sum::<u64>();
    }
}

fn parameters(remote: SocketAddr) -> StreamParameters {
    StreamParameters {
        remote_rtp: remote,
        remote_rtcp: remote,
        rtcp_mux: false,
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive_payload_type: 0,
        send_digits: Some(101),
        receive_digits: Some(101),
        packet_time: Duration::from_millis(20),
        direction: Direction::SendRecv,
    }
}

#[test]
fn packets_of_a_running_stream_allocate_nothing() {
    let addresses = [SocketAddr::from(([10, 0, 0, 1], 4_000)), SocketAddr::from(([10, 0, 0, 2], 4_000))];
    let feeds = [Feed::Tone { frequencies: [440, 0], level: -10 }, Feed::Echo];
    let mut entropy = Entropy::from_number(1);
    let mut side = 0;
    let mut streams = feeds.map(|feed| {
        let config = StreamConfig { silence_limit: None, ..StreamConfig::default() };
        let mut stream =
            Stream::new(StreamId(side as u64), feed, config, WallClock::default(), entropy.fork());
        stream.configure(Time::ZERO, &parameters(addresses[1 - side]), &mut Wire::new());
        stream.record(Time::ZERO, Some(Box::new(Loudness(0))));
        side += 1;
        stream
    });
    let mut received = 0;
    let mut run = |from: u64, until: u64| {
        for millis in (from..until).step_by(5) {
            let now = Time::from_millis(millis);
            let mut wires = [Wire::new(), Wire::new()];
            for side in [0, 1, 0] {
                streams[side].tick(now, &mut wires[side]);
                let wire = std::mem::replace(&mut wires[side], Wire::new());
                for (bytes, length) in &wire.packets[..wire.count] {
                    // Every tenth is lost, so that concealment is on the path too.
                    received += 1;
                    if received % 10 != 0 {
                        streams[1 - side].receive(
                            now,
                            addresses[side],
                            &bytes[..*length],
                            &mut wires[1 - side],
                        );
                    }
                }
                let wire = std::mem::replace(&mut wires[1 - side], Wire::new());
                for (bytes, length) in &wire.packets[..wire.count] {
                    streams[side].receive(now, addresses[1 - side], &bytes[..*length], &mut wires[side]);
                }
            }
        }
    };
    // Until every place of the jitter buffer has held a packet.
    run(0, 10_000);
    let mut quiet = 0;
    for start in (10_000..20_000).step_by(100) {
        let (before, reports) = (ALLOCATIONS.with(Cell::get), REPORTS.with(Cell::get));
        run(start, start + 100);
        // A report, every five seconds or so, may allocate.
        if REPORTS.with(Cell::get) == reports {
            assert_eq!(ALLOCATIONS.with(Cell::get), before, "between {start} and {} ms", start + 100);
            quiet += 1;
        }
    }
    assert!(quiet > 80, "{quiet} of 100 spans without reports");
    assert!(received > 900, "{received} packets");
}

/// Our streams, and what they sent in one moment.
struct Ours {
    streams: Vec<Stream>,
    wires: Vec<Wire>,
}

impl Members for Ours {
    fn reach(&mut self, place: usize, act: &mut dyn FnMut(&mut Stream, &mut dyn Outbox)) {
        act(&mut self.streams[place], &mut self.wires[place]);
    }
}

#[test]
fn packets_of_a_running_mix_allocate_nothing() {
    const MEMBERS: usize = 4;
    let address = |n: usize| SocketAddr::from(([10, 0, 0, n as u8], 4_000));
    let mut entropy = Entropy::from_number(2);
    let mut stream = |n: usize, feed| {
        let config = StreamConfig { silence_limit: None, ..StreamConfig::default() };
        Stream::new(StreamId(n as u64), feed, config, WallClock::default(), entropy.fork())
    };
    let mut mix = Mix::new(Time::ZERO);
    let mut ours = Ours { streams: Vec::new(), wires: Vec::new() };
    let mut phones = Vec::new();
    for n in 0..MEMBERS {
        let mut member = stream(n, Feed::Silence);
        member.configure(Time::ZERO, &parameters(address(n + MEMBERS)), &mut Wire::new());
        member.mix(Time::ZERO, Some(if n == 3 { MixPart::Listens } else { MixPart::Talks }));
        member.monitor_fax(Time::ZERO, true);
        ours.streams.push(member);
        ours.wires.push(Wire::new());
        mix.join(Time::ZERO, n).unwrap();
        let mut phone = stream(n, Feed::Tone { frequencies: [500 + 400 * n as u16, 0], level: -12 });
        phone.configure(Time::ZERO, &parameters(address(n)), &mut Wire::new());
        phones.push(phone);
    }
    let mut sent = 0;
    let mut run = |from: u64, until: u64| {
        for now in (from..until).step_by(5).map(Time::from_millis) {
            for (n, phone) in phones.iter_mut().enumerate() {
                let mut wire = Wire::new();
                phone.tick(now, &mut wire);
                for (bytes, length) in &wire.packets[..wire.count] {
                    ours.streams[n].receive(now, address(n + MEMBERS), &bytes[..*length], &mut ours.wires[n]);
                }
                ours.streams[n].tick(now, &mut ours.wires[n]);
            }
            mix.turn(now, &mut ours);
            for wire in &mut ours.wires {
                sent += wire.count;
                wire.count = 0;
            }
        }
    };
    run(0, 10_000);
    let mut quiet = 0;
    for start in (10_000..20_000).step_by(100) {
        let (before, reports) = (ALLOCATIONS.with(Cell::get), REPORTS.with(Cell::get));
        run(start, start + 100);
        if REPORTS.with(Cell::get) == reports {
            assert_eq!(ALLOCATIONS.with(Cell::get), before, "between {start} and {} ms", start + 100);
            quiet += 1;
        }
    }
    assert!(quiet > 60, "{quiet} of 100 spans without reports");
    assert!((3_900..=4_004).contains(&sent), "{sent} packets");
}
