//! Whether a shard is busy enough to let datagrams gather.

use hookswitch_machine::Time;
use std::time::Duration;

/// Over which time the rate is taken.
const WINDOW: Duration = Duration::from_millis(10);
/// Inputs per window above which a shard is busy: 1,000 a second.
const BUSY: usize = 10;

/// Counts inputs per window of time.
#[derive(Debug, Default)]
pub(super) struct Pace {
    begin: Time,
    count: usize,
    busy: bool,
}

impl Pace {
    /// Takes note of what a turn found.
    pub(super) fn found(&mut self, now: Time, count: usize) {
        self.count += count;
        let passed = now.since(self.begin);
        if passed >= WINDOW {
            // A window that was slept through counts as long as it was.
            let windows = (passed.as_nanos() / WINDOW.as_nanos()) as usize;
            self.busy = self.count > BUSY * windows;
            self.begin = now;
            self.count = 0;
        }
    }

    /// Whether the last whole window was busy.
    pub(super) const fn is_busy(&self) -> bool {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_busy_from_a_thousand_inputs_a_second_on() {
        let mut pace = Pace::default();
        for millis in 0..100 {
            pace.found(Time::from_millis(millis), 2);
        }
        assert!(pace.is_busy());
        for millis in (100..2_000).step_by(10) {
            pace.found(Time::from_millis(millis), 5);
        }
        assert!(!pace.is_busy());
    }

    #[test]
    fn a_burst_after_a_long_sleep_is_not_busy() {
        let mut pace = Pace::default();
        pace.found(Time::from_millis(10_000), 50);
        assert!(!pace.is_busy());
    }
}
