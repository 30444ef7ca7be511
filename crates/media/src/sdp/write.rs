//! Prints a session description line by line into one buffer: no intermediate text, no formatting machinery.

use crate::codec::Codec;
use crate::control::Direction;
use std::io::Write as _;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

/// Room for a usual description, so that the buffer grows once at most.
const USUAL_SIZE: usize = 320;

/// Prints a session description. Lines are to be called in their order (RFC 8866 5): the head, then for each m-line the line
/// and its attributes.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    version: Range<usize>,
    body: usize,
}

impl Writer {
    /// The head: `v=`, `o=`, `s=`, `c=` and `t=`, with one address for the origin and the connection.
    pub fn new(session_id: u64, version: u64, address: IpAddr) -> Self {
        let mut writer = Self { bytes: Vec::with_capacity(USUAL_SIZE), version: 0..0, body: 0 };
        writer.text(b"v=0\r\no=- ");
        writer.number(session_id);
        writer.text(b" ");
        let start = writer.bytes.len();
        writer.number(version);
        writer.version = start..writer.bytes.len();
        writer.body = writer.bytes.len();
        writer.text(b" IN ");
        writer.address(address);
        writer.text(b"\r\ns=-\r\nc=IN ");
        writer.address(address);
        writer.text(b"\r\nt=0 0\r\n");
        writer
    }

    /// An m-line.
    pub fn media(
        &mut self,
        name: &str,
        port: u16,
        protocol: &str,
        payload_types: impl IntoIterator<Item = u8>,
    ) {
        self.text(b"m=");
        self.text(name.as_bytes());
        self.text(b" ");
        self.number(port.into());
        self.text(b" ");
        self.text(protocol.as_bytes());
        for payload_type in payload_types {
            self.text(b" ");
            self.number(payload_type.into());
        }
        self.end();
    }

    /// `a=rtpmap` of a codec.
    pub fn codec(&mut self, payload_type: u8, codec: Codec) {
        self.rtpmap(payload_type, codec.name(), codec.rate());
    }

    /// `a=rtpmap` and `a=fmtp` of telephone events: the sixteen keys (RFC 4733).
    pub fn digits(&mut self, payload_type: u8, rate: u32) {
        self.rtpmap(payload_type, "telephone-event", rate);
        self.text(b"a=fmtp:");
        self.number(payload_type.into());
        self.text(b" 0-15\r\n");
    }

    /// `a=ptime`, in whole milliseconds.
    pub fn packet_time(&mut self, time: Duration) {
        self.text(b"a=ptime:");
        self.number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.end();
    }

    /// `a=rtcp-mux`.
    pub fn rtcp_mux(&mut self) {
        self.text(b"a=rtcp-mux\r\n");
    }

    /// The direction, which is always written: some take a missing one for the one before.
    pub fn direction(&mut self, direction: Direction) {
        self.text(match direction {
            Direction::SendRecv => b"a=sendrecv\r\n",
            Direction::SendOnly => b"a=sendonly\r\n",
            Direction::RecvOnly => b"a=recvonly\r\n",
            Direction::Inactive => b"a=inactive\r\n",
        });
    }

    /// Whole lines as they are, with their line ends.
    pub fn lines(&mut self, lines: &[u8]) {
        self.text(lines);
    }

    /// Everything but the session's number and version: what must not change without a new version (RFC 3264 8).
    pub fn content(&self) -> &[u8] {
        self.bytes.get(self.body..).unwrap_or(&[])
    }

    /// The description.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// The description with another version than the one begun with.
    pub fn finish_with_version(mut self, version: u64) -> Vec<u8> {
        self.bytes.splice(self.version, version.to_string().into_bytes());
        self.bytes
    }

    fn rtpmap(&mut self, payload_type: u8, name: &str, rate: u32) {
        self.text(b"a=rtpmap:");
        self.number(payload_type.into());
        self.text(b" ");
        self.text(name.as_bytes());
        self.text(b"/");
        self.number(rate.into());
        self.end();
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.text(b"IP4");
                for (octet, separator) in address.octets().into_iter().zip([b" ", b".", b".", b"."]) {
                    self.text(separator);
                    self.number(octet.into());
                }
            }
            IpAddr::V6(address) => {
                self.text(b"IP6 ");
                // Writing into memory does not fail.
                let _ = write!(self.bytes, "{address}");
            }
        }
    }

    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut length = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            length += 1;
            if number == 0 {
                break;
            }
        }
        self.text(digits.get(digits.len() - length..).unwrap_or(&[]));
    }

    fn text(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
    }

    fn end(&mut self) {
        self.text(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{Host, Session};

    fn description(version: u64, address: &str) -> Writer {
        let mut writer = Writer::new(u64::MAX, version, address.parse().unwrap());
        writer.media("audio", 40_000, "RTP/AVP", [0, 96, 101]);
        writer.codec(0, Codec::Pcmu);
        writer.codec(96, Codec::L16 { rate: 16_000 });
        writer.digits(101, 8_000);
        writer.packet_time(Duration::from_millis(20));
        writer.rtcp_mux();
        writer.direction(Direction::RecvOnly);
        writer
    }

    #[test]
    fn every_line_is_as_the_grammar_wants_it() {
        let text = String::from_utf8(description(7, "192.0.2.255").finish()).unwrap();
        assert_eq!(
            text,
            "v=0\r\no=- 18446744073709551615 7 IN IP4 192.0.2.255\r\ns=-\r\nc=IN IP4 192.0.2.255\r\nt=0 0\r\n\
             m=audio 40000 RTP/AVP 0 96 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 L16/16000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp-mux\r\na=recvonly\r\n"
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        for address in ["203.0.113.9", "2001:db8::7", "::ffff:1.2.3.4"] {
            let bytes = description(3, address).finish();
            let session = Session::parse(&bytes).unwrap();
            assert_eq!(session.connection, Some(Host::Ip(address.parse().unwrap())));
            assert_eq!(session.origin.version, 3);
            assert_eq!(session.media[0].formats[2].digits_rate(), Some(8_000));
            assert_eq!(session.media[0].direction, Direction::RecvOnly);
        }
    }

    #[test]
    fn the_content_does_not_hold_the_version() {
        let (nine, ten) = (description(9, "192.0.2.1"), description(10, "192.0.2.1"));
        assert_eq!(nine.content(), ten.content());
        assert_ne!(nine.content(), description(9, "192.0.2.2").content());
        assert_eq!(nine.finish_with_version(10), ten.clone().finish());
        assert_eq!(ten.finish_with_version(10), description(10, "192.0.2.1").finish());
    }
}
