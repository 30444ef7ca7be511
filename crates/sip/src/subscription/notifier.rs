//! A subscription that somebody has with us.

use super::policy::ends_subscription;
use crate::event::{EndReason, SubscriptionState};
use hookswitch_machine::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// How long the package may take to say the last state, before a NOTIFY goes out without it.
const LAST_STATE: Duration = Duration::from_secs(2);

/// What happens to a subscription that somebody has with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifierInput {
    /// The package says its state, or that it has changed.
    State,
    /// Consent is given: what was pending is active.
    Consent,
    /// A SUBSCRIBE within the dialog, for so many seconds; 0 unsubscribes.
    Subscribe {
        /// The lifetime granted, in seconds.
        expires: u32,
    },
    /// The NOTIFY that was out is answered: its status, 408 without one.
    Answered(u16),
    /// We end it.
    End(EndReason),
    /// Nothing can be sent to the subscriber any more.
    Abandoned,
    /// The time that [`Notifier::timeout`] named has come.
    Timer,
}

/// What a subscription wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifierOutput {
    /// Answer the SUBSCRIBE.
    Respond {
        /// The status.
        status: u16,
        /// The lifetime granted, in seconds.
        expires: u32,
    },
    /// Send a NOTIFY with this Subscription-State. With the state that the input brought, or with no body if the input was another.
    Notify(SubscriptionState<'static>),
    /// Ask the package for its state: a NOTIFY is due. Give it as [`NotifierInput::State`].
    Due,
    /// It is over. Said once, and last, whoever ended it.
    Gone,
}

/// Whether somebody agreed to the subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consent {
    Pending,
    Given,
}

/// NOTIFYs go out one at a time, so that they cannot overtake one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// All is said.
    Quiet,
    /// The package was asked for its state.
    Due,
    /// A NOTIFY is out.
    Out,
    /// A NOTIFY is out, and another is due after it.
    OutAndDue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It stands.
    Running { consent: Consent, until: Time, wire: Wire },
    /// The subscriber has unsubscribed; the NOTIFY before the last is out.
    Leaving { deadline: Time },
    /// The subscriber has unsubscribed; the package was asked for the last state.
    LastDue { deadline: Time },
    /// The last NOTIFY is out.
    LastOut,
    /// All over.
    Over,
}

/// A subscription that somebody has with us. Call [`poll`](Self::poll) until `None` after each [`handle`](Self::handle).
#[derive(Clone, Debug)]
pub struct Notifier {
    state: State,
    outputs: VecDeque<NotifierOutput>,
}

impl Notifier {
    /// A subscription that was just accepted, for so many seconds (0: its state is wanted once). Its state is due at once: give it as
    /// [`NotifierInput::State`] (RFC 6665 4.2.1.2).
    pub fn new(now: Time, expires: u32, pending: bool) -> Self {
        let consent = if pending { Consent::Pending } else { Consent::Given };
        let state = match expires {
            0 => State::LastDue { deadline: now + LAST_STATE },
            expires => State::Running { consent, until: now + seconds(expires), wire: Wire::Due },
        };
        Self { state, outputs: VecDeque::new() }
    }

    /// Whether it is over.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether a state given now goes out at once. Otherwise [`NotifierOutput::Due`] follows, or nothing more is wanted.
    pub const fn is_ready(&self) -> bool {
        match self.state {
            State::Running { wire: Wire::Quiet | Wire::Due, .. } | State::LastDue { .. } => true,
            State::Running { wire: Wire::Out | Wire::OutAndDue, .. }
            | State::Leaving { .. }
            | State::LastOut
            | State::Over => false,
        }
    }

    /// When to call [`handle`](Self::handle) with [`NotifierInput::Timer`].
    pub const fn timeout(&self) -> Option<Time> {
        match self.state {
            State::Running { until, .. } => Some(until),
            State::Leaving { deadline } | State::LastDue { deadline } => Some(deadline),
            // The transaction ends by itself.
            State::LastOut | State::Over => None,
        }
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<NotifierOutput> {
        self.outputs.pop_front()
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: NotifierInput) {
        self.state = match input {
            NotifierInput::State => match self.state {
                State::Running { consent, until, wire } => self.say(now, consent, until, wire),
                State::LastDue { .. } => self.last(EndReason::Timeout),
                State::Leaving { .. } | State::LastOut | State::Over => self.state,
            },
            NotifierInput::Consent => match self.state {
                State::Running { consent: Consent::Pending, until, wire } => {
                    self.due(Consent::Given, until, wire)
                }
                State::Running { consent: Consent::Given, .. }
                | State::Leaving { .. }
                | State::LastDue { .. }
                | State::LastOut
                | State::Over => self.state,
            },
            NotifierInput::Subscribe { expires } => self.subscribed(now, expires),
            NotifierInput::Answered(status) => self.answered(status),
            NotifierInput::End(reason) => match self.state {
                State::Running { .. } | State::Leaving { .. } | State::LastDue { .. } => self.last(reason),
                State::LastOut | State::Over => self.state,
            },
            NotifierInput::Abandoned => self.over(),
            NotifierInput::Timer => match self.state {
                State::Running { until, .. } if now >= until => self.last(EndReason::Timeout),
                State::Leaving { deadline } | State::LastDue { deadline } if now >= deadline => {
                    self.last(EndReason::Timeout)
                }
                State::Running { .. }
                | State::Leaving { .. }
                | State::LastDue { .. }
                | State::LastOut
                | State::Over => self.state,
            },
        };
    }

    /// The package says its state.
    fn say(&mut self, now: Time, consent: Consent, until: Time, wire: Wire) -> State {
        match wire {
            Wire::Quiet | Wire::Due => {
                let expires = u32::try_from(until.since(now).as_secs()).ok();
                self.outputs.push_back(NotifierOutput::Notify(match consent {
                    Consent::Pending => SubscriptionState::Pending { expires },
                    Consent::Given => SubscriptionState::Active { expires },
                }));
                State::Running { consent, until, wire: Wire::Out }
            }
            Wire::Out | Wire::OutAndDue => State::Running { consent, until, wire: Wire::OutAndDue },
        }
    }

    /// A NOTIFY is wanted by us, not by the package.
    fn due(&mut self, consent: Consent, until: Time, wire: Wire) -> State {
        let wire = match wire {
            Wire::Quiet | Wire::Due => {
                self.outputs.push_back(NotifierOutput::Due);
                Wire::Due
            }
            Wire::Out | Wire::OutAndDue => Wire::OutAndDue,
        };
        State::Running { consent, until, wire }
    }

    /// RFC 6665 4.2.1.2: every SUBSCRIBE is followed by a NOTIFY.
    fn subscribed(&mut self, now: Time, expires: u32) -> State {
        match self.state {
            State::Running { wire, .. } if expires == 0 => {
                self.respond(200, 0);
                let deadline = now + LAST_STATE;
                match wire {
                    Wire::Quiet | Wire::Due => {
                        self.outputs.push_back(NotifierOutput::Due);
                        State::LastDue { deadline }
                    }
                    Wire::Out | Wire::OutAndDue => State::Leaving { deadline },
                }
            }
            State::Running { consent, wire, .. } => {
                self.respond(200, expires);
                self.due(consent, now + seconds(expires), wire)
            }
            State::Leaving { .. } | State::LastDue { .. } | State::LastOut | State::Over => {
                self.respond(481, 0);
                self.state
            }
        }
    }

    fn answered(&mut self, status: u16) -> State {
        // RFC 6665 4.2.2: 481 and its like, and silence, end it; other refusals do not.
        let ends = ends_subscription(status) || status == 408;
        match self.state {
            State::Running { .. } | State::Leaving { .. } if ends => self.over(),
            State::Running { consent, until, wire } => match wire {
                Wire::Out => State::Running { consent, until, wire: Wire::Quiet },
                Wire::OutAndDue => self.due(consent, until, Wire::Quiet),
                Wire::Quiet | Wire::Due => self.state,
            },
            State::Leaving { deadline } => {
                self.outputs.push_back(NotifierOutput::Due);
                State::LastDue { deadline }
            }
            // Of the NOTIFY before, if the deadline came first.
            State::LastDue { .. } => self.state,
            State::LastOut | State::Over => self.over(),
        }
    }

    fn over(&mut self) -> State {
        if self.state != State::Over {
            self.outputs.push_back(NotifierOutput::Gone);
        }
        State::Over
    }

    fn last(&mut self, reason: EndReason) -> State {
        self.outputs.push_back(NotifierOutput::Notify(SubscriptionState::ended(reason)));
        State::LastOut
    }

    fn respond(&mut self, status: u16, expires: u32) {
        self.outputs.push_back(NotifierOutput::Respond { status, expires });
    }
}

fn seconds(expires: u32) -> Duration {
    Duration::from_secs(expires.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_millis(1_000);

    fn give(notifier: &mut Notifier, now: Time, input: NotifierInput) -> String {
        notifier.handle(now, input);
        let outputs = std::iter::from_fn(|| notifier.poll()).map(|output| match output {
            NotifierOutput::Respond { status, expires } => format!("{status}({expires})"),
            NotifierOutput::Notify(state) => format!("[{state}]"),
            NotifierOutput::Due => "due".to_owned(),
            NotifierOutput::Gone => "gone".to_owned(),
        });
        outputs.collect::<Vec<_>>().join(" ")
    }

    fn reach(pending: bool, inputs: &[NotifierInput]) -> Notifier {
        let mut notifier = Notifier::new(START, 60, pending);
        for input in inputs {
            give(&mut notifier, START, *input);
        }
        notifier
    }

    #[test]
    fn every_state_takes_every_input() {
        use NotifierInput::{Abandoned, Answered, Consent, End, State, Subscribe, Timer};
        let leave = Subscribe { expires: 0 };
        let states = [
            ("Due", reach(false, &[])),
            ("Out", reach(false, &[State])),
            ("Quiet", reach(false, &[State, Answered(200)])),
            ("OutAndDue", reach(false, &[State, State])),
            ("Pending, quiet", reach(true, &[State, Answered(200)])),
            ("Pending, out", reach(true, &[State])),
            ("Leaving", reach(false, &[State, leave])),
            ("LastDue", Notifier::new(START, 0, false)),
            ("LastOut", reach(false, &[End(EndReason::NoResource)])),
            ("Over", reach(false, &[Abandoned])),
        ];
        let inputs = [
            State,
            Consent,
            Subscribe { expires: 30 },
            leave,
            Answered(200),
            Answered(481),
            Answered(408),
            Answered(500),
            End(EndReason::NoResource),
            Abandoned,
            Timer,
        ];
        let mut table = String::new();
        for (name, notifier) in states {
            table += &format!("{name}\n");
            for input in inputs {
                let mut notifier = notifier.clone();
                let now = notifier.timeout().filter(|_| input == Timer).unwrap_or(START);
                let outputs = give(&mut notifier, now, input);
                let state = format!("{:?}", notifier.state);
                let wire = match notifier.state {
                    super::State::Running { consent, wire, .. } => format!("({consent:?}, {wire:?})"),
                    super::State::Leaving { .. }
                    | super::State::LastDue { .. }
                    | super::State::LastOut
                    | super::State::Over => String::new(),
                };
                let line = format!("  {input:?}: {}{wire} {outputs}", state.split(' ').next().unwrap_or(""));
                table += &format!("{}\n", line.trim_end());
            }
        }
        assert_eq!(table, include_str!("notifier_table.txt"), "\n{table}");
    }

    #[test]
    fn changes_while_a_notify_is_out_are_told_once_after_it() {
        let mut notifier = reach(false, &[NotifierInput::State]);
        for _ in 0..100 {
            assert_eq!(give(&mut notifier, START, NotifierInput::State), "");
        }
        assert_eq!(give(&mut notifier, START, NotifierInput::Answered(200)), "due");
        assert_eq!(give(&mut notifier, START, NotifierInput::State), "[active;expires=60]");
        assert_eq!(give(&mut notifier, START, NotifierInput::Answered(200)), "");
    }

    #[test]
    fn a_subscription_that_nobody_refreshes_runs_out() {
        let mut notifier = reach(false, &[NotifierInput::State, NotifierInput::Answered(200)]);
        let until = START + Duration::from_secs(60);
        assert_eq!(notifier.timeout(), Some(until));
        assert_eq!(give(&mut notifier, START, NotifierInput::Timer), "");
        assert_eq!(give(&mut notifier, START, NotifierInput::Subscribe { expires: 90 }), "200(90) due");
        assert_eq!(notifier.timeout(), Some(START + Duration::from_secs(90)));
        let now = START + Duration::from_secs(90);
        assert_eq!(give(&mut notifier, now, NotifierInput::Timer), "[terminated;reason=timeout]");
        assert_eq!(give(&mut notifier, now, NotifierInput::Answered(200)), "gone");
    }

    #[test]
    fn whoever_asks_once_gets_one_notify() {
        let mut notifier = Notifier::new(START, 0, false);
        assert_eq!(give(&mut notifier, START, NotifierInput::State), "[terminated;reason=timeout]");
        assert_eq!(give(&mut notifier, START, NotifierInput::Answered(200)), "gone");
        assert!(notifier.is_over());
    }
}
