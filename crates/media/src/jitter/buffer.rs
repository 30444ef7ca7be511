//! The buffer itself.

use super::delay::Delay;
use hookswitch_machine::Time;
use std::time::Duration;

/// Packets held at most: more than the longest delay in packets of 10 ms.
const SLOTS: u64 = 64;
/// The longest payload kept.
const MAX_PAYLOAD: usize = 2_048;
/// This many packets in a row too late: the path has become slower, playing starts anew.
const LATE_IN_A_ROW: u32 = 3;
/// The buffer must not run low for this many samples before the delay is made shorter, in packets.
const CALM: u32 = 100;

/// Between what the delay may vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterLimits {
    /// The shortest delay.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Default for JitterLimits {
    fn default() -> Self {
        Self { min: Duration::from_millis(20), max: Duration::from_millis(200) }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It waits for its turn.
    Kept,
    /// Its turn has passed.
    Late,
    /// It is there already.
    Duplicate,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Play<'a> {
    /// A packet, from its sample `skip` on.
    Packet {
        /// Its payload.
        payload: &'a [u8],
        /// Samples at its beginning whose time has passed.
        skip: usize,
    },
    /// Lost, or not here in time: continue from what was before, fading.
    Conceal {
        /// For how many samples; at most as many as asked for.
        samples: usize,
    },
    /// The other side said nothing: a pause between talkspurts, or nothing has come for long.
    Silence {
        /// For how many samples; at most as many as asked for.
        samples: usize,
    },
}

#[derive(Debug, Default)]
struct Slot {
    /// The packet's number plus one; 0 if free.
    index: u64,
    /// Where it begins on the unwrapped media clock.
    start: i64,
    samples: i64,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing is here.
    Idle,
    /// The first packets wait until playing begins at `until`.
    Filling { until: Time },
    /// Sample `at` of the media clock comes next.
    Playing {
        at: i64,
        /// For how many samples nothing has been there.
        starved: i64,
    },
}

/// See the [module](super).
#[derive(Debug)]
pub struct JitterBuffer {
    rate: u32,
    min: i64,
    max: i64,
    slots: Vec<Slot>,
    state: State,
    delay: Delay,
    /// The packet before this one was played, or given up.
    next: u64,
    /// The newest packet kept.
    newest: u64,
    /// Where the newest audio ends on the media clock.
    end: i64,
    /// The timestamp that `reference` stands for, to unwrap the next.
    last_timestamp: u32,
    reference: i64,
    /// The length of the last packet.
    packet: i64,
    held: usize,
    late_in_a_row: u32,
    late: u64,
    /// The least that was buffered since the last adjustment, and for how many packets that is known.
    lowest: i64,
    calm: u32,
}

impl JitterBuffer {
    /// An empty buffer for a media clock of `rate` Hz.
    pub fn new(rate: u32, limits: JitterLimits) -> Self {
        let units = |d: Duration| (d.as_micros() * u128::from(rate) / 1_000_000).min(1 << 30) as i64;
        Self {
            rate,
            min: units(limits.min),
            max: units(limits.max.max(limits.min)),
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
            state: State::Idle,
            delay: Delay::new(),
            next: 0,
            newest: 0,
            end: 0,
            last_timestamp: 0,
            reference: 0,
            packet: i64::from(rate) / 50,
            held: 0,
            late_in_a_row: 0,
            late: 0,
            lowest: i64::MAX,
            calm: 0,
        }
    }

    /// Packets that came after their turn.
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// The delay aimed at.
    pub fn target(&self) -> Duration {
        self.duration(self.target_units())
    }

    /// How much audio is here and not yet played.
    pub fn buffered(&self) -> Duration {
        match self.state {
            State::Idle => Duration::ZERO,
            State::Filling { .. } => self.duration(self.held as i64 * self.packet),
            State::Playing { at, .. } => self.duration(self.end - at),
        }
    }

    /// Forgets everything but what was learned of the network: the source, or its numbering, has changed.
    pub fn restart(&mut self) {
        self.clear();
        self.delay.restart();
        self.state = State::Idle;
    }

    /// Takes a packet: its unwrapped sequence number, its timestamp, its payload of `samples` samples.
    pub fn insert(
        &mut self,
        now: Time,
        index: u64,
        timestamp: u32,
        payload: &[u8],
        samples: usize,
    ) -> Inserted {
        if samples == 0 || payload.len() > MAX_PAYLOAD {
            return Inserted::Late;
        }
        let samples = samples as i64;
        let mut start = self.unwrap(timestamp);
        // A clock that jumps by seconds has been set anew.
        if !matches!(self.state, State::Idle) && (start - self.end).abs() > 2 * i64::from(self.rate) {
            self.restart();
            start = self.unwrap(timestamp);
        }
        let arrival = (u128::from(now.as_nanos()) * u128::from(self.rate) / 1_000_000_000) as i64;
        let late_by = self.delay.take(arrival - start);
        self.packet = samples;
        match self.state {
            State::Idle => self.fill(now, index, late_by),
            State::Filling { .. } => {}
            State::Playing { at, starved } => {
                let mut at = at;
                if start + samples <= at && self.end - at < self.target_units().min(self.max - samples) {
                    // The next ones will be as late: wait one packet longer.
                    at -= samples;
                    self.state = State::Playing { at, starved };
                }
                if start + samples > at && index >= self.next {
                    self.late_in_a_row = 0;
                } else {
                    self.late += 1;
                    self.late_in_a_row += 1;
                    if self.late_in_a_row < LATE_IN_A_ROW {
                        return Inserted::Late;
                    }
                    self.clear();
                    self.fill(now, index, 0);
                }
            }
        }
        self.keep(index, start, samples, payload)
    }

    fn keep(&mut self, index: u64, start: i64, samples: i64, payload: &[u8]) -> Inserted {
        let Some(slot) = self.slots.get_mut((index % SLOTS) as usize) else { return Inserted::Late };
        if slot.index == index + 1 {
            return Inserted::Duplicate;
        }
        if slot.index > index + 1 {
            self.late += 1;
            return Inserted::Late;
        }
        if slot.index == 0 {
            self.held += 1;
        }
        slot.index = index + 1;
        slot.start = start;
        slot.samples = samples;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        self.next =
            if matches!(self.state, State::Filling { .. }) { self.next.min(index) } else { self.next };
        self.newest = self.newest.max(index);
        self.end = self.end.max(start + samples);
        Inserted::Kept
    }

    /// What comes next: at most `want` samples of it, or a packet.
    pub fn play(&mut self, now: Time, want: usize) -> Play<'_> {
        let wanted = want.max(1) as i64;
        let (mut at, starved) = match self.state {
            State::Idle => return Play::Silence { samples: want },
            State::Filling { until } if now < until => return Play::Silence { samples: want },
            State::Filling { .. } => match self.earliest() {
                Some(slot) => (self.slots[slot].start, 0),
                None => {
                    self.state = State::Idle;
                    return Play::Silence { samples: want };
                }
            },
            State::Playing { at, starved } => (at, starved),
        };
        at = self.shorten(at);
        loop {
            let Some(found) = self.earliest() else {
                return self.starve(at, starved, wanted);
            };
            let (start, samples, index) = {
                let slot = &self.slots[found];
                (slot.start, slot.samples, slot.index - 1)
            };
            if start + samples <= at {
                // Its time was given to concealment or skipped.
                self.release(found);
                self.next = index + 1;
                continue;
            }
            if start > at {
                let gap = (start - at).min(wanted);
                self.state = State::Playing { at: at + gap, starved: 0 };
                // Consecutive numbers across the gap: nothing was sent (RFC 3551 4.1).
                return if index == self.next {
                    Play::Silence { samples: gap as usize }
                } else {
                    Play::Conceal { samples: gap as usize }
                };
            }
            self.release(found);
            self.next = index + 1;
            self.state = State::Playing { at: start + samples, starved: 0 };
            let skip = (at - start) as usize;
            return Play::Packet { payload: &self.slots[found].payload, skip };
        }
    }

    fn duration(&self, units: i64) -> Duration {
        Duration::from_micros(units.max(0) as u64 * 1_000_000 / u64::from(self.rate.max(1)))
    }

    fn target_units(&self) -> i64 {
        // Half a packet of room: packets are asked for on our beat, which is not theirs.
        (self.delay.spread() + self.packet / 2).clamp(self.min, self.max)
    }

    fn unwrap(&mut self, timestamp: u32) -> i64 {
        let step = i64::from(timestamp.wrapping_sub(self.last_timestamp) as i32);
        self.last_timestamp = timestamp;
        self.reference += step;
        self.reference
    }

    fn fill(&mut self, now: Time, index: u64, late_by: i64) {
        // A first packet that is late itself has waited already.
        let wait = self.duration((self.target_units() - late_by).max(self.min));
        self.state = State::Filling { until: now + wait };
        self.next = index;
        self.newest = index;
        self.end = i64::MIN / 2;
        self.late_in_a_row = 0;
        self.lowest = i64::MAX;
        self.calm = 0;
    }

    /// Nothing is here: what was before goes on for a while, then silence, then the next packet begins a talkspurt.
    fn starve(&mut self, at: i64, starved: i64, wanted: i64) -> Play<'static> {
        let starved = starved + wanted;
        self.state = if starved > self.max + 3 * self.packet {
            State::Idle
        } else {
            State::Playing { at: at + wanted, starved }
        };
        if starved <= 3 * self.packet {
            Play::Conceal { samples: wanted as usize }
        } else {
            Play::Silence { samples: wanted as usize }
        }
    }

    /// Skips a packet's length if the buffer has long been fuller than it needs to be, or is fuller than it may be.
    fn shorten(&mut self, at: i64) -> i64 {
        let depth = self.end - at;
        if depth > self.max + 2 * self.packet {
            self.lowest = i64::MAX;
            self.calm = 0;
            return self.end - self.target_units();
        }
        self.lowest = self.lowest.min(depth);
        self.calm += 1;
        if self.calm < CALM {
            return at;
        }
        let excess = self.lowest - self.target_units();
        self.lowest = i64::MAX;
        self.calm = 0;
        if excess > self.packet + self.packet / 2 { at + self.packet } else { at }
    }

    /// The slot of the packet with the lowest number that is here.
    fn earliest(&self) -> Option<usize> {
        if self.held == 0 {
            return None;
        }
        let from = self.next.max((self.newest + 1).saturating_sub(SLOTS));
        (from..=self.newest)
            .map(|index| ((index % SLOTS) as usize, index))
            .find(|(slot, index)| self.slots[*slot].index == index + 1)
            .map(|(slot, _)| slot)
    }

    fn release(&mut self, slot: usize) {
        self.slots[slot].index = 0;
        self.held = self.held.saturating_sub(1);
    }

    fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.index = 0;
        }
        self.held = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::Entropy;

    const PACKET: usize = 160;

    /// Feeds packets (arrival in ms, number) and plays a packet's length every 20 ms; each packet's payload is its number.
    struct Line {
        buffer: JitterBuffer,
        played: Vec<Option<u8>>,
    }

    impl Line {
        fn run(arrivals: &[(u64, u64)], until: u64) -> Self {
            Self::run_with(arrivals, until, |number| (number * PACKET as u64) as u32)
        }

        fn run_with(arrivals: &[(u64, u64)], until: u64, timestamp: impl Fn(u64) -> u32) -> Self {
            let mut line =
                Self { buffer: JitterBuffer::new(8_000, JitterLimits::default()), played: Vec::new() };
            let mut arrivals = arrivals.to_vec();
            arrivals.sort_by_key(|(at, _)| *at);
            let mut next = 0;
            for ms in 0..until {
                while let Some((at, number)) = arrivals.get(next).filter(|(at, _)| *at == ms) {
                    line.buffer.insert(
                        Time::from_millis(*at),
                        70_000 + number,
                        timestamp(*number),
                        &[*number as u8; PACKET],
                        PACKET,
                    );
                    next += 1;
                }
                if ms % 20 == 10 {
                    line.tick(Time::from_millis(ms));
                }
            }
            line
        }

        fn tick(&mut self, now: Time) {
            let mut got = 0;
            while got < PACKET {
                match self.buffer.play(now, PACKET - got) {
                    Play::Packet { payload, skip } => {
                        got += payload.len() - skip;
                        self.played.push(Some(payload[0]));
                    }
                    Play::Conceal { samples } | Play::Silence { samples } => {
                        got += samples;
                        if samples >= PACKET / 2 {
                            self.played.push(None);
                        }
                    }
                }
            }
        }

        fn numbers(&self) -> Vec<u8> {
            self.played.iter().flatten().copied().collect()
        }

        fn holes_inside(&self) -> usize {
            let first = self.played.iter().position(Option::is_some).unwrap_or(0);
            let last = self.played.iter().rposition(Option::is_some).unwrap_or(0);
            self.played[first..last].iter().filter(|p| p.is_none()).count()
        }
    }

    #[test]
    fn a_regular_stream_plays_without_holes() {
        let arrivals: Vec<_> = (0..200).map(|n| (n * 20, n)).collect();
        let line = Line::run(&arrivals, 4_200);
        assert_eq!(line.numbers(), (0..200).map(|n| n as u8).collect::<Vec<_>>());
        assert_eq!((line.holes_inside(), line.buffer.late()), (0, 0));
    }

    #[test]
    fn reordered_and_repeated_packets_play_once_and_in_order() {
        let mut arrivals: Vec<_> = (0..100).map(|n| (n * 20 + if n % 10 == 5 { 25 } else { 0 }, n)).collect();
        arrivals.extend((0..100).step_by(3).map(|n| (n * 20 + 1, n)));
        let line = Line::run(&arrivals, 2_400);
        let mut numbers = line.numbers();
        assert!(numbers.is_sorted());
        numbers.dedup();
        assert_eq!(numbers.len(), line.numbers().len());
        assert!(numbers.len() >= 98, "{} of 100 played", numbers.len());
    }

    #[test]
    fn a_lost_packet_leaves_a_hole_of_its_length() {
        let arrivals: Vec<_> = (0..100).filter(|n| *n != 50).map(|n| (n * 20, n)).collect();
        let line = Line::run(&arrivals, 2_200);
        assert_eq!(line.numbers().len(), 99);
        assert_eq!(line.holes_inside(), 1);
    }

    #[test]
    fn jitter_within_the_limits_is_absorbed_once_learned() {
        let mut entropy = Entropy::from_number(7);
        let arrivals: Vec<_> = (0..1_000).map(|n| (n * 20 + entropy.below(80), n)).collect();
        let line = Line::run(&arrivals, 20_400);
        assert!(line.numbers().len() >= 985, "{} of 1000 played", line.numbers().len());
        assert!(line.buffer.late() <= 10, "{} late", line.buffer.late());
        assert!(line.buffer.target() >= Duration::from_millis(60));
    }

    #[test]
    fn delay_shrinks_again_when_the_network_calms_down() {
        let mut entropy = Entropy::from_number(8);
        let arrivals: Vec<_> =
            (0..2_000).map(|n| (n * 20 + if n < 200 { entropy.below(120) } else { 0 }, n)).collect();
        let line = Line::run(&arrivals, 40_000);
        assert!(line.buffer.buffered() <= Duration::from_millis(60), "{:?}", line.buffer.buffered());
    }

    #[test]
    fn a_pause_of_the_speaker_is_silence_of_its_length() {
        let arrivals: Vec<_> = (0..50).map(|n| (n * 20 + if n >= 25 { 1_000 } else { 0 }, n)).collect();
        let line = Line::run_with(&arrivals, 2_200, |n| (n as u32 + if n >= 25 { 50 } else { 0 }) * 160);
        assert_eq!(line.numbers().len(), 50);
        let holes = line.holes_inside();
        assert!((48..=53).contains(&holes), "{holes} packets of pause");
        assert_eq!(line.buffer.late(), 0);
    }

    #[test]
    fn a_path_that_becomes_slower_is_followed() {
        let arrivals: Vec<_> = (0..200).map(|n| (n * 20 + if n >= 100 { 300 } else { 0 }, n)).collect();
        let line = Line::run(&arrivals, 4_600);
        assert!(line.numbers().len() >= 190, "{} of 200 played", line.numbers().len());
    }

    #[test]
    fn clocks_that_differ_cost_a_packet_now_and_then_and_no_delay() {
        for parts_per_million in [-300i64, 300] {
            let arrivals: Vec<_> = (0..30_000i64)
                .map(|n| ((n * 20 + n * 20 * parts_per_million / 1_000_000) as u64, n as u64))
                .collect();
            let line = Line::run(&arrivals, 600_000);
            let played = line.numbers().len();
            assert!(played >= 29_950, "{parts_per_million}: {played} of 30000 played");
            assert!(line.holes_inside() <= 60, "{parts_per_million}: {} holes", line.holes_inside());
            let late = line.buffer.late();
            assert!(late <= 20, "{parts_per_million}: {late} late");
            assert!(line.buffer.buffered() <= Duration::from_millis(100), "{:?}", line.buffer.buffered());
        }
    }

    #[test]
    fn a_burst_of_everything_at_once_stays_bounded() {
        let arrivals: Vec<_> = (0..60).map(|n| (100, n)).collect();
        let line = Line::run(&arrivals, 1_000);
        assert!(line.played.iter().filter(|p| p.is_some()).count() <= 16);
        assert!(line.numbers().ends_with(&[59]));
    }

    #[test]
    fn a_timestamp_that_jumps_begins_anew() {
        let arrivals: Vec<_> = (0..100).map(|n| (n * 20, n)).collect();
        let line = Line::run_with(&arrivals, 2_200, |n| {
            (n as u32 * 160).wrapping_add(if n >= 50 { 1 << 31 } else { 7 })
        });
        assert!(line.numbers().len() >= 98, "{} of 100 played", line.numbers().len());
    }

    #[test]
    fn any_numbers_and_timestamps_are_survived() {
        let mut entropy = Entropy::from_number(9);
        let mut buffer = JitterBuffer::new(8_000, JitterLimits::default());
        let mut now = Time::ZERO;
        for _ in 0..50_000 {
            now = now + Duration::from_millis(entropy.below(30));
            let index = (1 << 32) + entropy.below(300);
            let len = entropy.below(400) as usize;
            buffer.insert(now, index, entropy.next_u32() >> entropy.below(32), &vec![0; len], len);
            let mut got = 0;
            while got < 160 {
                match buffer.play(now, 160 - got) {
                    Play::Packet { payload, skip } => got += payload.len() - skip,
                    Play::Conceal { samples } | Play::Silence { samples } => {
                        assert!(samples > 0 && samples <= 160 - got);
                        got += samples;
                    }
                }
            }
        }
    }
}
