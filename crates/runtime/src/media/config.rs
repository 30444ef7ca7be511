//! How the media threads are set up.

use hookswitch_media::stream::StreamConfig;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Settings of the media threads. The defaults suit one host with one address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaConfig {
    /// How many media threads; at least one.
    pub threads: usize,
    /// The local address that ports are bound to.
    pub address: IpAddr,
    /// What peers are told instead of `address` (behind a NAT, or bound to any address).
    pub advertised: Option<IpAddr>,
    /// The ports that may be used. RTP takes the even ones, RTCP the odd one above each (RFC 3550 11).
    pub ports: RangeInclusive<u16>,
    /// How many ports are kept bound ahead of need.
    pub stock: usize,
    /// How long a port rests after use, so that nobody's late packets reach the next call.
    pub rest: Duration,
    /// How often a media thread turns: arriving packets wait for the next turn, and a turn takes all of them.
    pub turn: Duration,
    /// Settings of every stream.
    pub stream: StreamConfig,
    /// Ports are numbers without sockets, streams do nothing: for load tests of signalling.
    pub null: bool,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            threads: 1,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            advertised: None,
            ports: 16_384..=32_767,
            stock: 64,
            rest: Duration::from_secs(5),
            turn: Duration::from_millis(5),
            stream: StreamConfig::default(),
            null: false,
        }
    }
}

impl MediaConfig {
    /// The address to advertise.
    pub fn advertised(&self) -> IpAddr {
        self.advertised.unwrap_or(self.address)
    }

    /// The even ports whose odd neighbour is in the range too.
    pub(super) fn pairs(&self) -> impl Iterator<Item = u16> + Clone + use<> {
        let (first, last) = (u32::from(*self.ports.start()), u32::from(*self.ports.end()));
        let first = first.div_ceil(2) * 2;
        (first.max(2)..last).step_by(2).map(|port| port as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_begins_at_an_even_port_and_fits_in_the_range() {
        let pairs = |ports| MediaConfig { ports, ..MediaConfig::default() }.pairs().collect::<Vec<_>>();
        assert_eq!(pairs(4_001..=4_006), [4_002, 4_004]);
        assert_eq!(pairs(4_000..=4_005), [4_000, 4_002, 4_004]);
        assert_eq!(pairs(65_534..=65_535), [65_534]);
        assert_eq!(pairs(4_001..=4_002), [0u16; 0]);
    }
}
