//! Offer and answer as tables: what is offered, what we answer, what is settled.

use hookswitch_media::codec::Codec;
use hookswitch_media::control::{Direction, StreamParameters};
use hookswitch_media::negotiate::{
    Capabilities, MediaSession, NegotiateError, OfferAnswer, Preference, Refusal,
};
use hookswitch_media::sdp::{MediaKind, Session};
use std::net::SocketAddr;

mod changes;
mod exchanges;

const WIDE: Codec = Codec::L16 { rate: 16_000 };

fn ours() -> SocketAddr {
    "198.51.100.7:40000".parse().unwrap()
}

fn ours6() -> SocketAddr {
    "[2001:db8::7]:40000".parse().unwrap()
}

/// A description of theirs; media lines are given with `|` for line ends.
fn theirs(media: &str) -> Vec<u8> {
    let session = if media.contains("c=") { "" } else { "c=IN IP4 192.0.2.1|" };
    format!("v=0|o=- 5 5 IN IP4 192.0.2.1|s=-|{session}t=0 0|{media}|").replace('|', "\r\n").into_bytes()
}

fn text(sdp: &[u8]) -> String {
    String::from_utf8(sdp.to_vec()).unwrap()
}

fn version(sdp: &[u8]) -> u64 {
    Session::parse(sdp).unwrap().origin.version
}

/// Our m-lines and the direction: `audio 40000 0 101 sendrecv | video 0 31`.
fn media_lines(sdp: &[u8]) -> String {
    let session = Session::parse(sdp).unwrap();
    let lines = session.media.iter().map(|media| {
        let direction = if media.port == 0 { String::new() } else { format!(" {}", name(media.direction)) };
        format!("{} {} {}{direction}", media.name, media.port, media.format_list)
    });
    lines.collect::<Vec<_>>().join(" | ")
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

/// `PCMU 0/0 digits 101/101 sendrecv 192.0.2.1:4000 rtcp 4001 20`: numbers are theirs/ours.
fn summary(p: &StreamParameters) -> String {
    let digits = match (p.send_digits, p.receive_digits) {
        (Some(send), Some(receive)) => format!(" digits {send}/{receive}"),
        (None, None) => String::new(),
        other => panic!("{other:?}"),
    };
    let rtcp = match (p.rtcp_mux, p.remote_rtcp) {
        (true, rtcp) if rtcp == p.remote_rtp => "mux".to_owned(),
        (true, other) => panic!("{other}"),
        (false, rtcp) if rtcp.ip() == p.remote_rtp.ip() => format!("rtcp {}", rtcp.port()),
        (false, rtcp) => format!("rtcp {rtcp}"),
    };
    let codec = format!("{}/{}", p.codec.name(), p.codec.rate() / 1_000);
    let (send, receive, way) = (p.send_payload_type, p.receive_payload_type, name(p.direction));
    let (rtp, time) = (p.remote_rtp, p.packet_time.as_millis());
    format!("{codec} {send}/{receive}{digits} {way} {rtp} {rtcp} {time}")
}

fn capabilities() -> Capabilities {
    Capabilities { codecs: vec![Codec::Pcmu, Codec::Pcma, WIDE], ..Capabilities::default() }
}

/// A call that was answered by us: PCMU, digits 101.
fn answered() -> MediaSession {
    let mut session = MediaSession::new(1);
    session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap();
    session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    session
}

const PLAIN: &str = "m=audio 4000 RTP/AVP 0 8 101|a=rtpmap:101 telephone-event/8000";
