//! A scenario as a list: the lines, the network, and what happens when. It is written before it is played, so that any part of it
//! can be left out and the rest played again.

use super::aim::Aim;
use crate::apps::Plan;
use crate::net::Conditions;
use crate::phone::{Answering, Calling, Deed, Mode, OnSubscribe};
use hookswitch_provider::Account;
use hookswitch_sip::event::{DialogState, EndReason};
use hookswitch_spi::{CallOptions, LineId};
use hookswitch_telephony::{Config, Interest, Request};
use std::fmt;
use std::time::Duration;

/// The lines of every scenario: one is registered, two are trunks.
pub const LINES: [LineId; 3] = [LineId(0), LineId(1), LineId(2)];
/// What they are called, and called by.
pub(super) const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// The applications of every scenario: two own what is offered, one watches.
pub const APPLICATIONS: [&str; 3] = ["desk", "queue", "wall"];
/// The password of every line, which nobody is ever to see.
pub(super) const PASSWORD: &str = "Zr7-unsaid-9Qk";

/// A scenario.
#[derive(Clone, Debug)]
pub struct Script {
    /// Where it comes from.
    pub seed: u64,
    /// The network.
    pub network: Conditions,
    /// The lines.
    pub accounts: Vec<Account>,
    /// What the operator decided about applications.
    pub telephony: Config,
    /// The second phone demands credentials.
    pub demands: bool,
    /// What each phone tells those who subscribe, as the switch of its line.
    pub watching: Vec<Watching>,
    /// How each application attaches.
    pub applications: Vec<Applicant>,
    /// How long the lines have to come into service before anything happens.
    pub settles: Duration,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// How long after the first step it ends.
    pub span: Duration,
}

/// What a phone tells those who subscribe.
#[derive(Clone, Copy, Debug)]
pub struct Watching {
    /// What it does with SUBSCRIBE at first.
    pub on_subscribe: OnSubscribe,
    /// It tells a line of its user's messages without being asked.
    pub unsolicited: bool,
}

/// An application.
#[derive(Clone, Debug)]
pub struct Applicant {
    /// Its name.
    pub name: &'static str,
    /// How long its calls wait for it.
    pub grace: Duration,
    /// It speaks the version before the first.
    pub old: bool,
    /// What it opens each line for.
    pub interest: Interest,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number in the whole script; it keeps it when others are left out.
    pub number: usize,
    /// When, from the beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum What {
    /// A phone calls a line; the owners have these plans for the next call that they are offered.
    Incoming {
        /// Which phone, and which line.
        n: usize,
        /// How.
        calling: Box<Calling>,
        /// What desk and queue do.
        plans: Box<[Plan; 2]>,
    },
    /// An application calls a phone.
    Outgoing {
        /// Which application.
        app: usize,
        /// On which line.
        n: usize,
        /// Whom.
        destination: String,
        /// What the called user does.
        answering: Box<Answering>,
        /// How.
        options: Box<CallOptions>,
        /// What the application does with the call.
        plan: Box<Plan>,
    },
    /// An application asks for something; the call that it is about is chosen when it happens.
    Asks {
        /// Which application.
        app: usize,
        /// What; its calls are placeholders.
        request: Box<Request>,
        /// Which calls.
        aim: Aim,
    },
    /// A phone does something in one of its calls.
    Phone {
        /// Which phone.
        n: usize,
        /// Which of its calls that are up.
        pick: u64,
        /// What.
        deed: Deed,
    },
    /// Something is heard in a call's audio.
    Heard {
        /// In which call.
        pick: u64,
        /// What.
        what: Sound,
    },
    /// An application does this with the next completed call that it is offered.
    Expects {
        /// Which application.
        app: usize,
        /// What it does.
        plan: Box<Plan>,
    },
    /// A user of a phone is in a call elsewhere, or in none any more.
    Elsewhere {
        /// Which phone.
        n: usize,
        /// Its user.
        user: String,
        /// How far that call has come.
        state: Option<DialogState>,
    },
    /// A user of a phone does this with calls from now on.
    Answers {
        /// Which phone.
        n: usize,
        /// Its user.
        user: String,
        /// What the user does.
        answering: Box<Answering>,
    },
    /// So many messages wait for the user of a line.
    Messages {
        /// Which phone, and which line.
        n: usize,
        /// New ones.
        new: u32,
        /// Old ones.
        old: u32,
    },
    /// A phone ends all subscriptions that others have with it.
    EndsWatches(usize, EndReason),
    /// A phone does this with SUBSCRIBE from now on.
    OnSubscribe(usize, OnSubscribe),
    /// A phone loses its power, or has it again.
    Power(usize, bool),
    /// The registrar changes its mode.
    Registrar(Mode),
    /// The registrar forgets everything.
    RestartRegistrar,
    /// Octets that are no SIP, from where calls come from.
    Garbage(u64),
    /// These phones and Hookswitch cannot reach each other.
    Cut([bool; 3]),
    /// Everybody reaches everybody.
    Heal,
    /// An application is gone without a word.
    Lost(usize),
    /// An application that was lost is back; one that has left attaches anew.
    Returns(usize),
    /// An application leaves.
    Leaves(usize),
    /// An application reads its events again, or does not.
    Reads(usize, bool),
}

/// Something in a call's audio.
#[derive(Clone, Copy, Debug)]
pub enum Sound {
    /// A digit.
    Digit(char),
    /// A tone that is listened for.
    Tone(u64),
}

impl What {
    /// Somebody goes, or lets go of calls: then not everybody hears how they end.
    pub(super) const fn parts(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Leaves(_) | Self::Returns(_) => true,
            Self::Asks { request, .. } => matches!(
                **request,
                Request::Detach
                    | Request::CloseLine { .. }
                    | Request::CloseOpen { .. }
                    | Request::Release { .. }
                    | Request::LetGo { .. }
                    | Request::Monitor { .. }
            ),
            Self::Incoming { .. }
            | Self::Outgoing { .. }
            | Self::Phone { .. }
            | Self::Heard { .. }
            | Self::Expects { .. }
            | Self::Elsewhere { .. }
            | Self::Answers { .. }
            | Self::Messages { .. }
            | Self::EndsWatches(..)
            | Self::OnSubscribe(..)
            | Self::Power(..)
            | Self::Registrar(_)
            | Self::RestartRegistrar
            | Self::Garbage(_)
            | Self::Cut(_)
            | Self::Heal
            | Self::Reads(..) => false,
        }
    }
}

impl What {
    /// A phone can say nothing for a while, not even that it hangs up.
    pub(super) const fn silences(&self) -> bool {
        matches!(self, Self::Power(_, false) | Self::Cut(_) | Self::Registrar(Mode::Down))
    }
}

fn application(n: usize) -> &'static str {
    APPLICATIONS.get(n).copied().unwrap_or_default()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, at, what } = self;
        write!(f, "{number:>4}  {:>8.3} s  ", at.as_secs_f64())?;
        match what {
            What::Incoming { n, calling, plans } => {
                write!(f, "phone-{} calls {}: {calling:?}; {plans:?}", n + 1, NAMES[n % 3])
            }
            What::Outgoing { app, n, destination, answering, options: _, plan } => {
                let (app, line) = (application(*app), LINES[n % 3]);
                write!(f, "{app} calls '{destination}' on {line}: {answering:?}; {plan:?}")
            }
            What::Asks { app, request, aim } => write!(f, "{} asks {request:?} {aim}", application(*app)),
            What::Phone { n, pick, deed } => {
                write!(f, "phone-{} does {deed:?} in one of its calls ({pick})", n + 1)
            }
            What::Heard { pick, what } => write!(f, "{what:?} is heard in a call ({pick})"),
            What::Expects { app, plan } => {
                write!(f, "{} expects a completed call: {plan:?}", application(*app))
            }
            What::Elsewhere { n, user, state: Some(state) } => {
                write!(f, "'{user}' of phone-{} is in a call elsewhere: {}", n + 1, state.name())
            }
            What::Elsewhere { n, user, state: None } => {
                write!(f, "'{user}' of phone-{} is in no call elsewhere", n + 1)
            }
            What::Answers { n, user, answering } => {
                write!(f, "'{user}' of phone-{} will do {answering:?}", n + 1)
            }
            What::Messages { n, new, old } => {
                write!(f, "{} has {new} new messages and {old} old ones", NAMES[n % 3])
            }
            What::EndsWatches(n, reason) => {
                write!(f, "phone-{} ends what is subscribed to: {reason:?}", n + 1)
            }
            What::OnSubscribe(n, what) => write!(f, "phone-{} does {what:?} with SUBSCRIBE", n + 1),
            What::Power(n, on) => write!(f, "phone-{} has {}", n + 1, if *on { "power" } else { "no power" }),
            What::Registrar(mode) => write!(f, "the registrar is {mode:?}"),
            What::RestartRegistrar => write!(f, "the registrar starts anew"),
            What::Garbage(_) => write!(f, "octets that are no SIP arrive"),
            What::Cut(which) => write!(f, "the network is cut: {which:?}"),
            What::Heal => write!(f, "the network is whole again"),
            What::Lost(app) => write!(f, "{} is lost", application(*app)),
            What::Returns(app) => write!(f, "{} is back", application(*app)),
            What::Leaves(app) => write!(f, "{} leaves", application(*app)),
            What::Reads(app, reads) => {
                write!(f, "{} reads its events{}", application(*app), if *reads { "" } else { " no more" })
            }
        }
    }
}

/// A network that is less bad than the one that a scenario was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calm {
    /// Nothing is lost.
    Loss,
    /// Nothing is doubled.
    Duplication,
    /// Nothing overtakes.
    Reordering,
    /// Everything takes 5 ms.
    Delay,
}

impl Calm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Loss, Self::Duplication, Self::Reordering, Self::Delay];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Duplication => "duplication",
            Self::Reordering => "reordering",
            Self::Delay => "delay",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|calm| calm.name() == name)
    }

    fn ease(self, network: &mut Conditions) {
        match self {
            Self::Loss => network.loss = 0,
            Self::Duplication => network.duplication = 0,
            Self::Reordering => network.reordering = 0,
            Self::Delay => {
                network.delay = Conditions::PERFECT.delay;
                network.jitter = Conditions::PERFECT.jitter;
            }
        }
    }
}

/// The part of a seed's scenario that is played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The numbers of the steps; all if absent.
    pub steps: Option<Vec<usize>>,
    /// What the network does not do.
    pub calm: Vec<Calm>,
}

impl Script {
    /// Only this part of it.
    #[must_use]
    pub fn only(mut self, selection: &Selection) -> Self {
        if let Some(kept) = &selection.steps {
            self.steps.retain(|step| kept.contains(&step.number));
        }
        for calm in &selection.calm {
            calm.ease(&mut self.network);
        }
        self
    }
}
