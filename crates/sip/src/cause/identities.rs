//! Who calls, what was dialled, who diverted: from the headers that speak of it, in one neutral shape.

use super::diversion::{Diversion, DiversionReason};
use super::history::HistoryEntry;
use super::party::{Party, Presentation};
use crate::message::{Message, Name, NameAddr};

/// Whether what a peer asserts of others is believed (RFC 3325 5: the trust domain).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// P-Asserted-Identity and Remote-Party-ID count.
    Trusted,
    /// Only From counts.
    Untrusted,
}

/// The parties of an incoming call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identities {
    /// Who calls.
    pub caller: Party,
    /// Whom the caller dialled, before any diversion.
    pub called: Party,
    /// The last diversion on the way to us.
    pub redirecting: Option<Redirection>,
}

/// A diversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// Who diverted.
    pub party: Party,
    /// Why.
    pub reason: DiversionReason,
    /// How many diversions there were in all, this one included.
    pub count: u32,
}

/// Header values of one kind that are looked at.
const LOOKED_AT: usize = 32;

impl Identities {
    /// Reads an INVITE.
    pub fn read(invite: &Message, trust: Trust) -> Self {
        let history: Vec<_> =
            invite.headers(Name::HistoryInfo).take(LOOKED_AT).filter_map(HistoryEntry::parse).collect();
        Self {
            caller: caller(invite, trust),
            called: called(invite, &history),
            redirecting: redirecting(invite, &history),
        }
    }
}

/// The party that we are connected to, as a trusted peer asserts it in a response or UPDATE (RFC 3325, RFC 5876); `None` if it says
/// nothing: then it is the one that was dialled, or the caller.
pub fn connected(message: &Message, trust: Trust) -> Option<Party> {
    asserted(message, trust, "called")
}

fn caller(invite: &Message, trust: Trust) -> Party {
    asserted(invite, trust, "calling").unwrap_or_else(|| {
        if wants_privacy(invite) { Party::hidden(Presentation::Blocked) } else { Party::of(&invite.from()) }
    })
}

fn asserted(message: &Message, trust: Trust, side: &str) -> Option<Party> {
    match trust {
        Trust::Untrusted => None,
        Trust::Trusted => asserted_identity(message).or_else(|| remote_party(message, side)),
    }
}

/// P-Asserted-Identity: at most one `sip` and one `tel` URI (RFC 3325 9.1).
fn asserted_identity(message: &Message) -> Option<Party> {
    let mut values = message.addresses(Name::PAssertedIdentity).take(LOOKED_AT).filter_map(Result::ok);
    let first = values.next()?;
    if wants_privacy(message) {
        return Some(Party::hidden(Presentation::Blocked));
    }
    let mut party = Party::of(&first);
    if let Some(second) = values.next()
        && party.presentation == Presentation::Allowed
    {
        let second = Party::of(&second);
        party.number = party.number.or(second.number);
        party.name = party.name.or(second.name);
    }
    Some(party)
}

/// Remote-Party-ID (draft-ietf-sip-privacy-04 5): the one of this side, or of none.
fn remote_party(message: &Message, side: &str) -> Option<Party> {
    let mut values = message.addresses(Name::RemotePartyId).take(LOOKED_AT).filter_map(Result::ok);
    let address =
        values.find(|a| a.params().get("party").is_none_or(|party| party.eq_ignore_ascii_case(side)))?;
    let privacy = address.params().get("privacy").unwrap_or("off");
    let hides = |what: &str| privacy.split('-').next().is_some_and(|p| p.eq_ignore_ascii_case(what));
    if hides("full") || hides("uri") || wants_privacy(message) {
        return Some(Party::hidden(Presentation::Blocked));
    }
    let mut party = Party::of(&address);
    if hides("name") {
        party.name = None;
    }
    Some(party)
}

/// Whether Privacy asks not to show the identity (RFC 3323 4.2, RFC 3325 9.3).
fn wants_privacy(message: &Message) -> bool {
    let wanted = ["id", "user", "header"];
    let value = message.header(Name::Privacy).unwrap_or("");
    value.split([';', ',']).any(|token| wanted.iter().any(|w| w.eq_ignore_ascii_case(token.trim())))
}

fn called(invite: &Message, history: &[HistoryEntry]) -> Party {
    let first = history.first().map(|entry| entry.party.clone());
    let header = || invite.header(Name::PCalledPartyId).and_then(|v| NameAddr::parse(v).ok());
    first
        .or_else(|| header().map(|address| Party::of(&address)))
        .or_else(|| Some(Party::of(&invite.to())).filter(|party| party.address.is_some()))
        .or_else(|| invite.uri().ok().map(|uri| Party::of_uri(&uri)))
        .unwrap_or(Party::hidden(Presentation::Unknown))
}

/// The last diversion: by History-Info, else by the topmost Diversion.
fn redirecting(invite: &Message, history: &[HistoryEntry]) -> Option<Redirection> {
    if let Some((diverter, reason)) = HistoryEntry::last_diversion(history) {
        let count = u32::try_from(HistoryEntry::diversions(history)).unwrap_or(u32::MAX);
        return Some(Redirection { party: diverter.party.clone(), reason, count });
    }
    let mut diversions = invite.headers(Name::Diversion).take(LOOKED_AT).filter_map(Diversion::parse);
    let latest = diversions.next()?;
    let count = diversions.fold(u32::from(latest.counter), |sum, d| sum + u32::from(d.counter));
    Some(Redirection { party: latest.party, reason: latest.reason, count })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::message::Limits;
    use bytes::Bytes;

    pub(in crate::cause) fn invite(more: &str) -> Message {
        let text = format!(
            "INVITE sip:us@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP a.com;branch=z9hG4bK1\nMax-Forwards: 70\n\
             From: \"From\" <sip:from@a.com>;tag=1\nTo: <sip:to@a.com>\nCall-ID: c\nCSeq: 1 INVITE\n{more}Content-Length: 0\n\n"
        );
        Message::parse(Bytes::from(text.replace('\n', "\r\n")), &Limits::default()).unwrap()
    }

    fn shown(party: &Party) -> String {
        match party.presentation {
            Presentation::Allowed => format!(
                "{} {}",
                party.address.as_deref().unwrap_or("-"),
                party.name.as_deref().unwrap_or("-")
            ),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_caller_is_whom_the_most_trustworthy_header_names() {
        let pai = "P-Asserted-Identity: \"Pai\" <sip:pai@a.com>, <tel:+4930>\n";
        let rpi = "Remote-Party-ID: \"Rpi\" <sip:rpi@a.com>;party=calling;privacy=off;screen=yes\n";
        let called_rpi = "Remote-Party-ID: <sip:rpi@a.com>;party=called\n";
        let cases = [
            (String::new(), "sip:from@a.com From", "sip:from@a.com From"),
            (pai.to_owned(), "sip:pai@a.com Pai", "sip:from@a.com From"),
            (rpi.to_owned(), "sip:rpi@a.com Rpi", "sip:from@a.com From"),
            (format!("{rpi}{pai}"), "sip:pai@a.com Pai", "sip:from@a.com From"),
            (called_rpi.to_owned(), "sip:from@a.com From", "sip:from@a.com From"),
            (rpi.replace("off", "full"), "Blocked", "sip:from@a.com From"),
            (rpi.replace("off", "name"), "sip:rpi@a.com -", "sip:from@a.com From"),
            (format!("{pai}Privacy: id;critical\n"), "Blocked", "Blocked"),
            (format!("{rpi}Privacy: id\n"), "Blocked", "Blocked"),
            (format!("{pai}Privacy: none\n"), "sip:pai@a.com Pai", "sip:from@a.com From"),
            ("P-Asserted-Identity: <<\n".to_owned(), "sip:from@a.com From", "sip:from@a.com From"),
        ];
        for (more, trusted, untrusted) in cases {
            let message = invite(&more);
            assert_eq!(shown(&Identities::read(&message, Trust::Trusted).caller), trusted, "{more}");
            assert_eq!(shown(&Identities::read(&message, Trust::Untrusted).caller), untrusted, "{more}");
        }
        let caller = Identities::read(&invite(pai), Trust::Trusted).caller;
        assert_eq!(caller.number.as_deref(), Some("+4930"));
    }

    #[test]
    fn the_called_party_is_what_was_dialled_first() {
        let history =
            "History-Info: <sip:first@a.com>;index=1, <sip:second@a.com;cause=302>;index=1.1;mp=1\n";
        let called_id = "P-Called-Party-ID: <sip:pcpi@a.com>\n";
        let cases = [
            (String::new(), "sip:to@a.com -"),
            (called_id.to_owned(), "sip:pcpi@a.com -"),
            (format!("{called_id}{history}"), "sip:first@a.com -"),
        ];
        for (more, expected) in cases {
            assert_eq!(shown(&Identities::read(&invite(&more), Trust::Untrusted).called), expected);
        }
    }

    #[test]
    fn the_last_diversion_is_told_with_its_reason() {
        let redirecting = |more: &str| {
            let redirection = Identities::read(&invite(more), Trust::Untrusted).redirecting?;
            Some((shown(&redirection.party), redirection.reason, redirection.count))
        };
        assert_eq!(redirecting(""), None);
        let diversion = "Diversion: <sip:late@a.com>;reason=no-answer\nDiversion: <sip:early@a.com>;reason=user-busy;counter=2\n";
        assert_eq!(
            redirecting(diversion),
            Some(("sip:late@a.com -".to_owned(), DiversionReason::NoAnswer, 3))
        );
        let history =
            "History-Info: <sip:first@a.com>;index=1, <sip:second@a.com;cause=486>;index=1.1;mp=1\n";
        assert_eq!(redirecting(history), Some(("sip:first@a.com -".to_owned(), DiversionReason::Busy, 1)));
        assert_eq!(redirecting(&format!("{diversion}{history}")), redirecting(history));
    }

    #[test]
    fn the_connected_party_is_asserted_by_trusted_peers_only() {
        let message = invite("P-Asserted-Identity: <sip:new@a.com>\n");
        assert_eq!(connected(&message, Trust::Untrusted), None);
        assert_eq!(
            connected(&message, Trust::Trusted).map(|p| shown(&p)).as_deref(),
            Some("sip:new@a.com -")
        );
        assert_eq!(connected(&invite(""), Trust::Trusted), None);
    }

    #[test]
    fn many_headers_are_not_all_looked_at() {
        let more = "Diversion: <sip:a@a.com>;counter=65535\n".repeat(40);
        let redirection = Identities::read(&invite(&more), Trust::Untrusted).redirecting.unwrap();
        assert_eq!(redirection.count, 32 * 65_535);
    }
}
