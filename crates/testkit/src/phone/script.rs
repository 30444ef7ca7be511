//! What a phone can be told to do.

use std::time::Duration;

/// What a phone does with calls to one of its users.
#[derive(Clone, Debug, PartialEq)]
pub struct Answering {
    /// When it rings (180); never if absent.
    pub ring: Option<Duration>,
    /// When it sends early media (183 with an answer); never if absent.
    pub early_media: Option<Duration>,
    /// How it decides, and when.
    pub verdict: Verdict,
    /// What it does in the call.
    pub talk: Talk,
}

/// How a phone decides on a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// 200 after this time.
    Answer(Duration),
    /// This status (300 to 699) after this time.
    Reject(Duration, u16),
    /// 302 to this URI after this time.
    Redirect(Duration, String),
    /// Nothing, until the caller gives up.
    Never,
}

impl Answering {
    /// Rings at once and answers after `after`.
    pub fn after(after: Duration) -> Self {
        Self {
            ring: Some(Duration::ZERO),
            early_media: None,
            verdict: Verdict::Answer(after),
            talk: Talk::default(),
        }
    }

    /// Refuses at once.
    pub fn refuse(status: u16) -> Self {
        Self { ring: None, verdict: Verdict::Reject(Duration::ZERO, status), ..Self::after(Duration::ZERO) }
    }

    /// Rings and never answers.
    pub fn no_answer() -> Self {
        Self { verdict: Verdict::Never, ..Self::after(Duration::ZERO) }
    }

    /// Answers with 302.
    pub fn redirect(to: impl Into<String>) -> Self {
        let verdict = Verdict::Redirect(Duration::ZERO, to.into());
        Self { ring: None, verdict, ..Self::after(Duration::ZERO) }
    }

    /// With this talk.
    #[must_use]
    pub fn talking(self, talk: Talk) -> Self {
        Self { talk, ..self }
    }
}

/// What a phone does in an established call.
#[derive(Clone, Debug, PartialEq)]
pub struct Talk {
    /// What it does by itself, and when, counted from the answer.
    pub deeds: Vec<(Duration, Deed)>,
    /// What it does when it is referred elsewhere.
    pub on_refer: OnRefer,
    /// What it does when a change of the session is offered to it.
    pub on_offer: OnOffer,
}

impl Default for Talk {
    /// Nothing; refuses REFER, takes offers.
    fn default() -> Self {
        Self { deeds: Vec::new(), on_refer: OnRefer::Refuse(603), on_offer: OnOffer::Answer }
    }
}

impl Talk {
    /// Hangs up after a time.
    pub fn for_(time: Duration) -> Self {
        Self { deeds: vec![(time, Deed::HangUp)], ..Self::default() }
    }
}

/// Something a phone does in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Re-INVITE with `sendonly`.
    Hold,
    /// Re-INVITE with `sendrecv`.
    Retrieve,
    /// CANCEL, BYE or 486, as the state asks.
    HangUp,
    /// INFO with a digit.
    Digit(char),
    /// REFER to this URI.
    Refer(String),
    /// MESSAGE with a word.
    Message,
    /// UPDATE without an offer: a session refresh.
    Update,
    /// A new INVITE that is to take the place of this call (RFC 3891).
    Replace,
}

/// What a phone does with a re-INVITE, or with an UPDATE that carries an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOffer {
    /// Answers it.
    Answer,
    /// Refuses it with this status.
    Refuse(u16),
    /// Answers it after this time.
    Late(Duration),
}

/// What a phone does when it is sent REFER.
#[derive(Clone, Debug, PartialEq)]
pub enum OnRefer {
    /// Refuses with this status.
    Refuse(u16),
    /// 202, then a NOTIFY with each of these statuses after its time; the last one ends the subscription.
    Report(Vec<(Duration, u16)>),
    /// 202, then nothing.
    Silence,
    /// 202, then BYE without any NOTIFY.
    HangUp(Duration),
}

/// Whom a phone calls.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// This URI; it goes to the phone's peer.
    Uri(String),
    /// The Contact that this user of its own registrar has bound.
    Registered(String),
}

/// How a phone calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Calling {
    /// Whom.
    pub target: Target,
    /// As which user.
    pub from: String,
    /// Whether the INVITE carries an offer; else the ACK carries the answer.
    pub offer: bool,
    /// CANCELs if nobody has answered by then.
    pub patience: Option<Duration>,
    /// How late it acknowledges; `None`: never.
    pub acknowledge: Option<Duration>,
    /// Further complete header field lines of the INVITE.
    pub fields: String,
    /// What it does in the call.
    pub talk: Talk,
}

impl Calling {
    /// Calls a user or a URI as `from`, with an offer, patiently.
    pub fn new(target: Target, from: impl Into<String>) -> Self {
        Self {
            target,
            from: from.into(),
            offer: true,
            patience: None,
            acknowledge: Some(Duration::ZERO),
            fields: String::new(),
            talk: Talk::default(),
        }
    }

    /// With this talk.
    #[must_use]
    pub fn talking(self, talk: Talk) -> Self {
        Self { talk, ..self }
    }
}
