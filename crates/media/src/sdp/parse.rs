//! From octets to the typed view: bounds first, then line by line.

use super::error::SdpError;
use super::kind::{MediaKind, MediaKinds, Protocol};
use super::lines::{Line, lines};
use super::session::{Encoding, Format, Host, Media, Origin, Rtcp, Session};
use crate::control::Direction;
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

impl<'a> Session<'a> {
    /// Reads a session description. Lines that no call depends on (`b=`, `t=`, `k=` and others) are not looked into.
    ///
    /// # Errors
    /// If it is longer than the bounds allow or a line breaks the grammar; the error names the line and what was expected.
    pub fn parse(sdp: &'a [u8]) -> Result<Self, SdpError> {
        let body = check_bounds(sdp)?;
        let mut lines = lines(body);
        match lines.next() {
            Some(Ok(Line { letter: b'v', value: "0", .. })) => {}
            Some(_) | None => return Err(SdpError::Version),
        }
        let (mut origin, mut connection) = (None, None);
        let mut defaults = Defaults::new();
        let mut media: Vec<Media<'a>> = Vec::new();
        for line in lines {
            let line = line?;
            if line.letter == b'm' {
                if media.len() >= MAX_MEDIA {
                    return Err(SdpError::TooManyMedia { limit: MAX_MEDIA });
                }
                media.push(read_media(&line, &defaults)?);
                continue;
            }
            match (line.letter, media.last_mut()) {
                (b'a', None) => defaults.read(line.value),
                (b'a', Some(media)) => read_attribute(media, line.value),
                (b'c', None) => once(&mut connection, read_connection(&line)?, &line)?,
                // Several c-lines are a multicast group's layers (RFC 8866 5.7): the first counts.
                (b'c', Some(media)) => {
                    let host = read_connection(&line)?;
                    media.connection.get_or_insert(host);
                }
                (b'o', None) => once(&mut origin, read_origin(&line)?, &line)?,
                _ => {}
            }
        }
        let nobody = Origin { session_id: "", version: 0, host: Host::Name("") };
        Ok(Self { origin: origin.unwrap_or(nobody), connection, media })
    }
}

fn check_bounds(sdp: &[u8]) -> Result<&str, SdpError> {
    if sdp.len() > MAX_SIZE {
        return Err(SdpError::TooLong { size: sdp.len(), limit: MAX_SIZE });
    }
    if memchr::memchr_iter(b'\n', sdp).count() > MAX_LINES {
        return Err(SdpError::TooManyLines { limit: MAX_LINES });
    }
    std::str::from_utf8(sdp).map_err(|error| SdpError::Encoding { at: error.valid_up_to() })
}

/// Keeps what may be there once.
fn once<T>(slot: &mut Option<T>, value: T, line: &Line<'_>) -> Result<(), SdpError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(line.expected("o= once, and c= once before the first m=")),
    }
}

/// `o=alice 2890844526 2890844527 IN IP4 host.example.com`
fn read_origin<'a>(line: &Line<'a>) -> Result<Origin<'a>, SdpError> {
    let mut fields = line.fields().skip(1);
    match (
        fields.next(),
        fields.next().and_then(|version| version.parse().ok()),
        fields.nth(2),
        fields.next(),
    ) {
        (Some(session_id), Some(version), Some(host), None) => {
            Ok(Origin { session_id, version, host: Host::from_text(host) })
        }
        _ => Err(line.expected("user, session number, version, IN, IP4 or IP6, and an address")),
    }
}

/// `c=IN IP4 192.0.2.1`
fn read_connection<'a>(line: &Line<'a>) -> Result<Host<'a>, SdpError> {
    let mut fields = line.fields();
    match (fields.nth(2), fields.next()) {
        (Some(host), None) => Ok(Host::from_text(host)),
        (Some(_), Some(_)) | (None, _) => Err(line.expected("IN, IP4 or IP6, and an address")),
    }
}

/// What the session says for every m-line.
struct Defaults {
    direction: Direction,
    packet_time: Option<Duration>,
    has_fingerprint: bool,
    has_ice: bool,
}

impl Defaults {
    const fn new() -> Self {
        Self { direction: Direction::SendRecv, packet_time: None, has_fingerprint: false, has_ice: false }
    }

    fn read(&mut self, text: &str) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match Attribute::of(name) {
            Some(Attribute::Direction(direction)) => self.direction = direction,
            Some(Attribute::PacketTime) => self.packet_time = milliseconds(value),
            Some(Attribute::Fingerprint) => self.has_fingerprint = true,
            Some(Attribute::Ice) => self.has_ice = true,
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

/// `m=audio 49170/2 RTP/AVP 0 8`
fn read_media<'a>(line: &Line<'a>, defaults: &Defaults) -> Result<Media<'a>, SdpError> {
    let wrong = || line.expected("kind, port, protocol and a format, each of at most 64 octets");
    let mut fields = line.value.splitn(4, ' ');
    let (Some(name), Some(ports), Some(protocol), Some(list)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(wrong());
    };
    // m-lines are kept for the life of a dialog: with fields that are there, and short.
    let format = list.split_ascii_whitespace().next().unwrap_or("");
    if [name, protocol, format].iter().any(|token| !(1..=MAX_TOKEN).contains(&token.len())) {
        return Err(wrong());
    }
    let (port, count) = ports.split_once('/').unwrap_or((ports, "1"));
    let (Ok(port), Ok(port_count)) = (port.parse(), count.parse()) else {
        return Err(line.expected("a port from 0 to 65535"));
    };
    let protocol = Protocol::from_text(protocol);
    Ok(Media {
        kind: MediaKind::from_name(name),
        name,
        port,
        port_count,
        protocol,
        format_list: list,
        formats: if protocol.is_rtp() { payload_types(list) } else { Vec::new() },
        connection: None,
        direction: defaults.direction,
        packet_time: defaults.packet_time,
        max_packet_time: None,
        rtcp: None,
        rtcp_mux: false,
        has_crypto: false,
        has_fingerprint: defaults.has_fingerprint,
        has_ice: defaults.has_ice,
    })
}

fn read_attribute<'a>(media: &mut Media<'a>, text: &'a str) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    let Some(known) = Attribute::of(name) else { return };
    match known {
        Attribute::Direction(direction) => media.direction = direction,
        Attribute::Rtpmap => read_rtpmap(&mut media.formats, value),
        Attribute::Fmtp => read_fmtp(&mut media.formats, value),
        Attribute::PacketTime => media.packet_time = milliseconds(value).or(media.packet_time),
        Attribute::MaxPacketTime => media.max_packet_time = milliseconds(value),
        Attribute::Rtcp => media.rtcp = read_rtcp(value),
        Attribute::RtcpMux => media.rtcp_mux = true,
        Attribute::Crypto => media.has_crypto = true,
        Attribute::Fingerprint => media.has_fingerprint = true,
        Attribute::Ice => media.has_ice = true,
    }
}

fn payload_types<'a>(list: &str) -> Vec<Format<'a>> {
    let mut formats: Vec<Format<'a>> = Vec::with_capacity(list.len().div_ceil(4).min(MAX_FORMATS));
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
fn format_of<'f, 'a>(formats: &'f mut [Format<'a>], value: &'a str) -> Option<(&'f mut Format<'a>, &'a str)> {
    let (number, rest) = value.split_once(' ')?;
    let number = payload_type(number)?;
    let format = formats.iter_mut().find(|format| format.payload_type == number)?;
    Some((format, rest.trim_ascii()))
}

/// `rtpmap:96 L16/16000/1`
fn read_rtpmap<'a>(formats: &mut [Format<'a>], value: &'a str) {
    let Some((format, encoding)) = format_of(formats, value) else { return };
    let mut parts = encoding.split('/');
    let (Some(name), Some(rate)) = (parts.next(), parts.next().and_then(|rate| rate.parse().ok())) else {
        return;
    };
    let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok());
    // The first rtpmap of a payload type counts.
    if let (Some(channels), None) = (channels, format.encoding) {
        format.encoding = Some(Encoding { name, rate, channels });
    }
}

/// `fmtp:101 0-16`
fn read_fmtp<'a>(formats: &mut [Format<'a>], value: &'a str) {
    if let Some((format, parameters)) = format_of(formats, value) {
        format.parameters.get_or_insert(parameters);
    }
}

/// `rtcp:53020 IN IP4 126.16.64.4`, or the port alone.
fn read_rtcp(value: &str) -> Option<Rtcp<'_>> {
    let mut parts = value.split_ascii_whitespace();
    let port = parts.next()?.parse().ok().filter(|port| *port != 0)?;
    Some(Rtcp { port, host: parts.nth(2).map(Host::from_text) })
}

/// Packet times are whole milliseconds; some write fractions, which are cut.
fn milliseconds(value: &str) -> Option<Duration> {
    let value = value.trim_ascii();
    let whole = value.split_once('.').map_or(value, |(whole, _)| whole);
    whole.parse().ok().filter(|number: &u16| *number > 0).map(|number| Duration::from_millis(number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Session<'_> {
        Session::parse(text.as_bytes()).unwrap()
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
        assert_eq!((session.origin.session_id, session.origin.version), ("2890844526", 2_890_844_527));
        assert_eq!(session.origin.host, Host::Name("host.example.com"));
        let [audio, video, image, other] = &session.media[..] else { panic!("{session:?}") };
        assert_eq!((audio.kind, audio.port, audio.port_count), (MediaKind::Audio, 49_170, 2));
        assert_eq!(audio.formats.iter().map(|f| f.payload_type).collect::<Vec<_>>(), [0, 97, 101]);
        assert_eq!(audio.formats[1].codec(), Some(crate::codec::Codec::L16 { rate: 16_000 }));
        assert_eq!(audio.formats[2].digits_rate(), Some(8_000));
        assert_eq!(audio.formats[2].parameters, Some("0-16"));
        assert_eq!(audio.direction, Direction::SendOnly);
        assert_eq!(audio.packet_time, Some(Duration::from_millis(30)));
        let rtcp = audio.rtcp.unwrap();
        assert_eq!((rtcp.port, rtcp.host), (53_020, Some(Host::Ip([126, 16, 64, 4].into()))));
        assert!(audio.rtcp_mux && !audio.has_crypto);
        assert_eq!(session.connection_of(audio).unwrap().ip().unwrap().to_string(), "192.0.2.1");

        assert_eq!(video.direction, Direction::Inactive);
        assert_eq!(video.packet_time, Some(Duration::from_millis(30)));
        assert!(video.has_crypto && matches!(video.protocol, Protocol::RtpSavp(_)));
        assert_eq!(session.connection_of(video).unwrap().ip().unwrap().to_string(), "2001:db8::1");
        assert_eq!((image.kind, image.port, image.formats.len()), (MediaKind::Image, 0, 0));
        assert_eq!((other.kind, other.name), (MediaKind::Other, "hologram"));
        assert_eq!(
            session.kinds().iter().collect::<Vec<_>>(),
            [MediaKind::Audio, MediaKind::Video, MediaKind::Other]
        );
    }

    #[test]
    fn line_ends_may_be_bare() {
        let crlf = OFFER.replace('\n', "\r\n");
        assert_eq!(parse(&crlf), parse(OFFER));
    }

    #[test]
    fn what_breaks_the_grammar_is_named_with_its_line() {
        let line = |line, expected: &'static str| SdpError::Line { line, expected };
        let grammar = "a letter, '=' and text without NUL or CR (RFC 8866 5)";
        let media = "kind, port, protocol and a format, each of at most 64 octets";
        let port = "a port from 0 to 65535";
        let repeated = "o= once, and c= once before the first m=";
        let origin = "user, session number, version, IN, IP4 or IP6, and an address";
        for (text, error) in [
            ("", SdpError::Version),
            ("v=1\n", SdpError::Version),
            ("o=- 1 1 IN IP4 1.2.3.4\n", SdpError::Version),
            ("v=0\nbroken\nt=0 0\n", line(2, grammar)),
            ("v=0\n\n=x\n", line(3, grammar)),
            ("v=0\na=x\0y\n", line(2, grammar)),
            ("v=0\na=x\ry\n", line(2, grammar)),
            ("v=0\né=x\n", line(2, grammar)),
            ("v=0\ns=-\nm=audio 1 RTP/AVP 0\nbroken\n", line(4, grammar)),
            ("v=0\no=- 1 IN IP4 1.2.3.4\n", line(2, origin)),
            ("v=0\no=- 1 1 IN IP4 1.2.3.4 5\n", line(2, origin)),
            ("v=0\nm=audio 65536 RTP/AVP 0\n", line(2, port)),
            ("v=0\nm=audio -1 RTP/AVP 0\n", line(2, port)),
            ("v=0\nm=audio 1/x RTP/AVP 0\n", line(2, port)),
            ("v=0\nm=audio 1 RTP/AVP\n", line(2, media)),
            ("v=0\nm=audio 1 RTP/AVP  \n", line(2, media)),
            ("v=0\nm=audio\n", line(2, media)),
            ("v=0\nm=a 1 b c\nm= 1 RTP/AVP 0\n", line(3, media)),
            ("v=0\nc=IN IP4\n", line(2, "IN, IP4 or IP6, and an address")),
            ("v=0\nc=IN IP4 1.2.3.4\nc=IN IP4 1.2.3.4\n", line(3, repeated)),
        ] {
            assert_eq!(Session::parse(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_refused() {
        assert_eq!(Session::parse(b"v=0\r\ns=\xFF\r\n"), Err(SdpError::Encoding { at: 7 }));
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
        let body = format!("v=0\nm=audio 1 RTP/AVP{formats}\n");
        assert_eq!(parse(&body).media[0].formats.len(), MAX_FORMATS);
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
        assert_eq!((media.packet_time, media.max_packet_time, media.rtcp), (None, None, None));
    }
}
