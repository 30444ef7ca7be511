//! From octets to the typed view: bounds first, then the line grammar, then the attributes.

use super::error::SdpError;
use super::kind::{MediaKind, MediaKinds, Protocol};
use super::session::{Encoding, Format, Host, Media, Origin, Rtcp, Session};
use crate::control::Direction;
use sdp_types as grammar;
use std::time::Duration;

/// Octets that are read. WebRTC offers, the longest in use, have about 8,000.
pub const MAX_SIZE: usize = 16_384;
/// Lines that are read.
pub const MAX_LINES: usize = 512;
/// m-lines that are read.
pub const MAX_MEDIA: usize = 32;
/// Formats of an m-line that are read; what follows is left out.
pub const MAX_FORMATS: usize = 64;

/// Octets of a name, a protocol or a format in an m-line: no registered one has half as many.
const MAX_TOKEN: usize = 64;

/// The kinds of media that an offer wants: what the call is announced with.
///
/// # Errors
/// If it is no session description.
pub fn offered_media(sdp: &[u8]) -> Result<MediaKinds, SdpError> {
    Session::parse(sdp).map(|session| session.kinds())
}

impl Session {
    /// Reads a session description.
    ///
    /// # Errors
    /// If it is longer than the bounds allow or a line breaks the grammar; the error names the line and what was expected.
    pub fn parse(sdp: &[u8]) -> Result<Self, SdpError> {
        check_bounds(sdp)?;
        let parsed = grammar::Session::parse(sdp)?;
        check_media_lines(sdp, &parsed.medias)?;
        let origin = Origin {
            session_id: parsed.origin.sess_id,
            version: parsed.origin.sess_version,
            host: Host::from_text(parsed.origin.unicast_address),
        };
        let defaults = Defaults::of(&parsed.attributes);
        Ok(Self {
            origin,
            connection: parsed.connection.map(|connection| Host::from_text(connection.connection_address)),
            media: parsed.medias.into_iter().map(|media| read_media(media, &defaults)).collect(),
        })
    }
}

/// The line grammar allocates for every line, so lines are counted before.
fn check_bounds(sdp: &[u8]) -> Result<(), SdpError> {
    if sdp.len() > MAX_SIZE {
        return Err(SdpError::TooLong { size: sdp.len(), limit: MAX_SIZE });
    }
    let (mut lines, mut media) = (0, 0);
    for line in sdp.split(|octet| *octet == b'\n') {
        lines += 1;
        media += usize::from(line.starts_with(b"m="));
    }
    // What follows the last line end is no line.
    if lines > MAX_LINES + 1 {
        return Err(SdpError::TooManyLines { limit: MAX_LINES });
    }
    if media > MAX_MEDIA {
        return Err(SdpError::TooManyMedia { limit: MAX_MEDIA });
    }
    Ok(())
}

/// What a rejection repeats must be there, and be short enough to keep.
fn check_media_lines(sdp: &[u8], media: &[grammar::Media]) -> Result<(), SdpError> {
    let usable = |token: &str| (1..=MAX_TOKEN).contains(&token.len());
    let bad = media.iter().position(|media| {
        let format = media.fmt.split_ascii_whitespace().next().unwrap_or("");
        !(usable(&media.media) && usable(&media.proto) && usable(format))
    });
    let Some(index) = bad else { return Ok(()) };
    let media_lines =
        sdp.split(|octet| *octet == b'\n').enumerate().filter(|(_, line)| line.starts_with(b"m="));
    let line = media_lines.map(|(number, _)| number + 1).nth(index).unwrap_or(0);
    Err(SdpError::Line { line, expected: "kind, port, protocol and a format, each of at most 64 octets" })
}

/// What the session says for every m-line.
struct Defaults {
    direction: Direction,
    packet_time: Option<Duration>,
    has_fingerprint: bool,
    has_ice: bool,
}

impl Defaults {
    fn of(attributes: &[grammar::Attribute]) -> Self {
        let mut defaults = Self {
            direction: Direction::SendRecv,
            packet_time: None,
            has_fingerprint: false,
            has_ice: false,
        };
        for attribute in attributes {
            match Attribute::of(&attribute.attribute) {
                Some(Attribute::Direction(direction)) => defaults.direction = direction,
                Some(Attribute::PacketTime) => defaults.packet_time = milliseconds(attribute),
                Some(Attribute::Fingerprint) => defaults.has_fingerprint = true,
                Some(Attribute::Ice) => defaults.has_ice = true,
                Some(
                    Attribute::Rtpmap
                    | Attribute::Fmtp
                    | Attribute::MaxPacketTime
                    | Attribute::Rtcp
                    | Attribute::RtcpMux
                    | Attribute::Crypto,
                )
                | None => {}
            }
        }
        defaults
    }
}

/// The attributes that mean something here.
enum Attribute {
    Direction(Direction),
    Rtpmap,
    Fmtp,
    PacketTime,
    MaxPacketTime,
    Rtcp,
    RtcpMux,
    Crypto,
    Fingerprint,
    Ice,
}

impl Attribute {
    fn of(name: &str) -> Option<Self> {
        // By length first: most names differ in it.
        let is = |other: &str| name.len() == other.len() && name.eq_ignore_ascii_case(other);
        Some(match name.len() {
            4 if is("fmtp") => Self::Fmtp,
            4 if is("rtcp") => Self::Rtcp,
            5 if is("ptime") => Self::PacketTime,
            6 if is("rtpmap") => Self::Rtpmap,
            6 if is("crypto") => Self::Crypto,
            8 if is("sendrecv") => Self::Direction(Direction::SendRecv),
            8 if is("sendonly") => Self::Direction(Direction::SendOnly),
            8 if is("recvonly") => Self::Direction(Direction::RecvOnly),
            8 if is("inactive") => Self::Direction(Direction::Inactive),
            8 if is("maxptime") => Self::MaxPacketTime,
            8 if is("rtcp-mux") => Self::RtcpMux,
            9 if is("candidate") || is("ice-ufrag") => Self::Ice,
            11 if is("fingerprint") => Self::Fingerprint,
            _ => return None,
        })
    }
}

fn read_media(parsed: grammar::Media, defaults: &Defaults) -> Media {
    let protocol = Protocol::from_text(parsed.proto);
    let formats = if protocol.is_rtp() { payload_types(&parsed.fmt) } else { Vec::new() };
    let mut media = Media {
        kind: MediaKind::from_name(&parsed.media),
        name: parsed.media,
        port: parsed.port,
        port_count: parsed.num_ports.unwrap_or(1),
        protocol,
        format_list: parsed.fmt,
        formats,
        connection: parsed.connections.into_iter().next().map(|c| Host::from_text(c.connection_address)),
        direction: defaults.direction,
        packet_time: defaults.packet_time,
        max_packet_time: None,
        rtcp: None,
        rtcp_mux: false,
        has_crypto: false,
        has_fingerprint: defaults.has_fingerprint,
        has_ice: defaults.has_ice,
    };
    for attribute in parsed.attributes {
        let Some(known) = Attribute::of(&attribute.attribute) else { continue };
        match known {
            Attribute::Direction(direction) => media.direction = direction,
            Attribute::Rtpmap => read_rtpmap(&mut media.formats, attribute.value.as_deref()),
            Attribute::Fmtp => read_fmtp(&mut media.formats, attribute.value.as_deref()),
            Attribute::PacketTime => media.packet_time = milliseconds(&attribute).or(media.packet_time),
            Attribute::MaxPacketTime => media.max_packet_time = milliseconds(&attribute),
            Attribute::Rtcp => media.rtcp = attribute.value.as_deref().and_then(read_rtcp),
            Attribute::RtcpMux => media.rtcp_mux = true,
            Attribute::Crypto => media.has_crypto = true,
            Attribute::Fingerprint => media.has_fingerprint = true,
            Attribute::Ice => media.has_ice = true,
        }
    }
    media
}

fn payload_types(list: &str) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::with_capacity(list.len().div_ceil(4).min(MAX_FORMATS));
    for payload_type in list.split_ascii_whitespace().filter_map(payload_type) {
        if formats.len() >= MAX_FORMATS {
            break;
        }
        if !formats.iter().any(|format| format.payload_type == payload_type) {
            formats.push(Format { payload_type, encoding: None, parameters: None });
        }
    }
    formats
}

fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| *number < 128)
}

/// Splits `96 rest` and finds the format that it is about.
fn format_of<'a, 'v>(formats: &'a mut [Format], value: Option<&'v str>) -> Option<(&'a mut Format, &'v str)> {
    let (number, rest) = value?.trim_ascii_start().split_once(' ')?;
    let number = payload_type(number)?;
    let format = formats.iter_mut().find(|format| format.payload_type == number)?;
    Some((format, rest.trim_ascii()))
}

/// `rtpmap:96 L16/16000/1`
fn read_rtpmap(formats: &mut [Format], value: Option<&str>) {
    let Some((format, encoding)) = format_of(formats, value) else { return };
    let mut parts = encoding.split('/');
    let (Some(name), Some(rate)) = (parts.next(), parts.next().and_then(|rate| rate.parse().ok())) else {
        return;
    };
    let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok());
    // The first rtpmap of a payload type counts.
    if let (Some(channels), None) = (channels, &format.encoding) {
        format.encoding = Some(Encoding { name: name.to_owned(), rate, channels });
    }
}

/// `fmtp:101 0-16`
fn read_fmtp(formats: &mut [Format], value: Option<&str>) {
    if let Some((format, parameters)) = format_of(formats, value) {
        format.parameters.get_or_insert_with(|| parameters.to_owned());
    }
}

/// `rtcp:53020 IN IP4 126.16.64.4`, or the port alone.
fn read_rtcp(value: &str) -> Option<Rtcp> {
    let mut parts = value.split_ascii_whitespace();
    let port = parts.next()?.parse().ok().filter(|port| *port != 0)?;
    let host = parts.nth(2).map(|address| Host::from_text(address.to_owned()));
    Some(Rtcp { port, host })
}

/// Packet times are whole milliseconds; some write fractions, which are cut.
fn milliseconds(attribute: &grammar::Attribute) -> Option<Duration> {
    let value = attribute.value.as_deref()?.trim_ascii();
    let whole = value.split_once('.').map_or(value, |(whole, _)| whole);
    whole.parse().ok().filter(|number: &u16| *number > 0).map(|number| Duration::from_millis(number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Session {
        Session::parse(text.replace('\n', "\r\n").as_bytes()).unwrap()
    }

    const OFFER: &str = "v=0
o=alice 2890844526 2890844527 IN IP4 host.example.com
s=-
c=IN IP4 192.0.2.1
t=0 0
a=sendonly
a=ptime:30
m=audio 49170/2 RTP/AVP 0 97 101 0 200 x
a=rtpmap:97 L16/16000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtcp:53020 IN IP4 126.16.64.4
a=rtcp-mux
m=video 51372 RTP/SAVP 31
c=IN IP6 2001:db8::1
a=inactive
a=ptime:x
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:zzz
m=image 0 udptl t38
m=hologram 9 TCP/HG a b
";

    #[test]
    fn everything_that_a_call_decides_by_is_found() {
        let session = parse(OFFER);
        assert_eq!(
            (session.origin.session_id.as_str(), session.origin.version),
            ("2890844526", 2_890_844_527)
        );
        assert_eq!(session.origin.host, Host::Name("host.example.com".into()));
        let [audio, video, image, other] = &session.media[..] else { panic!("{session:?}") };
        assert_eq!((audio.kind, audio.port, audio.port_count), (MediaKind::Audio, 49_170, 2));
        assert_eq!(audio.formats.iter().map(|f| f.payload_type).collect::<Vec<_>>(), [0, 97, 101]);
        assert_eq!(audio.formats[1].codec(), Some(crate::codec::Codec::L16 { rate: 16_000 }));
        assert_eq!(audio.formats[2].digits_rate(), Some(8_000));
        assert_eq!(audio.formats[2].parameters.as_deref(), Some("0-16"));
        assert_eq!(audio.direction, Direction::SendOnly);
        assert_eq!(audio.packet_time, Some(Duration::from_millis(30)));
        let rtcp = audio.rtcp.clone().unwrap();
        assert_eq!((rtcp.port, rtcp.host), (53_020, Some(Host::Ip([126, 16, 64, 4].into()))));
        assert!(audio.rtcp_mux && !audio.has_crypto);
        assert_eq!(session.connection_of(audio).unwrap().ip().unwrap().to_string(), "192.0.2.1");

        assert_eq!(video.direction, Direction::Inactive);
        assert_eq!(video.packet_time, Some(Duration::from_millis(30)));
        assert!(video.has_crypto && matches!(video.protocol, Protocol::RtpSavp(_)));
        assert_eq!(session.connection_of(video).unwrap().ip().unwrap().to_string(), "2001:db8::1");
        assert_eq!((image.kind, image.port, image.formats.len()), (MediaKind::Image, 0, 0));
        assert_eq!((other.kind, other.name.as_str()), (MediaKind::Other, "hologram"));
        assert_eq!(
            session.kinds().iter().collect::<Vec<_>>(),
            [MediaKind::Audio, MediaKind::Video, MediaKind::Other]
        );
    }

    #[test]
    fn line_ends_may_be_bare() {
        assert_eq!(Session::parse(OFFER.as_bytes()).unwrap(), parse(OFFER));
    }

    #[test]
    fn what_breaks_the_grammar_is_named_with_its_line() {
        let line = |line, expected: &'static str| SdpError::Line { line, expected };
        let grammar = "a letter, '=' and text without NUL or CR (RFC 8866 5)";
        for (text, error) in [
            ("", SdpError::Version),
            ("v=1\n", SdpError::Version),
            ("o=- 1 1 IN IP4 1.2.3.4\n", SdpError::Version),
            ("v=0\nbroken\nt=0 0\n", line(2, grammar)),
            ("v=0\ns=-\nm=audio 1 RTP/AVP 0\nbroken\n", line(4, grammar)),
            ("v=0\no=- 1 IN IP4 1.2.3.4\n", line(2, "Origin sess-version")),
            ("v=0\nm=audio 65536 RTP/AVP 0\n", line(2, "Media port")),
            ("v=0\nm=audio -1 RTP/AVP 0\n", line(2, "Media port")),
            ("v=0\nm=audio 1 RTP/AVP\n", line(2, "Media fmt")),
            ("v=0\nm=audio\n", line(2, "Media port")),
            (
                "v=0\nm=a 1 b c\nm= 1 RTP/AVP 0\n",
                line(3, "kind, port, protocol and a format, each of at most 64 octets"),
            ),
            ("v=0\nc=IN IP4\n", line(2, "Connection connection-address")),
            ("v=0\nr=1 2 3\n", line(2, "t= before r=")),
            ("v=0\ns=a\ns=b\n", SdpError::Repeated { line: 3 }),
        ] {
            assert_eq!(Session::parse(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn what_is_longer_than_a_call_needs_is_refused() {
        let long = |line: &str, count: usize| format!("v=0\n{}", line.repeat(count)).into_bytes();
        assert!(matches!(Session::parse(&[b'v'; MAX_SIZE + 1]), Err(SdpError::TooLong { .. })));
        assert!(matches!(Session::parse(&long("a=x\n", MAX_LINES)), Err(SdpError::TooManyLines { .. })));
        assert!(Session::parse(&long("a=x\n", MAX_LINES - 1)).is_ok());
        let media = "m=audio 1 RTP/AVP 0\n";
        assert!(matches!(Session::parse(&long(media, MAX_MEDIA + 1)), Err(SdpError::TooManyMedia { .. })));
        let formats: String = (0..128).map(|n| format!(" {n}")).collect();
        let session = Session::parse(format!("v=0\nm=audio 1 RTP/AVP{formats}\n").as_bytes()).unwrap();
        assert_eq!(session.media[0].formats.len(), MAX_FORMATS);
    }

    #[test]
    fn an_attribute_that_says_nothing_is_as_if_it_were_not_there() {
        let session = parse(
            "v=0
m=audio 4000 RTP/AVP 96 97 98
a=rtpmap:96
a=rtpmap:97 L16
a=rtpmap:98 L16/x
a=rtpmap:99 L16/8000
a=rtpmap:300 L16/8000
a=rtpmap
a=fmtp:96
a=ptime:0
a=maxptime:99999999
a=rtcp:0
a=rtcp:x IN
",
        );
        let media = &session.media[0];
        assert!(media.formats.iter().all(|format| format.encoding.is_none() && format.parameters.is_none()));
        assert_eq!((media.packet_time, media.max_packet_time, media.rtcp.as_ref()), (None, None, None));
    }
}
