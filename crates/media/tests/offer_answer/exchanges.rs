//! One exchange: what is offered, what we answer, what is settled, what is refused.

use super::*;

#[test]
fn first_offers_and_our_answers() {
    let rows: &[(&str, &str, &str, &str)] = &[
        (
            "static payload types need no rtpmap",
            "m=audio 4000 RTP/AVP 0 8",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "their order decides",
            "m=audio 4000 RTP/AVP 8 0",
            "audio 40000 8 sendrecv",
            "PCMA/8 8/8 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "digits under their number",
            "m=audio 4000 RTP/AVP 0 96|a=rtpmap:0 PCMU/8000|a=rtpmap:96 telephone-event/8000|a=fmtp:96 0-16",
            "audio 40000 0 96 sendrecv",
            "PCMU/8 0/0 digits 96/96 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "unknown codecs are passed over",
            "m=audio 4000 RTP/AVP 111 9 18 8|a=rtpmap:111 opus/48000/2|a=rtpmap:18 G729/8000",
            "audio 40000 8 sendrecv",
            "PCMA/8 8/8 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "digits match the codec's clock: 16,000",
            "m=audio 4000 RTP/AVP 118 0 101 102|a=rtpmap:118 L16/16000|a=rtpmap:101 telephone-event/8000|\
             a=rtpmap:102 telephone-event/16000",
            "audio 40000 118 102 sendrecv",
            "L16/16 118/118 digits 102/102 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "digits at another clock only are none",
            "m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/48000",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "a number without an rtpmap is passed over",
            "m=audio 4000 RTP/AVP 96 8",
            "audio 40000 8 sendrecv",
            "PCMA/8 8/8 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "PCMA under a dynamic number",
            "m=audio 4000 RTP/AVP 97|a=rtpmap:97 pcma/8000/1",
            "audio 40000 97 sendrecv",
            "PCMA/8 97/97 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "stereo L16 is not ours",
            "m=audio 4000 RTP/AVP 96 0|a=rtpmap:96 L16/16000/2",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "an rtpmap overrules the table",
            "m=audio 4000 RTP/AVP 0|a=rtpmap:0 PCMA/8000",
            "audio 40000 0 sendrecv",
            "PCMA/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "video after audio is rejected in place",
            "m=audio 4000 RTP/AVP 0|m=video 4002 RTP/AVP 31 34|a=rtpmap:31 H261/90000",
            "audio 40000 0 sendrecv | video 0 31",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "video before audio is rejected in place",
            "m=video 4002 RTP/SAVP 99|m=audio 4000 RTP/AVP 0|m=text 4004 RTP/AVP 98",
            "video 0 99 | audio 40000 0 sendrecv | text 0 98",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "fax and messages are rejected in place",
            "m=image 4002 udptl t38|m=message 7654 TCP/MSRP *|m=audio 4000 RTP/AVP 0",
            "image 0 t38 | message 0 * | audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "of two audio streams the first is taken",
            "m=audio 4000 RTP/AVP 0|m=audio 4002 RTP/AVP 0",
            "audio 40000 0 sendrecv | audio 0 0",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "an audio stream that cannot be taken makes way for the next",
            "m=audio 4000 RTP/SAVP 0|m=audio 4002 RTP/AVP 18|m=audio 4004 RTP/AVP 8",
            "audio 0 0 | audio 0 18 | audio 40000 8 sendrecv",
            "PCMA/8 8/8 sendrecv 192.0.2.1:4004 rtcp 4005 20",
        ),
        (
            "port 0 is no offer of that stream",
            "m=audio 0 RTP/AVP 0|m=audio 4002 RTP/AVP 0",
            "audio 0 0 | audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4002 rtcp 4003 20",
        ),
        (
            "the m-line's own address counts",
            "c=IN IP4 203.0.113.1|m=audio 4000 RTP/AVP 0|c=IN IP4 203.0.113.2",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 203.0.113.2:4000 rtcp 4001 20",
        ),
        (
            "RTCP on a port of its own",
            "m=audio 4000 RTP/AVP 0|a=rtcp:53020",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 53020 20",
        ),
        (
            "RTCP at an address of its own",
            "m=audio 4000 RTP/AVP 0|a=rtcp:53020 IN IP4 203.0.113.9",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 203.0.113.9:53020 20",
        ),
        (
            "RTCP to a multicast group is not followed",
            "m=audio 4000 RTP/AVP 0|a=rtcp:53020 IN IP4 224.0.0.9",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 53020 20",
        ),
        (
            "RTCP on the RTP port",
            "m=audio 4000 RTP/AVP 0|a=rtcp-mux|a=rtcp:4000",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 mux 20",
        ),
        (
            "the last port has no next",
            "m=audio 65535 RTP/AVP 0",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:65535 rtcp 65535 20",
        ),
        (
            "their packet time is what we send",
            "m=audio 4000 RTP/AVP 0|a=ptime:30",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 30",
        ),
        (
            "a packet time for the whole session",
            "a=ptime:40|m=audio 4000 RTP/AVP 0",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 40",
        ),
        (
            "never more than they allow",
            "m=audio 4000 RTP/AVP 0|a=ptime:60|a=maxptime:40",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 40",
        ),
        (
            "nonsense packet times are ours",
            "m=audio 4000 RTP/AVP 0|a=ptime:0|a=maxptime:-3",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "held from the beginning",
            "m=audio 4000 RTP/AVP 0|a=sendonly",
            "audio 40000 0 recvonly",
            "PCMU/8 0/0 recvonly 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "they only listen",
            "m=audio 4000 RTP/AVP 0|a=recvonly",
            "audio 40000 0 sendonly",
            "PCMU/8 0/0 sendonly 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "inactive for the whole session, overruled by the m-line",
            "a=inactive|m=audio 4000 RTP/AVP 0|a=sendrecv",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "inactive for the whole session",
            "a=inactive|m=audio 4000 RTP/AVP 0",
            "audio 40000 0 inactive",
            "PCMU/8 0/0 inactive 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "an address of zeros is an old hold",
            "c=IN IP4 0.0.0.0|m=audio 4000 RTP/AVP 0",
            "audio 40000 0 recvonly",
            "PCMU/8 0/0 recvonly 0.0.0.0:4000 rtcp 4001 20",
        ),
        (
            "an address of zeros that only listens is silent",
            "m=audio 4000 RTP/AVP 0|c=IN IP4 0.0.0.0|a=recvonly",
            "audio 40000 0 inactive",
            "PCMU/8 0/0 inactive 0.0.0.0:4000 rtcp 4001 20",
        ),
        (
            "plain RTP with keys beside it is plain RTP",
            "m=audio 4000 RTP/AVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x|a=ice-ufrag:y",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "early feedback is answered in kind",
            "m=audio 4000 RTP/AVPF 0|a=rtcp-fb:* trr-int 5000",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "numbers listed twice or out of range",
            "m=audio 4000 RTP/AVP 0 0 300 x 8",
            "audio 40000 0 sendrecv",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
    ];
    for (case, offer, lines, settled) in rows {
        let mut session = MediaSession::new(1);
        let offered = session.receive_offer(&capabilities(), &theirs(offer)).unwrap();
        assert_eq!(offered.refusal, None, "{case}");
        assert_eq!(session.state(), OfferAnswer::RemoteOffer, "{case}");
        let (answer, parameters) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
        assert_eq!(media_lines(&answer), *lines, "{case}");
        assert_eq!(summary(&parameters), *settled, "{case}");
        assert_eq!(session.parameters(), Some(&parameters), "{case}");
        assert_eq!(session.state(), OfferAnswer::Stable, "{case}");
    }
}

#[test]
fn offers_that_are_refused() {
    let rows = [
        ("no media at all", "a=x", Refusal::NoAudio, 304),
        ("audio with port 0", "m=audio 0 RTP/AVP 0", Refusal::NoAudio, 304),
        ("fax alone", "m=image 4000 udptl t38", Refusal::NoAudio, 304),
        ("video alone", "m=video 4000 RTP/AVP 31", Refusal::NoAudio, 304),
        ("SRTP alone", "m=audio 4000 RTP/SAVP 0|a=crypto:1 A inline:x", Refusal::Transport, 302),
        ("WebRTC", "m=audio 9 UDP/TLS/RTP/SAVPF 111 0|a=rtpmap:111 opus/48000/2", Refusal::Transport, 302),
        ("no codec in common", "m=audio 4000 RTP/AVP 18 4", Refusal::NoCommonCodec, 305),
        (
            "digits alone",
            "m=audio 4000 RTP/AVP 101|a=rtpmap:101 telephone-event/8000",
            Refusal::NoCommonCodec,
            305,
        ),
        ("a name for an address", "c=IN IP4 host.example.com|m=audio 4000 RTP/AVP 0", Refusal::Address, 301),
        ("an address out of range", "c=IN IP4 192.0.2.256|m=audio 4000 RTP/AVP 0", Refusal::Address, 301),
        ("multicast", "c=IN IP4 224.2.17.12/127|m=audio 4000 RTP/AVP 0", Refusal::Multicast, 330),
        ("IPv6 to an IPv4 port", "c=IN IP6 2001:db8::1|m=audio 4000 RTP/AVP 0", Refusal::Address, 301),
    ];
    for (case, offer, refusal, code) in rows {
        for mut session in [MediaSession::new(1), answered()] {
            let (state, before) = (session.state(), session.parameters().cloned());
            let offered = session.receive_offer(&capabilities(), &theirs(offer)).unwrap();
            let error = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap_err();
            assert_eq!(error, NegotiateError::Refused(refusal), "{case}");
            assert!(offered.refusal == Some(refusal) || offered.refusal.is_none(), "{case}");
            assert_eq!((error.status(), error.warning().map(|w| w.0)), (Some(488), Some(code)), "{case}");
            assert_eq!((session.state(), session.parameters()), (state, before.as_ref()), "{case}");
        }
    }
}

#[test]
fn a_c_line_is_needed_somewhere() {
    let mut session = MediaSession::new(1);
    let offer = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let offered = session.receive_offer(&capabilities(), offer).unwrap();
    assert_eq!(offered.refusal, Some(Refusal::Address));
}

#[test]
fn what_is_no_description_is_a_bad_request_and_changes_nothing() {
    for body in ["", "hello", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio 99999 RTP/AVP 0\r\n", "v=0\r\nbroken\r\n"]
    {
        let mut session = answered();
        let error = session.receive_offer(&capabilities(), body.as_bytes()).unwrap_err();
        assert_eq!(error.status(), Some(400), "{body}");
        assert_eq!(session.state(), OfferAnswer::Stable);
    }
}

#[test]
fn the_call_is_announced_with_what_is_offered() {
    let mut session = MediaSession::new(1);
    let offer = theirs("m=image 4000 udptl t38|m=video 0 RTP/AVP 31|m=text 4002 RTP/AVP 98");
    let offered = session.receive_offer(&capabilities(), &offer).unwrap();
    assert_eq!(offered.media.iter().collect::<Vec<_>>(), [MediaKind::Image, MediaKind::Text]);
}

#[test]
fn an_answer_over_ipv6() {
    let mut session = MediaSession::new(9);
    session.receive_offer(&capabilities(), &theirs("c=IN IP6 2001:db8::1|m=audio 4000 RTP/AVP 0")).unwrap();
    let (answer, parameters) = session.answer(&capabilities(), ours6(), Direction::SendRecv).unwrap();
    assert_eq!(parameters.remote_rtp, "[2001:db8::1]:4000".parse().unwrap());
    assert!(text(&answer).contains("o=- 9 1 IN IP6 2001:db8::7\r\n"));
    assert!(text(&answer).contains("c=IN IP6 2001:db8::7\r\n"));
}

#[test]
fn our_order_decides_where_we_say_so() {
    let mut session = MediaSession::new(1);
    let ours_first = Capabilities { preference: Preference::Ours, ..capabilities() };
    session.receive_offer(&ours_first, &theirs("m=audio 4000 RTP/AVP 8 0")).unwrap();
    let (_, parameters) = session.answer(&ours_first, ours(), Direction::SendRecv).unwrap();
    assert_eq!(parameters.codec, Codec::Pcmu);
}

#[test]
fn a_whole_answer_line_by_line() {
    let mut session = MediaSession::new(77);
    session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap();
    let (answer, _) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(
        text(&answer),
        "v=0\r\no=- 77 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn our_offers_and_their_answers() {
    let rows: &[(&str, Direction, &str, &str)] = &[
        (
            "everything taken",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000|a=rtcp-mux",
            "PCMU/8 0/0 digits 101/101 sendrecv 192.0.2.1:4000 mux 20",
        ),
        (
            "the second codec, no digits, no multiplexing",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 8|a=ptime:30",
            "PCMA/8 8/8 sendrecv 192.0.2.1:4000 rtcp 4001 30",
        ),
        (
            "several codecs: their first",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 8 0",
            "PCMA/8 8/8 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "numbers of their own",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 118 119|a=rtpmap:118 L16/16000|a=rtpmap:119 telephone-event/16000",
            "L16/16 118/96 digits 119/102 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "our dynamic number without an rtpmap means what we said",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 96",
            "L16/16 96/96 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "a codec that was not offered is passed over",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 18 0",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "held at once",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 0|a=sendonly",
            "PCMU/8 0/0 recvonly 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "we hold, they listen",
            Direction::SendOnly,
            "m=audio 4000 RTP/AVP 0|a=recvonly",
            "PCMU/8 0/0 sendonly 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "we hold, they do not notice",
            Direction::SendOnly,
            "m=audio 4000 RTP/AVP 0",
            "PCMU/8 0/0 sendonly 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "both hold",
            Direction::SendOnly,
            "m=audio 4000 RTP/AVP 0|a=inactive",
            "PCMU/8 0/0 inactive 192.0.2.1:4000 rtcp 4001 20",
        ),
        (
            "an answer with an address of zeros",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 0|c=IN IP4 0.0.0.0",
            "PCMU/8 0/0 recvonly 0.0.0.0:4000 rtcp 4001 20",
        ),
        (
            "more m-lines than we offered",
            Direction::SendRecv,
            "m=audio 4000 RTP/AVP 0|m=video 0 RTP/AVP 31",
            "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20",
        ),
    ];
    for (case, wanted, answer, settled) in rows {
        let mut session = MediaSession::new(1);
        let offer = session.offer(&capabilities(), ours(), *wanted).unwrap();
        let expected = format!("audio 40000 0 8 96 101 102 {}", name(*wanted));
        assert_eq!(media_lines(&offer), expected, "{case}");
        assert_eq!(session.state(), OfferAnswer::LocalOffer, "{case}");
        let parameters = session.receive_answer(&capabilities(), &theirs(answer)).unwrap();
        assert_eq!(summary(&parameters), *settled, "{case}");
        assert_eq!(session.state(), OfferAnswer::Stable, "{case}");
    }
}

#[test]
fn answers_that_settle_nothing() {
    let refused = |refusal| NegotiateError::Refused(refusal);
    for (case, answer, error, state) in [
        ("port 0", "m=audio 0 RTP/AVP 0", NegotiateError::AudioRefused, OfferAnswer::Stable),
        ("no m-line", "a=x", NegotiateError::AnswerMismatch, OfferAnswer::LocalOffer),
        ("another kind", "m=video 4000 RTP/AVP 31", NegotiateError::AnswerMismatch, OfferAnswer::LocalOffer),
        (
            "another codec",
            "m=audio 4000 RTP/AVP 18",
            refused(Refusal::NoCommonCodec),
            OfferAnswer::LocalOffer,
        ),
        ("another protocol", "m=audio 4000 RTP/SAVP 0", refused(Refusal::Transport), OfferAnswer::LocalOffer),
    ] {
        let mut session = MediaSession::new(1);
        session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
        assert_eq!(session.receive_answer(&capabilities(), &theirs(answer)).unwrap_err(), error, "{case}");
        assert_eq!((session.state(), session.parameters()), (state, None), "{case}");
    }
}

#[test]
fn a_better_answer_may_follow_a_bad_one() {
    let mut session = MediaSession::new(1);
    session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert!(session.receive_answer(&capabilities(), b"garbage").is_err());
    assert!(session.receive_answer(&capabilities(), &theirs("m=audio 4000 RTP/AVP 0")).is_ok());
}

#[test]
fn offers_that_cross_are_told_apart() {
    let mut session = answered();
    session.offer(&capabilities(), ours(), Direction::SendOnly).unwrap();
    let error = session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap_err();
    assert_eq!((error.clone(), error.status()), (NegotiateError::OfferPending { ours: true }, Some(491)));
    assert!(session.offer(&capabilities(), ours(), Direction::SendOnly).is_err());
    assert_eq!(session.state(), OfferAnswer::LocalOffer);

    let mut session = answered();
    session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap();
    let error = session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap_err();
    assert_eq!((error.clone(), error.status()), (NegotiateError::OfferPending { ours: false }, Some(500)));
    let error = session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap_err();
    assert_eq!(error, NegotiateError::OfferPending { ours: false });
}

#[test]
fn an_answer_needs_an_offer() {
    for mut session in [MediaSession::new(1), answered()] {
        let answer = session.answer(&capabilities(), ours(), Direction::SendRecv);
        assert_eq!(answer.unwrap_err(), NegotiateError::NoOffer);
        let received = session.receive_answer(&capabilities(), &theirs(PLAIN));
        assert_eq!(received.unwrap_err(), NegotiateError::NoOffer);
    }
    let mut session = MediaSession::new(1);
    session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert!(session.answer(&capabilities(), ours(), Direction::SendRecv).is_err());
    assert_eq!(session.state(), OfferAnswer::LocalOffer);
}

#[test]
fn abandoning_goes_back_to_what_was() {
    let mut session = MediaSession::new(1);
    session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    session.abandon();
    assert_eq!(session.state(), OfferAnswer::NoneYet);
    session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap();
    session.abandon();
    assert_eq!(session.state(), OfferAnswer::NoneYet);

    let mut session = answered();
    let before = session.parameters().cloned();
    session.offer(&capabilities(), ours(), Direction::SendOnly).unwrap();
    session.abandon();
    assert_eq!((session.state(), session.parameters()), (OfferAnswer::Stable, before.as_ref()));
    assert!(!session.held_by_us());
    session.receive_offer(&capabilities(), &theirs(&format!("{PLAIN}|a=sendonly"))).unwrap();
    session.abandon();
    assert_eq!((session.state(), session.held_by_them()), (OfferAnswer::Stable, false));
}

#[test]
fn nothing_to_offer_is_said() {
    let none = Capabilities { codecs: vec![Codec::L16 { rate: 11_025 }], ..Capabilities::default() };
    let error = MediaSession::new(1).offer(&none, ours(), Direction::SendRecv).unwrap_err();
    assert_eq!(error, NegotiateError::NothingToOffer);
}

#[test]
fn an_offer_asks_for_a_packet_time_that_can_be() {
    for (wished, asked) in [(0, 10), (20, 20), (35, 30), (5_000, 160)] {
        let packet_time = std::time::Duration::from_millis(wished);
        let odd = Capabilities { packet_time, ..capabilities() };
        let offer = MediaSession::new(1).offer(&odd, ours(), Direction::SendRecv).unwrap();
        assert!(text(&offer).contains(&format!("a=ptime:{asked}\r\n")), "{wished}");
    }
}
