//! A session that changes: hold, other ports, codecs and m-lines, and refreshes.

use super::*;

/// Holding and being held are independent (RFC 6337 5.3): every step of a call that both sides hold and retrieve.
#[test]
fn each_side_holds_and_retrieves() {
    let mut session = answered();
    let both = |session: &MediaSession| (session.held_by_us(), session.held_by_them());
    let we = |session: &mut MediaSession, wanted, answer: &str| {
        let offer = session.offer(&capabilities(), ours(), wanted).unwrap();
        assert!(text(&offer).contains(&format!("a={}", name(wanted))));
        let answer = theirs(&format!("{PLAIN}|a={answer}"));
        session.receive_answer(&capabilities(), &answer).unwrap().direction
    };
    let they = |session: &mut MediaSession, offer: &str| {
        session.receive_offer(&capabilities(), &theirs(&format!("{PLAIN}|a={offer}"))).unwrap();
        let wanted = session.wanted();
        session.answer(&capabilities(), ours(), wanted).unwrap().1.direction
    };
    assert_eq!(we(&mut session, Direction::SendOnly, "recvonly"), Direction::SendOnly);
    assert_eq!(both(&session), (true, false));
    assert_eq!(they(&mut session, "sendonly"), Direction::Inactive);
    assert_eq!(both(&session), (true, true));
    assert_eq!(we(&mut session, Direction::SendRecv, "sendonly"), Direction::RecvOnly);
    assert_eq!(both(&session), (false, true));
    assert_eq!(we(&mut session, Direction::SendOnly, "inactive"), Direction::Inactive);
    assert_eq!(both(&session), (true, true));
    assert_eq!(they(&mut session, "sendrecv"), Direction::SendOnly);
    assert_eq!(both(&session), (true, false));
    assert_eq!(we(&mut session, Direction::Inactive, "inactive"), Direction::Inactive);
    assert_eq!(both(&session), (true, false));
    assert_eq!(we(&mut session, Direction::SendRecv, "sendrecv"), Direction::SendRecv);
    assert_eq!(both(&session), (false, false));
}

#[test]
fn an_old_hold_and_its_end() {
    let mut session = answered();
    let old = PLAIN.replace("|a=", "|c=IN IP4 0.0.0.0|a=");
    let offered = session.receive_offer(&capabilities(), &theirs(&old)).unwrap();
    assert!(offered.held);
    let (answer, parameters) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(media_lines(&answer), "audio 40000 0 101 recvonly");
    assert!(!parameters.direction.sends() && session.held_by_them());
    session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap();
    let (_, parameters) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(summary(&parameters), "PCMU/8 0/0 digits 101/101 sendrecv 192.0.2.1:4000 rtcp 4001 20");
    assert!(!session.held_by_them());
}

#[test]
fn a_hold_keeps_the_codec_whoever_asks() {
    let mut session = MediaSession::new(1);
    session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    session.receive_answer(&capabilities(), &theirs("m=audio 4000 RTP/AVP 8")).unwrap();
    session.receive_offer(&capabilities(), &theirs(&format!("{PLAIN}|a=sendonly"))).unwrap();
    let (_, parameters) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(parameters.codec, Codec::Pcma);
    let offer = session.offer(&capabilities(), ours(), Direction::SendOnly).unwrap();
    assert_eq!(media_lines(&offer), "audio 40000 8 0 96 101 102 sendonly");
}

#[test]
fn a_codec_that_is_no_longer_offered_is_left() {
    let mut session = answered();
    session.receive_offer(&capabilities(), &theirs("m=audio 4000 RTP/AVP 8")).unwrap();
    let (_, parameters) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(parameters.codec, Codec::Pcma);
}

#[test]
fn the_version_grows_by_one_exactly_when_the_content_changes() {
    let mut session = MediaSession::new(1);
    session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap();
    let (first, _) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    session.receive_offer(&capabilities(), &theirs(PLAIN)).unwrap();
    let (again, _) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!((version(&first), &first), (1, &again));
    let hold = session.offer(&capabilities(), ours(), Direction::SendOnly).unwrap();
    assert_eq!(version(&hold), 2);
    session.abandon();
    let hold_again = session.offer(&capabilities(), ours(), Direction::SendOnly).unwrap();
    assert_eq!(hold, hold_again);
    session.receive_answer(&capabilities(), &theirs(&format!("{PLAIN}|a=recvonly"))).unwrap();
    let retrieve = session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(version(&retrieve), 3);
    session.abandon();
    let moved = SocketAddr::new(ours().ip(), 40_002);
    let elsewhere = session.offer(&capabilities(), moved, Direction::SendRecv).unwrap();
    assert_eq!(version(&elsewhere), 4);
}

#[test]
fn m_lines_keep_their_places_in_our_offers() {
    let mut session = MediaSession::new(1);
    let offer = theirs("m=video 4002 RTP/AVP 31|m=audio 4000 RTP/AVPF 0|m=image 4004 udptl t38");
    session.receive_offer(&capabilities(), &offer).unwrap();
    session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    let hold = session.offer(&capabilities(), ours(), Direction::SendOnly).unwrap();
    assert_eq!(media_lines(&hold), "video 0 31 | audio 40000 0 8 96 101 102 sendonly | image 0 t38");
    assert!(text(&hold).contains("m=audio 40000 RTP/AVPF 0 "));
    let answer = theirs("m=video 0 RTP/AVP 31|m=audio 4000 RTP/AVPF 0|a=recvonly|m=image 0 udptl t38");
    let parameters = session.receive_answer(&capabilities(), &answer).unwrap();
    assert_eq!(parameters.remote_rtp.port(), 4_000);
}

#[test]
fn a_fax_that_takes_over_is_refused_and_the_call_goes_on() {
    let mut session = answered();
    let offer = theirs("m=audio 0 RTP/AVP 0|m=image 4004 udptl t38");
    let offered = session.receive_offer(&capabilities(), &offer).unwrap();
    assert!(offered.media.contains(MediaKind::Image));
    let error = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap_err();
    assert_eq!(error.status(), Some(488));
    assert!(session.parameters().is_some());
    let refresh = session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(media_lines(&refresh), "audio 40000 0 8 96 101 102 sendrecv");
}

#[test]
fn the_stream_stays_where_it_was_when_another_is_added() {
    let mut session = MediaSession::new(1);
    let one = "m=audio 0 RTP/AVP 0|m=audio 4002 RTP/AVP 0";
    session.receive_offer(&capabilities(), &theirs(one)).unwrap();
    session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    session.receive_offer(&capabilities(), &theirs("m=audio 4008 RTP/AVP 0|m=audio 4002 RTP/AVP 0")).unwrap();
    let (answer, parameters) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(media_lines(&answer), "audio 0 0 | audio 40000 0 sendrecv");
    assert_eq!(parameters.remote_rtp.port(), 4_002);
}

#[test]
fn a_number_keeps_its_meaning_over_the_dialog() {
    let mut session = MediaSession::new(1);
    let offer = "m=audio 4000 RTP/AVP 0 96 97|a=rtpmap:96 opus/48000/2|a=rtpmap:97 telephone-event/8000";
    session.receive_offer(&capabilities(), &theirs(offer)).unwrap();
    session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    let first = session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!(media_lines(&first), "audio 40000 0 8 98 97 102 sendrecv");
    let described = text(&first);
    assert!(described.contains("a=rtpmap:97 telephone-event/8000"));
    assert!(described.contains("a=rtpmap:98 L16/16000"));
    session.abandon();
    assert_eq!(session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap(), first);
}

#[test]
fn a_number_that_means_something_else_here_is_not_adopted() {
    let mut session = MediaSession::new(1);
    session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    session.receive_answer(&capabilities(), &theirs("m=audio 4000 RTP/AVP 0")).unwrap();
    let offer = "m=audio 4000 RTP/AVP 101|a=rtpmap:101 L16/16000";
    session.receive_offer(&capabilities(), &theirs(offer)).unwrap();
    let (answer, parameters) = session.answer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    assert_eq!((parameters.send_payload_type, parameters.receive_payload_type), (101, 96));
    assert_eq!(media_lines(&answer), "audio 40000 96 sendrecv");
}

#[test]
fn without_digits_none_are_offered_or_taken() {
    let none = Capabilities { digits: false, rtcp_mux: false, ..Capabilities::default() };
    let mut session = MediaSession::new(1);
    let offer = session.offer(&none, ours(), Direction::SendRecv).unwrap();
    assert_eq!(media_lines(&offer), "audio 40000 0 8 sendrecv");
    assert!(!text(&offer).contains("rtcp-mux"));
    let answer = theirs(&format!("{PLAIN}|a=rtcp-mux"));
    let parameters = session.receive_answer(&none, &answer).unwrap();
    assert_eq!(summary(&parameters), "PCMU/8 0/0 sendrecv 192.0.2.1:4000 rtcp 4001 20");
}

#[test]
fn a_clone_takes_the_answer_of_another_branch() {
    let mut session = MediaSession::new(1);
    session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    let mut branch = session.clone();
    let one = session.receive_answer(&capabilities(), &theirs("m=audio 4000 RTP/AVP 0")).unwrap();
    let other = branch.receive_answer(&capabilities(), &theirs("m=audio 5000 RTP/AVP 8")).unwrap();
    assert_eq!((one.codec, other.codec), (Codec::Pcmu, Codec::Pcma));
}

#[test]
fn two_of_ours_settle_the_same() {
    for wanted in [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive] {
        for willing in [Direction::SendRecv, Direction::SendOnly] {
            let (mut caller, mut callee) = (MediaSession::new(1), MediaSession::new(2));
            let there: SocketAddr = "203.0.113.5:6000".parse().unwrap();
            let offer = caller.offer(&capabilities(), ours(), wanted).unwrap();
            callee.receive_offer(&capabilities(), &offer).unwrap();
            let (answer, at_callee) = callee.answer(&capabilities(), there, willing).unwrap();
            let at_caller = caller.receive_answer(&capabilities(), &answer).unwrap();
            assert_eq!(at_caller.direction, at_callee.direction.reversed());
            assert_eq!(at_caller.send_payload_type, at_callee.receive_payload_type);
            assert_eq!(at_caller.send_digits, at_callee.receive_digits);
            assert_eq!((at_caller.remote_rtp, at_callee.remote_rtp), (there, ours()));
            assert!(at_caller.rtcp_mux && at_callee.rtcp_mux);
        }
    }
}

/// What a refresh of the session brings (RFC 4028 7.4): the description that we repeat, and their answer to it.
#[test]
fn an_answer_to_what_was_said_before_changes_only_what_differs() {
    let mut session = answered();
    let again =
        |session: &mut MediaSession, sdp: &str| session.receive_answer_again(&capabilities(), &theirs(sdp));
    assert_eq!(again(&mut session, "m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000"), Ok(None));
    let moved = again(&mut session, "m=audio 4400 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000");
    let summary = moved.map(|parameters| parameters.as_ref().map(summary));
    assert_eq!(
        summary,
        Ok(Some("PCMU/8 0/0 digits 101/101 sendrecv 192.0.2.1:4400 rtcp 4401 20".to_owned()))
    );
    let held = again(&mut session, "m=audio 4400 RTP/AVP 0|a=sendonly").unwrap().unwrap();
    assert!(!held.direction.sends() && session.held_by_them());
    assert_eq!(again(&mut session, "m=audio 0 RTP/AVP 0"), Err(NegotiateError::AudioRefused));
    assert_eq!((session.parameters(), session.state()), (Some(&held), OfferAnswer::Stable));
    // The next offer is one like any other.
    session.offer(&capabilities(), ours(), Direction::SendRecv).unwrap();
    let pending = again(&mut session, "m=audio 4400 RTP/AVP 0");
    assert_eq!(pending, Err(NegotiateError::OfferPending { ours: true }));
}
