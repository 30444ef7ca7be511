//! Reading one compound packet of the other side: only what we use of it.

use super::{is_rtcp, middle};
use rtcp_types::prelude::*;
use rtcp_types::{Bye, Packet, ReportBlock};

/// How the other side hears us: its report block on our source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteReport {
    /// Loss since its last report, of 256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning.
    pub lost: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// The middle of the NTP timestamp of our last sender report, or 0 if it has had none.
    pub last_report: u32,
    /// How long it had that, in 1/65,536 s.
    pub delay: u32,
}

/// What one compound packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The reporter.
    pub ssrc: u32,
    /// The middle of the NTP timestamp, if it is a sender report.
    pub sender_report: Option<u32>,
    /// Its report on our source.
    pub on_us: Option<RemoteReport>,
    /// It says goodbye.
    pub bye: bool,
}

impl Received {
    /// Reads a compound packet; `None` unless it is one (RFC 3550 A.2: version 2, first a report, lengths that add up).
    pub fn read(datagram: &[u8], our_ssrc: u32) -> Option<Self> {
        if !is_rtcp(datagram) {
            return None;
        }
        let mut received: Option<Self> = None;
        let mut rest = datagram;
        while !rest.is_empty() {
            let words = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
            let len = 4 * (usize::from(words) + 1);
            let (packet, after) = (rest.get(..len)?, rest.get(len..)?);
            rest = after;
            match (packet.get(1)?, &mut received) {
                (200 | 201, None) => received = Some(Self::first(packet, our_ssrc)?),
                (_, None) => return None,
                (203, Some(received)) => {
                    if let Ok(bye) = Bye::parse(packet) {
                        received.bye |= bye.ssrcs().any(|ssrc| ssrc == received.ssrc);
                    }
                }
                // Names, application packets, feedback, further reports: of no use here.
                (_, Some(_)) => {}
            }
        }
        received
    }

    fn first(packet: &[u8], our_ssrc: u32) -> Option<Self> {
        match Packet::parse(packet).ok()? {
            Packet::Sr(sr) => Some(Self {
                ssrc: sr.ssrc(),
                sender_report: Some(middle(sr.ntp_timestamp())),
                on_us: sr.report_blocks().find(|b| b.ssrc() == our_ssrc).map(remote),
                bye: false,
            }),
            Packet::Rr(rr) => Some(Self {
                ssrc: rr.ssrc(),
                sender_report: None,
                on_us: rr.report_blocks().find(|b| b.ssrc() == our_ssrc).map(remote),
                bye: false,
            }),
            _ => None,
        }
    }
}

fn remote(block: ReportBlock<'_>) -> RemoteReport {
    RemoteReport {
        fraction_lost: block.fraction_lost(),
        lost: block.cumulative_lost(),
        jitter: block.interarrival_jitter(),
        last_report: block.last_sender_report_timestamp(),
        delay: block.delay_since_last_sender_report_timestamp(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_REPORT, ReceptionFigures, Report, SenderFigures};
    use super::*;
    use hookswitch_machine::Entropy;

    fn report(sender: bool, bye: bool) -> Vec<u8> {
        let mut buffer = [0; MAX_REPORT];
        let len = Report {
            ssrc: 1,
            sender: sender.then_some(SenderFigures {
                ntp: 0x1234_5678_9abc_def0,
                rtp_timestamp: 160,
                packets: 2,
                octets: 320,
            }),
            reception: Some(ReceptionFigures {
                ssrc: 2,
                fraction_lost: 51,
                lost: 7,
                highest: 99,
                jitter: 3,
                last_report: 42,
                delay: 65_536,
            }),
            cname: "b3f1c2d4e5a697887766",
            bye,
        }
        .write(&mut buffer)
        .unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn what_is_written_reads_back() {
        let on_us =
            Some(RemoteReport { fraction_lost: 51, lost: 7, jitter: 3, last_report: 42, delay: 65_536 });
        let sr = Received::read(&report(true, false), 2).unwrap();
        assert_eq!(sr, Received { ssrc: 1, sender_report: Some(0x5678_9abc), on_us, bye: false });
        let rr = Received::read(&report(false, true), 2).unwrap();
        assert_eq!(rr, Received { ssrc: 1, sender_report: None, on_us, bye: true });
        assert_eq!(Received::read(&report(true, false), 3).unwrap().on_us, None);
    }

    #[test]
    fn the_longest_report_fits() {
        let mut buffer = [0; MAX_REPORT];
        let report = Report {
            ssrc: 1,
            sender: Some(SenderFigures { ntp: 0, rtp_timestamp: 0, packets: 0, octets: 0 }),
            reception: Some(ReceptionFigures { lost: u32::MAX, ..ReceptionFigures::default() }),
            cname: &"x".repeat(300),
            bye: true,
        };
        assert!(report.write(&mut buffer).is_some());
    }

    #[test]
    fn mutilated_packets_are_refused_and_never_panic() {
        let whole = report(true, true);
        for len in 0..whole.len() {
            let _ = Received::read(&whole[..len], 2);
        }
        assert_eq!(Received::read(&whole[..whole.len() - 1], 2), None);
        let mut entropy = Entropy::from_number(4);
        for _ in 0..20_000 {
            let mut bent = whole.clone();
            for _ in 0..=entropy.below(4) {
                let at = entropy.below(bent.len() as u64) as usize;
                bent[at] = entropy.next_u32() as u8;
            }
            let _ = Received::read(&bent, 2);
        }
    }
}
