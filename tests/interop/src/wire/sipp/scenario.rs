//! The scenario that SIPp runs, written from a few tables: SIPp wants every status spelled out.
//!
//! SIPp keeps the dialogs (tags, CSeq, Via, where the other side is) and answers by itself what has one answer only: BYE, CANCEL,
//! REGISTER, INFO, UPDATE, OPTIONS, NOTIFY, and each answer to its own INVITE. What a party decides SIPp is told by requests whose
//! methods are no SIP, with the Call-ID of the call:
//!
//! | method | what SIPp does |
//! |---|---|
//! | XCALL | calls X-Target, as X-From, to X-To. With `X-Late: yes` the acknowledgement waits for XACK, which brings the answer to an offer in the 200 |
//! | XINVITE | makes an offer within the call; XBYE, XCANCEL, XINFO, XUPDATE and XNOTIFY send these |
//! | XTRYING, XANSWER486 | answers the INVITE that waits with 100, with 486, and so on |
//! | XREPLY202 | the same for a REFER or a SUBSCRIBE |
//! | XSILENT | answers nothing any more |
//! | XPING | says 200, which shows that everything before it is done |
//!
//! The body of these is header lines, each with CRLF before it, then `%%`, then the body to send. A request of SIPp's own bears the
//! number after that of the order (SIPp counts on from whatever request came last). Between two messages a call is always back
//! in one of its loops: whatever comes elsewhere would be unexpected.

use std::fmt::Write;

/// What an INVITE can be answered with, 100 apart.
pub(super) const ANSWERS: &[u16] = &[
    180, 183, 200, 300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 413, 414, 415,
    416, 420, 421, 422, 423, 430, 433, 437, 438, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493,
    494, 499, 500, 501, 502, 503, 504, 505, 513, 580, 600, 603, 604, 606, 607, 608,
];
/// What a REFER or a SUBSCRIBE can be answered with.
pub(super) const REPLIES: &[u16] = &[200, 202, 403, 481, 489, 603];
/// The longest scenario that SIPp reads.
const LONGEST: usize = 65_000;

/// Takes the header lines and the body out of an order.
const ORDER: &[Take] = &[Take::Body];
/// Takes what an answer to an INVITE needs.
const INVITE: &[Take] =
    &[header("Via", "via"), header("From", "from"), header("To", "to"), part("CSeq", "number", "[0-9]+")];
/// The same for another request that waits for a decision.
const ASKED: &[Take] = &[
    header("Via", "rvia"),
    header("From", "rfrom"),
    header("To", "rto"),
    part("CSeq", "rnumber", "[0-9]+"),
    part("CSeq", "rmethod", "[A-Z]+"),
];
/// Takes what an acknowledgement needs.
const ANSWERED: &[Take] = &[part("CSeq", "anumber", "[0-9]+"), part("CSeq", "isinvite", "INVITE")];

/// What to remember of a message.
#[derive(Clone, Copy)]
enum Take {
    /// The part of a header that fits, under a name.
    Header(&'static str, &'static str, &'static str),
    /// Where its Contact is.
    Contact,
    /// The two halves of an order's body.
    Body,
    /// A text with what was taken before.
    Text(&'static str, &'static str),
}

const fn header(name: &'static str, variable: &'static str) -> Take {
    Take::Header(name, variable, ".*")
}

const fn part(name: &'static str, variable: &'static str, fits: &'static str) -> Take {
    Take::Header(name, variable, fits)
}

const VIA: &str = "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=z9hG4bK-[pid]-[call_number]-[cseq]";
const ACK_VIA: &str =
    "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=z9hG4bK-[pid]-[call_number]-[$anumber]-ack";
const CONTACT: &str = "Contact: <sip:party@[local_ip]:[local_port]>";
const LAST: &str = "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]";

/// The scenario.
pub(super) fn text() -> String {
    let mut all = Scenario(String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE scenario SYSTEM \"sipp.dtd\">\n\
         <scenario name=\"parties under remote control\">\n",
    ));
    beginnings(&mut all);
    requests(&mut all);
    answers(&mut all);
    within(&mut all);
    all.0.push_str("  <Reference variables=\"all\"/>\n</scenario>\n");
    assert!(all.0.len() < LONGEST, "SIPp does not read a scenario of {} octets", all.0.len());
    all.0
}

/// What comes without a call.
fn beginnings(all: &mut Scenario) {
    all.label("start");
    let own = Take::Text("own", "[$to];tag=[pid]party[call_number]");
    let theirs = Take::Text("theirs", "[$from]");
    all.receive("request", "INVITE", "loop", &[INVITE, &[Take::Contact, own, theirs]].concat());
    let own = Take::Text("own", "[$rto];tag=[pid]watched[call_number]");
    let theirs = Take::Text("theirs", "[$rfrom]");
    all.receive("request", "SUBSCRIBE", "loop", &[ASKED, &[Take::Contact, own, theirs]].concat());
    all.receive("request", "REGISTER", "registers", &[]);
    let call = [
        part("X-Target", "target", "[^ ]+"),
        header("X-From", "from"),
        header("X-To", "theirs"),
        part("X-Late", "late", "yes"),
        Take::Body,
        Take::Text("own", "[$from];tag=[pid]caller[call_number]"),
    ];
    all.receive("request", "XCALL", "call", &call);
    for method in ["BYE", "CANCEL", "INFO", "UPDATE", "OPTIONS", "NOTIFY", "REFER"] {
        all.receive("request", method, "gone", &[]);
    }
    all.receive("request", "ACK", "start", &[]);
    all.receive_last("XPING", "ping");
    all.send(
        "gone",
        "start",
        "",
        &format!("SIP/2.0 481 No Such Call\n{LAST};tag=[pid]none\nContent-Length: 0\n").replace(
            "[last_To:]\n[last_Call-ID:]\n[last_CSeq:];tag=[pid]none",
            "[last_To:];tag=[pid]none\n[last_Call-ID:]\n[last_CSeq:]",
        ),
    );
    all.send("ping", "start", "", &format!("SIP/2.0 200 OK\n{LAST}\nContent-Length: 0\n"));
    all.send(
        "registers",
        "start",
        "",
        "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:];tag=[pid]registrar\n[last_Call-ID:]\n[last_CSeq:]\n\
         [last_Contact:]\n[last_Expires:]\nContent-Length: 0\n",
    );
}

/// Requests of SIPp's own. They stand before the loop: SIPp takes an answer only to what it could have sent before.
fn requests(all: &mut Scenario) {
    for (label, method) in [
        ("call", "INVITE"),
        ("reinvite", "INVITE"),
        ("bye", "BYE"),
        ("cancel", "CANCEL"),
        ("info", "INFO"),
        ("update", "UPDATE"),
        ("notify", "NOTIFY"),
        ("ack", "ACK"),
    ] {
        let (via, number) = if method == "ACK" { (ACK_VIA, "[$anumber]") } else { (VIA, "[cseq]") };
        let contact = if method == "CANCEL" || method == "ACK" { "User-Agent: SIPp" } else { CONTACT };
        let text = format!(
            "{method} [$target] SIP/2.0\n{via}\nMax-Forwards: 70\nFrom:[$own]\nTo:[$theirs]\nCall-ID: [call_id]\n\
             CSeq: {number} {method}\n{contact}[$fields]\nContent-Length: [len]\n\n[$content]"
        );
        all.send(label, "loop", "", &text);
    }
    // An answer to its own INVITE: a success with an offer in it waits for the answer to that.
    let ack = |via: &str| {
        format!(
            "ACK [$target] SIP/2.0\n{via}\nMax-Forwards: 70\n[last_From:]\n[last_To:]\nCall-ID: [call_id]\n\
             CSeq: [$anumber] ACK\nContent-Length: 0\n"
        )
    };
    all.send("answered", "loop", " condexec=\"late\" condexec_inverse=\"true\"", &ack(ACK_VIA));
    all.send("refused", "loop", "", &ack("[last_Via:]"));
}

/// Answers to what waits for a decision, and to what does not.
fn answers(all: &mut Scenario) {
    all.send(
        "trying",
        "loop",
        "",
        "SIP/2.0 100 Trying\nVia:[$via]\nFrom:[$from]\nTo:[$to]\nCall-ID: [call_id]\nCSeq: [$number] INVITE\n\
         Content-Length: 0\n",
    );
    for status in ANSWERS {
        // A redirection names where to, not where we are.
        let contact = if (300..400).contains(status) { "User-Agent: SIPp" } else { CONTACT };
        let text = format!(
            "SIP/2.0 {status} As Told\nVia:[$via]\nFrom:[$from]\nTo:[$own]\nCall-ID: [call_id]\n\
             CSeq: [$number] INVITE\n{contact}[$fields]\nContent-Length: [len]\n\n[$content]"
        );
        all.send(&format!("answer{status}"), "loop", "", &text);
    }
    for status in REPLIES {
        let text = format!(
            "SIP/2.0 {status} As Told\nVia:[$rvia]\nFrom:[$rfrom]\nTo:[$own]\nCall-ID: [call_id]\n\
             CSeq: [$rnumber] [$rmethod]\n{CONTACT}[$fields]\nContent-Length: [len]\n\n[$content]"
        );
        all.send(&format!("reply{status}"), "loop", "", &text);
    }
    all.send("ok", "loop", "", &format!("SIP/2.0 200 OK\n{LAST}\n{CONTACT}\nContent-Length: 0\n"));
    all.label("silent");
    all.receive_last("XNOTHING", "silent");
}

/// What comes within a call.
fn within(all: &mut Scenario) {
    all.label("loop");
    all.receive("request", "INVITE", "loop", INVITE);
    all.receive("request", "ACK", "loop", &[]);
    for method in ["BYE", "CANCEL", "INFO", "UPDATE", "OPTIONS", "NOTIFY", "MESSAGE"] {
        all.receive("request", method, "ok", &[]);
    }
    all.receive("request", "REFER", "loop", ASKED);
    all.receive("request", "SUBSCRIBE", "loop", ASKED);
    all.receive("request", "XTRYING", "trying", &[]);
    for status in ANSWERS {
        all.receive("request", &format!("XANSWER{status}"), &format!("answer{status}"), ORDER);
    }
    for status in REPLIES {
        all.receive("request", &format!("XREPLY{status}"), &format!("reply{status}"), ORDER);
    }
    for (verb, label) in [
        ("XINVITE", "reinvite"),
        ("XBYE", "bye"),
        ("XCANCEL", "cancel"),
        ("XINFO", "info"),
        ("XUPDATE", "update"),
        ("XNOTIFY", "notify"),
        ("XACK", "ack"),
    ] {
        all.receive("request", verb, label, ORDER);
    }
    all.receive("request", "XSILENT", "silent", &[]);
    for status in [100, 180, 181, 182, 183, 199] {
        all.receive("response", &status.to_string(), "loop", &[]);
    }
    let success = [ANSWERED, &[header("To", "theirs"), Take::Contact]].concat();
    for status in [200, 202] {
        all.receive("response", &status.to_string(), "answered\" test=\"isinvite", &success);
    }
    // Whatever we may be refused with, we may refuse with.
    for status in ANSWERS.iter().filter(|status| **status >= 300) {
        all.receive("response", &status.to_string(), "refused\" test=\"isinvite", ANSWERED);
    }
    all.receive_last("XNOTHING", "loop");
}

struct Scenario(String);

impl Scenario {
    fn label(&mut self, name: &str) {
        let _ = writeln!(self.0, "  <label id=\"{name}\"/>");
    }

    fn receive(&mut self, kind: &str, what: &str, next: &str, take: &[Take]) {
        let _ = write!(self.0, "  <recv {kind}=\"{what}\" optional=\"true\" next=\"{next}\"");
        if take.is_empty() {
            self.0.push_str("/>\n");
            return;
        }
        self.0.push_str(">\n    <action>\n");
        for one in take {
            let _ = match one {
                Take::Header(name, variable, fits) => writeln!(
                    self.0,
                    "      <ereg regexp=\"{fits}\" search_in=\"hdr\" header=\"{name}:\" assign_to=\"{variable}\"/>"
                ),
                Take::Contact => writeln!(
                    self.0,
                    "      <ereg regexp=\"&lt;([^&gt;]+)&gt;\" search_in=\"hdr\" header=\"Contact:\" assign_to=\"all,target\"/>"
                ),
                Take::Body => writeln!(
                    self.0,
                    "      <ereg regexp=\"^(.*)%%(.*)$\" search_in=\"body\" assign_to=\"all,fields,content\"/>"
                ),
                Take::Text(variable, text) => {
                    writeln!(self.0, "      <assignstr assign_to=\"{variable}\" value=\"{text}\"/>")
                }
            };
        }
        self.0.push_str("    </action>\n  </recv>\n");
    }

    fn receive_last(&mut self, what: &str, next: &str) {
        let _ = writeln!(self.0, "  <recv request=\"{what}\" next=\"{next}\"/>");
    }

    fn send(&mut self, label: &str, next: &str, more: &str, text: &str) {
        self.label(label);
        let _ = write!(self.0, "  <send next=\"{next}\"{more}>\n    <![CDATA[\n{text}");
        // Nothing may stand after a body.
        self.0.push_str(if text.ends_with(']') { "]]>\n  </send>\n" } else { "\n    ]]>\n  </send>\n" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_there_and_every_order_is_understood() {
        let text = text();
        for part in text.split("next=\"").skip(1) {
            let label = part.split('"').next().unwrap();
            assert!(text.contains(&format!("<label id=\"{label}\"/>")), "no label {label}");
        }
        for order in ["XCALL", "XINVITE", "XBYE", "XANSWER486", "XREPLY202", "XSILENT", "XPING"] {
            assert!(text.contains(&format!("request=\"{order}\"")), "{order}");
        }
    }
}
