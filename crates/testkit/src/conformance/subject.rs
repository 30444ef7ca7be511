//! What the suite needs of an implementation: the provider itself, and the world around it under the suite's control.

use crate::loopback::Playing;
use hookswitch_machine::Time;
use hookswitch_spi::{
    AnswerMode, CallTreatment, InterfaceVersion, LineId, MediaTypes, Provider, RejectReason,
};
use std::time::Duration;

/// A provider under test, with a switch and parties outside that do as they are told, in virtual time.
///
/// Parties are named by what is dialled to reach them: a user of the line's own domain. A [`Party`] is one call of theirs, as they
/// see it.
pub trait Subject {
    /// Whether what follows is there: tells a subject's limits from its faults.
    fn can(&self, what: Can) -> bool;

    /// What time it is.
    fn now(&self) -> Time;

    /// The provider.
    fn provider(&mut self) -> &mut dyn Provider;

    /// Does outside what the provider wants done. To be called after everything that touched it.
    fn settle(&mut self);

    /// Lets the next thing happen, if anything is to happen by `limit`; else it is `limit` now. False: nothing happened.
    fn step(&mut self, limit: Time) -> bool;

    /// From now on, whoever calls `address` finds it so. Unarranged addresses do not exist (404).
    fn arrange(&mut self, address: &str, behaviour: Behaviour);

    /// Somebody outside calls a line.
    fn call_in(&mut self, call: Incoming) -> Party;

    /// The call that last reached an address outside from the provider.
    fn party_at(&self, address: &str) -> Option<Party>;

    /// A party does something.
    fn act(&mut self, party: Party, act: Act);

    /// What a party has noticed, oldest first.
    fn saw(&self, party: Party) -> Vec<Saw>;

    /// Whether what `a` says reaches `b`, through the provider or because it joined them.
    fn hears(&self, a: Party, b: Party) -> bool;

    /// What a party that waits hears.
    fn treatment(&self, party: Party) -> Option<CallTreatment>;

    /// What a party is played, whether it hears it at the moment or not; `None` if it is not in a call of the provider.
    fn playing(&self, party: Party) -> Option<Playing>;

    /// The switch and all parties outside are silent from now on, or answer again. Nothing reaches them and nothing comes.
    fn reachable(&mut self, reachable: bool);

    /// The switch says how many messages wait for a line's user.
    fn messages(&mut self, line: LineId, new: u32, old: u32);

    /// A telephone of the line's own user, beside us, is alerted for a call from `from` (for pickups), or a waiting one.
    fn alerting_elsewhere(&mut self, at: &str, from: &str) -> Party;

    /// A line is added while the provider runs.
    fn add_line(&mut self, line: LineSetup) -> LineId;

    /// A line is removed for good.
    fn remove_line(&mut self, line: LineId);

    /// A new configuration is stored, with these lines. Lines that are new in it appear and those that are not in it disappear now;
    /// what else differs is told and waits for the next start.
    fn configure(&mut self, lines: Vec<LineSetup>);

    /// What was stored is gone: there will be no next session.
    fn uninstalled(&mut self);

    /// The provider asks for a line to be closed.
    fn want_closed(&mut self, line: LineId);

    /// The session ended; a new one begins, in the same process, with the stored configuration. The provider is as before
    /// [`Provider::initialise`].
    fn restart(&mut self);

    /// What is still alive and should not be, once everything is closed and time has passed; empty if nothing.
    fn leaks(&mut self) -> String;
}

/// What not every subject can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Can {
    /// It has a second, older interface version.
    OldVersion,
    /// It can be told to ask for the closing of a line.
    WantClosed,
}

/// A line, as the suite wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct LineSetup {
    /// Its permanent name; also the user part of its first address.
    pub name: String,
    /// Further addresses.
    pub numbers: Vec<String>,
    /// Whether it registers.
    pub registers: bool,
    /// What answering does to the active call.
    pub answer_mode: AnswerMode,
    /// Alerts only when a call is accepted.
    pub accept_alerts: bool,
    /// Reconnects the held call when its consultation ends.
    pub reconnects: bool,
    /// How it refuses by default.
    pub reject: RejectReason,
    /// Calls at a time.
    pub max_calls: u32,
    /// The media types it carries.
    pub media: MediaTypes,
    /// Its switch understands REFER.
    pub refer: bool,
    /// Its switch understands 302.
    pub redirect: bool,
    /// Its switch has park, pickup and call completion.
    pub switch_features: bool,
}

impl LineSetup {
    /// A registered line that can do everything.
    pub fn new(name: &str) -> Self {
        use hookswitch_spi::MediaType::{Fax, Video};
        Self {
            name: name.into(),
            numbers: Vec::new(),
            registers: true,
            answer_mode: AnswerMode::Hold,
            accept_alerts: false,
            reconnects: true,
            reject: RejectReason::Busy,
            max_calls: 12,
            media: MediaTypes::VOICE.with(Fax).with(Video),
            refer: true,
            redirect: true,
            switch_features: true,
        }
    }
}

/// How a subject starts.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its lines.
    pub lines: Vec<LineSetup>,
    /// Whether the switch answers from the beginning.
    pub reachable: bool,
    /// The interface version that lines are opened with.
    pub version: InterfaceVersion,
    /// The suite takes announced calls by itself.
    pub takes_calls: bool,
}

impl Setup {
    /// One line called `desk`.
    pub fn one() -> Self {
        Self::lines(&["desk"])
    }

    /// Lines of these names.
    pub fn lines(names: &[&str]) -> Self {
        Self {
            lines: names.iter().map(|name| LineSetup::new(name)).collect(),
            reachable: true,
            version: InterfaceVersion::V1,
            takes_calls: true,
        }
    }

    /// With the first line changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut LineSetup)) -> Self {
        if let Some(line) = self.lines.first_mut() {
            change(line);
        }
        self
    }
}

/// One call, as a party outside sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Party(pub u32);

/// A call from outside.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The line, and which of its addresses is called.
    pub to: (LineId, u16),
    /// Who calls: a user part.
    pub from: String,
    /// The name that is shown.
    pub name: String,
    /// In another domain than the line's.
    pub external: bool,
    /// What the offer contains; none: there is no offer.
    pub media: MediaTypes,
    /// Who diverted the call to here, and why.
    pub diverted: Option<(String, Diverted)>,
    /// The caller wants to be anonymous.
    pub private: bool,
    /// Somebody transferred the caller to here.
    pub transferred: bool,
    /// User information.
    pub user_info: Vec<u8>,
    /// A text for the display.
    pub display: String,
    /// Number shared by all calls of one physical call; 0: a new one.
    pub physical: u128,
    /// Takes the place of this call of a party.
    pub replaces: Option<Party>,
    /// Breaks into this call of a party.
    pub joins: Option<Party>,
}

impl Incoming {
    /// A voice call from within the domain.
    pub fn new(line: LineId, from: &str) -> Self {
        Self {
            to: (line, 0),
            from: from.into(),
            name: String::new(),
            external: false,
            media: MediaTypes::VOICE,
            diverted: None,
            private: false,
            transferred: false,
            user_info: Vec::new(),
            display: String::new(),
            physical: 0,
            replaces: None,
            joins: None,
        }
    }
}

/// Why a call was diverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diverted {
    /// Everything is.
    Unconditionally,
    /// The station was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// For this one call.
    Once,
}

/// How an address outside behaves when it is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// Rings, and answers after this time.
    Answers(Duration),
    /// 100, then rings until it is told otherwise.
    Rings,
    /// 100 and no more until it is told otherwise.
    Proceeds,
    /// Not even a 100.
    Silent,
    /// Refuses at once with this status, and these header lines (each ends with CRLF).
    Refuses(u16, String),
    /// 100 at once, rings, and refuses after this time.
    RingsThenRefuses(Duration, u16, String),
    /// Redirects to another address outside.
    Redirects(String),
}

/// What a party can do in a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// 100 to a call of ours.
    Proceed,
    /// 180.
    Ring,
    /// 200.
    Answer,
    /// Refuses a call of ours with this status.
    Refuse(u16, String),
    /// Hangs up; before an answer gives up. With header lines such as a Reason (each ends with CRLF).
    HangUp(String),
    /// Puts us on hold.
    Hold,
    /// Takes us back.
    Resume,
    /// Presses a digit for this long.
    Press(char, Duration),
    /// Lets a tone sound.
    Tone([u16; 2], Duration),
    /// Sends user information by itself.
    UserInfo(Vec<u8>),
    /// It is somebody else now (the identity changed after a transfer elsewhere).
    Becomes(String),
    /// Offers other media types within the call.
    Media(MediaTypes),
    /// Refreshes the session without changing it.
    Refresh,
    /// Answers what it is asked within the call (hold, transfer) with this status from now on; 0: properly.
    RefuseWithin(u16),
    /// Does not answer anything any more.
    FallSilent,
    /// Would accept being transferred, and this becomes of it: the target's status (200: it answers); 0: refuses the transfer
    /// itself.
    WhenTransferred(u16),
}

/// What a party notices.
#[derive(Clone, Debug, PartialEq)]
pub enum Saw {
    /// Our call arrived, with user information.
    Called(Vec<u8>),
    /// It is alerted (180), with user information.
    Alerted(Vec<u8>),
    /// We answered, with user information.
    Answered(Vec<u8>),
    /// We refused with this status.
    Refused(u16),
    /// We sent it elsewhere.
    Redirected(String),
    /// Our 200 was acknowledged, or we acknowledged its answer.
    Confirmed,
    /// We gave up our call.
    Cancelled,
    /// We hung up, with user information.
    HungUp(Vec<u8>),
    /// It is held.
    Held,
    /// It is taken back.
    Resumed,
    /// It is asked to call somebody else, in the place of that party's call if one is named.
    Transferred(String, Option<Party>),
    /// A digit.
    Digit(char),
    /// User information by itself.
    UserInfo(Vec<u8>),
    /// A header line that the suite looks for (`X-...`).
    Header(String),
}
