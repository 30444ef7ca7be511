//! Playing a string of digits (RFC 4733 2.5.1), a packet at a time.

use super::event::{TelephoneEvent, event_of_digit};
use std::time::Duration;

/// What a comma stands for.
const PAUSE: Duration = Duration::from_secs(2);
/// The end is sent this many times (RFC 4733 2.5.1.4).
const ENDS: u8 = 3;
/// What receivers need to tell digits apart (ITU-T Q.24).
const SHORTEST: Duration = Duration::from_millis(40);
/// The longest digit: what fits in the duration field at 8 kHz.
const LONGEST: Duration = Duration::from_millis(4_000);
/// -10 dBm0, as loud as telephones send it.
const VOLUME: u8 = 10;

/// What to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitStep {
    /// A telephone event instead of audio.
    Event {
        /// The payload.
        payload: [u8; 4],
        /// The first packet of the digit: marker set, and the media clock of this moment is the digit's timestamp.
        first: bool,
    },
    /// A repetition of an end, beside the audio: the gap has begun.
    Repeat {
        /// The payload.
        payload: [u8; 4],
    },
    /// Nothing of the digits: audio, or silence.
    Quiet,
    /// All was sent.
    Finished,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Between digits, for so long still.
    Quiet(Duration),
    /// A digit has sounded for so long.
    Sounding {
        event: u8,
        sounded: Duration,
    },
    /// A digit's end is repeated while its gap runs.
    Ending {
        event: u8,
        units: u16,
        sent: u8,
        left: Duration,
    },
    Finished,
}

/// Plays digits as telephone events.
#[derive(Clone, Debug)]
pub struct DigitSender {
    digits: Box<str>,
    next: usize,
    duration: Duration,
    gap: Duration,
    rate: u32,
    phase: Phase,
}

impl DigitSender {
    /// Plays `digits` on a media clock of `rate` Hz. Digits are held within 40 ms and 4 s, gaps are at least 40 ms long.
    pub fn new(digits: &str, duration: Duration, gap: Duration, rate: u32) -> Self {
        Self {
            digits: digits.into(),
            next: 0,
            duration: duration.clamp(SHORTEST, LONGEST),
            gap: gap.max(SHORTEST),
            rate,
            phase: Phase::Quiet(Duration::ZERO),
        }
    }

    /// Moves on by a packet's time.
    pub fn step(&mut self, packet_time: Duration) -> DigitStep {
        match self.phase {
            Phase::Quiet(left) if left > packet_time / 2 => {
                self.phase = Phase::Quiet(left.saturating_sub(packet_time));
                DigitStep::Quiet
            }
            Phase::Quiet(_) => self.begin(packet_time),
            Phase::Sounding { event, sounded } => self.sound(event, sounded, packet_time, false),
            Phase::Ending { event, units, sent, left } => {
                let left = left.saturating_sub(packet_time);
                self.phase = if sent + 1 >= ENDS {
                    Phase::Quiet(left)
                } else {
                    Phase::Ending { event, units, sent: sent + 1, left }
                };
                DigitStep::Repeat { payload: end(event, units) }
            }
            Phase::Finished => DigitStep::Finished,
        }
    }

    fn begin(&mut self, packet_time: Duration) -> DigitStep {
        loop {
            let Some(digit) = self.digits.get(self.next..).and_then(|rest| rest.chars().next()) else {
                self.phase = Phase::Finished;
                return DigitStep::Finished;
            };
            self.next += digit.len_utf8();
            if digit == ',' {
                self.phase = Phase::Quiet(PAUSE.saturating_sub(packet_time));
                return DigitStep::Quiet;
            }
            // Anything else was refused where the request came in.
            if let Some(event) = event_of_digit(digit) {
                return self.sound(event, Duration::ZERO, packet_time, true);
            }
        }
    }

    fn sound(&mut self, event: u8, sounded: Duration, packet_time: Duration, first: bool) -> DigitStep {
        let sounded = sounded + packet_time;
        if sounded < self.duration {
            self.phase = Phase::Sounding { event, sounded };
            let update = TelephoneEvent { event, end: false, volume: VOLUME, duration: self.units(sounded) };
            return DigitStep::Event { payload: update.to_bytes(), first };
        }
        let units = self.units(self.duration);
        self.phase = Phase::Ending { event, units, sent: 1, left: self.gap };
        DigitStep::Event { payload: end(event, units), first }
    }

    fn units(&self, duration: Duration) -> u16 {
        u16::try_from(duration.as_micros() * u128::from(self.rate) / 1_000_000).unwrap_or(u16::MAX)
    }
}

fn end(event: u8, units: u16) -> [u8; 4] {
    TelephoneEvent { event, end: true, volume: VOLUME, duration: units }.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::{DigitChange, DigitReceiver, digit_of_event};
    use super::*;
    use hookswitch_machine::{Entropy, Time};

    const PACKET: Duration = Duration::from_millis(20);

    /// (ms, timestamp, payload) of everything sent, and when it finished.
    fn play(digits: &str, duration: u64, gap: u64) -> (Vec<(u64, u32, [u8; 4])>, u64) {
        let (duration, gap) = (Duration::from_millis(duration), Duration::from_millis(gap));
        let mut sender = DigitSender::new(digits, duration, gap, 8_000);
        let (mut sent, mut timestamp, mut ms) = (Vec::new(), 0, 0u64);
        loop {
            match sender.step(PACKET) {
                DigitStep::Event { payload, first } => {
                    timestamp = if first { ms as u32 * 8 } else { timestamp };
                    sent.push((ms, timestamp, payload));
                }
                DigitStep::Repeat { payload } => sent.push((ms, timestamp, payload)),
                DigitStep::Quiet => {}
                DigitStep::Finished => return (sent, ms),
            }
            ms += 20;
        }
    }

    #[test]
    fn a_digit_is_updates_and_three_ends_of_one_timestamp() {
        let (sent, finished) = play("5", 100, 60);
        let durations: Vec<_> = sent
            .iter()
            .map(|(_, _, p)| TelephoneEvent::read(p).unwrap())
            .map(|e| (e.end, e.duration))
            .collect();
        assert_eq!(
            durations,
            [(false, 160), (false, 320), (false, 480), (false, 640), (true, 800), (true, 800), (true, 800)]
        );
        assert!(sent.iter().all(|(_, timestamp, _)| *timestamp == 0));
        assert_eq!(finished, 160);
    }

    #[test]
    fn a_comma_is_a_pause_of_two_seconds() {
        let (sent, _) = play("1,2", 60, 60);
        let begins: Vec<_> = sent
            .chunk_by(|a, b| a.1 == b.1)
            .map(|packets| (packets[0].0, digit_of_event(packets[0].2[0]).unwrap()))
            .collect();
        assert_eq!(begins, [(0, '1'), (2_120, '2')]);
    }

    #[test]
    fn digits_survive_a_fifth_of_the_packets_lost_and_come_once_each() {
        let mut entropy = Entropy::from_number(10);
        for _ in 0..50 {
            let digits = "0123456789*#ABCD112233";
            let (sent, _) = play(digits, 100, 100);
            let mut receiver = DigitReceiver::new();
            let mut got = String::new();
            for (ms, timestamp, payload) in sent {
                got.extend(receiver.poll(Time::from_millis(ms), 8_000).map(|d| d.digit));
                if entropy.chance(4, 5) {
                    for _ in 0..=entropy.below(2) {
                        let changes = receiver.take(Time::from_millis(ms), timestamp, &payload, 8_000);
                        got.extend(changes.into_iter().flatten().filter_map(|change| match change {
                            DigitChange::Begun(_) => None,
                            DigitChange::Ended(ended) => Some(ended.digit),
                        }));
                    }
                }
            }
            got.extend(receiver.poll(Time::from_millis(1_000_000), 8_000).map(|d| d.digit));
            assert_eq!(got, digits);
        }
    }

    #[test]
    fn too_short_a_digit_and_gap_are_made_long_enough_to_be_heard() {
        let (sent, _) = play("12", 0, 0);
        assert_eq!(sent.len(), 8);
        assert_eq!(sent[4].0, 80);
    }
}
