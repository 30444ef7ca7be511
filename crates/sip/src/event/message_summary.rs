//! The body of package `message-summary` (RFC 3842 5.2): are messages waiting, and how many of which class.

use crate::cause::lex;
use std::fmt;

/// Octets of a body that are read.
const MOST_OCTETS: usize = 16_384;
/// Lines of a body that are read.
const MOST_LINES: usize = 64;

/// A class of messages (RFC 3458).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageClass {
    /// `voice-message`
    Voice,
    /// `fax-message`
    Fax,
    /// `pager-message`
    Pager,
    /// `multimedia-message`
    Multimedia,
    /// `text-message`
    Text,
    /// `none`
    None,
}

impl MessageClass {
    /// All of them, in the order of the RFC.
    pub const ALL: [Self; 6] =
        [Self::Voice, Self::Fax, Self::Pager, Self::Multimedia, Self::Text, Self::None];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice-message",
            Self::Fax => "fax-message",
            Self::Pager => "pager-message",
            Self::Multimedia => "multimedia-message",
            Self::Text => "text-message",
            Self::None => "none",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Voice => "Voice-Message",
            Self::Fax => "Fax-Message",
            Self::Pager => "Pager-Message",
            Self::Multimedia => "Multimedia-Message",
            Self::Text => "Text-Message",
            Self::None => "None",
        }
    }
}

/// Messages of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not yet heard.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
    /// How many of them are urgent: new and old, if it is said.
    pub urgent: Option<(u32, u32)>,
}

/// What a mailbox holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageSummary {
    /// Whether the lamp is to be lit.
    pub waiting: bool,
    /// The URI of the mailbox.
    pub account: Option<String>,
    counts: [Option<Counts>; 6],
}

/// Why a body is no message summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SummaryError {
    /// It is no text, or too long.
    #[error("a message summary is text of at most 16384 octets; got more, or no UTF-8")]
    Text,
    /// The line that must be there is not.
    #[error(
        "a message summary begins with `Messages-Waiting: yes` or `no`; it is missing or says something else"
    )]
    Waiting,
}

impl MessageSummary {
    /// A summary that says whether messages wait, and nothing more.
    pub const fn new(waiting: bool) -> Self {
        Self { waiting, account: None, counts: [None; 6] }
    }

    /// The counts of a class, if they are given.
    pub fn counts(&self, class: MessageClass) -> Option<Counts> {
        self.counts.get(class as usize).copied().flatten()
    }

    /// Gives the counts of a class.
    pub fn set(&mut self, class: MessageClass, counts: Counts) {
        if let Some(place) = self.counts.get_mut(class as usize) {
            *place = Some(counts);
        }
    }

    /// Reads a body. Header fields of single messages behind the summary are skipped, and so is what cannot be read of the counts.
    ///
    /// # Errors
    /// If it does not say whether messages wait.
    pub fn parse(body: &[u8]) -> Result<Self, SummaryError> {
        if body.len() > MOST_OCTETS {
            return Err(SummaryError::Text);
        }
        let text = std::str::from_utf8(body).map_err(|_| SummaryError::Text)?;
        let mut waiting = None;
        let mut summary = Self::default();
        // RFC 3842 5.2: an empty line begins the header fields of messages.
        let lines = text.trim_start().lines().take_while(|line| !line.trim().is_empty()).take(MOST_LINES);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("Messages-Waiting") {
                waiting = waiting.or_else(|| answer(value));
            } else if name.eq_ignore_ascii_case("Message-Account") {
                summary.account = (lex::is_clean(value) && !value.is_empty()).then(|| value.to_owned());
            } else if let Some(class) = class_of(name)
                && let Some(counts) = counts_of(value)
            {
                summary.set(class, counts);
            }
        }
        summary.waiting = waiting.ok_or(SummaryError::Waiting)?;
        Ok(summary)
    }
}

fn answer(value: &str) -> Option<bool> {
    if value.eq_ignore_ascii_case("yes") {
        Some(true)
    } else if value.eq_ignore_ascii_case("no") {
        Some(false)
    } else {
        None
    }
}

fn class_of(name: &str) -> Option<MessageClass> {
    MessageClass::ALL.into_iter().find(|class| class.name().eq_ignore_ascii_case(name))
}

/// `2/8 (0/2)`.
fn counts_of(value: &str) -> Option<Counts> {
    let (counts, urgent) = match value.split_once('(') {
        Some((counts, urgent)) => (counts, pair(urgent.split(')').next().unwrap_or(""))),
        None => (value, None),
    };
    let (new, old) = pair(counts)?;
    Some(Counts { new, old, urgent })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (new, old) = text.split_once('/')?;
    Some((number(new.trim())?, number(old.trim())?))
}

/// A number of any length; what does not fit is many.
fn number(digits: &str) -> Option<u32> {
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    number.then(|| digits.parse().unwrap_or(u32::MAX))
}

impl fmt::Display for MessageSummary {
    /// The body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messages-Waiting: {}\r\n", if self.waiting { "yes" } else { "no" })?;
        if let Some(account) = self.account.as_deref().filter(|account| lex::is_clean(account)) {
            write!(f, "Message-Account: {account}\r\n")?;
        }
        for class in MessageClass::ALL {
            let Some(Counts { new, old, urgent }) = self.counts(class) else { continue };
            write!(f, "{}: {new}/{old}", class.title())?;
            if let Some((new, old)) = urgent {
                write!(f, " ({new}/{old})")?;
            }
            f.write_str("\r\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_read() {
        // RFC 3842 5.3.
        let body = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\n\
            Voice-Message: 4/8 (1/2)\r\n\r\nTo: <alice@atlanta.example.com>\r\nVoice-Message: 9/9\r\n";
        let summary = MessageSummary::parse(body.as_bytes()).unwrap();
        assert!(summary.waiting);
        assert_eq!(summary.account.as_deref(), Some("sip:alice@vmail.example.com"));
        let voice = Counts { new: 4, old: 8, urgent: Some((1, 2)) };
        assert_eq!(summary.counts(MessageClass::Voice), Some(voice));
        assert_eq!(summary.counts(MessageClass::Fax), None);
        let written = summary.to_string();
        assert_eq!(
            written,
            "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (1/2)\r\n"
        );
        assert_eq!(MessageSummary::parse(written.as_bytes()), Ok(summary));
    }

    #[test]
    fn every_class_is_written_and_read() {
        let mut summary = MessageSummary::new(false);
        for (n, class) in (1..).zip(MessageClass::ALL) {
            summary.set(class, Counts { new: n, old: 2 * n, urgent: (n % 2 == 0).then_some((0, n)) });
        }
        assert_eq!(MessageSummary::parse(summary.to_string().as_bytes()), Ok(summary));
    }

    #[test]
    fn sloppy_bodies_are_read_and_others_refused() {
        let parse = |body: &str| MessageSummary::parse(body.as_bytes());
        // As some servers write it: bare line feeds, spaces, small letters.
        let got = parse("messages-waiting : YES\nvoice-message:1 / 0(0/0)\nX-Other: 1/1\n").unwrap();
        assert!(got.waiting);
        assert_eq!(got.counts(MessageClass::Voice), Some(Counts { new: 1, old: 0, urgent: Some((0, 0)) }));
        let got =
            parse("Messages-Waiting: no\r\nVoice-Message: many/few\r\nFax-Message: 99999999999/0 (\r\n")
                .unwrap();
        assert_eq!(got.counts(MessageClass::Voice), None);
        assert_eq!(got.counts(MessageClass::Fax), Some(Counts { new: u32::MAX, old: 0, urgent: None }));
        for bad in ["", "yes", "Voice-Message: 1/1\r\n", "Messages-Waiting: perhaps\r\n"] {
            assert_eq!(parse(bad), Err(SummaryError::Waiting), "{bad}");
        }
        assert_eq!(MessageSummary::parse(&[0xff; 10]), Err(SummaryError::Text));
        assert_eq!(MessageSummary::parse(&[b' '; MOST_OCTETS + 1]), Err(SummaryError::Text));
        let mut evil = MessageSummary::new(true);
        evil.account = Some("sip:a\r\nX: y".into());
        assert_eq!(evil.to_string(), "Messages-Waiting: yes\r\n");
    }
}
