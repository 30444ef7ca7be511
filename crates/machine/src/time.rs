//! Monotonic time as an input, and its relation to the wall clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in monotonic time, in nanoseconds since the driver's start. Machines receive it and never read a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The driver's start.
    pub const ZERO: Self = Self(0);
    /// Later than every deadline: "never".
    pub const FAR: Self = Self(u64::MAX);

    /// A point `nanos` nanoseconds after the driver's start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A point `millis` milliseconds after the driver's start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the driver's start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the driver's start.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The time that has passed since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates at [`Time::FAR`].
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FAR {
            return f.write_str("never");
        }
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// Relates [`Time`] to the calendar: what the wall clock showed at [`Time::ZERO`]. Given as an input, so that Date headers,
/// nonce freshness and NTP timestamps are reproducible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct WallClock {
    at_zero: Duration,
}

impl WallClock {
    /// A wall clock that showed `unix` (time since 1970-01-01 UTC) at [`Time::ZERO`].
    pub const fn at_zero(unix: Duration) -> Self {
        Self { at_zero: unix }
    }

    /// Time since 1970-01-01 UTC at `now`.
    pub fn unix(self, now: Time) -> Duration {
        self.at_zero + Duration::from_nanos(now.as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_past_the_end_saturates() {
        assert_eq!(Time::from_nanos(u64::MAX - 1) + Duration::from_secs(1), Time::FAR);
        assert_eq!(Time::ZERO - Time::from_millis(5), Duration::ZERO);
    }

    #[test]
    fn wall_clock_moves_with_time() {
        let wall = WallClock::at_zero(Duration::from_secs(100));
        assert_eq!(wall.unix(Time::from_millis(1_500)), Duration::from_millis(101_500));
    }
}
