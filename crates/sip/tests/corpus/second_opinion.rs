//! Where `rsip` accepts a message too, both read the same.

use crate::corpora::{Entry, all};
use hookswitch_sip::compat;
use hookswitch_sip::message::{Message, Uri};
use rsip::headers::ToTypedHeader;
use rsip::message::HeadersExt;

/// Where rsip misreads. A line that is no longer needed must go.
const MISREAD: &[(&str, &str)] = &[
    // Methods have a case (RFC 3261 7.1).
    ("method_in_lower_case.dat", "method"),
    ("method_in_lower_case.dat", "cseq"),
    // What follows another scheme is no host.
    ("rfc4475/novelsc.dat", "uri"),
];

#[test]
fn rsip_reads_the_same_wherever_it_reads_at_all() {
    let (mut compared, mut differing) = (0, Vec::new());
    for entry in all() {
        let Ok(ours) = entry.parse() else { continue };
        let Ok(theirs) = rsip::SipMessage::try_from(entry.bytes.to_vec()) else { continue };
        compared += 1;
        for (what, same) in compare(&ours, &theirs) {
            if !same {
                differing.push((entry.file.clone(), what));
            }
        }
    }
    assert!(compared > 60, "compared {compared}");
    let differing: Vec<_> = differing.iter().map(|(file, what)| (file.as_str(), *what)).collect();
    let expected: Vec<_> = MISREAD.iter().filter(|(file, _)| was_read(file)).copied().collect();
    assert_eq!(differing, expected);
}

/// The corpus of RFC 4475 may be absent.
fn was_read(file: &str) -> bool {
    all().iter().any(|entry: &Entry| entry.file == file)
}

fn compare(ours: &Message, theirs: &rsip::SipMessage) -> Vec<(&'static str, bool)> {
    let mut results = Vec::new();
    if let rsip::SipMessage::Request(request) = theirs {
        results.push(("method", request.method.to_string() == ours.method().as_str()));
        let uri = compat::rsip::uri_text(&request.uri).unwrap_or_default();
        let same = Uri::parse(&uri).is_ok_and(|uri| ours.uri().is_ok_and(|other| uri.equivalent(&other)));
        results.push(("uri", same));
    }
    if let rsip::SipMessage::Response(response) = theirs {
        results.push(("status", Some(response.status_code.code()) == ours.status()));
    }
    if let Ok(from) = theirs.from_header().and_then(|from| from.typed()) {
        results.push(("from tag", from.tag().map(|tag| tag.value()) == ours.from_tag()));
    }
    if let Ok(to) = theirs.to_header().and_then(|to| to.typed()) {
        results.push(("to tag", to.tag().map(|tag| tag.value()) == ours.to_tag()));
    }
    if let Ok(call_id) = theirs.call_id_header() {
        results.push(("call-id", rsip::headers::UntypedHeader::value(call_id) == ours.call_id()));
    }
    if let Ok(cseq) = theirs.cseq_header().and_then(|cseq| cseq.typed()) {
        let same =
            (cseq.seq, cseq.method.to_string().as_str()) == (ours.cseq().number, ours.method().as_str());
        results.push(("cseq", same));
    }
    results
}
