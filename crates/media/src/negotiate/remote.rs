//! What the other side's description means for our one audio stream.

use super::error::Refusal;
use crate::codec::Codec;
use crate::control::Direction;
use crate::sdp::{Host, Media, MediaKind, Protocol, Session};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Plain RTP under either name; an answer and later offers keep the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    Avp,
    Avpf,
}

impl Profile {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
        }
    }
}

/// An audio m-line of the other side.
#[derive(Clone, Debug)]
pub(super) struct RemoteAudio {
    pub(super) profile: Profile,
    pub(super) rtp: SocketAddr,
    /// Where RTCP goes to if it is not multiplexed.
    pub(super) rtcp: SocketAddr,
    pub(super) rtcp_mux: bool,
    /// Seen from them; an old hold by `c=0.0.0.0` is already in it.
    pub(super) direction: Direction,
    /// The codecs that we know, with their numbers, in their order.
    pub(super) codecs: Vec<(Codec, u8)>,
    /// Telephone events: clock and number.
    pub(super) digits: Vec<(u32, u8)>,
    /// Every payload type of the m-line.
    pub(super) payload_types: Vec<u8>,
    pub(super) packet_time: Option<Duration>,
    pub(super) max_packet_time: Option<Duration>,
}

impl RemoteAudio {
    /// Reads an m-line whose port is not 0.
    pub(super) fn read(session: &Session<'_>, media: &Media<'_>) -> Result<Self, Refusal> {
        let profile = match media.protocol {
            Protocol::RtpAvp => Profile::Avp,
            Protocol::RtpAvpf => Profile::Avpf,
            Protocol::RtpSavp(_) | Protocol::DtlsRtp(_) | Protocol::Udptl(_) | Protocol::Other(_) => {
                return Err(Refusal::Transport);
            }
        };
        let ip = session.connection_of(media).and_then(Host::ip).ok_or(Refusal::Address)?;
        if ip.is_multicast() {
            return Err(Refusal::Multicast);
        }
        let codecs = media
            .formats
            .iter()
            .filter_map(|format| format.codec().map(|codec| (codec, format.payload_type)))
            .collect();
        let digits = media
            .formats
            .iter()
            .filter_map(|format| format.digits_rate().map(|rate| (rate, format.payload_type)))
            .collect();
        Ok(Self {
            profile,
            rtp: SocketAddr::new(ip, media.port),
            rtcp: rtcp_address(media, ip),
            rtcp_mux: media.rtcp_mux,
            direction: direction(media, ip),
            codecs,
            digits,
            payload_types: media.formats.iter().map(|format| format.payload_type).collect(),
            packet_time: media.packet_time,
            max_packet_time: media.max_packet_time,
        })
    }

    /// Their number for telephone events at this clock.
    pub(super) fn digits_at(&self, rate: u32) -> Option<u8> {
        self.digits.iter().find(|(clock, _)| *clock == rate).map(|(_, number)| *number)
    }

    /// Whether they will not take what we send.
    pub(super) const fn holds_us(&self) -> bool {
        !self.direction.receives()
    }
}

/// RFC 3264 8.4: an address of zeros is the old way to say that nothing may be sent there.
fn direction(media: &Media<'_>, ip: IpAddr) -> Direction {
    if ip.is_unspecified() { media.direction.and(Direction::SendOnly) } else { media.direction }
}

/// RFC 3605, else the next port (RFC 3550 11). A multicast group or a name is not followed.
fn rtcp_address(media: &Media<'_>, ip: IpAddr) -> SocketAddr {
    match &media.rtcp {
        Some(rtcp) => {
            let stated = rtcp.host.and_then(Host::ip);
            let usable = stated.filter(|other| other.is_ipv4() == ip.is_ipv4() && !other.is_multicast());
            SocketAddr::new(usable.unwrap_or(ip), rtcp.port)
        }
        None => SocketAddr::new(ip, media.port.checked_add(1).unwrap_or(media.port)),
    }
}

/// The m-line that becomes our stream, and its place.
///
/// The place of before if it is still usable, else the first that is; the reason of the first audio m-line if none is.
pub(super) fn choose(
    session: &Session<'_>,
    before: Option<usize>,
    usable: impl Fn(&RemoteAudio) -> Result<(), Refusal>,
) -> Result<(usize, RemoteAudio), Refusal> {
    let mut chosen = Err(Refusal::NoAudio);
    for (place, media) in session.media.iter().enumerate() {
        if media.kind != MediaKind::Audio || media.port == 0 {
            continue;
        }
        let read = RemoteAudio::read(session, media).and_then(|audio| usable(&audio).map(|()| audio));
        match (read, &chosen) {
            (Ok(audio), _) if before == Some(place) => return Ok((place, audio)),
            (Ok(audio), Err(_)) => chosen = Ok((place, audio)),
            (Err(refusal), Err(Refusal::NoAudio)) => chosen = Err(refusal),
            (Ok(_), Ok(_)) | (Err(_), Ok(_) | Err(_)) => {}
        }
    }
    chosen
}

/// The m-lines of a range as they are rejected (RFC 3264 6): in place, port 0, with a format because there must be one.
pub(super) fn rejections(media: &[Media<'_>]) -> Box<[u8]> {
    let mut lines = Vec::new();
    for media in media {
        let format = media.format_list.split_ascii_whitespace().next().unwrap_or("0");
        for part in ["m=", media.name, " 0 ", media.protocol.as_str(), " ", format, "\r\n"] {
            lines.extend_from_slice(part.as_bytes());
        }
    }
    lines.into_boxed_slice()
}
