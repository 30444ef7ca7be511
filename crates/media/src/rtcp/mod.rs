//! RTCP (RFC 3550 6): sender and receiver reports with a canonical name and a goodbye, every five seconds or so.
//!
//! [`Report`] is what one compound packet of ours says, [`Received`] what we take from one of theirs, and [`RtcpSession`]
//! keeps the beat and the round trip. [`is_rtcp`] tells the two protocols apart on a shared port (RFC 5761 4).

mod read;
mod session;
mod write;

pub use read::{Received, RemoteReport};
pub use session::RtcpSession;
pub use write::{MAX_REPORT, ReceptionFigures, Report, SenderFigures};

/// Whether a datagram on a shared port is RTCP: packet types 192 to 223 (RFC 5761 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

/// Seconds between 1900, where NTP counts from, and 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// The NTP timestamp, 32.32 fixed point, of a time since 1970.
fn ntp(unix: std::time::Duration) -> u64 {
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    (unix.as_secs().wrapping_add(NTP_EPOCH) << 32) | fraction
}

/// The middle 32 bits of an NTP timestamp: 16.16 fixed point, in which delays are told.
const fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn packet_types_tell_rtcp_from_rtp() {
        assert!(is_rtcp(&[0x80, 200, 0, 0]));
        assert!(!is_rtcp(&[0x80, 0x80, 0, 0]), "PCMU with a marker");
        assert!(!is_rtcp(&[0x80, 0x80 | 101, 0, 0]), "digits with a marker");
        assert!(!is_rtcp(&[0x80]));
    }

    #[test]
    fn ntp_counts_from_1900() {
        assert_eq!(ntp(Duration::from_millis(500)), (NTP_EPOCH << 32) | 0x8000_0000);
        assert_eq!(middle(0x1234_5678_9abc_def0), 0x5678_9abc);
    }
}
