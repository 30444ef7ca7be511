//! Writing an RTP packet: twelve octets and a payload in a buffer on the stack.

/// Octets of a header without contributing sources and extension (RFC 3550 5.1).
pub const HEADER_LEN: usize = 12;

/// The longest packet written: 20 ms of 16 bit audio at 48 kHz, and 60 ms at 16 kHz, fit.
pub const MAX_PACKET: usize = 2_048;

/// The fields that a sender of one source sets (RFC 3550 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The first packet after a pause (RFC 3551 4.1), or of a digit (RFC 4733 2.5.1.1).
    pub marker: bool,
    /// Seven bits.
    pub payload_type: u8,
    /// Increases by one with each packet.
    pub sequence: u16,
    /// The sampling instant of the payload's first sample.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// The octets of the header.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = 0x80;
        bytes[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

/// One packet being written.
#[derive(Debug)]
pub struct PacketBuffer {
    bytes: [u8; MAX_PACKET],
    len: usize,
}

impl Default for PacketBuffer {
    fn default() -> Self {
        Self { bytes: [0; MAX_PACKET], len: HEADER_LEN }
    }
}

impl PacketBuffer {
    /// An empty packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The place of a payload of `len` octets, cut to what fits. Its old content is of no meaning.
    pub fn payload(&mut self, len: usize) -> &mut [u8] {
        self.len = (HEADER_LEN + len).min(MAX_PACKET);
        &mut self.bytes[HEADER_LEN..self.len]
    }

    /// Copies a payload in; longer ones are cut to what fits.
    pub fn set_payload(&mut self, payload: &[u8]) {
        let place = self.payload(payload.len());
        let len = place.len();
        place.copy_from_slice(&payload[..len]);
    }

    /// Puts the header in front.
    pub fn set_header(&mut self, header: Header) {
        self.bytes[..HEADER_LEN].copy_from_slice(&header.to_bytes());
    }

    /// Octets of payload.
    pub fn payload_len(&self) -> usize {
        self.len - HEADER_LEN
    }

    /// The whole packet.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_rs::RtpReader;

    #[test]
    fn what_is_written_reads_back() {
        let mut packet = PacketBuffer::new();
        packet.set_payload(&[1, 2, 3]);
        packet.set_header(Header {
            marker: true,
            payload_type: 101,
            sequence: 65_535,
            timestamp: 0xdead_beef,
            ssrc: 7,
        });
        let read = RtpReader::new(packet.as_bytes()).unwrap();
        assert!(read.mark());
        assert_eq!(read.payload_type(), 101);
        assert_eq!(u16::from(read.sequence_number()), 65_535);
        assert_eq!(read.timestamp(), 0xdead_beef);
        assert_eq!(read.ssrc(), 7);
        assert_eq!(read.payload(), [1, 2, 3]);
    }

    #[test]
    fn a_payload_that_does_not_fit_is_cut() {
        let mut packet = PacketBuffer::new();
        packet.set_payload(&[0; 5_000]);
        assert_eq!(packet.as_bytes().len(), MAX_PACKET);
    }
}
