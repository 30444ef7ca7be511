//! How well a listener hears: the E-model of ITU-T G.107, reduced to what RTP and RTCP tell.
//!
//! Everything that a packet network does not change (loudness, echo, room noise) is at the recommendation's default, which
//! leaves a rating of 93.2; delay and loss take away from it. Wide-band codecs are rated on the same narrow-band scale.

use crate::codec::Codec;
use std::time::Duration;

/// The rating with every default of G.107 (3.1) and neither delay nor loss.
const BEST: f32 = 93.2;
/// Delay that sampling, sound hardware and the packet under way add to what the network does.
const FIXED_DELAY: Duration = Duration::from_millis(30);
/// A jitter buffer holds about this many times the mean jitter.
const BUFFER_PER_JITTER: u32 = 2;

/// What a stream goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// The codec.
    pub codec: Codec,
    /// The share of packets that were not played, lost or late, 0 to 1.
    pub loss: f32,
    /// The network's delay one way: half of the round trip.
    pub delay: Duration,
    /// Interarrival jitter (RFC 3550 6.4.1).
    pub jitter: Duration,
}

impl Conditions {
    /// The transmission rating R, 0 to 93.2; more than 80 satisfies most, less than 60 hardly anyone. `None` if the loss is
    /// no share.
    pub fn rating(&self) -> Option<f32> {
        if !(0.0..=1.0).contains(&self.loss) {
            return None;
        }
        let delay = self.delay.saturating_add(self.jitter.saturating_mul(BUFFER_PER_JITTER));
        let impairment = delay_impairment(delay.saturating_add(FIXED_DELAY)) + self.equipment_impairment();
        Some((BEST - impairment).clamp(0.0, BEST))
    }

    /// The mean opinion score that listeners would give, 1 to 4.41 (G.107 annex B). `None` if the loss is no share.
    pub fn mos(&self) -> Option<f32> {
        self.rating().map(opinion)
    }

    /// Ie,eff of G.107 7.5, for losses at random.
    fn equipment_impairment(&self) -> f32 {
        let (alone, robustness) = match self.codec {
            // G.113 appendix I: G.711 without concealment of losses. Linear samples lose the same.
            Codec::Pcmu | Codec::Pcma | Codec::L16 { .. } => (0.0, 4.3),
        };
        let percent = self.loss * 100.0;
        alone + (95.0 - alone) * percent / (percent + robustness)
    }
}

/// Id of G.107 in its usual short form: little up to 177 ms, steep beyond.
fn delay_impairment(delay: Duration) -> f32 {
    let milliseconds = delay.as_secs_f32() * 1_000.0;
    0.024 * milliseconds + 0.11 * (milliseconds - 177.3).max(0.0)
}

/// G.107 annex B. Its polynomial falls below 1 for the lowest ratings, where there is nothing left to tell apart.
fn opinion(rating: f32) -> f32 {
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(loss: f32, delay: u64, jitter: u64) -> Conditions {
        Conditions {
            codec: Codec::Pcmu,
            loss,
            delay: Duration::from_millis(delay),
            jitter: Duration::from_millis(jitter),
        }
    }

    #[test]
    fn a_clean_line_is_excellent_and_a_broken_one_bad() {
        let clean = conditions(0.0, 0, 0).mos().unwrap();
        assert!((4.35..=4.41).contains(&clean), "{clean}");
        let broken = conditions(0.5, 400, 50).mos().unwrap();
        assert!((1.0..1.2).contains(&broken), "{broken}");
        assert_eq!(conditions(1.0, 10_000_000, 0).mos(), Some(1.0));
    }

    #[test]
    fn each_impairment_takes_away_and_none_gives() {
        let mut last = f32::INFINITY;
        for loss in [0.0, 0.01, 0.02, 0.05, 0.1, 0.3] {
            let rating = conditions(loss, 50, 5).rating().unwrap();
            assert!(rating < last);
            last = rating;
        }
        for (better, worse) in [((20, 5), (200, 5)), ((200, 5), (400, 5)), ((100, 5), (100, 80))] {
            let rating = |(delay, jitter)| conditions(0.0, delay, jitter).rating().unwrap();
            assert!(rating(better) > rating(worse));
        }
    }

    #[test]
    fn the_opinion_follows_the_recommendation() {
        for (rating, mos) in [(0.0, 1.0), (50.0, 2.575), (60.0, 3.1), (80.0, 4.024), (93.2, 4.409)] {
            assert!((opinion(rating) - mos).abs() < 0.005, "{rating} {}", opinion(rating));
        }
    }

    #[test]
    fn what_is_no_share_is_not_rated() {
        for loss in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert_eq!(conditions(loss, 0, 0).mos(), None);
        }
        assert!(conditions(0.0, u64::MAX, u64::MAX).mos().is_some());
    }
}
