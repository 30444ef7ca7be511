//! How long to wait: before refreshing, and before trying again.

use hookswitch_machine::Entropy;
use std::time::Duration;

/// How one account registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The Request-URI: the registrar's domain, such as `sip:example.com`.
    pub registrar: String,
    /// The Call-ID of every REGISTER of this account (RFC 3261 10.2).
    pub call_id: String,
    /// The lifetime to ask for, in seconds.
    pub expires: u32,
    /// The longest lifetime to accept when a registrar asks for more (423), in seconds.
    pub longest_expires: u32,
    /// The wait after a first temporary failure; doubles with each further one (RFC 5626 4.5). Between half and all of it
    /// is used.
    pub retry_base: Duration,
    /// The longest wait between attempts; also bounds Retry-After.
    pub retry_cap: Duration,
    /// The wait after a refusal that will not pass by itself (403, 404, wrong password).
    pub refused_retry: Duration,
    /// The longest wait before the first attempt after the registrar's flow was lost.
    pub flow_retry: Duration,
    /// How long to wait for the end when stopping, in all.
    pub stop_wait: Duration,
}

impl Config {
    /// Ten minutes' lifetime; retries after 30 s, doubling up to 30 min; 10 min after a refusal; 2 s after a lost flow; 5 s to stop.
    pub fn new(registrar: impl Into<String>, call_id: impl Into<String>) -> Self {
        Self {
            registrar: registrar.into(),
            call_id: call_id.into(),
            expires: 600,
            longest_expires: 7_200,
            retry_base: Duration::from_secs(30),
            retry_cap: Duration::from_secs(1_800),
            refused_retry: Duration::from_secs(600),
            flow_retry: Duration::from_secs(2),
            stop_wait: Duration::from_secs(5),
        }
    }

    /// The wait after `failures` temporary failures in a row, the last one included.
    pub(super) fn backoff(&self, failures: u32, retry_after: Option<u32>, entropy: &mut Entropy) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let whole = self.retry_base.saturating_mul(1 << doublings).min(self.retry_cap);
        self.at_least(retry_after, upper_half(whole, entropy))
    }

    /// The wait after a refusal.
    pub(super) fn refused(&self, retry_after: Option<u32>, entropy: &mut Entropy) -> Duration {
        // Spread upwards: not sooner than configured.
        let extra = entropy.below(millis(self.refused_retry) / 10 + 1);
        self.at_least(retry_after, self.refused_retry + Duration::from_millis(extra))
    }

    /// The wait after the flow was lost: short and random, because everyone else lost theirs at the same time.
    pub(super) fn flow(&self, entropy: &mut Entropy) -> Duration {
        Duration::from_millis(entropy.below(millis(self.flow_retry) + 1))
    }

    fn at_least(&self, retry_after: Option<u32>, wait: Duration) -> Duration {
        let asked = Duration::from_secs(retry_after.unwrap_or(0).into());
        wait.max(asked.min(self.retry_cap))
    }
}

/// Shorter lifetimes are refreshed no more often than if they were this long, in seconds.
const SHORTEST: u64 = 10;
/// Longer lifetimes are taken for this one, in seconds: a week.
const LONGEST: u64 = 604_800;
/// What a refresh may take on a lossy path: one transaction (64·T1) and a little, in seconds.
const MARGIN: u64 = 35;

/// How long a binding or subscription that was granted for `expires` seconds is counted on.
pub(crate) fn lifetime(expires: u32) -> Duration {
    Duration::from_secs(u64::from(expires).min(LONGEST))
}

/// When to refresh a binding or subscription, from when it was granted: a tenth of its life before the end, at least one transaction before it,
/// but not before half of it; up to a twentieth earlier, so that accounts spread.
pub(crate) fn refresh_after(expires: u32, entropy: &mut Entropy) -> Duration {
    let expires = u64::from(expires).clamp(SHORTEST, LONGEST);
    let margin = (expires / 10).max(MARGIN).min(expires / 2);
    let whole = (expires - margin) * 1_000;
    Duration::from_millis(whole - entropy.below(whole / 20 + 1))
}

fn upper_half(whole: Duration, entropy: &mut Entropy) -> Duration {
    whole / 2 + Duration::from_millis(entropy.below(millis(whole / 2) + 1))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refreshes_leave_room_for_a_transaction_where_the_lifetime_allows_it() {
        let mut entropy = Entropy::from_number(1);
        // Lifetime granted; earliest and latest refresh in seconds.
        let cases = [
            (0, 4, 5),
            (1, 4, 5),
            (30, 14, 15),
            (60, 28, 30),
            (120, 80, 85),
            (600, 513, 540),
            (3_600, 3_078, 3_240),
            (u32::MAX, 517_104, 544_320),
        ];
        for (expires, earliest, latest) in cases {
            for _ in 0..100 {
                let after = refresh_after(expires, &mut entropy).as_secs();
                assert!((earliest..=latest).contains(&after), "{expires}: {after}");
            }
        }
    }

    #[test]
    fn retries_double_up_to_the_cap_and_obey_retry_after_within_it() {
        let config = Config::new("sip:a", "c");
        let mut entropy = Entropy::from_number(1);
        let cases = [
            (1, None, 15, 30),
            (2, None, 30, 60),
            (7, None, 900, 1_800),
            (u32::MAX, None, 900, 1_800),
            (1, Some(120), 120, 120),
            (1, Some(u32::MAX), 1_800, 1_800),
        ];
        for (failures, retry_after, shortest, longest) in cases {
            for _ in 0..100 {
                let wait = config.backoff(failures, retry_after, &mut entropy);
                let range = Duration::from_secs(shortest)..=Duration::from_secs(longest);
                assert!(range.contains(&wait), "{failures} {retry_after:?}: {wait:?}");
            }
        }
    }
}
