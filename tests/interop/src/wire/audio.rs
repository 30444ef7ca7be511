//! What parties say and hear: a socket with PCMU and RFC 4733 for each, at the port that its session description names.
//!
//! A program that plays the signalling of parties and cannot tell what they hear is helped by this. Each party says a tone of its
//! own, and only while somebody listens; who hears whom is what was measured.

use bytes::Bytes;
use hookswitch_media::audio::{Tone, level_dbm0, tone_level_dbm0};
use hookswitch_media::codec::Codec;
use hookswitch_sip::message::{Limits, Message};
use hookswitch_spi::CallTreatment;
use hookswitch_testkit::conformance::sip::Peer;
use hookswitch_testkit::conformance::subject::{Party, Saw};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const RATE: u32 = 8_000;
/// Samples in a packet.
const FRAME: usize = 160;
const PACKET: Duration = Duration::from_millis(20);
/// A frame in which a tone has this level carries it: tones are sent at -10 dBm0.
const HEARD_DBM0: f32 = -30.0;
/// So many frames with a tone are no accident.
const ENOUGH: usize = 8;
/// So many frames without are no tone.
const PATIENCE: usize = 50;
/// How long to listen to what somebody hears who waits.
const LISTEN: Duration = Duration::from_millis(700);
/// The payload type of digits in the session descriptions of parties, RFC 4733.
const DIGITS: u8 = 101;
const KEYS: &str = "0123456789*#ABCD";

/// Everybody's.
#[derive(Default)]
pub struct Voices {
    voices: BTreeMap<Party, Voice>,
    /// Where the provider takes the audio of each call, by Call-ID.
    remotes: BTreeMap<String, SocketAddr>,
}

struct Voice {
    socket: UdpSocket,
    call_id: String,
    tone: Tone,
    hertz: u16,
    sequence: u16,
    timestamp: u32,
    /// What arrived since somebody began to listen.
    heard: Vec<i16>,
    digits: Vec<char>,
    /// The RTP timestamp of the last digit.
    digit: Option<u32>,
}

impl Voices {
    /// A message that a party received: it may describe where its audio goes.
    pub fn described(&mut self, bytes: &Bytes) {
        let Ok(message) = Message::parse(bytes.clone(), &Limits::default()) else { return };
        let body = String::from_utf8_lossy(message.body()).into_owned();
        let host = body.lines().find_map(|line| line.trim().strip_prefix("c=IN IP4 ")?.parse().ok());
        let port = body
            .lines()
            .find_map(|line| line.trim().strip_prefix("m=audio ")?.split(' ').next()?.parse::<u16>().ok());
        if let (Some(host), Some(port)) = (host, port.filter(|port| *port > 0)) {
            let host: std::net::Ipv4Addr = host;
            self.remotes.insert(message.call_id().to_owned(), (host, port).into());
        }
    }

    /// Gives everybody a voice, and notes the digits that came.
    pub fn attend(&mut self, peer: &mut Peer) {
        let new: Vec<_> = peer
            .legs()
            .filter(|(party, leg)| !leg.is_over() && !self.voices.contains_key(party))
            .map(|(party, leg)| (party, leg.port, leg.call_id.clone()))
            .collect();
        for (party, port, call_id) in new {
            let Ok(socket) = UdpSocket::bind(("127.0.0.1", port)) else { continue };
            if socket.set_nonblocking(true).is_err() {
                continue;
            }
            // None of these is a multiple of another's half, and no key has one of them.
            let hertz = 500 + 100 * (party.0 % 24) as u16;
            self.voices.insert(party, Voice::new(socket, call_id, hertz));
        }
        for (party, voice) in &mut self.voices {
            voice.listen();
            if let Some(leg) = peer.leg_mut(*party) {
                voice.digits.drain(..).for_each(|digit| leg.note(Saw::Digit(digit)));
            }
        }
    }

    /// Whether what `a` says arrives at `b`: measured, unless the peer joined the two itself.
    pub fn hears(&mut self, peer: &Peer, a: Party, b: Party) -> bool {
        if peer.leg(a).is_some_and(|leg| leg.joined == Some(b.0)) {
            return true;
        }
        let Some(hertz) = self.voices.get(&a).map(|voice| voice.hertz) else { return false };
        let Some(ear) = self.voices.get_mut(&b) else { return false };
        ear.listen();
        ear.heard.clear();
        let begun = Instant::now();
        for turn in 1..=PATIENCE as u32 {
            for (party, voice) in &mut self.voices {
                if peer.leg(*party).is_some_and(|leg| !leg.is_over()) {
                    voice.say(self.remotes.get(&voice.call_id).copied());
                }
            }
            std::thread::sleep((PACKET * turn).saturating_sub(begun.elapsed()));
            for voice in self.voices.values_mut() {
                voice.listen();
            }
            let heard = self.voices.get(&b).map_or(&[][..], |voice| &voice.heard);
            let frames = heard.chunks_exact(FRAME);
            if frames.filter(|frame| tone_level_dbm0(frame, RATE, hertz) >= HEARD_DBM0).count() >= ENOUGH {
                return true;
            }
        }
        false
    }

    /// What a party hears that waits. Silence may be a pause in something: of that nothing is said.
    pub fn treatment(&mut self, party: Party) -> Option<CallTreatment> {
        let ear = self.voices.get_mut(&party)?;
        ear.listen();
        ear.heard.clear();
        std::thread::sleep(LISTEN);
        ear.listen();
        let frames = ear.heard.chunks_exact(FRAME);
        let audible: Vec<&[i16]> = frames.filter(|frame| level_dbm0(frame) >= HEARD_DBM0).collect();
        let carry = |hertz: u16| {
            let carrying = audible.iter().filter(|frame| tone_level_dbm0(frame, RATE, hertz) >= HEARD_DBM0);
            carrying.count() * 10 >= audible.len() * 8
        };
        if audible.len() < ENOUGH {
            return None;
        }
        // Ringback is 440 and 480 Hz, busy is 480 and 620 Hz.
        Some(match (carry(440), carry(480), carry(620)) {
            (true, true, false) => CallTreatment::Ringback,
            (false, true, true) => CallTreatment::Busy,
            _ => CallTreatment::Music,
        })
    }

    /// A party presses a digit.
    pub fn press(&mut self, party: Party, digit: char, duration: Duration) {
        let Some(voice) = self.voices.get_mut(&party) else { return };
        let Some(remote) = self.remotes.get(&voice.call_id).copied() else { return };
        let Some(event) = KEYS.find(digit) else { return };
        let samples = (duration.as_millis() * u128::from(RATE) / 1_000) as u16;
        let begun = voice.timestamp;
        let steps = u32::from(samples).div_ceil(FRAME as u32).max(1);
        for step in 1..=steps {
            let so_far = (step * FRAME as u32).min(u32::from(samples)) as u16;
            voice.packet(remote, DIGITS, step == 1, begun, &key(event as u8, false, so_far));
            std::thread::sleep(PACKET);
        }
        for _ in 0..3 {
            voice.packet(remote, DIGITS, false, begun, &key(event as u8, true, samples));
        }
        voice.timestamp = begun.wrapping_add(u32::from(samples)).wrapping_add(FRAME as u32);
    }

    /// A party lets a tone sound.
    pub fn tone(&mut self, party: Party, frequencies: [u16; 2], duration: Duration) {
        let Some(voice) = self.voices.get_mut(&party) else { return };
        let Some(remote) = self.remotes.get(&voice.call_id).copied() else { return };
        let own = std::mem::replace(&mut voice.tone, Tone::new(RATE, frequencies, -10));
        let begun = Instant::now();
        for turn in 1..=(duration.as_millis() / PACKET.as_millis()) as u32 {
            voice.say(Some(remote));
            std::thread::sleep((PACKET * turn).saturating_sub(begun.elapsed()));
        }
        voice.tone = own;
    }
}

impl Voice {
    fn new(socket: UdpSocket, call_id: String, hertz: u16) -> Self {
        let tone = Tone::new(RATE, [hertz, 0], -10);
        Self {
            socket,
            call_id,
            tone,
            hertz,
            sequence: 1,
            timestamp: 160,
            heard: Vec::new(),
            digits: Vec::new(),
            digit: None,
        }
    }

    fn say(&mut self, remote: Option<SocketAddr>) {
        let Some(remote) = remote else { return };
        let mut samples = [0; FRAME];
        self.tone.fill(&mut samples);
        let mut payload = Vec::with_capacity(FRAME);
        Codec::Pcmu.encode(&samples, &mut payload);
        let timestamp = self.timestamp;
        self.packet(remote, 0, false, timestamp, &payload);
        self.timestamp = timestamp.wrapping_add(FRAME as u32);
    }

    fn packet(&mut self, remote: SocketAddr, kind: u8, marked: bool, timestamp: u32, payload: &[u8]) {
        let mut packet = vec![0x80, kind | if marked { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(u32::from(self.hertz).to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        let _ = self.socket.send_to(&packet, remote);
    }

    fn listen(&mut self) {
        let mut packet = [0; 2_048];
        while let Ok(length) = self.socket.recv(&mut packet) {
            let Some((header, payload)) = packet.get(..length).and_then(|all| all.split_at_checked(12))
            else {
                continue;
            };
            match header.get(1).map(|octet| octet & 0x7f) {
                Some(0) => Codec::Pcmu.decode(payload, &mut self.heard),
                Some(DIGITS) => {
                    let timestamp =
                        header.get(4..8).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
                    if timestamp != self.digit {
                        self.digit = timestamp;
                        let key = payload.first().and_then(|event| KEYS.chars().nth(usize::from(*event)));
                        self.digits.extend(key);
                    }
                }
                Some(_) | None => {}
            }
            let surplus = self.heard.len().saturating_sub(2 * RATE as usize);
            self.heard.drain(..surplus);
        }
    }
}

/// An event of RFC 4733 2.3.
fn key(event: u8, ends: bool, so_far: u16) -> [u8; 4] {
    let [high, low] = so_far.to_be_bytes();
    [event, if ends { 0x8a } else { 0x0a }, high, low]
}
