//! How long packets should wait, judged by how irregularly they arrive.

/// After how many packets the fastest one seen is thought a sample slower: follows a sender whose clock is slow.
const CREEP: u32 = 8;
/// A late packet is remembered for about this many packets.
const MEMORY: i64 = 256;

/// Follows the spread of transit times: the delay that would have had every recent packet in time. In timestamp units.
#[derive(Clone, Debug, Default)]
pub struct Delay {
    fastest: Option<i64>,
    since_creep: u32,
    /// Times [`MEMORY`], so that small spreads fade too.
    spread: i64,
}

impl Delay {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet's transit time (arrival less timestamp, any origin) and says how much slower it was than the fastest.
    pub fn take(&mut self, transit: i64) -> i64 {
        let fastest = self.fastest.unwrap_or(transit).min(transit);
        let late = transit - fastest;
        self.since_creep += 1;
        let creep = if self.since_creep >= CREEP { 1 } else { 0 };
        if creep == 1 {
            self.since_creep = 0;
        }
        self.fastest = Some(fastest + creep);
        self.spread = (self.spread - self.spread / MEMORY).max(late.saturating_mul(MEMORY));
        late
    }

    /// The delay that the last packets would have needed.
    pub fn spread(&self) -> i64 {
        self.spread / MEMORY
    }

    /// Timestamps have jumped: forgets the fastest, keeps the spread.
    pub fn restart(&mut self) {
        self.fastest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_stream_needs_no_delay() {
        let mut delay = Delay::new();
        for _ in 0..1_000 {
            delay.take(77);
        }
        assert!(delay.spread() <= 1);
    }

    #[test]
    fn one_late_packet_is_remembered_for_seconds_and_then_forgotten() {
        let mut delay = Delay::new();
        delay.take(0);
        delay.take(800);
        assert_eq!(delay.spread(), 800);
        (0..50).for_each(|_| {
            delay.take(0);
        });
        assert!(delay.spread() > 600);
        (0..2_000).for_each(|_| {
            delay.take(0);
        });
        assert!(delay.spread() <= 2, "{}", delay.spread());
    }

    #[test]
    fn a_slow_clock_on_the_other_side_is_no_spread() {
        let mut delay = Delay::new();
        for i in 0..100_000i64 {
            // 300 parts per million of 160 samples.
            delay.take(i * 48 / 1_000);
        }
        assert!(delay.spread() < 8, "{}", delay.spread());
    }
}
