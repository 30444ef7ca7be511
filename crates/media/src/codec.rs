//! The audio codecs that this crate speaks.

/// An audio codec with what SDP says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, 8 kHz (`PCMU/8000`, static payload type 0).
    Pcmu,
    /// G.711 A-law, 8 kHz (`PCMA/8000`, static payload type 8).
    Pcma,
    /// Linear 16 bit, network order, mono (`L16/RATE`, dynamic payload type).
    L16 {
        /// Samples per second: 8,000 or 16,000.
        rate: u32,
    },
}

impl Codec {
    /// The encoding name of the rtpmap attribute (RFC 3551).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::L16 { .. } => "L16",
        }
    }

    /// The RTP clock, equal to the sampling rate, in Hz.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::L16 { rate } => rate,
        }
    }

    /// The payload type of RFC 3551's static table, if it has one.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::L16 { .. } => None,
        }
    }
}
