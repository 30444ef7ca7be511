//! RFC 4475's torture messages.

use crate::corpora::{Entry, rfc4475};

/// What the manifest wants of a parser.
#[derive(Debug, PartialEq)]
enum Verdict {
    Accept,
    Refuse(Option<u16>),
    /// 400, but leniency is allowed.
    Either,
}

/// Malformed messages that we accept, because their meaning is plain. A message that is no longer accepted must
/// leave this list.
const LENIENT: &[&str] = &["rfc4475/badaspec.dat", "rfc4475/baddate.dat"];

fn verdict(entry: &Entry) -> Verdict {
    let (class, text) = (entry.column(1), entry.column(2));
    let (accept, lenient) = (text.contains("accept") || text.contains("parse ok"), text.contains("may "));
    match class {
        "valid" | "semantic" if accept => Verdict::Accept,
        "invalid" if text.contains("505") => Verdict::Refuse(Some(505)),
        "invalid" if text.contains("discard") => Verdict::Refuse(None),
        "invalid" if lenient => Verdict::Either,
        "invalid" | "semantic" if text.contains("400") => Verdict::Refuse(Some(400)),
        _ => panic!("{}: a verdict that this test does not know: {class}, {text}", entry.file),
    }
}

#[test]
fn every_message_gets_its_verdict() {
    let Some(entries) = rfc4475() else { return };
    let mut accepted_though_malformed = Vec::new();
    for entry in entries {
        let result = entry.parse();
        match (verdict(&entry), &result) {
            (Verdict::Accept, Ok(_)) => {}
            (Verdict::Refuse(status), Err(rejected)) => {
                assert_eq!(rejected.status(), status, "{}: {rejected}", entry.file)
            }
            (Verdict::Either, Ok(_)) => accepted_though_malformed.push(entry.file.clone()),
            (Verdict::Either, Err(rejected)) => {
                assert_eq!(rejected.status(), Some(400), "{}: {rejected}", entry.file)
            }
            (verdict, result) => panic!("{}: expected {verdict:?}, got {result:?}", entry.file),
        }
    }
    accepted_though_malformed.sort_unstable();
    assert_eq!(accepted_though_malformed, LENIENT);
}

/// What the RFC says about single messages, beyond that they are accepted.
#[test]
fn torture_messages_are_understood() {
    for entry in rfc4475().unwrap_or_default() {
        let Ok(message) = entry.parse() else { continue };
        match entry.file.as_str() {
            "rfc4475/wsinv.dat" => {
                assert_eq!(message.vias().filter_map(Result::ok).count(), 3);
                assert_eq!(message.to_tag(), Some("1918181833n"));
                assert_eq!(message.from().display().as_deref(), Some("J Rosenberg \\\""));
                assert_eq!(message.max_forwards(), Some(68));
                assert_eq!(message.cseq().number, 9);
                assert_eq!(message.contact().and_then(|contact| contact.q()), Some(330));
            }
            "rfc4475/intmeth.dat" => {
                assert_eq!(message.method().as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
                assert_eq!(message.from().display().as_deref(), Some("token1~` token2'+_ token3*%!.-"));
            }
            "rfc4475/esc01.dat" => {
                let user = message.uri().ok().and_then(|uri| uri.user_unescaped());
                assert_eq!(user.as_deref(), Some("sips:user@example.com"));
                assert!(message.contact().is_some_and(|contact| contact.uri().is_loose_router()));
            }
            "rfc4475/escnull.dat" => assert_eq!(message.contacts().count(), 2),
            "rfc4475/esc02.dat" => {
                assert_eq!(message.method().as_str(), "RE%47IST%45R");
                assert_eq!(message.contacts().count(), 2);
            }
            "rfc4475/longreq.dat" => assert_eq!(message.vias().filter_map(Result::ok).count(), 34),
            "rfc4475/dblreq.dat" => assert!(message.body().is_empty()),
            "rfc4475/semiuri.dat" => {
                assert_eq!(message.uri().ok().and_then(|uri| uri.user()), Some("user;par=u%40example.net"));
            }
            "rfc4475/mpart01.dat" => assert_eq!(message.body().len(), 553),
            "rfc4475/badbranch.dat" => assert_eq!(message.via().rfc3261_branch(), None),
            "rfc4475/cparam01.dat" => {
                assert!(message.contact().is_some_and(|contact| contact.params().has("unknownparam")));
            }
            "rfc4475/cparam02.dat" => {
                assert!(message.contact().is_some_and(|contact| contact.uri().params().has("unknownparam")));
            }
            "rfc4475/regescrt.dat" => {
                let route = message.contact().and_then(|contact| contact.uri().header("route"));
                assert_eq!(route.as_deref(), Some("<sip:sip.example.com>"));
            }
            _ => {}
        }
    }
}
