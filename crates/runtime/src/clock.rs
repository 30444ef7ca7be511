//! The system's clocks as [`Time`] and [`WallClock`].

use hookswitch_machine::{Time, WallClock};
use std::time::{Duration, Instant, SystemTime};

/// The origin of [`Time`]. Everything in one process uses copies of one clock, so that times can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    unix_at_origin: Duration,
}

impl Clock {
    /// A clock whose [`Time::ZERO`] is now.
    pub fn start() -> Self {
        let unix_at_origin = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { origin: Instant::now(), unix_at_origin }
    }

    /// The present.
    pub fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    /// How `Time` relates to the calendar. Steps of the system's wall clock after [`start`](Self::start) are not followed.
    pub const fn wall(&self) -> WallClock {
        WallClock::at_zero(self.unix_at_origin)
    }

    /// The instant that `time` stands for; a time too far away to be represented becomes a year from the origin.
    pub fn instant(&self, time: Time) -> Instant {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
        self.origin + time.since(Time::ZERO).min(YEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_forward_and_agrees_with_the_calendar() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let ours = clock.wall().unix(clock.now());
        assert!(ours.abs_diff(unix) < Duration::from_secs(1));
    }

    #[test]
    fn never_is_an_instant_too() {
        let clock = Clock::start();
        assert!(clock.instant(Time::FAR) > Instant::now() + Duration::from_secs(3_600));
    }
}
