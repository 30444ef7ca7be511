//! Digest authentication of everything that a session sends.

use super::*;
use crate::auth::Authorization;
use crate::message::Name;
use crate::ua::Failure;

/// 401 or 407 for the latest request of this method, with a nonce.
fn challenge(net: &mut Net, request: &Message, status: u16, nonce: &str) {
    let value = format!("Digest realm=\"pbx\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"");
    let name = if status == 401 { Name::WwwAuthenticate } else { Name::ProxyAuthenticate };
    let bytes = Response::to(request, status).to_tag("raw").header(name, value).finish();
    net.inject(A, &bytes);
    net.run(1);
}

fn credentials(message: &Message) -> Option<(String, u32)> {
    let value = message.header(Name::Authorization).or(message.header(Name::ProxyAuthorization))?;
    let got = Authorization::parse(value).unwrap();
    Some((got.nonce.to_owned(), got.nonce_count))
}

#[test]
fn every_request_of_a_session_answers_challenges() {
    for status in [401, 407] {
        let mut net = Net::new();
        let account = net.account(A, "secret");
        let a = net.invite_to(RAW, Some(account), Some(OFFER));
        net.run(1);
        let invite = net.latest(RAW, "INVITE");
        assert_eq!(credentials(&invite), None);
        challenge(&mut net, &invite, status, "one");
        let again = net.latest(RAW, "INVITE");
        assert_eq!(credentials(&again), Some(("one".into(), 1)));
        assert_eq!(again.cseq().number, invite.cseq().number + 1);
        assert_eq!((again.call_id(), again.from_tag()), (invite.call_id(), invite.from_tag()));
        assert_ne!(again.branch(), invite.branch());
        net.reply(&again, 200, "raw", ANSWER);
        assert_eq!(net.told(A), [Indication::Answered(a)]);
        // RFC 3261 13.2.2.4: the ACK has the credentials and the number of the INVITE.
        let ack = net.latest(RAW, "ACK");
        assert_eq!((credentials(&ack), ack.cseq().number), (Some(("one".into(), 1)), again.cseq().number));

        // A nonce that was given is used again, and its count grows.
        net.offer(A, a).unwrap();
        let offer = net.latest(RAW, "INVITE");
        assert_eq!(credentials(&offer), Some(("one".into(), 2)));
        challenge(&mut net, &offer, status, "two");
        let offer = net.latest(RAW, "INVITE");
        assert_eq!(credentials(&offer), Some(("two".into(), 1)));
        net.reply(&offer, 200, "raw", ANSWER);
        assert_eq!(net.last(A), Indication::OfferAnswered(a));
        assert_eq!(credentials(&net.latest(RAW, "ACK")), Some(("two".into(), 1)));

        net.hang_up(A, a).unwrap();
        let bye = net.latest(RAW, "BYE");
        assert_eq!(bye.cseq().number, offer.cseq().number + 1);
        challenge(&mut net, &bye, status, "three");
        let bye = net.latest(RAW, "BYE");
        assert_eq!(credentials(&bye), Some(("three".into(), 1)));
        net.reply(&bye, 200, "raw", b"");
        assert_eq!(net.last(A), Indication::HungUp(a));
        net.drain();
    }
}

#[test]
fn a_wrong_password_stops() {
    let mut net = Net::new();
    let account = net.account(A, "wrong");
    let a = net.invite_to(RAW, Some(account), Some(OFFER));
    for nonce in ["one", "two", "three"] {
        net.run(1);
        let invite = net.latest(RAW, "INVITE");
        challenge(&mut net, &invite, 401, nonce);
    }
    assert_eq!(net.told(A), [Indication::Failed(a, Failure::Unauthorized(401))]);
    assert_eq!(net.count(A, "INVITE"), 2);
    net.drain();
}

#[test]
fn without_an_account_a_challenge_is_the_end() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(1);
    let invite = net.latest(RAW, "INVITE");
    challenge(&mut net, &invite, 407, "one");
    assert!(matches!(net.last(A), Indication::Failed(leg, failure) if leg == a && failure.status() == 407));
    net.drain();
}

#[test]
fn a_wrong_password_for_the_bye_ends_the_session_all_the_same() {
    let mut net = Net::new();
    let account = net.account(A, "wrong");
    let (a, _) = net.call_raw(Some(account));
    net.hang_up(A, a).unwrap();
    for nonce in ["one", "two"] {
        let bye = net.latest(RAW, "BYE");
        challenge(&mut net, &bye, 401, nonce);
    }
    assert_eq!(net.last(A), Indication::HungUp(a));
    assert_eq!(net.count(A, "BYE"), 2);
    net.drain();
}

#[test]
fn a_call_that_is_hung_up_while_it_is_sent_again_is_cancelled() {
    let mut net = Net::new();
    let account = net.account(A, "secret");
    let a = net.invite_to(RAW, Some(account), Some(OFFER));
    net.run(1);
    let invite = net.latest(RAW, "INVITE");
    challenge(&mut net, &invite, 401, "one");
    let again = net.latest(RAW, "INVITE");
    net.reply(&again, 180, "raw", b"");
    net.hang_up(A, a).unwrap();
    assert_eq!(net.latest(RAW, "CANCEL").branch(), again.branch());
    net.reply(&again, 487, "raw", b"");
    assert_eq!(net.last(A), Indication::HungUp(a));
    net.drain();
}

#[test]
fn credentials_that_make_a_request_large_send_it_by_stream() {
    let mut net = Net::new();
    let account = net.account(A, "secret");
    let long = format!("Subject: {}\r\n", "x".repeat(620));
    net.invite_with(A, RAW, Some(account), Some(OFFER), &long).unwrap();
    net.run(1);
    let invite = net.latest(RAW, "INVITE");
    assert!(invite.bytes().len() <= 1_300, "{}", invite.bytes().len());
    challenge(&mut net, &invite, 401, "one");
    assert!(net.latest(RAW, "INVITE").bytes().len() > 1_300);
    assert_eq!(net.seen.last().map(|seen| seen.transport), Some(Transport::Tcp));
    net.drain();
}

#[test]
fn a_redirected_call_does_not_take_its_credentials_along() {
    let mut net = Net::new();
    let account = net.account(A, "secret");
    let a = net.invite_to(RAW, Some(account), Some(OFFER));
    net.run(1);
    let invite = net.latest(RAW, "INVITE");
    challenge(&mut net, &invite, 401, "one");
    let invite = net.latest(RAW, "INVITE");
    net.reply(&invite, 302, "raw", b"");
    net.act(A, |ua, layer, now| ua.follow(now, layer, a, "sip:carol@10.0.0.8", Net::flow(7))).unwrap();
    assert_eq!(credentials(&net.latest(7, "INVITE")), None);
    net.hang_up(A, a).unwrap();
    net.drain();
}
