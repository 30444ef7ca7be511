//! What this side is able to do.

use crate::codec::Codec;
use std::time::Duration;

/// Whose order of codecs decides when an offer is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preference {
    /// The offer's order (RFC 3264 6.1 recommends it).
    #[default]
    Theirs,
    /// The order of [`Capabilities::codecs`].
    Ours,
}

/// What this side is able to do; given with every offer and answer, so that many calls share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The codecs, in order of preference. Those that are not in [`Codec::ALL`] are left out.
    pub codecs: Vec<Codec>,
    /// Whose order decides in an answer.
    pub preference: Preference,
    /// Take and send digits as telephone events (RFC 4733).
    pub digits: bool,
    /// How much audio a packet should carry where the other side does not say.
    pub packet_time: Duration,
    /// Share one port for RTP and RTCP where the other side does too (RFC 5761).
    pub rtcp_mux: bool,
}

impl Default for Capabilities {
    /// G.711 both ways, digits, 20 ms, one port if both can.
    fn default() -> Self {
        Self {
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            preference: Preference::Theirs,
            digits: true,
            packet_time: Duration::from_millis(20),
            rtcp_mux: true,
        }
    }
}

/// Audio in a packet is a multiple of this.
const STEP: Duration = Duration::from_millis(10);
/// Payload octets that fit into a datagram on every path.
const LARGEST_PAYLOAD: usize = 1_280;
/// More than this per packet is no conversation.
const LONGEST: Duration = Duration::from_millis(200);

impl Capabilities {
    /// How much audio our packets carry: what the other side asks for, else ours; never more than it allows or a datagram
    /// holds; a multiple of 10 ms.
    pub(super) fn packet_time_for(
        &self,
        codec: Codec,
        asked: Option<Duration>,
        allowed: Option<Duration>,
    ) -> Duration {
        let fits = codec.playing_time(LARGEST_PAYLOAD);
        let wanted = asked.unwrap_or(self.packet_time).min(allowed.unwrap_or(LONGEST)).min(LONGEST).min(fits);
        let steps = wanted.as_millis() / STEP.as_millis();
        STEP * u32::try_from(steps).unwrap_or(1).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_times_are_whole_steps_that_fit() {
        let capabilities = Capabilities::default();
        let wide = Codec::L16 { rate: 16_000 };
        for (codec, asked, allowed, expected) in [
            (Codec::Pcmu, None, None, 20),
            (Codec::Pcmu, Some(30), None, 30),
            (Codec::Pcmu, Some(25), None, 20),
            (Codec::Pcmu, Some(1), None, 10),
            (Codec::Pcmu, Some(60), Some(40), 40),
            (Codec::Pcmu, None, Some(10), 10),
            (Codec::Pcmu, Some(60_000), None, 160),
            (wide, Some(60), None, 40),
        ] {
            let time = |number: Option<u64>| number.map(Duration::from_millis);
            let result = capabilities.packet_time_for(codec, time(asked), time(allowed));
            assert_eq!(result, Duration::from_millis(expected), "{codec:?} {asked:?} {allowed:?}");
        }
    }
}
