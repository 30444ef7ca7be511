//! How a called phone is to behave: Alert-Info (RFC 3261 20.4, RFC 7462), and the half a dozen ways to ask for an answer without a hand
//! (RFC 5373, and what phones made up before it).

use super::extra::{ExtraHeaderError, ExtraHeaders};
use crate::cause::lex;
use crate::message::{Message, Name};
use std::time::Duration;

/// Values that are looked at.
const MOST_VALUES: usize = 16;
/// Nobody waits longer for an answer.
const LONGEST: u32 = 300;

/// A value of Alert-Info.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertInfo<'a> {
    /// What to play, or what is meant (`urn:alert:...`); some write a word without brackets.
    pub uri: &'a str,
    /// The `info` parameter: what is meant, in words of the phone's maker.
    pub info: Option<&'a str>,
    /// The `delay` or `answer-after` parameter, in seconds.
    pub delay: Option<u32>,
}

impl<'a> AlertInfo<'a> {
    /// Reads one value.
    pub fn parse(value: &'a str) -> Self {
        let mut parts = lex::split(value, b';');
        let first = parts.next().unwrap_or("");
        // Some write the parameter without any URI before it.
        let bare = first.split_once('=').filter(|_| !first.starts_with(['<', '"']));
        let uri = if bare.is_some() { "" } else { lex::without_quotes(first).trim_matches(['<', '>']) };
        let mut alert = Self { uri, info: None, delay: None };
        for (name, value) in bare.into_iter().map(|(n, v)| (n, Some(v))).chain(parts.map(lex::parameter)) {
            let value = lex::without_quotes(value.unwrap_or("").trim());
            if name.trim().eq_ignore_ascii_case("info") {
                alert.info = Some(value);
            } else if ["delay", "answer-after"].iter().any(|known| name.trim().eq_ignore_ascii_case(known)) {
                alert.delay = value.parse().ok();
            }
        }
        alert
    }

    /// The values of a message.
    pub fn all(message: &'a Message) -> impl Iterator<Item = Self> {
        message.headers(Name::AlertInfo).take(MOST_VALUES).map(Self::parse)
    }

    /// Whether it asks for an answer without a hand.
    fn wants_answer(&self) -> bool {
        let said = |text: &str| {
            let plain: String = text
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(64)
                .collect::<String>()
                .to_ascii_lowercase();
            ["autoanswer", "ringanswer", "intercom"].iter().any(|word| plain.contains(word))
        };
        // A URI is looked at only if it is a word: the address of a sound says nothing.
        self.info.is_some_and(said) || (!self.uri.contains(':') && said(self.uri))
    }
}

/// After how long the caller wants to be answered without a hand; `None` if it does not. Whether it may ask for that is not judged.
/// Understood are `Call-Info: ...;answer-after=0`, `Answer-After: 0`, `Alert-Info: ...;info=alert-autoanswer;delay=0` and its
/// kin, `Answer-Mode: Auto` and `Priv-Answer-Mode: Auto` (RFC 5373), and `P-Auto-Answer: normal`.
pub fn auto_answer(message: &Message) -> Option<Duration> {
    let seconds = |digits: &str| lex::without_quotes(digits.trim()).parse::<u32>().ok();
    let call_info = message.headers(Name::CallInfo).take(MOST_VALUES).find_map(|value| {
        let mut parameters = lex::split(value, b';').map(lex::parameter);
        parameters.find(|(name, _)| name.eq_ignore_ascii_case("answer-after")).and_then(|(_, n)| seconds(n?))
    });
    let header = || message.header(Name::Other("Answer-After")).and_then(seconds);
    let alert =
        || AlertInfo::all(message).find(AlertInfo::wants_answer).map(|alert| alert.delay.unwrap_or(0));
    let mode = || {
        let says = |name, wanted: &str| {
            let value = message.header(Name::Other(name)).and_then(|value| value.split(';').next());
            value.is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
        };
        let auto = says("Answer-Mode", "Auto")
            || says("Priv-Answer-Mode", "Auto")
            || says("P-Auto-Answer", "normal");
        auto.then_some(0)
    };
    let after = call_info.or_else(header).or_else(alert).or_else(mode)?;
    Some(Duration::from_secs(after.min(LONGEST).into()))
}

/// Asks the called phone to answer without a hand: the ways that most phones understand, together.
///
/// # Errors
/// If the list is full.
pub fn push_auto_answer(extra: &mut ExtraHeaders) -> Result<(), ExtraHeaderError> {
    extra.push("Call-Info", "<sip:localhost>;answer-after=0")?;
    extra.push("Alert-Info", "<http://localhost>;info=alert-autoanswer;delay=0")?;
    extra.push("Answer-Mode", "Auto")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Limits, Method, Request};

    fn invite(fields: &str) -> Message {
        let request = Request::new(Method::Invite, "sip:b@b.com")
            .via("UDP", "b.com", "z9hG4bK1")
            .header(Name::From, "<sip:a@a.com>;tag=1")
            .header(Name::To, "<sip:b@b.com>")
            .call_id("c")
            .cseq(1, Method::Invite)
            .lines(&fields.replace('\n', "\r\n"));
        Message::parse(request.finish(), &Limits::default()).unwrap()
    }

    #[test]
    fn all_ways_to_ask_for_an_answer_are_understood() {
        for (fields, seconds) in [
            ("Call-Info: <sip:pbx.example.com>;answer-after=0\n", Some(0)),
            ("Call-Info: <http://x/a,b>;purpose=icon, <sip:x>; Answer-After = \"3\"\n", Some(3)),
            ("Answer-After: 2\n", Some(2)),
            ("Alert-Info: <http://www.notused.com>;info=alert-autoanswer;delay=0\n", Some(0)),
            ("Alert-Info: info=alert-autoanswer\n", Some(0)),
            ("Alert-Info: Ring Answer\n", Some(0)),
            ("Alert-Info: \"Auto Answer\"\n", Some(0)),
            ("Alert-Info: <sip:x>;info=RingAnswer\n", Some(0)),
            ("Answer-Mode: Auto;require\n", Some(0)),
            ("Priv-Answer-Mode: auto\n", Some(0)),
            ("P-Auto-Answer: normal\n", Some(0)),
            ("Call-Info: <sip:x>;answer-after=4294967295\n", Some(300)),
            ("", None),
            ("Answer-Mode: Manual\n", None),
            ("Call-Info: <sip:x>;answer-after=soon\n", None),
            ("Call-Info: <sip:x;answer-after=0>\n", None),
            ("Alert-Info: <http://intercom.example.com/bell.wav>\n", None),
            ("Alert-Info: <urn:alert:service:call-waiting>\n", None),
        ] {
            let got = auto_answer(&invite(fields));
            assert_eq!(got, seconds.map(Duration::from_secs), "{fields}");
        }
    }

    #[test]
    fn what_is_asked_is_understood() {
        let mut extra = ExtraHeaders::new();
        push_auto_answer(&mut extra).unwrap();
        for line in extra.as_lines().split_terminator("\r\n") {
            assert_eq!(auto_answer(&invite(&format!("{line}\n"))), Some(Duration::ZERO), "{line}");
        }
    }

    #[test]
    fn alert_info_is_read() {
        let alert = AlertInfo::parse("<urn:alert:source:internal>;info=\"Bellcore-dr2\"");
        assert_eq!(
            alert,
            AlertInfo { uri: "urn:alert:source:internal", info: Some("Bellcore-dr2"), delay: None }
        );
        assert_eq!(AlertInfo::parse(""), AlertInfo { uri: "", info: None, delay: None });
    }
}
