//! The typed view of a session description. It borrows from the body.

use super::kind::{MediaKind, MediaKinds, Protocol};
use crate::codec::Codec;
use crate::control::Direction;
use std::net::IpAddr;
use std::time::Duration;

/// A session description, as far as a telephone call decides by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// Who made it, and which version it is.
    pub origin: Origin<'a>,
    /// The c-line of the session.
    pub connection: Option<Host<'a>>,
    /// The m-lines, in their order, which offer and answer refer by.
    pub media: Vec<Media<'a>>,
}

impl<'a> Session<'a> {
    /// The kinds of media that are wanted: every m-line whose port is not 0.
    pub fn kinds(&self) -> MediaKinds {
        self.media.iter().filter(|media| media.port != 0).map(|media| media.kind).collect()
    }

    /// Where an m-line's media goes to: its own c-line, or the session's (RFC 8866 5.7).
    pub fn connection_of(&self, media: &Media<'a>) -> Option<Host<'a>> {
        media.connection.or(self.connection)
    }
}

/// The o-line (RFC 8866 5.2); all fields empty or 0 where it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The session's number, as it is written.
    pub session_id: &'a str,
    /// Grows with each change of the description.
    pub version: u64,
    /// The host that made it.
    pub host: Host<'a>,
}

/// An address of a c-line or an o-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// An IP address.
    Ip(IpAddr),
    /// A name, or what is no address at all.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Reads an address; what follows a slash (multicast time to live) is left out.
    pub(super) fn from_text(text: &'a str) -> Self {
        let address = text.split_once('/').map_or(text, |(address, _)| address);
        match address.parse() {
            Ok(ip) => Self::Ip(ip),
            Err(_) => Self::Name(text),
        }
    }

    /// The address, if it is one.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip),
            Self::Name(_) => None,
        }
    }
}

/// An m-line with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media<'a> {
    /// What it carries.
    pub kind: MediaKind,
    /// What it carries, as it is written.
    pub name: &'a str,
    /// The RTP port; 0 rejects or removes the stream (RFC 3264 6, 8.2).
    pub port: u16,
    /// How many ports, usually 1.
    pub port_count: u16,
    /// Over what.
    pub protocol: Protocol<'a>,
    /// The formats as they are written.
    pub format_list: &'a str,
    /// The payload types of an RTP stream, in order of preference; empty for other protocols.
    pub formats: Vec<Format<'a>>,
    /// Its own c-line.
    pub connection: Option<Host<'a>>,
    /// Which way media flows seen from the describing side: its own, or the session's, or both ways.
    pub direction: Direction,
    /// How much audio a packet to the describing side should carry (`a=ptime`).
    pub packet_time: Option<Duration>,
    /// How much audio a packet to the describing side may carry (`a=maxptime`).
    pub max_packet_time: Option<Duration>,
    /// Where RTCP goes to, where it is not the next port (RFC 3605).
    pub rtcp: Option<Rtcp<'a>>,
    /// RTP and RTCP may share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// It carries SRTP keys (`a=crypto`, RFC 4568).
    pub has_crypto: bool,
    /// It carries a DTLS fingerprint, here or for the session (RFC 8122).
    pub has_fingerprint: bool,
    /// It carries ICE candidates (RFC 8839).
    pub has_ice: bool,
}

/// Where RTCP goes to (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtcp<'a> {
    /// The port.
    pub port: u16,
    /// The address, where it is not that of RTP.
    pub host: Option<Host<'a>>,
}

/// One payload type of an RTP stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format<'a> {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// What the rtpmap says, if there is one.
    pub encoding: Option<Encoding<'a>>,
    /// What the fmtp says, if there is one.
    pub parameters: Option<&'a str>,
}

impl Format<'_> {
    /// The codec, if this crate speaks it: by rtpmap, or by RFC 3551's table where there is none.
    pub fn codec(&self) -> Option<Codec> {
        match &self.encoding {
            Some(encoding) => Codec::from_rtpmap(encoding.name, encoding.rate, encoding.channels),
            None => Codec::from_static_payload_type(self.payload_type),
        }
    }

    /// The clock rate, if this format is telephone events (RFC 4733).
    pub fn digits_rate(&self) -> Option<u32> {
        self.encoding
            .as_ref()
            .filter(|encoding| encoding.name.eq_ignore_ascii_case("telephone-event"))
            .map(|encoding| encoding.rate)
    }
}

/// An rtpmap (RFC 8866 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding<'a> {
    /// The encoding's name.
    pub name: &'a str,
    /// The RTP clock in Hz.
    pub rate: u32,
    /// The channels of audio.
    pub channels: u32,
}
