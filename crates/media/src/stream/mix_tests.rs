//! Conferences in memory: phones that sound a steady tone each, our streams mixed, and a network between them, in virtual time.

use super::{Feed, LiveAudio, Members, Mix, Outbox, Recorder, Stream, StreamConfig};
use crate::audio::{measure_tone, tone_level_dbm0};
use crate::codec::Codec;
use crate::control::{
    Direction, Event, GeneratedTone, MAX_MIX_MEMBERS, MixPart, StreamId, StreamParameters, TonePart,
    WatchedTone,
};
use crate::rtcp::is_rtcp;
use hookswitch_machine::{Entropy, Time, WallClock};
use rtp_rs::RtpReader;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TONES: [u16; 4] = [500, 1_100, 1_900, 2_700];
const LEVEL: i8 = -13;

#[derive(Clone, Debug, Default)]
struct Tape(Arc<Mutex<(Vec<i16>, Vec<i16>)>>);

impl Tape {
    /// What was received since the last call, and what was sent.
    fn take(&self) -> (Vec<i16>, Vec<i16>) {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Recorder for Tape {
    fn record(&mut self, _rate: u32, received: &[i16], sent: &[i16]) {
        let mut tape = self.0.lock().unwrap();
        tape.0.extend_from_slice(received);
        tape.1.extend_from_slice(sent);
    }
}

#[derive(Default)]
struct Sent {
    rtp: Vec<(SocketAddr, Vec<u8>)>,
    events: Vec<Event>,
}

impl Outbox for Sent {
    fn rtp(&mut self, to: SocketAddr, packet: &[u8]) {
        self.rtp.push((to, packet.to_vec()));
    }
    fn rtcp(&mut self, _to: SocketAddr, _packet: &[u8]) {}
    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// What a phone speaks, and how.
#[derive(Clone, Copy)]
struct Phone {
    codec: Codec,
    packet_time: u64,
}

const PLAIN: Phone = Phone { codec: Codec::Pcmu, packet_time: 20 };

struct Conference {
    now: Time,
    /// Ours first, then the phones, then ours without packets.
    streams: Vec<(Stream, Sent)>,
    phones: Vec<Phone>,
    tapes: Vec<Tape>,
    mix: Mix,
    flying: BTreeMap<(Time, u64), (usize, SocketAddr, Vec<u8>)>,
    entropy: Entropy,
    order: u64,
    loss: u32,
    jitter: u64,
    /// Of each stream's last packet: source, sequence number, when its audio ends on the media clock.
    last: BTreeMap<usize, (u32, u16, u32)>,
}

struct Ours<'a>(&'a mut Vec<(Stream, Sent)>);

impl Members for Ours<'_> {
    fn reach(&mut self, place: usize, act: &mut dyn FnMut(&mut Stream, &mut dyn Outbox)) {
        let (stream, out) = &mut self.0[place];
        act(stream, out);
    }
}

fn address(place: usize) -> SocketAddr {
    ([10, 0, 0, place as u8 + 1], 4_000).into()
}

impl Conference {
    /// Our stream `n` talks with phone `n`, which sounds `TONES[n]`.
    fn new(phones: &[Phone]) -> Self {
        let count = phones.len();
        let mut this = Self {
            now: Time::from_millis(1_000),
            streams: Vec::new(),
            phones: phones.to_vec(),
            tapes: (0..count).map(|_| Tape::default()).collect(),
            mix: Mix::new(Time::ZERO),
            flying: BTreeMap::new(),
            entropy: Entropy::from_number(21),
            order: 0,
            loss: 0,
            jitter: 0,
            last: BTreeMap::new(),
        };
        for place in 0..2 * count {
            let feed = match place.checked_sub(count) {
                None => Feed::Silence,
                Some(n) => Feed::Tone { frequencies: [TONES[n % TONES.len()], 0], level: LEVEL },
            };
            let config = StreamConfig::default();
            let (wall, entropy) = (WallClock::default(), this.entropy.fork());
            let stream = Stream::new(StreamId(place as u64), feed, config, wall, entropy);
            this.streams.push((stream, Sent::default()));
            if let Some(n) = place.checked_sub(count) {
                this.streams[place].0.record(this.now, Some(Box::new(this.tapes[n].clone())));
            }
            this.configure(place, Direction::SendRecv);
        }
        this
    }

    fn configure(&mut self, place: usize, direction: Direction) {
        let count = self.phones.len();
        let Phone { codec, packet_time } = self.phones[place % count];
        let remote = address(if place < count { place + count } else { place - count });
        let parameters = StreamParameters {
            remote_rtp: remote,
            remote_rtcp: remote,
            rtcp_mux: true,
            codec,
            send_payload_type: 100,
            receive_payload_type: 100,
            send_digits: Some(101),
            receive_digits: Some(101),
            packet_time: Duration::from_millis(packet_time),
            direction,
        };
        let (stream, out) = &mut self.streams[place];
        stream.configure(self.now, &parameters, out);
    }

    fn local(&mut self, feed: Feed) -> usize {
        let place = self.streams.len();
        let (wall, entropy) = (WallClock::default(), self.entropy.fork());
        let stream = Stream::local(StreamId(place as u64), feed, StreamConfig::default(), wall, entropy);
        self.streams.push((stream, Sent::default()));
        place
    }

    fn join(&mut self, place: usize, part: MixPart) {
        self.mix.join(self.now, place).unwrap();
        self.streams[place].0.mix(self.now, Some(part));
    }

    fn leave(&mut self, place: usize) {
        self.mix.leave(place);
        self.streams[place].0.mix(self.now, None);
    }

    fn with<T>(&mut self, place: usize, act: impl FnOnce(&mut Stream, Time, &mut Sent) -> T) -> T {
        let (stream, out) = &mut self.streams[place];
        act(stream, self.now, out)
    }

    fn run(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        loop {
            self.carry();
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let timeouts = self.streams.iter().filter_map(|(stream, _)| stream.timeout());
            let next =
                timeouts.chain(arrival).chain(self.mix.timeout()).min().unwrap_or(Time::FAR).max(self.now);
            if next > until {
                self.now = until;
                return;
            }
            self.now = next;
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (place, from, packet) = entry.remove();
                let (stream, out) = &mut self.streams[place];
                stream.receive(self.now, from, &packet, out);
            }
            for (stream, out) in &mut self.streams {
                if stream.timeout().is_some_and(|at| at <= self.now) {
                    stream.tick(self.now, out);
                }
            }
            if self.mix.timeout().is_some_and(|at| at <= self.now) {
                self.mix.turn(self.now, &mut Ours(&mut self.streams));
            }
        }
    }

    fn carry(&mut self) {
        for place in 0..self.streams.len() {
            for (to, packet) in std::mem::take(&mut self.streams[place].1.rtp) {
                self.check_order(place, &packet);
                if self.entropy.chance(self.loss, 100) {
                    continue;
                }
                let SocketAddr::V4(v4) = to else { panic!("{to}") };
                let at = self.now + Duration::from_millis(5 + self.entropy.below(self.jitter + 1));
                self.order += 1;
                let to = usize::from(v4.ip().octets()[3]) - 1;
                self.flying.insert((at, self.order), (to, address(place), packet));
            }
        }
    }

    /// Numbers have no holes, and the media clock of audio neither stands still nor runs back.
    fn check_order(&mut self, place: usize, packet: &[u8]) {
        if is_rtcp(packet) {
            return;
        }
        let read = RtpReader::new(packet).unwrap();
        let (source, sequence) = (read.ssrc(), u16::from(read.sequence_number()));
        let before = self.last.get(&place).filter(|(its, ..)| *its == source).copied();
        if let Some((_, last, _)) = before {
            assert_eq!(sequence, last.wrapping_add(1), "stream {place}");
        }
        let mut end = before.map_or(read.timestamp(), |(.., end)| end);
        if read.payload_type() == 100 {
            let overlap = end.wrapping_sub(read.timestamp()) as i32;
            assert!(overlap <= 0, "stream {place} goes back by {overlap} samples");
            let codec = self.phones[place % self.phones.len()].codec;
            end = read.timestamp().wrapping_add(codec.samples_in(read.payload().len()) as u32);
        }
        self.last.insert(place, (source, sequence, end));
    }

    /// What each phone hears in the next seconds, after some time to settle.
    fn hear(&mut self, seconds: u64) -> Vec<Vec<i16>> {
        self.run(500);
        self.tapes.iter().for_each(|tape| drop(tape.take()));
        self.run(seconds * 1_000);
        self.tapes.iter().map(|tape| tape.take().0).collect()
    }

    fn events(&self, place: usize, wanted: impl Fn(&Event) -> bool) -> usize {
        self.streams[place].1.events.iter().filter(|event| wanted(event)).count()
    }
}

/// Asserts that the tone is in 99 % of the frames, or that it is 30 dB below what it was sent with.
fn assert_hears(ears: &[i16], rate: u32, tone: usize, hears: bool, what: &str) {
    let report = measure_tone(ears, rate, TONES[tone]);
    if hears {
        assert!(report.is_continuous(), "{what} hears {tone}: {report:?}");
        assert!((report.level_dbm0 - f32::from(LEVEL)).abs() < 1.5, "{what} hears {tone}: {report:?}");
    } else {
        assert_eq!(report.frames_with_tone, 0, "{what} does not hear {tone}: {report:?}");
        let level = tone_level_dbm0(ears, rate, TONES[tone]);
        assert!(level <= f32::from(LEVEL) - 30.0, "{what} does not hear {tone}: {level}");
    }
}

/// Who hears whom: row by row, a phone and the tones that it hears.
fn assert_matrix(conference: &mut Conference, matrix: &[&[usize]]) {
    let heard = conference.hear(5);
    for (n, hears) in matrix.iter().enumerate() {
        for tone in 0..matrix.len() {
            let rate = conference.phones[n].codec.rate();
            assert_hears(&heard[n], rate, tone, hears.contains(&tone), &format!("phone {n}"));
        }
    }
}

fn three() -> Conference {
    let mut conference = Conference::new(&[PLAIN; 3]);
    (0..3).for_each(|place| conference.join(place, MixPart::Talks));
    conference
}

#[test]
fn three_hear_the_two_others_and_not_themselves() {
    assert_matrix(&mut three(), &[&[1, 2], &[0, 2], &[0, 1]]);
}

#[test]
fn two_bridged_hear_each_other() {
    let mut conference = Conference::new(&[PLAIN; 2]);
    conference.run(3_000);
    (0..2).for_each(|place| conference.join(place, MixPart::Talks));
    assert_matrix(&mut conference, &[&[1], &[0]]);
}

#[test]
fn digits_cross_a_bridge_and_stay_out_of_a_conference() {
    for members in [2, 3] {
        let mut conference = Conference::new(&[PLAIN; 3]);
        (conference.loss, conference.jitter) = (5, 20);
        (0..members).for_each(|place| conference.join(place, MixPart::Talks));
        let (long, gap) = (Duration::from_millis(60), Duration::from_millis(60));
        conference.run(500);
        conference.with(3, |stream, now, out| stream.send_digits(now, "12334#", long, gap, 1, out));
        conference.run(3_000);
        let digits = |place: usize| -> String {
            let digit = |event: &Event| match event {
                Event::Digit { digit, .. } => Some(*digit),
                _ => None,
            };
            conference.streams[place].1.events.iter().filter_map(digit).collect()
        };
        assert_eq!(digits(0), "12334#");
        assert_eq!(digits(4), if members == 2 { "12334#" } else { "" });
        assert_eq!((digits(3), digits(5)), (String::new(), String::new()));
        assert_eq!(conference.events(1, |event| matches!(event, Event::DigitsSent { .. })), 0);
    }
}

#[test]
fn one_leaves_and_comes_back() {
    let mut conference = three();
    conference.run(1_000);
    conference.leave(1);
    assert_matrix(&mut conference, &[&[2], &[], &[0]]);
    conference.join(1, MixPart::Talks);
    assert_matrix(&mut conference, &[&[1, 2], &[0, 2], &[0, 1]]);
    // Timestamps went on without a jump through all of it.
    for (n, figures) in (0..3).map(|n| (n, conference.streams[3 + n].0.statistics())) {
        assert_eq!((figures.packets_lost, figures.packets_late), (0, 0), "phone {n}: {figures:?}");
    }
}

#[test]
fn one_on_hold_hears_its_music_and_adds_nothing() {
    for by_direction in [true, false] {
        let mut conference = three();
        conference.run(1_000);
        // The "music" is the fourth tone.
        let music = Feed::Tone { frequencies: [TONES[3], 0], level: LEVEL };
        conference.with(0, |stream, now, _| stream.feed(now, music));
        if by_direction {
            conference.configure(0, Direction::SendOnly);
            conference.configure(3, Direction::RecvOnly);
        } else {
            conference.join(0, MixPart::Away);
        }
        let heard = conference.hear(5);
        for (phone, hears) in [(0, &[3][..]), (1, &[2]), (2, &[1])] {
            for tone in 0..4 {
                assert_hears(&heard[phone], 8_000, tone, hears.contains(&tone), &format!("phone {phone}"));
            }
        }
        conference.configure(0, Direction::SendRecv);
        conference.configure(3, Direction::SendRecv);
        conference.join(0, MixPart::Talks);
        assert_matrix(&mut conference, &[&[1, 2], &[0, 2], &[0, 1]]);
    }
}

#[test]
fn a_listener_hears_all_and_is_not_heard() {
    let mut conference = three();
    conference.join(2, MixPart::Listens);
    assert_matrix(&mut conference, &[&[1], &[0], &[0, 1]]);
}

#[test]
fn codecs_and_packet_times_of_members_differ() {
    let phones = [
        Phone { codec: Codec::Pcmu, packet_time: 10 },
        Phone { codec: Codec::L16 { rate: 16_000 }, packet_time: 30 },
        Phone { codec: Codec::Pcma, packet_time: 25 },
        Phone { codec: Codec::L16 { rate: 8_000 }, packet_time: 60 },
    ];
    let mut conference = Conference::new(&phones);
    (0..4).for_each(|place| conference.join(place, MixPart::Talks));
    let heard = conference.hear(5);
    for (n, phone) in phones.iter().enumerate() {
        for (m, tone) in TONES.into_iter().enumerate() {
            for part in heard[n].chunks_exact(phone.codec.rate() as usize / 10) {
                let off = tone_level_dbm0(part, phone.codec.rate(), tone) - f32::from(LEVEL);
                assert!(if n == m { off < -30.0 } else { off.abs() < 1.5 }, "{n} hears {m}: {off} dB");
            }
        }
    }
}

#[test]
fn jitter_and_loss_disturb_only_what_they_hit() {
    let mut conference = three();
    (conference.loss, conference.jitter) = (1, 30);
    conference.run(3_000);
    let heard = conference.hear(10);
    for (n, ears) in heard.iter().enumerate() {
        for (m, tone) in TONES.into_iter().take(3).enumerate() {
            let report = measure_tone(ears, 8_000, tone);
            assert!(
                if n == m { report.share() < 0.01 } else { report.share() > 0.93 },
                "{n} {m}: {report:?}"
            );
        }
    }
}

#[test]
fn listeners_share_one_encoding_and_silence_is_not_encoded() {
    let mut conference = Conference::new(&[PLAIN; 4]);
    for place in 0..4 {
        conference.run(7);
        conference.join(place, MixPart::Talks);
    }
    // Only the first talks: three hear the same, and it hears nothing.
    (5..8).for_each(|phone| conference.with(phone, |stream, now, _| stream.feed(now, Feed::Silence)));
    conference.run(1_000);
    let mut most = 0;
    for _ in 0..20 {
        conference.run(10);
        most = most.max(conference.mix.common_payloads());
    }
    assert_eq!(most, 1);
    let heard = conference.hear(2);
    assert!(heard[0].iter().all(|sample| sample.abs() <= 8));
    heard[1..].iter().for_each(|ears| assert_hears(ears, 8_000, 0, true, "a listener"));
}

#[test]
fn voices_that_come_and_go_within_a_packet_are_not_given_back() {
    let mut conference = three();
    for (phone, on, off) in [(3, 30, 40), (4, 20, 30), (5, 10, 100)] {
        let (on, off) = (Duration::from_millis(on), Duration::from_millis(off));
        let part = TonePart { frequency: TONES[phone - 3], level: -7, on, off };
        let tone = Feed::Generated(GeneratedTone::Custom(vec![part]));
        conference.with(phone, |stream, now, _| stream.feed(now, tone));
    }
    let heard = conference.hear(5);
    for (n, ears) in heard.iter().enumerate() {
        for (m, tone) in TONES.into_iter().take(3).enumerate() {
            let found = measure_tone(ears, 8_000, tone).frames_with_tone > 0;
            assert_eq!(found, n != m, "phone {n} and tone {m}");
        }
    }
}

#[test]
fn digits_and_tones_are_generated_into_one_member() {
    let mut conference = three();
    conference.run(1_000);
    let (long, gap) = (Duration::from_millis(100), Duration::from_millis(60));
    conference.with(0, |stream, now, out| stream.send_digits(now, "12", long, gap, 5, out));
    conference.run(1_000);
    let digits = |phone: usize, conference: &Conference| {
        conference.events(phone, |event| matches!(event, Event::Digit { .. }))
    };
    assert_eq!((digits(3, &conference), digits(4, &conference)), (2, 0));
    assert_eq!(conference.events(3, |event| matches!(event, Event::DigitBegun { .. })), 2);
    assert_eq!(conference.events(0, |e| matches!(e, Event::DigitsSent { tag: 5, cancelled: false, .. })), 1);

    let lasts = Duration::from_millis(1_000);
    conference.with(1, |stream, now, out| stream.send_tone(now, GeneratedTone::Beep, lasts, 6, out));
    let heard = conference.hear(2);
    let beep = measure_tone(&heard[1], 8_000, 1_000);
    assert!((20..=30).contains(&beep.frames_with_tone), "{beep:?}");
    assert_eq!(conference.events(1, |e| matches!(e, Event::ToneSent { tag: 6, cancelled: false, .. })), 1);
    for other in [0, 2] {
        assert_eq!(measure_tone(&heard[other], 8_000, 1_000).frames_with_tone, 0);
    }
}

#[test]
fn members_are_listened_to_one_by_one() {
    let mut conference = three();
    for place in 0..3 {
        let tone = |n: usize| WatchedTone {
            tag: n as u64,
            frequencies: [TONES[n], 0, 0],
            duration: Duration::from_millis(500),
        };
        conference.with(place, |stream, now, _| {
            stream.monitor_tones(now, &[tone(0), tone(1), tone(2)]);
            stream.monitor_fax(now, true);
        });
    }
    conference.run(3_000);
    for place in 0..3u64 {
        let heard = conference.streams[place as usize].1.events.clone();
        assert!(heard.contains(&Event::ToneHeard { stream: StreamId(place), tag: place }), "{heard:?}");
        assert_eq!(conference.events(place as usize, |e| matches!(e, Event::ToneHeard { .. })), 1);
        let calling = conference.events(place as usize, |e| matches!(e, Event::FaxHeard { .. }));
        assert_eq!(calling, usize::from(place == 1), "1,100 Hz is what a fax machine calls with");
    }
}

#[test]
fn a_recorded_member_carries_what_it_said_and_what_it_heard() {
    let mut conference = three();
    let tape = Tape::default();
    conference.with(0, |stream, now, _| stream.record(now, Some(Box::new(tape.clone()))));
    conference.run(500);
    tape.take();
    conference.run(5_000);
    let (received, sent) = tape.take();
    assert_eq!(received.len(), sent.len());
    assert!((39_000..=41_000).contains(&received.len()), "{}", received.len());
    for tone in 0..3 {
        assert_hears(&received, 8_000, tone, tone == 0, "received");
        assert_hears(&sent, 8_000, tone, tone != 0, "sent");
    }
    // The driver slept: the recording has silence in its place.
    conference.now = conference.now + Duration::from_secs(2);
    conference.run(1_000);
    let length = tape.take().0.len();
    assert!((23_800..=24_200).contains(&length), "{length}");
}

#[derive(Debug, Default)]
struct Application(Arc<Mutex<Vec<i16>>>);

impl LiveAudio for Application {
    fn exchange(&mut self, _rate: u32, received: &[i16], sent: &mut [i16]) {
        self.0.lock().unwrap().extend_from_slice(received);
        sent.fill(1_000);
    }
}

#[test]
fn a_stream_without_packets_is_heard_by_all_and_hears_all() {
    let mut conference = three();
    let local = conference.local(Feed::Tone { frequencies: [TONES[3], 0], level: LEVEL });
    conference.join(local, MixPart::Talks);
    let tape = Tape::default();
    conference.with(local, |stream, now, _| stream.record(now, Some(Box::new(tape.clone()))));
    let heard = conference.hear(3);
    let (received, sent) = tape.take();
    for (n, ears) in heard.iter().enumerate() {
        for tone in 0..4 {
            assert_hears(ears, 8_000, tone, tone != n, &format!("phone {n}"));
        }
    }
    for tone in 0..4 {
        // The first packets of the phones were on their way still.
        assert_hears(&received[4_000..], 8_000, tone, tone != 3, "the recording");
        assert_hears(&sent, 8_000, tone, tone == 3, "the recording's right");
    }
    // A live source hears them too, and so does everything that listens; digits go to all, in band.
    let application = Arc::default();
    conference.with(local, |stream, now, _| {
        stream.feed(now, Feed::Live(Box::new(Application(Arc::clone(&application)))));
        stream.monitor_tones(
            now,
            &[WatchedTone { tag: 9, frequencies: [TONES[0], TONES[1], TONES[2]], duration: Duration::ZERO }],
        );
    });
    conference.run(2_000);
    let heard = application.lock().unwrap().split_off(400);
    (0..3).for_each(|tone| assert_hears(&heard, 8_000, tone, true, "the application"));
    assert_eq!(conference.events(local, |e| matches!(e, Event::ToneHeard { tag: 9, .. })), 1);
    let (long, gap) = (Duration::from_millis(400), Duration::from_millis(100));
    conference.with(local, |stream, now, out| stream.send_digits(now, "5", long, gap, 3, out));
    conference.tapes.iter().for_each(|tape| drop(tape.take()));
    conference.run(1_000);
    assert_eq!(conference.events(local, |e| matches!(e, Event::DigitsSent { tag: 3, .. })), 1);
    for tape in &conference.tapes {
        let (heard, _) = tape.take();
        let report = measure_tone(&heard, 8_000, 770);
        assert!((18..=21).contains(&report.frames_with_tone), "{report:?}");
    }
}

#[test]
fn a_mix_has_a_bounded_number_of_members() {
    let mut mix = Mix::new(Time::ZERO);
    assert_eq!(mix.timeout(), None);
    for place in 0..MAX_MIX_MEMBERS {
        mix.join(Time::ZERO, place).unwrap();
    }
    assert!(mix.join(Time::ZERO, 0).is_ok(), "a member already");
    assert!(mix.join(Time::ZERO, 1_000).is_err());
    mix.leave(5);
    mix.join(Time::ZERO, 1_000).unwrap();
    assert_eq!(mix.members().len(), MAX_MIX_MEMBERS);
}

#[test]
fn in_band_digits_of_a_peer_without_events_are_reported() {
    let mut conference = Conference::new(&[PLAIN]);
    conference.with(1, |stream, now, _| stream.feed(now, Feed::Silence));
    conference.with(0, |stream, now, out| stream.monitor_in_band_digits(now, true, out));
    let (long, gap) = (Duration::from_millis(80), Duration::from_millis(80));
    // The peer sends none as events only once both know it.
    for place in 0..2 {
        let remote = address(1 - place);
        conference.with(place, |stream, now, out| {
            let parameters = StreamParameters {
                remote_rtp: remote,
                remote_rtcp: remote,
                rtcp_mux: true,
                codec: Codec::Pcmu,
                send_payload_type: 100,
                receive_payload_type: 100,
                send_digits: None,
                receive_digits: None,
                packet_time: Duration::from_millis(20),
                direction: Direction::SendRecv,
            };
            stream.configure(now, &parameters, out);
        });
    }
    conference.run(500);
    conference.with(1, |stream, now, out| stream.send_digits(now, "159#", long, gap, 1, out));
    conference.run(3_000);
    let mut text = String::new();
    for event in &conference.streams[0].1.events {
        match event {
            Event::DigitBegun { digit, .. } => text.push(*digit),
            Event::Digit { digit, duration, .. } => {
                assert!(duration.abs_diff(long) <= Duration::from_millis(15), "{duration:?}");
                text.push(*digit);
            }
            _ => {}
        }
    }
    assert_eq!(text, "115599##");
}

#[test]
fn whatever_is_asked_in_whatever_order_packets_go_out_evenly() {
    const CODECS: [Codec; 4] =
        [Codec::Pcmu, Codec::Pcma, Codec::L16 { rate: 16_000 }, Codec::L16 { rate: 8_000 }];
    for seed in 0..30 {
        let mut entropy = Entropy::from_number(seed);
        let phones: Vec<Phone> = (0..3)
            .map(|n| Phone {
                codec: CODECS[(n + seed as usize) % 4],
                packet_time: 5 * (2 + entropy.below(11)),
            })
            .collect();
        let mut conference = Conference::new(&phones);
        (conference.loss, conference.jitter) = (entropy.below(5) as u32, entropy.below(40));
        let local = conference.local(Feed::Generated(GeneratedTone::Ringback));
        for _ in 0..80 {
            let place = [0, 1, 2, local][entropy.below(4) as usize];
            let part = [MixPart::Talks, MixPart::Listens, MixPart::Away][entropy.below(3) as usize];
            match entropy.below(9) {
                0..=2 => conference.join(place, part),
                3 => conference.leave(place),
                4 if place < 3 => {
                    let (sends, receives) = (entropy.chance(3, 4), entropy.chance(3, 4));
                    conference.configure(place, Direction::from_halves(sends, receives));
                }
                5 => {
                    // No echo, which keeps the time of the other side.
                    let feeds = [Feed::Silence, Feed::Tone { frequencies: [TONES[3], 0], level: LEVEL }];
                    let feed = feeds.into_iter().nth(entropy.below(2) as usize).unwrap();
                    conference.with(place, |stream, now, _| stream.feed(now, feed));
                }
                6 => {
                    let lasts = Duration::from_millis(entropy.below(300));
                    conference
                        .with(place, |stream, now, out| stream.send_digits(now, "1,2", lasts, lasts, 1, out));
                }
                7 => {
                    let lasts = Duration::from_millis(entropy.below(300));
                    conference.with(place, |stream, now, out| {
                        stream.send_tone(now, GeneratedTone::Busy, lasts, 2, out);
                    });
                }
                _ => {
                    let tape = entropy.chance(1, 2).then(|| Box::new(Tape::default()) as Box<dyn Recorder>);
                    conference.with(place, |stream, now, _| {
                        stream.record(now, tape);
                        stream.monitor_fax(now, true);
                    });
                }
            }
            conference.run(entropy.below(200));
        }
        // In the end, all talk.
        for place in [0, 1, 2] {
            conference.configure(place, Direction::SendRecv);
            conference.with(place, |stream, _, out| stream.stop_generating(out));
            conference.join(place, MixPart::Talks);
        }
        conference.run(500);
        let before: Vec<u64> = (0..3).map(|n| conference.streams[n].0.statistics().packets_sent).collect();
        conference.run(3_000);
        for (n, phone) in phones.iter().enumerate() {
            let sent = conference.streams[n].0.statistics().packets_sent - before[n];
            // What no Ethernet carries goes in packets of 20 ms.
            let octets = phone.codec.octets_per_packet(Duration::from_millis(phone.packet_time));
            let expected = 3_000 / if octets > 1_280 { 20 } else { phone.packet_time };
            assert!(sent.abs_diff(expected) <= 2, "seed {seed}: {sent} packets of {} ms", phone.packet_time);
        }
    }
}
