//! One report for each digit (RFC 4733 2.5.2).
//!
//! All packets of a digit carry the timestamp of its beginning: that is what names it. Its end may be lost, then silence or
//! the next digit ends it; its beginning may be lost, then any later packet begins it; repetitions of the end name a digit
//! that was reported.

use super::event::{TelephoneEvent, digit_of_event};
use hookswitch_machine::Time;
use std::time::Duration;

/// Without an update for this long, a digit has ended and its end was lost: several packet times.
const UPDATE_TIMEOUT: Duration = Duration::from_millis(160);
/// The longest duration that the field holds; a longer press goes on as a segment of its own (RFC 4733 2.5.1.3).
const LONGEST: u16 = u16::MAX;
/// Reported digits that are remembered, for packets that the network held back.
const REMEMBERED: usize = 8;

/// A digit, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedDigit {
    /// `0-9 A-D * #`.
    pub digit: char,
    /// How long it was pressed.
    pub duration: Duration,
}

/// What a packet says of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitChange {
    /// A key went down.
    Begun(char),
    /// It went up again.
    Ended(ReceivedDigit),
}

#[derive(Clone, Copy, Debug)]
struct Pressed {
    timestamp: u32,
    event: u8,
    duration: u16,
    last: Time,
}

/// Receives the digits of one source.
#[derive(Clone, Debug, Default)]
pub struct DigitReceiver {
    pressed: Option<Pressed>,
    reported: [Option<u32>; REMEMBERED],
    next: usize,
}

impl DigitReceiver {
    /// Nothing is pressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet on a media clock of `rate` Hz. Several things can happen at once, in this order: a digit whose end was lost
    /// ends, this one begins, and ends. What begins ends once, what ends has begun.
    pub fn take(&mut self, now: Time, timestamp: u32, payload: &[u8], rate: u32) -> [Option<DigitChange>; 3] {
        let Some(update) = TelephoneEvent::read(payload) else { return [None; 3] };
        let Some(digit) = digit_of_event(update.event).filter(|_| !self.was_reported(timestamp)) else {
            return [None; 3];
        };
        let [mut before, mut begun, mut ended] = [None; 3];
        match &mut self.pressed {
            Some(pressed) if pressed.timestamp == timestamp => {
                pressed.duration = pressed.duration.max(update.duration);
                pressed.last = now;
            }
            Some(pressed) if (timestamp.wrapping_sub(pressed.timestamp) as i32) < 0 => {
                // Held back by the network, from before the digit that is pressed now.
                let late = Pressed { timestamp, event: update.event, duration: update.duration, last: now };
                return [
                    Some(DigitChange::Begun(digit)),
                    self.report(late, rate).map(DigitChange::Ended),
                    None,
                ];
            }
            Some(_) | None => {
                before = self.end(rate).map(DigitChange::Ended);
                begun = Some(DigitChange::Begun(digit));
                self.pressed =
                    Some(Pressed { timestamp, event: update.event, duration: update.duration, last: now });
            }
        }
        if update.end || update.duration == LONGEST {
            ended = self.end(rate).map(DigitChange::Ended);
        }
        if let (true, Some(segment)) = (update.duration == LONGEST && !update.end, self.reported_last()) {
            // The same key, held on: its next segment is no new digit.
            self.remember(segment.wrapping_add(u32::from(LONGEST)));
        }
        [before, begun, ended]
    }

    /// When [`DigitReceiver::poll`] has something to say if nothing more comes.
    pub fn timeout(&self) -> Option<Time> {
        self.pressed.map(|pressed| pressed.last + UPDATE_TIMEOUT)
    }

    /// A digit whose end was lost.
    pub fn poll(&mut self, now: Time, rate: u32) -> Option<ReceivedDigit> {
        if self.timeout()? > now { None } else { self.end(rate) }
    }

    /// The source has changed or the stream ends: what is pressed has ended, and timestamps mean something else.
    pub fn restart(&mut self, rate: u32) -> Option<ReceivedDigit> {
        let ended = self.end(rate);
        *self = Self::default();
        ended
    }

    fn end(&mut self, rate: u32) -> Option<ReceivedDigit> {
        let pressed = self.pressed.take()?;
        self.report(pressed, rate)
    }

    fn report(&mut self, pressed: Pressed, rate: u32) -> Option<ReceivedDigit> {
        self.remember(pressed.timestamp);
        let nanos = u64::from(pressed.duration) * 1_000_000_000 / u64::from(rate.max(1));
        Some(ReceivedDigit { digit: digit_of_event(pressed.event)?, duration: Duration::from_nanos(nanos) })
    }

    fn remember(&mut self, timestamp: u32) {
        if let Some(place) = self.reported.get_mut(self.next) {
            *place = Some(timestamp);
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    fn reported_last(&self) -> Option<u32> {
        self.reported.get((self.next + REMEMBERED - 1) % REMEMBERED).copied().flatten()
    }

    fn was_reported(&mut self, timestamp: u32) -> bool {
        self.reported.contains(&Some(timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    fn payload(event: u8, end: bool, duration: u16) -> [u8; 4] {
        TelephoneEvent { event, end, volume: 10, duration }.to_bytes()
    }

    /// Every packet of a digit of 100 ms: five updates, three ends.
    fn packets(event: u8) -> Vec<[u8; 4]> {
        let updates = (1..=5).map(|n| payload(event, false, n * 160));
        updates.chain((0..3).map(|_| payload(event, true, 800))).collect()
    }

    fn take(receiver: &mut DigitReceiver, ms: u64, timestamp: u32, payload: &[u8]) -> String {
        let changes = receiver.take(Time::from_millis(ms), timestamp, payload, RATE);
        let ended = |change: DigitChange| match change {
            DigitChange::Begun(_) => None,
            DigitChange::Ended(ended) => Some(ended.digit),
        };
        changes.into_iter().flatten().filter_map(ended).collect()
    }

    #[test]
    fn every_subset_of_a_digits_packets_reports_it_once() {
        let all = packets(5);
        for subset in 1u32..256 {
            let mut receiver = DigitReceiver::new();
            let mut got = String::new();
            for (i, packet) in all.iter().enumerate().filter(|(i, _)| subset & (1 << i) != 0) {
                got += &take(&mut receiver, 20 * i as u64, 4_000, packet);
            }
            got.extend(receiver.poll(Time::from_millis(1_000), RATE).map(|d| d.digit));
            assert_eq!(got, "5", "packets {subset:08b}");
            assert_eq!(receiver.timeout(), None);
        }
    }

    #[test]
    fn the_duration_is_that_of_the_end() {
        let mut receiver = DigitReceiver::new();
        take(&mut receiver, 0, 4_000, &payload(1, false, 160));
        let [.., ended] = receiver.take(Time::from_millis(100), 4_000, &payload(1, true, 800), RATE);
        let digit = ReceivedDigit { digit: '1', duration: Duration::from_millis(100) };
        assert_eq!(ended, Some(DigitChange::Ended(digit)));
    }

    #[test]
    fn every_digit_begins_once_and_ends_after_that() {
        let mut entropy = hookswitch_machine::Entropy::from_number(4);
        for _ in 0..200 {
            let mut receiver = DigitReceiver::new();
            let mut pressed = None;
            for n in 0..20u32 {
                for (i, packet) in packets((n % 3) as u8).into_iter().enumerate() {
                    if entropy.chance(1, 2) {
                        continue;
                    }
                    let (now, timestamp) = (Time::from_millis(200 * u64::from(n) + 20 * i as u64), 1_600 * n);
                    let ended = receiver.poll(now, RATE).map(DigitChange::Ended);
                    let changes = receiver.take(now, timestamp, &packet, RATE);
                    for change in ended.into_iter().chain(changes.into_iter().flatten()) {
                        match change {
                            DigitChange::Begun(digit) => assert_eq!(pressed.replace(digit), None),
                            DigitChange::Ended(ended) => assert_eq!(pressed.take(), Some(ended.digit)),
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_next_digit_ends_one_whose_end_was_lost() {
        let mut receiver = DigitReceiver::new();
        assert_eq!(take(&mut receiver, 0, 4_000, &payload(1, false, 160)), "");
        assert_eq!(take(&mut receiver, 150, 5_200, &payload(2, true, 400)), "12");
    }

    #[test]
    fn the_same_key_twice_is_two_digits() {
        let mut receiver = DigitReceiver::new();
        assert_eq!(take(&mut receiver, 0, 4_000, &payload(7, true, 400)), "7");
        assert_eq!(take(&mut receiver, 20, 4_000, &payload(7, true, 400)), "");
        assert_eq!(take(&mut receiver, 100, 4_800, &payload(7, true, 400)), "7");
    }

    #[test]
    fn an_end_that_comes_after_the_next_digit_began_repeats_nothing() {
        let mut receiver = DigitReceiver::new();
        assert_eq!(take(&mut receiver, 0, 4_000, &payload(1, true, 400)), "1");
        assert_eq!(take(&mut receiver, 80, 4_800, &payload(2, false, 160)), "");
        assert_eq!(take(&mut receiver, 81, 4_000, &payload(1, true, 400)), "");
        assert_eq!(take(&mut receiver, 100, 4_800, &payload(2, true, 400)), "2");
    }

    #[test]
    fn a_key_held_on_is_one_digit() {
        let mut receiver = DigitReceiver::new();
        assert_eq!(take(&mut receiver, 0, 4_000, &payload(1, false, 160)), "");
        assert_eq!(take(&mut receiver, 8_192, 4_000, &payload(1, false, LONGEST)), "1");
        let next = 4_000 + u32::from(LONGEST);
        assert_eq!(take(&mut receiver, 8_212, next, &payload(1, false, 160)), "");
        assert_eq!(take(&mut receiver, 9_000, next, &payload(1, true, 6_400)), "");
        assert_eq!(receiver.poll(Time::from_millis(20_000), RATE), None);
    }

    #[test]
    fn other_events_are_no_digits() {
        let mut receiver = DigitReceiver::new();
        assert_eq!(take(&mut receiver, 0, 4_000, &payload(16, true, 400)), "");
        assert_eq!(take(&mut receiver, 0, 4_000, &[5]), "");
        assert_eq!(receiver.timeout(), None);
    }
}
