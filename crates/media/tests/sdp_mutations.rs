//! Descriptions that were bent at random: nothing panics, nothing is unbounded, the machine stays usable, and whatever
//! `sdp-types`, the oracle, accepts is accepted here and means the same.

use hookswitch_machine::Entropy;
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::{Capabilities, MediaSession, OfferAnswer};
use hookswitch_media::sdp::{Host, MAX_FORMATS, MAX_MEDIA, Session, offered_media};
use std::net::SocketAddr;

const SEEDS: [&str; 3] = [
    "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 96 101\r\n\
     a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 L16/16000\r\na=rtpmap:101 telephone-event/8000\r\n\
     a=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:40\r\na=rtcp:4001 IN IP4 192.0.2.1\r\na=rtcp-mux\r\na=sendrecv\r\n",
    "v=0\no=x 9 9 IN IP6 2001:db8::1\ns=x\nc=IN IP6 2001:db8::1/3\nb=AS:64\nt=0 0\nr=7d 1h 0 25h\nz=1 -1h\nk=clear:a\n\
     a=inactive\nm=video 4002/2 RTP/SAVPF 31\na=crypto:1 A inline:b\nm=audio 4000 RTP/AVPF 8\nc=IN IP4 0.0.0.0\n",
    "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=image 4004 udptl t38\r\na=T38FaxVersion:0\r\nm=audio 0 RTP/AVP 0\r\n",
];

const PIECES: [&str; 24] = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    "=",
    " ",
    "/",
    ":",
    "m=audio ",
    "m=",
    "a=rtpmap:",
    "a=",
    "c=IN IP4 ",
    "0",
    "65535",
    "65536",
    "99999999999999999999",
    "-1",
    "RTP/AVP",
    "é",
    "\u{fffd}",
    "telephone-event/8000",
    "L16/16000",
    "v=0\r\n",
];

fn mutate(chance: &mut Entropy, bytes: &mut Vec<u8>) {
    let place = chance.below(bytes.len() as u64 + 1) as usize;
    let length = chance.below(12) as usize;
    let end = (place + length).min(bytes.len());
    match chance.below(6) {
        0 => {
            bytes.drain(place..end);
        }
        1 => {
            let piece = PIECES[chance.below(PIECES.len() as u64) as usize];
            bytes.splice(place..place, piece.bytes());
        }
        2 => {
            let piece = PIECES[chance.below(PIECES.len() as u64) as usize];
            bytes.splice(place..end, piece.bytes());
        }
        3 => {
            let copied = bytes[place..end].to_vec();
            let target = chance.below(bytes.len() as u64 + 1) as usize;
            bytes.splice(target..target, copied);
        }
        4 => {
            if let Some(octet) = bytes.get_mut(place) {
                *octet = chance.next_u32() as u8;
            }
        }
        _ => bytes.truncate(place.max(bytes.len() / 2)),
    }
}

/// What is refused here although the oracle takes it: m-lines with empty or endless fields, and text that is not UTF-8.
fn agree_with_the_oracle(bytes: &[u8]) {
    let Ok(oracle) = sdp_types::Session::parse(bytes) else { return };
    let kept = |media: &sdp_types::Media| {
        let format = media.fmt.split_ascii_whitespace().next().unwrap_or("");
        [&media.media, &media.proto, format].iter().all(|token| (1..=64).contains(&token.len()))
    };
    if std::str::from_utf8(bytes).is_err() || !oracle.medias.iter().all(kept) {
        return;
    }
    let shown = String::from_utf8_lossy(bytes);
    let session = Session::parse(bytes).unwrap_or_else(|error| panic!("{error}: {shown:?}"));
    let host = |connection: &sdp_types::Connection| connection.try_address().ok().map(|address| address.ip);
    assert_eq!(session.media.len(), oracle.medias.len(), "{shown:?}");
    for (ours, theirs) in session.media.iter().zip(&oracle.medias) {
        assert_eq!((ours.name, ours.format_list), (&*theirs.media, &*theirs.fmt), "{shown:?}");
        assert_eq!((ours.port, ours.port_count), (theirs.port, theirs.num_ports.unwrap_or(1)), "{shown:?}");
        assert!(ours.protocol.as_str().eq_ignore_ascii_case(&theirs.proto), "{shown:?}");
        let named = theirs.connections.first().or(oracle.connection.as_ref());
        if let Some(address) = named.and_then(host) {
            assert_eq!(session.connection_of(ours).and_then(Host::ip), Some(address), "{shown:?}");
        }
        for rtpmap in theirs.attributes_typed::<sdp_types::RtpMap>().flatten() {
            let numeric =
                rtpmap.encoding_params.as_ref().is_none_or(|channels| channels.parse::<u32>().is_ok());
            let format = ours.formats.iter().find(|format| format.payload_type == rtpmap.payload_type);
            assert!(
                !numeric || format.is_none_or(|format| format.encoding.is_some()),
                "{rtpmap:?} {shown:?}"
            );
        }
    }
    if session.origin.host != Host::Name("") {
        assert_eq!(session.origin.version, oracle.origin.sess_version, "{shown:?}");
    }
}

#[test]
fn a_hundred_thousand_bent_descriptions() {
    let mut chance = Entropy::from_number(20_260_101);
    let capabilities = Capabilities::default();
    let rtp: SocketAddr = "198.51.100.7:40000".parse().unwrap();
    let (mut parsed, mut answered) = (0, 0);
    for round in 0..100_000 {
        let mut bytes = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        for _ in 0..=chance.below(4) {
            mutate(&mut chance, &mut bytes);
        }
        if let Ok(session) = Session::parse(&bytes) {
            parsed += 1;
            assert!(session.media.len() <= MAX_MEDIA);
            assert!(session.media.iter().all(|media| media.formats.len() <= MAX_FORMATS));
        }
        assert_eq!(offered_media(&bytes).is_ok(), Session::parse(&bytes).is_ok());
        agree_with_the_oracle(&bytes);

        let mut session = MediaSession::new(1);
        if session.receive_offer(&capabilities, &bytes).is_ok()
            && let Ok((answer, _)) = session.answer(&capabilities, rtp, Direction::SendRecv)
        {
            answered += 1;
            let (ours, theirs) = (Session::parse(&answer).unwrap(), Session::parse(&bytes).unwrap());
            assert_eq!(ours.media.len(), theirs.media.len());
            assert_eq!(ours.media.iter().filter(|media| media.port != 0).count(), 1);
            let again = session.offer(&capabilities, rtp, Direction::SendOnly).unwrap();
            assert_eq!(Session::parse(&again).unwrap().media.len(), ours.media.len());
            session.abandon();
        }
        assert!(matches!(session.state(), OfferAnswer::NoneYet | OfferAnswer::Stable));
        session.offer(&capabilities, rtp, Direction::SendRecv).unwrap();
        if session.receive_answer(&capabilities, &bytes).is_err() {
            session.abandon();
        }
        assert!(matches!(session.state(), OfferAnswer::NoneYet | OfferAnswer::Stable));
    }
    assert!(parsed > 20_000 && answered > 10_000, "{parsed} {answered}");
}
