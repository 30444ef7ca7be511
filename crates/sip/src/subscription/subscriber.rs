//! A subscription of ours.

use super::policy::{Policy, ends_subscription, is_temporary};
use crate::event::{EndReason, SubscriptionState};
use crate::registration::{lifetime, refresh_after};
use hookswitch_machine::{Entropy, Time};
use std::collections::VecDeque;

/// What happens to a subscription of ours.
#[derive(Clone, Copy, Debug)]
pub enum SubscriberInput<'a> {
    /// The final response to the SUBSCRIBE that is out. Challenges are dealt with before.
    Response(Answer),
    /// The SUBSCRIBE that is out was not answered, or could not be sent.
    NoResponse,
    /// A NOTIFY of this subscription; what its Subscription-State says.
    Notify(SubscriptionState<'a>),
    /// The whole state is wanted anew: refresh now.
    Refresh,
    /// What kept us from subscribing may be over: try now instead of waiting.
    TryNow,
    /// It is not wanted any more.
    Stop,
    /// The time that [`Subscriber::timeout`] named has come.
    Timer,
}

/// What the final response to a SUBSCRIBE says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Expires`, in seconds.
    pub expires: Option<u32>,
    /// `Min-Expires` of a 423, in seconds.
    pub min_expires: Option<u32>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

/// What a subscription wants done or known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriberOutput {
    /// Send a SUBSCRIBE.
    Subscribe {
        /// The lifetime to ask for in seconds; 0 unsubscribes.
        expires: u32,
        /// Where to.
        path: Path,
    },
    /// Tell the user. At most one for each input, and after what is to be sent.
    Report(Report),
}

/// Where a SUBSCRIBE belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// To a new dialog; what was known of an old one is to be forgotten.
    New,
    /// Within the dialog of the subscription.
    Within,
}

/// News of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A NOTIFY came. Its body is the state; empty if consent is still waited for.
    Notified {
        /// Whether somebody's consent is still waited for.
        pending: bool,
    },
    /// It does not stand at present: it will be tried again by itself, and begins anew then. If a NOTIFY says so, its body
    /// may hold the last state.
    Interrupted {
        /// Why.
        cause: Cause,
        /// When the next attempt is made.
        retry_at: Time,
    },
    /// It is over, for good. Told once, and last.
    Ended(Cause),
}

/// Why a subscription does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// We wanted it to end.
    #[error("it is not wanted any more")]
    Stopped,
    /// The SUBSCRIBE was refused.
    #[error("the notifier refused the subscription with status {0}")]
    Refused(u16),
    /// The SUBSCRIBE was not answered, or could not be sent.
    #[error("the notifier did not answer")]
    NoResponse,
    /// It was accepted, and no NOTIFY came (RFC 6665 4.1.2.4).
    #[error("the notifier accepted the subscription and never notified")]
    NoNotify,
    /// It ran out while attempts to refresh it failed.
    #[error("the subscription ran out while it could not be refreshed")]
    Expired,
    /// The notifier ended it.
    #[error("the notifier ended the subscription: {}", .0.name().unwrap_or("no reason given"))]
    Terminated(EndReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first SUBSCRIBE is out.
    Subscribing { failures: u32, brief: Brief },
    /// It was accepted; no NOTIFY yet.
    Accepted { failures: u32, until: Time, deadline: Time },
    /// A NOTIFY came before the response to the SUBSCRIBE that is out.
    Notified { failures: u32 },
    /// It stands. `failures` counts what happened since the last success of a refresh.
    Active { failures: u32, until: Time, refresh_at: Time },
    /// It stands; a SUBSCRIBE to refresh it is out.
    Refreshing { failures: u32, until: Time, brief: Brief },
    /// It does not stand.
    Waiting { failures: u32, retry_at: Time },
    /// Not wanted any more; a SUBSCRIBE is still out.
    Stopping,
    /// The SUBSCRIBE that ends it is out, or the last NOTIFY is waited for.
    Unsubscribing { deadline: Time },
    /// All over.
    Over,
}

/// Whether the notifier has called the lifetime too brief.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brief {
    NotYet,
    Once,
}

/// A subscription of ours. Call [`poll`](Self::poll) until `None` after [`new`](Self::new) and each [`handle`](Self::handle).
#[derive(Clone, Debug)]
pub struct Subscriber {
    policy: Policy,
    /// The lifetime to ask for: the configured one, or more after a 423.
    expires: u32,
    state: State,
    outputs: VecDeque<SubscriberOutput>,
}

impl Subscriber {
    /// A subscription that is asked for at once.
    pub fn new(policy: Policy) -> Self {
        let mut this =
            Self { expires: policy.expires.max(1), policy, state: State::Over, outputs: VecDeque::new() };
        this.state = this.subscribe(0);
        this
    }

    /// Whether it is over.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether the next NOTIFY makes the dialog (RFC 6665 4.4.1): none has come. Later ones belong to the dialog that the first one
    /// made, and those of other branches of a fork to none (481).
    pub const fn awaits_dialog(&self) -> bool {
        match self.state {
            State::Subscribing { .. } | State::Accepted { .. } => true,
            State::Stopping
            | State::Notified { .. }
            | State::Active { .. }
            | State::Refreshing { .. }
            | State::Waiting { .. }
            | State::Unsubscribing { .. }
            | State::Over => false,
        }
    }

    /// The status to answer a NOTIFY with, before it is given to [`handle`](Self::handle).
    pub const fn notify_status(&self) -> u16 {
        match self.state {
            State::Subscribing { .. }
            | State::Accepted { .. }
            | State::Notified { .. }
            | State::Active { .. }
            | State::Refreshing { .. }
            | State::Stopping
            | State::Unsubscribing { .. } => 200,
            State::Waiting { .. } | State::Over => 481,
        }
    }

    /// When to call [`handle`](Self::handle) with [`SubscriberInput::Timer`].
    pub fn timeout(&self) -> Option<Time> {
        match self.state {
            State::Accepted { deadline, .. } | State::Unsubscribing { deadline } => Some(deadline),
            State::Active { until, refresh_at, .. } => Some(refresh_at.min(until)),
            State::Waiting { retry_at, .. } => Some(retry_at),
            // The transaction ends by itself.
            State::Subscribing { .. }
            | State::Notified { .. }
            | State::Refreshing { .. }
            | State::Stopping
            | State::Over => None,
        }
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<SubscriberOutput> {
        self.outputs.pop_front()
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: SubscriberInput<'_>, entropy: &mut Entropy) {
        self.state = match input {
            SubscriberInput::Response(answer) if answer.status < 200 => self.state,
            SubscriberInput::Response(answer) if answer.status < 300 => self.accepted(now, answer, entropy),
            SubscriberInput::Response(answer) => self.refused(now, answer, entropy),
            SubscriberInput::NoResponse => self.unanswered(now, entropy),
            SubscriberInput::Notify(SubscriptionState::Active { expires }) => {
                self.notified(now, expires, false, entropy)
            }
            SubscriberInput::Notify(SubscriptionState::Pending { expires }) => {
                self.notified(now, expires, true, entropy)
            }
            SubscriberInput::Notify(SubscriptionState::Terminated { reason, retry_after }) => {
                self.terminated(now, EndReason::of(reason), retry_after, entropy)
            }
            SubscriberInput::Refresh => match self.state {
                State::Active { failures, until, .. } => self.refresh(failures, until),
                State::Subscribing { .. }
                | State::Accepted { .. }
                | State::Notified { .. }
                | State::Refreshing { .. }
                | State::Waiting { .. }
                | State::Stopping
                | State::Unsubscribing { .. }
                | State::Over => self.state,
            },
            SubscriberInput::TryNow => match self.state {
                State::Waiting { failures, .. } => self.subscribe(failures),
                State::Subscribing { .. }
                | State::Accepted { .. }
                | State::Notified { .. }
                | State::Active { .. }
                | State::Refreshing { .. }
                | State::Stopping
                | State::Unsubscribing { .. }
                | State::Over => self.state,
            },
            SubscriberInput::Stop => self.stop(now),
            SubscriberInput::Timer => self.timer(now, entropy),
        };
    }

    fn accepted(&mut self, now: Time, answer: Answer, entropy: &mut Entropy) -> State {
        // RFC 6665 4.2.1.1: the notifier may shorten the lifetime, not lengthen it.
        let expires = answer.expires.unwrap_or(self.expires).min(self.expires);
        let until = now + lifetime(expires);
        let refresh_at = now + refresh_after(expires, entropy);
        match self.state {
            State::Subscribing { failures, .. } => {
                State::Accepted { failures, until, deadline: now + self.policy.notify_wait }
            }
            State::Notified { failures } => State::Active { failures, until, refresh_at },
            State::Refreshing { .. } => State::Active { failures: 0, until, refresh_at },
            State::Stopping => self.unsubscribe(now),
            State::Accepted { .. }
            | State::Active { .. }
            | State::Waiting { .. }
            | State::Unsubscribing { .. }
            | State::Over => self.state,
        }
    }

    fn refused(&mut self, now: Time, answer: Answer, entropy: &mut Entropy) -> State {
        let cause = Cause::Refused(answer.status);
        let retry_after = answer.retry_after;
        match self.state {
            State::Subscribing { failures, brief } => {
                if self.lengthen(answer, brief) {
                    self.send(Path::New);
                    return State::Subscribing { failures, brief: Brief::Once };
                }
                if is_temporary(answer.status) {
                    self.wait(now, cause, failures, retry_after, entropy)
                } else {
                    self.end(cause)
                }
            }
            State::Notified { failures } if is_temporary(answer.status) => {
                self.wait(now, cause, failures, retry_after, entropy)
            }
            State::Notified { .. } => self.end(cause),
            State::Refreshing { failures, until, brief } => {
                if self.lengthen(answer, brief) {
                    self.send(Path::Within);
                    return State::Refreshing { failures, until, brief: Brief::Once };
                }
                match answer.status {
                    // The notifier has forgotten us.
                    481 => self.again(now, cause, failures, None, entropy),
                    status if ends_subscription(status) && is_temporary(status) => {
                        self.wait(now, cause, failures, retry_after, entropy)
                    }
                    status if ends_subscription(status) => self.end(cause),
                    _ => self.unrefreshed(now, failures, until, retry_after, entropy),
                }
            }
            State::Stopping | State::Unsubscribing { .. } => self.end(Cause::Stopped),
            State::Accepted { .. } | State::Active { .. } | State::Waiting { .. } | State::Over => self.state,
        }
    }

    /// RFC 6665 4.2.1.1, as for registrations: once, and not if it asks for less than we asked for, or for too much.
    fn lengthen(&mut self, answer: Answer, brief: Brief) -> bool {
        match (answer.status, answer.min_expires, brief) {
            (423, Some(least), Brief::NotYet)
                if least > self.expires && least <= self.policy.longest_expires =>
            {
                self.expires = least;
                true
            }
            _ => false,
        }
    }

    fn unanswered(&mut self, now: Time, entropy: &mut Entropy) -> State {
        match self.state {
            State::Subscribing { failures, .. } => self.wait(now, Cause::NoResponse, failures, None, entropy),
            // A NOTIFY came, so the SUBSCRIBE did arrive: it stands for as long as we asked.
            State::Notified { failures } => {
                let (until, refresh_at) =
                    (now + lifetime(self.expires), now + refresh_after(self.expires, entropy));
                State::Active { failures, until, refresh_at }
            }
            State::Refreshing { failures, until, .. } => {
                self.unrefreshed(now, failures, until, None, entropy)
            }
            State::Stopping | State::Unsubscribing { .. } => self.end(Cause::Stopped),
            State::Accepted { .. } | State::Active { .. } | State::Waiting { .. } | State::Over => self.state,
        }
    }

    /// A refresh failed in a way that leaves the subscription as it is, until it runs out (RFC 6665 4.1.2.2).
    fn unrefreshed(
        &mut self,
        now: Time,
        failures: u32,
        until: Time,
        retry_after: Option<u32>,
        entropy: &mut Entropy,
    ) -> State {
        if now >= until {
            return self.again(now, Cause::Expired, failures, retry_after, entropy);
        }
        let failures = failures.saturating_add(1);
        State::Active { failures, until, refresh_at: now + self.policy.wait(failures, retry_after, entropy) }
    }

    fn notified(&mut self, now: Time, expires: Option<u32>, pending: bool, entropy: &mut Entropy) -> State {
        let report = SubscriberOutput::Report(Report::Notified { pending });
        let state = match self.state {
            State::Subscribing { failures, .. } | State::Notified { failures } => {
                State::Notified { failures }
            }
            State::Accepted { failures, until, .. } => {
                let left = u32::try_from(until.since(now).as_secs()).unwrap_or(u32::MAX);
                let left = expires.unwrap_or(left).min(left);
                let refresh_at = now + refresh_after(left, entropy);
                State::Active { failures, until: now + lifetime(left), refresh_at }
            }
            State::Active { failures, until, refresh_at } => match expires {
                // RFC 6665 4.1.3: the notifier may shorten the lifetime.
                Some(expires) if now + lifetime(expires) < until => {
                    let refresh_at = refresh_at.min(now + refresh_after(expires, entropy));
                    State::Active { failures, until: now + lifetime(expires), refresh_at }
                }
                Some(_) | None => self.state,
            },
            State::Refreshing { .. } => self.state,
            State::Waiting { .. } | State::Stopping | State::Unsubscribing { .. } | State::Over => {
                return self.state;
            }
        };
        self.outputs.push_back(report);
        state
    }

    /// RFC 6665 4.1.3: what each reason asks of us.
    fn terminated(
        &mut self,
        now: Time,
        reason: EndReason,
        retry_after: Option<u32>,
        entropy: &mut Entropy,
    ) -> State {
        let failures = match self.state {
            State::Subscribing { failures, .. }
            | State::Accepted { failures, .. }
            | State::Notified { failures }
            | State::Active { failures, .. }
            | State::Refreshing { failures, .. } => failures,
            State::Stopping | State::Unsubscribing { .. } => return self.end(Cause::Stopped),
            State::Waiting { .. } | State::Over => return self.state,
        };
        let cause = Cause::Terminated(reason);
        match reason {
            EndReason::Rejected | EndReason::NoResource | EndReason::Invariant => self.end(cause),
            EndReason::Deactivated | EndReason::Timeout | EndReason::Unspecified => {
                self.again(now, cause, failures, retry_after, entropy)
            }
            EndReason::Probation | EndReason::GiveUp => self.wait(now, cause, failures, retry_after, entropy),
        }
    }

    fn stop(&mut self, now: Time) -> State {
        match self.state {
            State::Subscribing { .. } | State::Notified { .. } | State::Refreshing { .. } => State::Stopping,
            State::Accepted { .. } | State::Active { .. } => self.unsubscribe(now),
            State::Waiting { .. } => self.end(Cause::Stopped),
            State::Stopping | State::Unsubscribing { .. } | State::Over => self.state,
        }
    }

    fn timer(&mut self, now: Time, entropy: &mut Entropy) -> State {
        match self.state {
            State::Accepted { failures, deadline, .. } if now >= deadline => {
                self.wait(now, Cause::NoNotify, failures, None, entropy)
            }
            State::Active { failures, until, .. } if now >= until => {
                self.again(now, Cause::Expired, failures, None, entropy)
            }
            State::Active { failures, until, refresh_at } if now >= refresh_at => {
                self.refresh(failures, until)
            }
            State::Waiting { failures, retry_at } if now >= retry_at => self.subscribe(failures),
            State::Unsubscribing { deadline } if now >= deadline => self.end(Cause::Stopped),
            State::Subscribing { .. }
            | State::Accepted { .. }
            | State::Notified { .. }
            | State::Active { .. }
            | State::Refreshing { .. }
            | State::Waiting { .. }
            | State::Stopping
            | State::Unsubscribing { .. }
            | State::Over => self.state,
        }
    }

    fn subscribe(&mut self, failures: u32) -> State {
        self.send(Path::New);
        State::Subscribing { failures, brief: Brief::NotYet }
    }

    fn refresh(&mut self, failures: u32, until: Time) -> State {
        self.send(Path::Within);
        State::Refreshing { failures, until, brief: Brief::NotYet }
    }

    fn unsubscribe(&mut self, now: Time) -> State {
        self.outputs.push_back(SubscriberOutput::Subscribe { expires: 0, path: Path::Within });
        State::Unsubscribing { deadline: now + self.policy.notify_wait }
    }

    fn send(&mut self, path: Path) {
        self.outputs.push_back(SubscriberOutput::Subscribe { expires: self.expires, path });
    }

    /// Subscribes anew: at once, unless something failed since the last success (a notifier could keep us busy otherwise).
    fn again(
        &mut self,
        now: Time,
        cause: Cause,
        failures: u32,
        retry_after: Option<u32>,
        entropy: &mut Entropy,
    ) -> State {
        if failures > 0 || retry_after.is_some_and(|seconds| seconds > 0) {
            return self.wait(now, cause, failures, retry_after, entropy);
        }
        let state = self.subscribe(1);
        self.report(Report::Interrupted { cause, retry_at: now });
        state
    }

    fn wait(
        &mut self,
        now: Time,
        cause: Cause,
        failures: u32,
        retry_after: Option<u32>,
        entropy: &mut Entropy,
    ) -> State {
        let failures = failures.saturating_add(1);
        let retry_at = now + self.policy.wait(failures, retry_after, entropy);
        self.report(Report::Interrupted { cause, retry_at });
        State::Waiting { failures, retry_at }
    }

    fn end(&mut self, cause: Cause) -> State {
        self.report(Report::Ended(cause));
        State::Over
    }

    fn report(&mut self, report: Report) {
        self.outputs.push_back(SubscriberOutput::Report(report));
    }
}

#[cfg(test)]
#[path = "subscriber_tests.rs"]
mod tests;
