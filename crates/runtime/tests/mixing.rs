//! Conferences over real sockets of the loopback interface, on several media threads, heard as audio.
// Real sockets, real time.
#![allow(clippy::disallowed_methods)]

use hookswitch_machine::Entropy;
use hookswitch_media::audio::{level_dbm0, measure_tone, read_wav_channel, tone_level_dbm0};
use hookswitch_media::codec::Codec;
use hookswitch_media::control::{
    Command, Direction, Event, FaxTone, GeneratedTone, MAX_MIX_MEMBERS, MixId, MixPart, Port, Source,
    StreamId, StreamParameters, WatchedTone,
};
use hookswitch_runtime::Clock;
use hookswitch_runtime::media::{Media, MediaConfig};
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);
const TONES: [u16; 4] = [500, 1_100, 1_900, 2_700];
const LEVEL: i8 = -13;
/// Spare streams that only measure time.
const SPARE: u64 = 900;

struct Driver {
    media: Media,
    events: Receiver<Event>,
    seen: Vec<Event>,
    ports: Vec<Port>,
    passed: u64,
}

impl Driver {
    fn start(ports: std::ops::RangeInclusive<u16>) -> Self {
        let mut config = MediaConfig::default();
        config.ports = ports;
        config.stock = 12;
        config.threads = 4;
        let (sender, events) = mpsc::channel();
        let sink = Mutex::new(sender);
        let media = Media::start(config, Clock::start(), Entropy::from_number(1), move |event| {
            let _over = sink.lock().unwrap().send(event);
        })
        .unwrap();
        let mut this = Self { media, events, seen: Vec::new(), ports: Vec::new(), passed: 0 };
        let nobody = this.start_stream(SPARE, Source::Silence);
        this.configure(SPARE, nobody, Direction::SendOnly);
        this
    }

    /// Waits for an event; everything before it is kept.
    fn wait(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| panic!("{what}: {:?}", self.seen));
            if let Event::Stocked { ports } = &event {
                self.ports.extend(ports);
            }
            self.seen.push(event.clone());
            if wanted(&event) {
                return;
            }
        }
    }

    /// Lets so much time pass on the media threads' clock.
    fn pass(&mut self, millis: u64) {
        self.passed += 1;
        let expected = self.passed;
        self.media.command(Command::SendTone {
            stream: StreamId(SPARE),
            tone: GeneratedTone::Beep,
            duration: Duration::from_millis(millis),
            tag: expected,
        });
        self.wait("time", |event| matches!(event, Event::ToneSent { tag, .. } if *tag == expected));
    }

    fn start_stream(&mut self, stream: u64, source: Source) -> SocketAddr {
        while self.ports.is_empty() {
            self.wait("ports", |event| matches!(event, Event::Stocked { .. }));
        }
        let port = self.ports.remove(0);
        self.media.command(Command::Start { stream: StreamId(stream), port: port.id, source });
        port.rtp
    }

    fn configure(&self, stream: u64, remote: SocketAddr, direction: Direction) {
        let parameters = StreamParameters {
            remote_rtp: remote,
            remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
            rtcp_mux: false,
            codec: Codec::Pcmu,
            send_payload_type: 0,
            receive_payload_type: 0,
            send_digits: Some(101),
            receive_digits: Some(101),
            packet_time: Duration::from_millis(20),
            direction,
        };
        self.media.command(Command::Configure { stream: StreamId(stream), parameters });
    }

    fn mix(&self, stream: u64, mix: Option<u64>, part: MixPart) {
        self.media.command(Command::Mix { stream: StreamId(stream), mix: mix.map(MixId), part });
    }

    fn record(&self, stream: u64, name: &str) -> PathBuf {
        let name = format!("hookswitch-mixing-{name}-{stream}-{}.wav", std::process::id());
        let path = std::env::temp_dir().join(name);
        self.media.command(Command::Record { stream: StreamId(stream), path: Some(path.clone()) });
        path
    }

    fn stop(&mut self, stream: u64) {
        self.media.command(Command::Stop { stream: StreamId(stream) });
        self.wait("stopped", |event| matches!(event, Event::Stopped { stream: s, .. } if s.0 == stream));
    }

    /// Our stream `n` and phone `n + 100`, which talk to each other; the phone sounds `TONES[n]`.
    fn call(&mut self, n: usize, source: Source) {
        let (ours, phone) = (n as u64, n as u64 + 100);
        let here = self.start_stream(ours, source);
        let there = self.start_stream(phone, Source::Tone { frequencies: [TONES[n], 0], level: LEVEL });
        self.configure(ours, there, Direction::SendRecv);
        self.configure(phone, here, Direction::SendRecv);
    }
}

/// One channel of a recording that is complete, which is then removed.
fn channels(path: &PathBuf) -> [Vec<i16>; 2] {
    let both = [0, 1].map(|channel| {
        read_wav_channel(File::open(path).unwrap(), channel, 8_000, Duration::from_secs(120)).unwrap()
    });
    std::fs::remove_file(path).unwrap();
    both
}

/// A part of a recording has these tones in 99 % of its frames, and the others at least 30 dB below what they were sent with.
fn assert_heard(samples: &[i16], hears: &[usize], what: &str) {
    for (n, tone) in TONES.into_iter().enumerate() {
        let report = measure_tone(samples, 8_000, tone);
        if hears.contains(&n) {
            assert!(report.is_continuous(), "{what} hears {n}: {report:?}");
        } else {
            assert_eq!(report.frames_with_tone, 0, "{what} does not hear {n}: {report:?}");
            let level = tone_level_dbm0(samples, 8_000, tone);
            assert!(level <= f32::from(LEVEL) - 30.0, "{what} does not hear {n}: {level}");
        }
    }
}

#[test]
fn three_hear_each_other_leave_return_and_hold() {
    const PHASE: u64 = 2_500;
    let mut driver = Driver::start(22_000..=22_099);
    for n in 0..3 {
        driver.call(n, Source::Silence);
        driver.mix(n as u64, Some(7), MixPart::Talks);
    }
    driver.pass(500);
    let phones: Vec<PathBuf> = (100..103).map(|phone| driver.record(phone, "phone")).collect();
    let leg = driver.record(0, "leg");
    driver.pass(PHASE);
    driver.mix(1, None, MixPart::Talks);
    driver.pass(PHASE);
    driver.mix(1, Some(7), MixPart::Talks);
    driver.pass(PHASE);
    // On hold; the fourth tone stands for the music.
    let music = Source::Tone { frequencies: [TONES[3], 0], level: LEVEL };
    driver.media.command(Command::Send { stream: StreamId(0), source: music });
    driver.mix(0, Some(7), MixPart::Away);
    driver.pass(PHASE);
    for stream in [100, 101, 102, 0, 1, 2, SPARE] {
        driver.stop(stream);
    }
    // By phase, by phone: what it hears.
    let expected: [[&[usize]; 3]; 4] =
        [[&[1, 2], &[0, 2], &[0, 1]], [&[2], &[], &[0]], [&[1, 2], &[0, 2], &[0, 1]], [&[3], &[2], &[1]]];
    let heard: Vec<Vec<i16>> = phones
        .iter()
        .map(|path| {
            let [received, _] = channels(path);
            received
        })
        .collect();
    let part = |phase: u64| (8 * (phase * PHASE + 800)) as usize..(8 * (phase * PHASE + 2_200)) as usize;
    for (phase, row) in expected.into_iter().enumerate() {
        for (phone, hears) in row.into_iter().enumerate() {
            let what = format!("in phase {phase} phone {phone}");
            assert_heard(&heard[phone][part(phase as u64)], hears, &what);
        }
    }
    let [received, sent] = channels(&leg);
    assert_heard(&received[part(0)], &[0], "the recording's left");
    assert_heard(&sent[part(0)], &[1, 2], "the recording's right");
    assert_heard(&sent[part(3)], &[3], "the recording's right on hold");
    let stopped = driver.seen.iter().filter_map(|event| match event {
        Event::Stopped { stream, statistics } if stream.0 < SPARE => Some((*stream, *statistics)),
        _ => None,
    });
    for (stream, figures) in stopped {
        assert!(figures.packets_sent > 450 && figures.packets_received > 450, "{stream:?} {figures:?}");
        assert_eq!((figures.packets_lost, figures.packets_discarded), (0, 0), "{stream:?} {figures:?}");
    }
    driver.media.shutdown(DEADLINE).unwrap();
}

#[test]
fn a_conference_has_a_voice_of_its_own_and_its_members_are_monitored() {
    let mut driver = Driver::start(22_200..=22_299);
    let mut live = driver.media.live().open(8_000).unwrap();
    let (wake, woken) = mpsc::channel();
    let wake = Mutex::new(wake);
    live.on_frame(move || {
        let _over = wake.lock().unwrap().send(());
    });
    for n in 0..2 {
        // Music that is still being loaded follows a stream to the mix's thread.
        driver.call(n, Source::Music);
        driver.mix(n as u64, Some(9), MixPart::Talks);
    }
    driver.media.command(Command::StartLocal { stream: StreamId(50), source: Source::Live(live.id()) });
    driver.mix(50, Some(9), MixPart::Talks);
    let mut heard = Vec::new();
    let mut frame = [0; 80];
    while heard.len() < 24_000 {
        woken.recv_timeout(DEADLINE).unwrap();
        while live.readable() >= frame.len() {
            let read = live.read_frame(&mut frame);
            heard.extend_from_slice(&frame[..read]);
        }
    }
    assert_heard(&heard[8_000..], &[0, 1], "the application");

    let watched =
        WatchedTone { tag: 44, frequencies: [TONES[0], 0, 0], duration: Duration::from_millis(500) };
    for stream in [0, 1].map(StreamId) {
        driver.media.command(Command::MonitorTones { stream, tones: vec![watched] });
        driver.media.command(Command::MonitorFax { stream, on: true });
    }
    let mut heard = 0;
    driver.wait("a tone and a fax machine", |event| {
        let tone = Event::ToneHeard { stream: StreamId(0), tag: 44 };
        let fax = Event::FaxHeard { stream: StreamId(1), tone: FaxTone::Calling };
        heard += u32::from(*event == tone || *event == fax);
        heard == 2
    });
    // The conference speaks: everybody hears it, and nobody who spoke before.
    let phones = [driver.record(100, "told"), driver.record(101, "told")];
    for stream in [100, 101].map(StreamId) {
        driver.media.command(Command::Send { stream, source: Source::Silence });
    }
    driver.media.command(Command::SendTone {
        stream: StreamId(50),
        tone: GeneratedTone::Beep,
        duration: Duration::from_secs(2),
        tag: 3,
    });
    driver.wait("a beep", |event| matches!(event, Event::ToneSent { tag: 3, cancelled: false, .. }));
    driver.mix(0, Some(9), MixPart::Away);
    driver.pass(1_500);
    for stream in [100, 101, 0, 1, 50] {
        driver.stop(stream);
    }
    for (n, path) in phones.iter().enumerate() {
        let [received, _] = channels(path);
        // The music after it has notes of the beep's pitch.
        let beep = measure_tone(&received[..16_640], 8_000, 1_000);
        assert!((95..=103).contains(&beep.frames_with_tone), "phone {n}: {beep:?}");
        let music = level_dbm0(&received[received.len() - 8_000..]);
        assert_eq!(music > -40.0, n == 0, "phone {n}: {music} dBm0");
    }
    driver.media.shutdown(DEADLINE).unwrap();
}

#[test]
fn who_comes_to_a_full_mix_is_told() {
    let mut driver = Driver::start(22_600..=22_699);
    for stream in 0..=MAX_MIX_MEMBERS as u64 {
        let id = StreamId(stream);
        driver.media.command(Command::StartLocal { stream: id, source: Source::Silence });
        driver.mix(stream, Some(3), MixPart::Talks);
    }
    // Some come from other threads: who is the last is not who was told last.
    let mut late = 0;
    driver.wait("no room", |event| match event {
        Event::MixFull { stream, mix: MixId(3) } => {
            late = stream.0;
            true
        }
        _ => false,
    });
    driver.stop(if late == 0 { 1 } else { 0 });
    driver.mix(late, Some(3), MixPart::Listens);
    driver.media.command(Command::Report { stream: StreamId(late) });
    driver.wait("figures", |event| matches!(event, Event::Statistics { .. }));
    let full = driver.seen.iter().filter(|event| matches!(event, Event::MixFull { .. }));
    assert_eq!(full.count(), 1);
    driver.media.shutdown(DEADLINE).unwrap();
}

#[test]
fn streams_move_between_threads_while_they_are_told_things() {
    let mut driver = Driver::start(22_400..=22_499);
    for n in 0..3 {
        driver.call(n, Source::Silence);
    }
    // Every mix has its thread; a stream that is gone moves nowhere.
    for round in 0..200u64 {
        for stream in [0, 1, 2, 800] {
            driver.mix(stream, Some(round), MixPart::Talks);
        }
        driver.media.command(Command::Report { stream: StreamId(round % 3) });
    }
    for _ in 0..200 {
        driver.wait("figures", |event| matches!(event, Event::Statistics { .. }));
    }
    let phones: Vec<PathBuf> = (100..103).map(|phone| driver.record(phone, "moved")).collect();
    driver.pass(2_000);
    for stream in [100, 101, 102, 0, 1, 2] {
        driver.stop(stream);
    }
    for (n, path) in phones.iter().enumerate() {
        let [received, _] = channels(path);
        let others: Vec<usize> = (0..3).filter(|other| *other != n).collect();
        assert_heard(&received[4_800..14_400], &others, &format!("phone {n}"));
    }
    driver.media.shutdown(DEADLINE).unwrap();
}
