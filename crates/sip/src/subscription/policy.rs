//! How long to wait before subscribing again, and what a status means.

use hookswitch_machine::Entropy;
use std::time::Duration;

/// How one subscription of ours is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The lifetime to ask for, in seconds.
    pub expires: u32,
    /// The longest lifetime to accept when a notifier asks for more (423), in seconds.
    pub longest_expires: u32,
    /// How long to wait for the first NOTIFY after the 2xx, and for the last one after unsubscribing: 64·T1 (RFC 6665 4.1.2.4,
    /// timer N).
    pub notify_wait: Duration,
    /// The wait after a first temporary failure; doubles with each further one. Between half and all of it is used.
    pub retry_base: Duration,
    /// The longest wait between attempts; also bounds what the notifier asks for.
    pub retry_cap: Duration,
}

impl Default for Policy {
    /// An hour's lifetime; 32 s for a NOTIFY; retries after 30 s, doubling up to an hour.
    fn default() -> Self {
        Self {
            expires: 3_600,
            longest_expires: 86_400,
            notify_wait: Duration::from_secs(32),
            retry_base: Duration::from_secs(30),
            retry_cap: Duration::from_secs(3_600),
        }
    }
}

impl Policy {
    /// The wait after `failures` failures in a row, the last one included.
    pub(super) fn wait(&self, failures: u32, retry_after: Option<u32>, entropy: &mut Entropy) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let whole = self.retry_base.saturating_mul(1 << doublings).min(self.retry_cap);
        let half = whole / 2;
        let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX - 1);
        let asked = Duration::from_secs(retry_after.unwrap_or(0).into());
        (half + Duration::from_millis(entropy.below(millis + 1))).max(asked.min(self.retry_cap))
    }
}

/// Whether a status that refuses a SUBSCRIBE or NOTIFY within the dialog ends the subscription (RFC 6665 4.1.2.2, 4.2.2). Others
/// leave it as it is.
pub const fn ends_subscription(status: u16) -> bool {
    matches!(status, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}

/// Whether a status that refuses a subscription may pass by itself.
pub(super) const fn is_temporary(status: u16) -> bool {
    // 481 to a refresh: the notifier has forgotten us (RFC 6665 4.1.2.2). 430: RFC 5626 11.5.
    matches!(status, 408 | 429 | 430 | 480 | 481 | 486 | 487 | 491 | 500 | 502..=599 | 600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_obey_the_notifier_within_it() {
        let (policy, mut entropy) = (Policy::default(), Entropy::from_number(1));
        for (failures, retry_after, shortest, longest) in [
            (1, None, 15, 30),
            (2, None, 30, 60),
            (u32::MAX, None, 1_800, 3_600),
            (1, Some(120), 120, 120),
            (1, Some(u32::MAX), 3_600, 3_600),
        ] {
            for _ in 0..100 {
                let wait = policy.wait(failures, retry_after, &mut entropy);
                assert!((Duration::from_secs(shortest)..=Duration::from_secs(longest)).contains(&wait));
            }
        }
    }
}
