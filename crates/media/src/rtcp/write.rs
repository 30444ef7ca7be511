//! Writing one compound packet: a report, our canonical name, and a goodbye at the end.

use rtcp_types::prelude::*;
use rtcp_types::{Bye, ReceiverReport, ReportBlock, RtcpWriteError, Sdes, SdesChunk, SdesItem, SenderReport};

/// Octets that every report of ours fits in, with a canonical name of at most 64.
pub const MAX_REPORT: usize = 256;
/// The longest canonical name that is written.
const MAX_CNAME: usize = 64;

/// What a sender reports of itself (RFC 3550 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderFigures {
    /// Wall clock, 32.32 fixed point.
    pub ntp: u64,
    /// The media clock at the same instant.
    pub rtp_timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent.
    pub octets: u32,
}

/// What a receiver reports of a source (RFC 3550 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ReceptionFigures {
    /// The source.
    pub ssrc: u32,
    /// Loss since the last report, of 256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, 24 bits.
    pub lost: u32,
    /// The highest sequence number with its cycles.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// The middle of the NTP timestamp of their last sender report, or 0.
    pub last_report: u32,
    /// How long ago that came, in 1/65,536 s.
    pub delay: u32,
}

/// One compound packet of ours.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Our source.
    pub ssrc: u32,
    /// If we have sent since the report before the last (RFC 3550 6.4).
    pub sender: Option<SenderFigures>,
    /// If something has come.
    pub reception: Option<ReceptionFigures>,
    /// Our canonical name (RFC 7022): random, says nothing of who or where we are.
    pub cname: &'a str,
    /// The stream ends.
    pub bye: bool,
}

impl Report<'_> {
    /// Writes the packet and returns its length; `None` if it does not fit, which [`MAX_REPORT`] octets rule out.
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        self.try_write(buffer).ok()
    }

    fn try_write(&self, buffer: &mut [u8]) -> Result<usize, RtcpWriteError> {
        let block = self.reception.map(|r| {
            ReportBlock::builder(r.ssrc)
                .fraction_lost(r.fraction_lost)
                .cumulative_lost(r.lost & 0xff_ffff)
                .extended_sequence_number(r.highest)
                .interarrival_jitter(r.jitter)
                .last_sender_report_timestamp(r.last_report)
                .delay_since_last_sender_report_timestamp(r.delay)
        });
        let mut len = match self.sender {
            Some(s) => {
                let mut report = SenderReport::builder(self.ssrc)
                    .ntp_timestamp(s.ntp)
                    .rtp_timestamp(s.rtp_timestamp)
                    .packet_count(s.packets)
                    .octet_count(s.octets);
                if let Some(block) = block {
                    report = report.add_report_block(block);
                }
                report.write_into(buffer)?
            }
            None => {
                let mut report = ReceiverReport::builder(self.ssrc);
                if let Some(block) = block {
                    report = report.add_report_block(block);
                }
                report.write_into(buffer)?
            }
        };
        let cname = self.cname.get(..MAX_CNAME).unwrap_or(self.cname);
        let item = SdesItem::builder(SdesItem::CNAME, cname);
        let sdes = Sdes::builder().add_chunk(SdesChunk::builder(self.ssrc).add_item(item));
        len += sdes.write_into(buffer.get_mut(len..).unwrap_or_default())?;
        if self.bye {
            let bye = Bye::builder().add_source(self.ssrc);
            len += bye.write_into(buffer.get_mut(len..).unwrap_or_default())?;
        }
        Ok(len)
    }
}
