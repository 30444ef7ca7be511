//! What a registrar's response says, as far as the machine cares.

use crate::auth::{Place, next_nonce};
use crate::message::{Contact, Message, Name, NameAddr, Uri};
use std::net::SocketAddr;

/// The final response to a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The number of the REGISTER's CSeq.
    pub cseq: u32,
    /// The status; provisional ones are ignored.
    pub status: u16,
    /// What a 2xx says of our Contact.
    pub granted: Granted,
    /// `Min-Expires` of a 423, in seconds.
    pub min_expires: Option<u32>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// The values of the challenge headers.
    pub challenges: Vec<(Place, &'a str)>,
    /// The `nextnonce` of an Authentication-Info.
    pub next_nonce: Option<&'a str>,
    /// Where the registrar saw us: `received` and `rport` of our Via (RFC 3581 4).
    pub observed: Option<SocketAddr>,
}

/// What a 2xx says of our Contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// Bound for so many seconds.
    For(u32),
    /// Bound; no lifetime is stated, so it is the one we asked for.
    AsAsked,
    /// Our Contact is not among the bindings.
    No,
}

impl<'a> Answer<'a> {
    /// An answer without any details.
    pub const fn new(cseq: u32, status: u16) -> Self {
        Self {
            cseq,
            status,
            granted: Granted::AsAsked,
            min_expires: None,
            retry_after: None,
            challenges: Vec::new(),
            next_nonce: None,
            observed: None,
        }
    }

    /// Reads a response to a REGISTER for `contact`, our Contact as it was sent.
    pub fn read(response: &'a Message, contact: &Uri<'_>) -> Self {
        let number = |name| response.header(name).and_then(seconds);
        let challenges = [Place::Server, Place::Proxy]
            .into_iter()
            .flat_map(|place| response.headers(challenge_header(place)).map(move |value| (place, value)));
        Self {
            granted: granted(response, contact),
            min_expires: number(Name::MinExpires),
            retry_after: number(Name::RetryAfter),
            challenges: challenges.collect(),
            next_nonce: response.header(Name::AuthenticationInfo).and_then(next_nonce),
            observed: observed(response),
            ..Self::new(response.cseq().number, response.status().unwrap_or(0))
        }
    }
}

const fn challenge_header(place: Place) -> Name<'static> {
    match place {
        Place::Server => Name::WwwAuthenticate,
        Place::Proxy => Name::ProxyAuthenticate,
    }
}

/// The number at the start of `Retry-After: 120 (in a meeting);duration=60`.
fn seconds(value: &str) -> Option<u32> {
    let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
    // RFC 3261 25.1: delta-seconds have any length; what does not fit is long.
    if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(u32::MAX)) }
}

/// What the bindings listed say of ours (RFC 3261 10.2.4): its own `expires`, else the Expires header.
fn granted(response: &Message, own: &Uri<'_>) -> Granted {
    let stated = |address: Option<NameAddr<'_>>| {
        let expires = address.and_then(|a| a.expires()).or_else(|| response.expires());
        expires.map_or(Granted::AsAsked, Granted::For)
    };
    let mut only = None;
    let mut count = 0;
    for address in response.contacts().filter_map(|c| c.as_ref().ok().and_then(Contact::address)) {
        if address.uri().equivalent(own) {
            return stated(Some(address));
        }
        only = Some(address);
        count += 1;
    }
    match count {
        // Some registrars list nothing in a 200.
        0 => stated(None),
        // A single one that is not ours: ours, rewritten by a border element.
        1 => stated(only),
        _ => same_user(response, own).map_or(Granted::No, |address| stated(Some(address))),
    }
}

/// The only binding with our user part, which we mint at random: ours, with host or port rewritten.
fn same_user<'m>(response: &'m Message, own: &Uri<'_>) -> Option<NameAddr<'m>> {
    let mut matching = response
        .contacts()
        .filter_map(|c| c.as_ref().ok().and_then(Contact::address))
        .filter(|address| own.user().is_some() && address.uri().user() == own.user());
    let first = matching.next()?;
    matching.next().is_none().then_some(first)
}

/// Our address as the next hop saw it (RFC 3261 18.2.1, RFC 3581 4): known only if both address and port are.
fn observed(response: &Message) -> Option<SocketAddr> {
    let via = response.via();
    let port = via.rport().flatten()?;
    let address = via.received().or_else(|| via.host().ip())?;
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;
    use bytes::Bytes;

    const OWN: &str = "sip:k7@192.0.2.1:5060";

    fn response(status: u16, more: &str) -> Message {
        let text = format!(
            "SIP/2.0 {status} X\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=40001;received=198.51.100.7\n\
             From: <sip:bob@b.com>;tag=1\nTo: <sip:bob@b.com>;tag=2\nCall-ID: c\nCSeq: 7 REGISTER\n{more}Content-Length: 0\n\n"
        );
        Message::parse(Bytes::from(text.replace('\n', "\r\n")), &Limits::default()).unwrap()
    }

    #[test]
    fn the_lifetime_is_that_of_our_own_contact() {
        let cases = [
            ("", Granted::AsAsked),
            ("Expires: 300\n", Granted::For(300)),
            ("Contact: <sip:k7@192.0.2.1:5060>;expires=60\nExpires: 300\n", Granted::For(60)),
            (
                "Contact: <sip:other@192.0.2.9>;expires=9, <sip:k7@192.0.2.1:5060;ob>;expires=60\n",
                Granted::For(60),
            ),
            (
                "Contact: <sip:other@192.0.2.9>;expires=9\nContact: <sip:k7@192.0.2.1:5060>\nExpires: 300\n",
                Granted::For(300),
            ),
            ("Contact: <sip:k7@192.0.2.1:5060>\n", Granted::AsAsked),
            ("Contact: <sip:k7@192.0.2.1:5060>;expires=junk\n", Granted::AsAsked),
            ("Contact: <sip:k7@198.51.100.7:40001>;expires=60\n", Granted::For(60)),
            (
                "Contact: <sip:x@192.0.2.9>;expires=9, <sip:k7@198.51.100.7:40001>;expires=60\n",
                Granted::For(60),
            ),
            ("Contact: <sip:x@192.0.2.9>;expires=9, <sip:y@192.0.2.9>;expires=60\n", Granted::No),
            ("Contact: <sip:k7@192.0.2.8>;expires=9, <sip:k7@192.0.2.9>;expires=60\n", Granted::No),
            ("Contact: <sip:k7@192.0.2.1:5060>;expires=0\n", Granted::For(0)),
        ];
        for (more, expected) in cases {
            let message = response(200, more);
            assert_eq!(Answer::read(&message, &Uri::parse(OWN).unwrap()).granted, expected, "{more}");
        }
    }

    #[test]
    fn a_refusal_carries_its_conditions() {
        let more = "Min-Expires: 1800\nRetry-After: 120 (busy, sorry);duration=3600\n\
             WWW-Authenticate: Digest realm=\"a, b\", nonce=\"n\"\nProxy-Authenticate: Digest realm=\"p\", nonce=\"m\"\n\
             Authentication-Info: nextnonce=\"z\"\n";
        let message = response(401, more);
        let answer = Answer::read(&message, &Uri::parse(OWN).unwrap());
        assert_eq!((answer.cseq, answer.status), (7, 401));
        assert_eq!((answer.min_expires, answer.retry_after), (Some(1_800), Some(120)));
        assert_eq!(
            answer.challenges.iter().map(|(p, _)| *p).collect::<Vec<_>>(),
            [Place::Server, Place::Proxy]
        );
        assert!(answer.challenges[0].1.ends_with("nonce=\"n\""));
        assert_eq!(answer.next_nonce, Some("z"));
        assert_eq!(answer.observed, Some(([198, 51, 100, 7], 40_001).into()));
    }

    #[test]
    fn numbers_that_do_not_fit_are_long_and_text_is_none() {
        let message = response(503, "Retry-After: 99999999999\nMin-Expires: soon\n");
        let answer = Answer::read(&message, &Uri::parse(OWN).unwrap());
        assert_eq!((answer.retry_after, answer.min_expires), (Some(u32::MAX), None));
    }
}
