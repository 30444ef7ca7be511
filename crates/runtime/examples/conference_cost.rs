//! What conferences cost: streams in mixes of three that all talk, PCMU packets of 20 ms, and the media thread's CPU time.
//!
//! `cargo run --release -p hookswitch-runtime --example conference_cost -- [streams] [seconds] [members]`
//!
//! The generator runs in a thread of its own, whose cost is not counted; pin the process to two cores for a quiet figure.
// Real sockets, real time.
#![allow(clippy::disallowed_methods)]

use hookswitch_machine::Entropy;
use hookswitch_media::audio::Tone;
use hookswitch_media::codec::Codec;
use hookswitch_media::control::{
    Command, Direction, Event, MixId, MixPart, Source, StreamId, StreamParameters,
};
use hookswitch_runtime::Clock;
use hookswitch_runtime::media::{Media, MediaConfig};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PACKET: Duration = Duration::from_millis(20);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |or: u64| arguments.next().and_then(|a| a.parse().ok()).unwrap_or(or);
    let (streams, seconds, members) = (number(99), number(20), number(3).max(1));

    let mut config = MediaConfig::default();
    config.ports = 40_000..=48_000;
    config.stock = streams as usize + 4;
    let (sender, events) = mpsc::channel();
    let sink = Mutex::new(sender);
    let forward = move |event| {
        if let Ok(sink) = sink.lock() {
            let _over = sink.send(event);
        }
    };
    let media = Media::start(config, Clock::start(), Entropy::from_number(1), forward)
        .unwrap_or_else(|error| panic!("{error}"));
    let addresses = start(&media, &events, streams);

    let stop = Arc::new(AtomicBool::new(false));
    let (sent, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut generators = Vec::new();
    for (n, there) in addresses.into_iter().enumerate() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let local = socket.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let stream = StreamId(n as u64 + 1);
        media.command(Command::Configure { stream, parameters: parameters(local) });
        let mix = Some(MixId(n as u64 / members));
        media.command(Command::Mix { stream, mix, part: MixPart::Talks });
        generators.push((socket, there));
    }
    let thread = {
        let (stop, sent, received) = (stop.clone(), sent.clone(), received.clone());
        std::thread::Builder::new()
            .name("generator".into())
            .spawn(move || generate(&generators, &stop, &sent, &received))
            .unwrap_or_else(|error| panic!("{error}"))
    };

    // The first seconds are not counted: buffers grow, caches warm.
    wait(Duration::from_secs(2));
    let counts = || (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed));
    let (begin, before, first) = (Instant::now(), media_cpu(), counts());
    wait(Duration::from_secs(seconds));
    let (took, cpu, last) = (begin.elapsed(), media_cpu() - before, counts());
    stop.store(true, Ordering::Relaxed);
    let _ended = thread.join();

    let share = 100.0 * cpu.as_secs_f64() / took.as_secs_f64();
    println!("{streams} streams in conferences of {members} for {:.1} s", took.as_secs_f64());
    println!("packets sent to them {}, received from them {}", last.0 - first.0, last.1 - first.1);
    println!("media thread: {share:.2} % of a core; {:.2} % per 100 members", share * 100.0 / streams as f64);
    println!(
        "{:.0} ns per packet received and sent",
        cpu.as_nanos() as f64 / (last.1 - first.1).max(1) as f64
    );
    if let Err(error) = media.shutdown(Duration::from_secs(5)) {
        eprintln!("{error}");
    }
}

fn start(media: &Media, events: &Receiver<Event>, streams: u64) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    while (addresses.len() as u64) < streams {
        let Ok(event) = events.recv_timeout(Duration::from_secs(10)) else { panic!("no ports") };
        let Event::Stocked { ports } = event else { continue };
        for port in ports.into_iter().take((streams - addresses.len() as u64) as usize) {
            addresses.push(port.rtp);
            let stream = StreamId(addresses.len() as u64);
            media.command(Command::Start { stream, port: port.id, source: Source::Silence });
        }
    }
    addresses
}

fn parameters(remote: SocketAddr) -> StreamParameters {
    StreamParameters {
        remote_rtp: remote,
        remote_rtcp: remote,
        rtcp_mux: true,
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive_payload_type: 0,
        send_digits: Some(101),
        receive_digits: Some(101),
        packet_time: PACKET,
        direction: Direction::SendRecv,
    }
}

/// Sends each stream a packet of a tone of its own, spread over the packet time, and counts what comes back.
fn generate(streams: &[(UdpSocket, SocketAddr)], stop: &AtomicBool, sent: &AtomicU64, received: &AtomicU64) {
    let mut packets: Vec<[u8; 172]> = Vec::new();
    for (n, (socket, _)) in streams.iter().enumerate() {
        let _later = socket.set_nonblocking(true);
        let mut samples = [0; 160];
        Tone::new(8_000, [300 + 50 * (n % 60) as u16, 0], -16).fill(&mut samples);
        let mut packet = [0; 172];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[8..12].copy_from_slice(&(n as u32 + 1).to_be_bytes());
        Codec::Pcmu.encode_into(&samples, &mut packet[12..]);
        packets.push(packet);
    }
    let mut buffer = [0; 2_048];
    let (begin, mut sequence) = (Instant::now(), 0u16);
    let parts = streams.len().min(20);
    let length = streams.len().div_ceil(parts);
    while !stop.load(Ordering::Relaxed) {
        for (part, (chunk, packets)) in streams.chunks(length).zip(packets.chunks_mut(length)).enumerate() {
            for ((socket, there), packet) in chunk.iter().zip(packets) {
                packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
                sent.fetch_add(u64::from(socket.send_to(packet, there).is_ok()), Ordering::Relaxed);
                while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                    received.fetch_add(u64::from(length == packet.len()), Ordering::Relaxed);
                }
            }
            let due = PACKET * u32::from(sequence) + PACKET * (part as u32 + 1) / parts as u32;
            wait(due.saturating_sub(begin.elapsed()));
        }
        sequence = sequence.wrapping_add(1);
    }
}

fn wait(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// The CPU time of this process's media threads so far, from the scheduler's own count.
fn media_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let cpu = |path: std::path::PathBuf| -> Option<u64> {
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        if !name.trim_end().strip_prefix("media-")?.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let statistics = std::fs::read_to_string(path.join("schedstat")).ok()?;
        statistics.split_ascii_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(tasks.filter_map(|task| cpu(task.path())).sum())
}
