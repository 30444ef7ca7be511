//! Two streams and a network between them, in virtual time.

use super::{Feed, LiveAudio, Outbox, Recorder, Stream, StreamConfig};
use crate::audio::measure_tone;
use crate::codec::Codec;
use crate::control::{Direction, Event, StreamId, StreamParameters};
use hookswitch_machine::{Entropy, Time, WallClock};
use rtp_rs::RtpReader;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PACKET: Duration = Duration::from_millis(20);

fn address(side: usize) -> SocketAddr {
    ([10, 0, 0, side as u8 + 1], 4_000).into()
}

/// What the network does to each packet.
#[derive(Clone, Copy, Default)]
struct Network {
    /// Of 100.
    loss: u32,
    /// Of 100.
    duplicates: u32,
    delay_ms: u64,
    jitter_ms: u64,
}

#[derive(Default)]
struct Sent {
    rtp: Vec<(SocketAddr, Vec<u8>)>,
    rtcp: Vec<(SocketAddr, Vec<u8>)>,
    events: Vec<Event>,
}

impl Outbox for Sent {
    fn rtp(&mut self, to: SocketAddr, packet: &[u8]) {
        self.rtp.push((to, packet.to_vec()));
    }

    fn rtcp(&mut self, to: SocketAddr, packet: &[u8]) {
        self.rtcp.push((to, packet.to_vec()));
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// Both channels of a recording, shared with the test.
#[derive(Clone, Debug, Default)]
struct Tape(Arc<Mutex<(Vec<i16>, Vec<i16>)>>);

impl Tape {
    fn channels(&self) -> (Vec<i16>, Vec<i16>) {
        self.0.lock().unwrap().clone()
    }
}

impl Recorder for Tape {
    fn record(&mut self, _rate: u32, received: &[i16], sent: &[i16]) {
        let mut tape = self.0.lock().unwrap();
        tape.0.extend_from_slice(received);
        tape.1.extend_from_slice(sent);
    }
}

#[derive(Debug)]
struct Doubling;

impl LiveAudio for Doubling {
    fn exchange(&mut self, _rate: u32, received: &[i16], sent: &mut [i16]) {
        sent.copy_from_slice(received);
    }
}

/// (arrival, order) -> (side, from RTCP socket, packet)
type Flying = BTreeMap<(Time, u64), (usize, bool, Vec<u8>)>;

struct Pair {
    now: Time,
    streams: [Stream; 2],
    out: [Sent; 2],
    /// Packets that arrived at each side, with their time.
    arrived: [Vec<(Time, Vec<u8>)>; 2],
    flying: Flying,
    network: Network,
    entropy: Entropy,
    order: u64,
    lost: u64,
}

impl Pair {
    fn new(feeds: [Feed; 2], network: Network) -> Self {
        Self::with(feeds, network, StreamConfig::default())
    }

    fn with(feeds: [Feed; 2], network: Network, config: StreamConfig) -> Self {
        let mut entropy = Entropy::from_number(11);
        let mut side = 0;
        let streams = feeds.map(|feed| {
            side += 1;
            Stream::new(StreamId(side), feed, config, WallClock::default(), entropy.fork())
        });
        Self {
            now: Time::from_millis(1_000),
            streams,
            out: Default::default(),
            arrived: Default::default(),
            flying: Flying::new(),
            network,
            entropy,
            order: 0,
            lost: 0,
        }
    }

    fn parameters(side: usize) -> StreamParameters {
        let remote = address(1 - side);
        StreamParameters {
            remote_rtp: remote,
            remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
            rtcp_mux: false,
            codec: Codec::Pcmu,
            send_payload_type: 0,
            receive_payload_type: 0,
            send_digits: Some(101),
            receive_digits: Some(101),
            packet_time: PACKET,
            direction: Direction::SendRecv,
        }
    }

    fn configure_with(&mut self, change: impl Fn(usize, &mut StreamParameters)) {
        for side in 0..2 {
            let mut parameters = Self::parameters(side);
            change(side, &mut parameters);
            self.streams[side].configure(self.now, &parameters, &mut self.out[side]);
        }
    }

    fn configure(&mut self) {
        self.configure_with(|_, _| {});
    }

    fn record(&mut self, side: usize) -> Tape {
        let tape = Tape::default();
        self.streams[side].record(self.now, Some(Box::new(tape.clone())));
        tape
    }

    fn run(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        loop {
            self.carry();
            let timeouts = self.streams.iter().filter_map(Stream::timeout).min();
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let next = timeouts.into_iter().chain(arrival).min().unwrap_or(Time::FAR).max(self.now);
            if next > until {
                self.now = until;
                return;
            }
            self.now = next;
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now) {
                let (side, rtcp, packet) = entry.remove();
                let (stream, out) = (&mut self.streams[side], &mut self.out[side]);
                let from = address(1 - side);
                if rtcp {
                    stream.receive_rtcp(self.now, SocketAddr::new(from.ip(), from.port() + 1), &packet);
                } else {
                    stream.receive(self.now, from, &packet, out);
                    self.arrived[side].push((self.now, packet));
                }
            }
            for side in 0..2 {
                if self.streams[side].timeout().is_some_and(|at| at <= self.now) {
                    self.streams[side].tick(self.now, &mut self.out[side]);
                }
            }
        }
    }

    fn carry(&mut self) {
        for side in 0..2 {
            let rtp = std::mem::take(&mut self.out[side].rtp);
            let rtcp = std::mem::take(&mut self.out[side].rtcp);
            let all = rtp.into_iter().map(|p| (false, p)).chain(rtcp.into_iter().map(|p| (true, p)));
            for (is_rtcp, (to, packet)) in all {
                assert_eq!(to.ip(), address(1 - side).ip());
                if !is_rtcp && self.entropy.chance(self.network.loss, 100) {
                    self.lost += 1;
                    continue;
                }
                let copies = 1 + u32::from(self.entropy.chance(self.network.duplicates, 100));
                for _ in 0..copies {
                    let delay = self.network.delay_ms + self.entropy.below(self.network.jitter_ms + 1);
                    let at = self.now + Duration::from_millis(delay);
                    self.order += 1;
                    self.flying.insert((at, self.order), (1 - side, is_rtcp, packet.clone()));
                }
            }
        }
    }

    fn digits(&self, side: usize) -> String {
        let digit = |event: &Event| match event {
            Event::Digit { digit, .. } => Some(*digit),
            _ => None,
        };
        self.out[side].events.iter().filter_map(digit).collect()
    }

    fn count(&self, side: usize, wanted: impl Fn(&Event) -> bool) -> usize {
        self.out[side].events.iter().filter(|e| wanted(e)).count()
    }
}

fn tone(frequency: u16) -> Feed {
    Feed::Tone { frequencies: [frequency, 0], level: -10 }
}

#[test]
fn two_streams_exchange_tones_and_both_recordings_carry_both() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::L16 { rate: 16_000 }] {
        let mut pair = Pair::new([tone(440), tone(1_000)], Network { delay_ms: 15, ..Network::default() });
        pair.configure_with(|_, p| p.codec = codec);
        let tapes = [pair.record(0), pair.record(1)];
        pair.run(10_000);
        for (side, (theirs, ours)) in [(1_000, 440), (440, 1_000)].into_iter().enumerate() {
            let (received, sent) = tapes[side].channels();
            assert_eq!(received.len(), sent.len());
            let sent = measure_tone(&sent, codec.rate(), ours);
            assert!(sent.is_continuous(), "{codec:?} sent by {side}: {sent:?}");
            let start = codec.rate() as usize / 10;
            let heard = measure_tone(&received[start..], codec.rate(), theirs);
            assert!(heard.is_continuous(), "{codec:?} heard by {side}: {heard:?}");
            assert_eq!(pair.count(side, |e| matches!(e, Event::Receiving { .. })), 1);
        }
    }
}

#[test]
fn a_tone_gets_through_jitter_reordering_and_duplicates() {
    let network = Network { duplicates: 10, delay_ms: 20, jitter_ms: 50, ..Network::default() };
    let mut pair = Pair::new([tone(440), Feed::Silence], network);
    pair.configure();
    let tape = pair.record(1);
    pair.run(20_000);
    let report = measure_tone(&tape.channels().0[16_000..], 8_000, 440);
    assert!(report.share() >= 0.98, "{report:?}");
}

#[test]
fn figures_agree_with_what_the_network_did() {
    let network = Network { loss: 10, duplicates: 10, delay_ms: 30, jitter_ms: 30 };
    let mut pair = Pair::new([tone(440), Feed::Echo], network);
    pair.configure();
    pair.run(20_000);
    let [caller, echo] = [pair.streams[0].statistics(), pair.streams[1].statistics()];
    assert_eq!(caller.packets_sent, 1_000);
    assert_eq!(caller.octets_sent, 160_000);
    // Up to three packets are still on their way at the end.
    let lost = caller.packets_sent - echo.packets_received;
    assert!((lost - 4..=lost).contains(&echo.packets_lost), "{lost} against {}", echo.packets_lost);
    assert!((70..=130).contains(&lost), "{lost} lost of 1000");
    assert_eq!(echo.packets_sent, echo.packets_received);
    assert!((5..=15).contains(&echo.jitter.as_millis()), "{:?}", echo.jitter);
    let round_trip = caller.round_trip.unwrap().as_millis();
    assert!((60..=120).contains(&round_trip), "{round_trip} ms");
    let (poor, none) = (echo.mos.unwrap(), pair.streams[0].statistics().mos.unwrap());
    assert!((1.0..2.5).contains(&poor) && none < 2.5, "{poor} and {none}");
    let remote = caller.remote_loss.unwrap();
    assert!((0.03..0.2).contains(&remote), "{remote}");
}

#[test]
fn an_echo_returns_every_payload_with_its_order_and_pauses() {
    let mut pair = Pair::new([tone(440), Feed::Echo], Network { delay_ms: 5, loss: 5, ..Network::default() });
    pair.configure();
    pair.run(5_000);
    let read = |side: usize| -> Vec<(u16, u32, Vec<u8>)> {
        pair.arrived[side]
            .iter()
            .map(|(_, p)| RtpReader::new(p).unwrap())
            .map(|r| (u16::from(r.sequence_number()), r.timestamp(), r.payload().to_vec()))
            .collect()
    };
    let (there, back) = (read(1), read(0));
    assert!(back.len() > 200 && back.len() < there.len());
    let (sequence, timestamp) = (back[0].0.wrapping_sub(there[0].0), back[0].1.wrapping_sub(there[0].1));
    for (s, t, payload) in &back {
        let original = there.iter().find(|(theirs, ..)| theirs.wrapping_add(sequence) == *s).unwrap();
        assert_eq!(original.1.wrapping_add(timestamp), *t);
        assert_eq!(&original.2, payload);
    }
}

#[test]
fn digits_come_once_each_under_a_fifth_of_loss() {
    let network = Network { loss: 20, duplicates: 5, delay_ms: 20, jitter_ms: 30 };
    let mut pair = Pair::new([tone(440), Feed::Silence], network);
    pair.configure();
    pair.run(100);
    let digits = "0123456789ABCD*#1122";
    let (now, out) = (pair.now, &mut pair.out[0]);
    pair.streams[0].send_digits(now, digits, Duration::from_millis(100), Duration::from_millis(80), 7, out);
    pair.run(6_000);
    assert_eq!(pair.digits(1), digits);
    assert_eq!(
        pair.count(0, |e| matches!(e, Event::DigitsSent { tag: 7, cancelled: false, .. })),
        1,
        "{:?}",
        pair.out[0].events
    );
}

#[test]
fn a_digits_duration_is_reported_and_its_timestamps_stand_still() {
    let mut pair = Pair::new([tone(440), Feed::Silence], Network::default());
    pair.configure();
    pair.run(100);
    let (now, out) = (pair.now, &mut pair.out[0]);
    pair.streams[0].send_digits(now, "5", Duration::from_millis(120), Duration::from_millis(60), 1, out);
    pair.run(1_000);
    let expected = Event::Digit { stream: StreamId(2), digit: '5', duration: Duration::from_millis(120) };
    assert!(pair.out[1].events.contains(&expected), "{:?}", pair.out[1].events);
    let events: Vec<_> = pair.arrived[1].iter().map(|(_, p)| RtpReader::new(p).unwrap()).collect();
    let digits: Vec<_> = events.iter().filter(|r| r.payload_type() == 101).collect();
    assert_eq!(digits.len(), 8);
    assert!(digits[0].mark() && digits[1..].iter().all(|r| !r.mark()));
    assert!(digits.iter().all(|r| r.timestamp() == digits[0].timestamp()));
    let numbers: Vec<_> = events.iter().map(|r| u16::from(r.sequence_number())).collect();
    assert!(numbers.windows(2).all(|w| w[1] == w[0].wrapping_add(1)), "numbers have no holes");
}

#[test]
fn digits_go_in_band_where_events_are_not_taken() {
    let mut pair = Pair::new([Feed::Silence, Feed::Silence], Network::default());
    pair.configure_with(|_, p| {
        p.send_digits = None;
        p.receive_digits = None;
    });
    let tape = pair.record(1);
    pair.run(100);
    let (now, out) = (pair.now, &mut pair.out[0]);
    pair.streams[0].send_digits(now, "5", Duration::from_millis(400), Duration::from_millis(100), 1, out);
    pair.run(1_000);
    let heard = tape.channels().0;
    for frequency in [770, 1_336] {
        let report = measure_tone(&heard, 8_000, frequency);
        assert!((18..=21).contains(&report.frames_with_tone), "{frequency}: {report:?}");
    }
    assert_eq!(pair.count(0, |e| matches!(e, Event::DigitsSent { tag: 1, cancelled: false, .. })), 1);
}

#[test]
fn new_digits_cancel_the_ones_being_sent_and_an_empty_string_stops() {
    let mut pair = Pair::new([Feed::Silence, Feed::Silence], Network::default());
    let (long, gap) = (Duration::from_millis(100), Duration::from_millis(60));
    // Before there are parameters, digits wait.
    pair.streams[0].send_digits(pair.now, "1,1", long, gap, 1, &mut pair.out[0]);
    pair.configure();
    pair.run(500);
    pair.streams[0].send_digits(pair.now, "2,2", long, gap, 2, &mut pair.out[0]);
    pair.run(500);
    pair.streams[0].send_digits(pair.now, "", long, gap, 3, &mut pair.out[0]);
    pair.run(5_000);
    assert_eq!(pair.digits(1), "12");
    let sent: Vec<_> = pair.out[0]
        .events
        .iter()
        .filter_map(|e| match e {
            Event::DigitsSent { tag, cancelled, .. } => Some((*tag, *cancelled)),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [(1, true), (2, true), (3, false)]);
}

#[test]
fn hold_stops_audio_both_ways_but_not_rtcp_and_retrieve_goes_on() {
    let mut pair = Pair::new([tone(440), tone(1_000)], Network { delay_ms: 5, ..Network::default() });
    pair.configure();
    pair.run(1_000);
    pair.configure_with(|_, p| p.direction = Direction::Inactive);
    pair.run(10);
    let before = [pair.arrived[0].len(), pair.arrived[1].len()];
    let reports = pair.streams[0].statistics();
    pair.run(20_000);
    assert_eq!(before, [pair.arrived[0].len(), pair.arrived[1].len()]);
    assert!(pair.streams[0].statistics().round_trip.is_some() && reports.round_trip.is_none());
    let tape = pair.record(0);
    pair.configure();
    pair.run(2_000);
    let heard = measure_tone(&tape.channels().0[2_000..], 8_000, 1_000);
    assert!(heard.is_continuous(), "{heard:?}");
    let resumed = RtpReader::new(&pair.arrived[0][before[0]].1).unwrap();
    assert!(resumed.mark(), "the first packet after a pause is marked");
    assert!(pair.arrived[0].len() - before[0] <= 102, "nothing is caught up on");
}

#[test]
fn silence_is_reported_once_and_hold_is_no_silence() {
    let config = StreamConfig { silence_limit: Some(Duration::from_secs(5)), ..StreamConfig::default() };
    let mut pair = Pair::with([tone(440), Feed::Silence], Network::default(), config);
    pair.configure_with(|side, p| {
        if side == 1 {
            p.direction = Direction::Inactive;
        }
    });
    pair.network.loss = 100;
    // The other side's reports are lost too: it is gone.
    pair.streams[1] =
        Stream::new(StreamId(2), Feed::Silence, config, WallClock::default(), Entropy::from_number(1));
    pair.run(20_000);
    let silent: Vec<_> = pair.out[0].events.iter().filter(|e| matches!(e, Event::Silent { .. })).collect();
    assert_eq!(silent.len(), 1, "{silent:?}");
    assert_eq!(pair.count(1, |e| matches!(e, Event::Silent { .. })), 0);
}

#[test]
fn samples_play_to_their_end_and_say_so() {
    let mut samples = vec![0i16; 8_000];
    crate::audio::Tone::new(8_000, [600, 0], -10).fill(&mut samples);
    let feed = Feed::Samples { samples: samples.into(), rate: 8_000, repeat: false };
    let mut pair = Pair::new([feed, Feed::Silence], Network::default());
    pair.configure();
    let tape = pair.record(1);
    pair.run(3_000);
    assert_eq!(pair.count(0, |e| matches!(e, Event::Played { .. })), 1);
    let report = measure_tone(&tape.channels().0, 8_000, 600);
    assert!((49..=51).contains(&report.frames_with_tone), "{report:?}");
}

#[test]
fn what_stands_still_goes_on_where_it_stood() {
    // Each sample is another one than those before it.
    let samples: Vec<i16> = (0..8_000).map(|n| n * 4 - 16_000).collect();
    let feed = Feed::Samples { samples: samples.clone().into(), rate: 8_000, repeat: false };
    let mut pair = Pair::new([feed, Feed::Silence], Network::default());
    pair.configure_with(|_, parameters| parameters.codec = Codec::L16 { rate: 8_000 });
    let tape = pair.record(0);
    pair.run(300);
    let now = pair.now;
    pair.streams[0].pause(now, true);
    pair.run(500);
    assert_eq!(pair.count(0, |e| matches!(e, Event::Played { .. })), 0);
    let sent = pair.arrived[1].len();
    let now = pair.now;
    pair.streams[0].pause(now, false);
    pair.run(1_500);
    let played: Vec<i16> = tape.channels().1.into_iter().filter(|sample| *sample != 0).collect();
    let expected: Vec<i16> = samples.into_iter().filter(|sample| *sample != 0).collect();
    assert_eq!(played, expected);
    assert!(sent >= 38, "packets of silence meanwhile: {sent} in all");
    assert_eq!(pair.count(0, |e| matches!(e, Event::Played { .. })), 1);
}

#[test]
fn an_echo_stands_still_and_goes_on() {
    let mut pair = Pair::new([tone(440), Feed::Echo], Network { delay_ms: 5, ..Network::default() });
    pair.configure();
    let tape = pair.record(0);
    pair.run(1_000);
    let now = pair.now;
    pair.streams[1].pause(now, true);
    pair.run(1_000);
    let now = pair.now;
    pair.streams[1].pause(now, false);
    pair.run(1_000);
    let heard = tape.channels().0;
    let level = |from: usize| crate::audio::level_dbm0(&heard[from..from + 4_000]);
    let levels = [level(3_000), level(11_000), level(19_000)];
    assert!(levels[0] > -12.0 && levels[1] < -60.0 && levels[2] > -12.0, "{levels:?}");
}

#[test]
fn a_gain_makes_what_is_sent_louder_or_softer() {
    let mut pair = Pair::new([tone(440), Feed::Silence], Network::default());
    pair.configure();
    let tape = pair.record(0);
    for gain in [0, 6, -24] {
        pair.streams[0].amplify(gain);
        pair.run(1_000);
    }
    let sent = tape.channels().1;
    let level = |second: usize| crate::audio::level_dbm0(&sent[second * 8_000 + 400..][..7_200]);
    for (second, expected) in [(0, -10.0), (1, -4.0), (2, -34.0)] {
        assert!((level(second) - expected).abs() < 0.3, "{} instead of {expected}", level(second));
    }
}

#[test]
fn a_live_stream_exchanges_frames_with_its_application() {
    let live = Feed::Live(Box::new(Doubling));
    let mut pair = Pair::new([tone(700), live], Network { delay_ms: 10, ..Network::default() });
    pair.configure();
    let tape = pair.record(0);
    pair.run(5_000);
    let report = measure_tone(&tape.channels().0[4_000..], 8_000, 700);
    assert!(report.is_continuous(), "{report:?}");
}

#[test]
fn one_port_carries_both_protocols_if_agreed() {
    let mut pair = Pair::new([tone(440), tone(1_000)], Network { delay_ms: 10, ..Network::default() });
    pair.configure_with(|side, p| {
        p.rtcp_mux = true;
        p.remote_rtcp = p.remote_rtp;
        assert_eq!(p.remote_rtp, address(1 - side));
    });
    pair.run(20_000);
    assert!(pair.out.iter().all(|out| out.rtcp.is_empty()));
    let round_trip = pair.streams[0].statistics().round_trip.unwrap();
    assert!((18..=22).contains(&round_trip.as_millis()), "{round_trip:?}");
    assert_eq!(pair.streams[0].statistics().packets_discarded, 0);
}

#[test]
fn a_strangers_packets_change_nothing() {
    let mut pair = Pair::new([tone(440), Feed::Echo], Network::default());
    pair.configure();
    pair.run(1_000);
    let before = pair.streams[1].statistics();
    let stranger = SocketAddr::from(([198, 51, 100, 1], 9));
    let valid = pair.arrived[1][0].1.clone();
    for bytes in [&valid[..], &valid[..11], &[0x80, 201, 0, 1, 1, 2, 3, 4][..], b"INVITE sip:a@b SIP/2.0"] {
        pair.streams[1].receive(pair.now, stranger, bytes, &mut pair.out[1]);
    }
    pair.streams[1].receive_rtcp(pair.now, stranger, &[0x80, 201, 0, 1, 1, 2, 3, 4]);
    let after = pair.streams[1].statistics();
    assert_eq!(after.packets_discarded, before.packets_discarded + 5);
    assert_eq!(after.packets_received, before.packets_received);
    pair.run(1_000);
}

#[test]
fn a_new_source_of_the_other_side_is_heard_after_two_packets() {
    let mut pair = Pair::new([tone(440), Feed::Silence], Network::default());
    pair.configure();
    let tape = pair.record(1);
    pair.run(2_000);
    let entropy = Entropy::from_number(99);
    pair.streams[0] =
        Stream::new(StreamId(1), tone(440), StreamConfig::default(), WallClock::default(), entropy);
    let parameters = Pair::parameters(0);
    pair.streams[0].configure(pair.now, &parameters, &mut pair.out[0]);
    pair.run(2_000);
    let report = measure_tone(&tape.channels().0[2_000..], 8_000, 440);
    assert!(report.share() > 0.93, "{report:?}");
    assert!(report.longest_gap <= Duration::from_millis(150), "{report:?}");
}

#[test]
fn before_it_is_configured_a_stream_takes_and_drops() {
    let mut pair = Pair::new([Feed::Silence, Feed::Silence], Network::default());
    pair.streams[0].receive(pair.now, address(1), &[0x80; 172], &mut pair.out[0]);
    assert_eq!(pair.streams[0].statistics().packets_discarded, 1);
    assert_eq!(pair.streams[0].timeout(), None);
}

#[test]
fn a_driver_that_was_away_does_not_send_a_flood_and_the_recording_stays_aligned() {
    let mut pair = Pair::new([tone(440), Feed::Silence], Network::default());
    pair.configure();
    let tape = pair.record(0);
    pair.run(1_000);
    let before = pair.streams[0].statistics().packets_sent;
    pair.now = pair.now + Duration::from_secs(10);
    pair.streams[0].tick(pair.now, &mut pair.out[0]);
    assert!(pair.streams[0].statistics().packets_sent - before <= 5);
    let recorded = tape.channels().0.len() / 8;
    assert!((10_900..=11_040).contains(&recorded), "{recorded} ms recorded");
}

#[test]
fn the_end_says_goodbye_and_gives_the_last_figures() {
    let mut pair = Pair::new([tone(440), Feed::Silence], Network::default());
    pair.configure();
    pair.run(1_000);
    pair.streams[0].send_digits(
        pair.now,
        "123",
        Duration::from_millis(100),
        Duration::from_millis(100),
        9,
        &mut pair.out[0],
    );
    let statistics = pair.streams[0].stop(pair.now, &mut pair.out[0]);
    assert_eq!(statistics.packets_sent, 50);
    assert_eq!(pair.count(0, |e| matches!(e, Event::DigitsSent { tag: 9, cancelled: true, .. })), 1);
    let (_, goodbye) = pair.out[0].rtcp.last().unwrap();
    assert!(crate::rtcp::Received::read(goodbye, 0).unwrap().bye);
}

#[test]
fn any_bytes_from_anywhere_are_survived() {
    let mut pair = Pair::new([Feed::Echo, Feed::Live(Box::new(Doubling))], Network::default());
    pair.configure_with(|_, p| p.rtcp_mux = true);
    let tape = pair.record(0);
    let mut entropy = Entropy::from_number(12);
    for round in 0..20_000u64 {
        let mut bytes = vec![0; entropy.below(200) as usize];
        bytes.iter_mut().for_each(|b| *b = entropy.next_u32() as u8);
        if let [first, second, ..] = &mut bytes[..] {
            *first = 0x80 | (*first & 0x3f);
            *second = [0, 0x80, 101, 200, 201, 13][entropy.below(6) as usize];
        }
        for side in 0..2 {
            let (stream, out) = (&mut pair.streams[side], &mut pair.out[side]);
            stream.receive(pair.now, address(1 - side), &bytes, out);
            stream.receive_rtcp(pair.now, address(1 - side), &bytes);
        }
        pair.now = pair.now + Duration::from_millis(entropy.below(3));
        for side in 0..2 {
            pair.streams[side].tick(pair.now, &mut pair.out[side]);
            if round % 64 == 0 {
                pair.out[side] = Sent::default();
            }
        }
    }
    assert!(tape.channels().0.len() > 8_000);
}

#[test]
fn digits_come_back_from_an_echo() {
    let mut pair = Pair::new([Feed::Silence, Feed::Echo], Network { delay_ms: 5, ..Network::default() });
    pair.configure();
    pair.run(500);
    let (now, out) = (pair.now, &mut pair.out[0]);
    pair.streams[0].send_digits(now, "12", Duration::from_millis(100), Duration::from_millis(60), 1, out);
    pair.run(1_000);
    assert_eq!(pair.digits(1), "12");
    assert_eq!(pair.digits(0), "12");
    assert_eq!(pair.streams[0].statistics().packets_lost, 0);
}

#[test]
fn a_stream_is_small() {
    let (stream, session) = (size_of::<Stream>(), size_of::<super::session::Session>());
    assert!(stream + session <= 1_536, "{stream} and {session} bytes");
}
