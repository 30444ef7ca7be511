//! Streams over real sockets of the loopback interface, heard as audio.
// Real sockets, real time.
#![allow(clippy::disallowed_methods)]

use hookswitch_machine::Entropy;
use hookswitch_media::audio::{Recording, Tone, level_dbm0, measure_tone, read_wav_channel};
use hookswitch_media::codec::Codec;
use hookswitch_media::control::{
    Command, Direction, Event, Port, Source, Statistics, StreamId, StreamParameters,
};
use hookswitch_runtime::Clock;
use hookswitch_runtime::media::{Media, MediaConfig};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);
/// Tests that count descriptors must not run beside tests that open some.
static ALONE: Mutex<()> = Mutex::new(());

struct Driver {
    media: Media,
    events: Receiver<Event>,
    seen: Vec<Event>,
    ports: Vec<Port>,
}

impl Driver {
    fn start(ports: std::ops::RangeInclusive<u16>) -> Self {
        let mut config = MediaConfig::default();
        config.ports = ports;
        config.stock = 8;
        config.threads = 2;
        config.rest = Duration::from_millis(100);
        let (sender, events) = mpsc::channel();
        let sink = Mutex::new(sender);
        let media = Media::start(config, Clock::start(), Entropy::from_number(1), move |event| {
            let _over = sink.lock().unwrap().send(event);
        })
        .unwrap();
        Self { media, events, seen: Vec::new(), ports: Vec::new() }
    }

    /// Waits for an event; everything before it is kept.
    fn wait(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| panic!("{what}: {:?}", self.seen));
            if let Event::Stocked { ports } = &event {
                self.ports.extend(ports);
            }
            self.seen.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Takes what has been announced by now.
    fn take_stock(&mut self) {
        std::thread::yield_now();
        for event in self.events.try_iter() {
            if let Event::Stocked { ports } = event {
                self.ports.extend(ports);
            }
        }
    }

    fn port(&mut self) -> Port {
        while self.ports.is_empty() {
            self.wait("ports", |e| matches!(e, Event::Stocked { .. }));
        }
        self.ports.remove(0)
    }

    fn start_stream(&mut self, stream: u64, source: Source) -> SocketAddr {
        let port = self.port();
        self.media.command(Command::Start { stream: StreamId(stream), port: port.id, source });
        port.rtp
    }

    fn configure(&self, stream: u64, remote: SocketAddr) {
        let parameters = parameters(remote);
        self.media.command(Command::Configure { stream: StreamId(stream), parameters });
    }

    fn stop(&mut self, stream: u64) -> Statistics {
        self.media.command(Command::Stop { stream: StreamId(stream) });
        let stopped =
            self.wait("stopped", |e| matches!(e, Event::Stopped { stream: s, .. } if s.0 == stream));
        match stopped {
            Event::Stopped { statistics, .. } => statistics,
            other => panic!("{other:?}"),
        }
    }
}

fn parameters(remote: SocketAddr) -> StreamParameters {
    StreamParameters {
        remote_rtp: remote,
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
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

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("hookswitch-media-{name}-{}.wav", std::process::id()))
}

fn tone_file(path: &Path, frequency: u16, millis: usize) {
    let mut samples = vec![0; 8 * millis];
    Tone::new(8_000, [frequency, 0], -10).fill(&mut samples);
    let mut recording = Recording::new(File::create(path).unwrap(), 8_000).unwrap();
    recording.write(&samples, &samples).unwrap();
    recording.finish().unwrap();
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn two_streams_hear_each_other_and_their_recordings_prove_it() {
    let _alone = ALONE.lock();
    let mut driver = Driver::start(21_000..=21_099);
    let tones = [(1u64, 440u16), (2, 1_000)];
    let mut addresses = Vec::new();
    for (stream, frequency) in tones {
        let file = temporary(&format!("tone-{stream}"));
        tone_file(&file, frequency, 2_500);
        addresses.push(driver.start_stream(stream, Source::File { path: file, repeat: false }));
        let path = Some(temporary(&format!("call-{stream}")));
        driver.media.command(Command::Record { stream: StreamId(stream), path });
    }
    driver.configure(1, addresses[1]);
    driver.configure(2, addresses[0]);
    let mut played = 0;
    driver.wait("both files played", |event| {
        played += u32::from(matches!(event, Event::Played { .. }));
        played == 2
    });
    driver.media.command(Command::SendDigits {
        stream: StreamId(1),
        digits: "42#".into(),
        duration: Duration::from_millis(80),
        gap: Duration::from_millis(60),
        tag: 9,
    });
    driver.wait("the last digit", |e| matches!(e, Event::Digit { stream: StreamId(2), digit: '#', .. }));
    let statistics = [driver.stop(1), driver.stop(2)];
    for figures in statistics {
        assert!(figures.packets_sent > 125, "{figures:?}");
        assert_eq!((figures.packets_lost, figures.packets_discarded), (0, 0), "{figures:?}");
    }
    let digits: String = driver
        .seen
        .iter()
        .filter_map(|e| if let Event::Digit { digit, .. } = e { Some(*digit) } else { None })
        .collect();
    assert_eq!(digits, "42#");
    for (stream, ours) in tones {
        let theirs = if ours == 440 { 1_000 } else { 440 };
        let path = temporary(&format!("call-{stream}"));
        for (channel, frequency) in [(0, theirs), (1, ours)] {
            let file = File::open(&path).unwrap();
            let samples = read_wav_channel(file, channel, 8_000, Duration::from_secs(60)).unwrap();
            let report = measure_tone(&samples, 8_000, frequency);
            assert!((122..=128).contains(&report.frames_with_tone), "{stream} {channel}: {report:?}");
            assert!(report.longest_gap <= Duration::from_millis(40), "{stream} {channel}: {report:?}");
        }
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(temporary(&format!("tone-{stream}"))).unwrap();
    }
    driver.media.shutdown(DEADLINE).unwrap();
}

#[test]
fn a_live_stream_is_heard_and_spoken_through_its_rings() {
    let _alone = ALONE.lock();
    let mut driver = Driver::start(21_100..=21_199);
    let mut live = driver.media.live().open(8_000).unwrap();
    let (wake, woken) = mpsc::channel();
    let wake = Mutex::new(wake);
    live.on_frame(move || {
        let _over = wake.lock().unwrap().send(());
    });
    let tone = driver.start_stream(1, Source::Tone { frequencies: [600, 0], level: -10 });
    let ours = driver.start_stream(2, Source::Live(live.id()));
    driver.configure(1, ours);
    driver.configure(2, tone);
    let mut heard = Vec::new();
    let mut frame = [0; 160];
    while heard.len() < 16_000 {
        woken.recv_timeout(DEADLINE).unwrap();
        while live.readable() >= 160 {
            let read = live.read_frame(&mut frame);
            heard.extend_from_slice(&frame[..read]);
            live.write_frame(&frame);
        }
    }
    let report = measure_tone(&heard[2_000..], 8_000, 600);
    assert!(report.is_continuous(), "{report:?}");
    driver.media.command(Command::Send { stream: StreamId(2), source: Source::Live(live.id()) });
    driver.stop(2);
    assert!(!driver.seen.iter().any(|e| matches!(e, Event::FileFailed { .. })), "{:?}", driver.seen);
    driver.stop(1);
    assert!(!live.is_attached());
    driver.media.shutdown(DEADLINE).unwrap();
}

#[test]
fn music_is_played_at_the_rate_of_the_codec() {
    let _alone = ALONE.lock();
    let mut driver = Driver::start(21_400..=21_499);
    let mut live = driver.media.live().open(16_000).unwrap();
    let (wake, woken) = mpsc::channel();
    let wake = Mutex::new(wake);
    live.on_frame(move || {
        let _over = wake.lock().unwrap().send(());
    });
    let music = driver.start_stream(1, Source::Music);
    let ours = driver.start_stream(2, Source::Live(live.id()));
    for (stream, remote) in [(1, ours), (2, music)] {
        let codec = Codec::L16 { rate: 16_000 };
        let parameters =
            StreamParameters { codec, send_payload_type: 96, receive_payload_type: 96, ..parameters(remote) };
        driver.media.command(Command::Configure { stream: StreamId(stream), parameters });
    }
    let (mut loud, mut frame) = (0, [0; 320]);
    let deadline = Instant::now() + DEADLINE;
    while loud < 50 {
        assert!(Instant::now() < deadline, "{loud} frames of music");
        woken.recv_timeout(DEADLINE).unwrap();
        while live.readable() >= frame.len() {
            live.read_frame(&mut frame);
            loud += u32::from(level_dbm0(&frame) > -45.0);
        }
    }
    driver.media.shutdown(DEADLINE).unwrap();
}

#[test]
fn the_null_device_opens_nothing_and_answers_everything() {
    let _alone = ALONE.lock();
    let before = descriptors();
    let mut config = MediaConfig::default();
    config.null = true;
    let (sender, events) = mpsc::channel();
    let sink = Mutex::new(sender);
    let media = Media::start(config, Clock::start(), Entropy::from_number(1), move |event| {
        let _over = sink.lock().unwrap().send(event);
    })
    .unwrap();
    let Ok(Event::Stocked { ports }) = events.recv_timeout(DEADLINE) else { panic!("no ports") };
    let stream = StreamId(1);
    media.command(Command::Start { stream, port: ports[0].id, source: Source::Echo });
    media.command(Command::Configure { stream, parameters: parameters(ports[1].rtp) });
    media.command(Command::Stop { stream });
    assert_eq!(descriptors(), before);
    assert!(events.try_iter().any(|e| matches!(e, Event::Stopped { .. })));
    media.shutdown(DEADLINE).unwrap();
}

#[test]
fn after_every_stream_has_stopped_nothing_is_left_open() {
    let _alone = ALONE.lock();
    let baseline = descriptors();
    let mut driver = Driver::start(21_200..=21_299);
    while driver.ports.len() < 8 {
        driver.wait("a full stock", |e| matches!(e, Event::Stocked { .. }));
    }
    let fixed = descriptors() - baseline - 2 * driver.ports.len();
    for round in 0..3u64 {
        let mut addresses = Vec::new();
        let ids: Vec<u64> = (0..10).map(|n| round * 10 + n).collect();
        for id in &ids {
            addresses.push(driver.start_stream(*id, Source::Echo));
            driver.media.command(Command::Record {
                stream: StreamId(*id),
                path: Some(temporary(&format!("leak-{id}"))),
            });
        }
        for id in &ids {
            let to = addresses[(*id as usize + 1) % 10];
            driver.configure(*id, to);
            driver.media.command(Command::Report { stream: StreamId(*id) });
            driver.wait("figures", |e| matches!(e, Event::Statistics { .. }));
        }
        for id in &ids {
            driver.stop(*id);
            std::fs::remove_file(temporary(&format!("leak-{id}"))).unwrap();
        }
        // A port that was never started goes back too; what comes for it is a new one.
        let port = driver.port();
        driver.media.command(Command::Return { port: port.id });
        let deadline = Instant::now() + DEADLINE;
        while driver.ports.len() < 6 || descriptors() != baseline + fixed + 2 * driver.ports.len() {
            assert!(Instant::now() < deadline, "{} descriptors, {} ports", descriptors(), driver.ports.len());
            driver.take_stock();
        }
    }
    driver.media.shutdown(DEADLINE).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while descriptors() > baseline {
        assert!(Instant::now() < deadline, "{} descriptors, {baseline} at first", descriptors());
        std::thread::yield_now();
    }
}

#[test]
fn what_cannot_be_played_recorded_or_started_is_said() {
    let _alone = ALONE.lock();
    let mut driver = Driver::start(21_300..=21_399);
    let missing = PathBuf::from("/nowhere/at/all.wav");
    driver.start_stream(1, Source::File { path: missing.clone(), repeat: false });
    driver.wait(
        "a missing file",
        |e| matches!(e, Event::FileFailed { message, .. } if message.contains("/nowhere")),
    );
    driver.media.command(Command::Record { stream: StreamId(1), path: Some(missing) });
    driver
        .wait("no place", |e| matches!(e, Event::FileFailed { message, .. } if message.contains("recorded")));
    let used = driver.port();
    driver.media.command(Command::Return { port: used.id });
    driver.media.command(Command::Start { stream: StreamId(2), port: used.id, source: Source::Echo });
    driver.wait("no port", |e| matches!(e, Event::Stopped { stream: StreamId(2), .. }));
    // Shutting down ends what still runs.
    driver.media.shutdown(DEADLINE).unwrap();
    assert!(driver.events.try_iter().any(|e| matches!(e, Event::Stopped { stream: StreamId(1), .. })));
}

#[test]
fn a_range_without_a_free_pair_is_refused_at_the_start() {
    let _alone = ALONE.lock();
    let mut config = MediaConfig::default();
    config.address = "192.0.2.1".parse().unwrap();
    let error = Media::start(config, Clock::start(), Entropy::from_number(1), |_| ()).unwrap_err();
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
}
