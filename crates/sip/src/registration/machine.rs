//! The registration machine.

use super::answer::{Answer, Granted};
use super::events::{Cause, Input, Output, Register, StateName};
use super::policy::{Config, lifetime, refresh_after};
use crate::auth::{Attempt, Client, Credentials, Place};
use hookswitch_machine::{Entropy, Time};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// A binding we count on.
#[derive(Clone, Copy, Debug)]
struct Bound {
    since: Time,
    until: Time,
}

/// The REGISTER that is out.
#[derive(Clone, Copy, Debug)]
struct Pending {
    cseq: u32,
    attempt: Attempt,
    /// Temporary failures in a row before it.
    failures: u32,
    /// Times the registrar has called the lifetime too brief.
    too_brief: u8,
    /// The Contact changed after it was sent.
    outdated: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Registering { pending: Pending },
    Registered { bound: Bound, refresh_at: Time },
    Refreshing { pending: Pending, bound: Bound },
    WaitingToRetry { retry_at: Time, bound: Option<Bound>, failures: u32 },
    Stopping { pending: Pending, bound: Option<Bound>, deadline: Time },
    Unregistering { cseq: u32, attempt: Attempt, deadline: Time, after: After },
}

/// What follows the end.
#[derive(Clone, Copy, Debug)]
enum After {
    Rest,
    Register,
}

/// One account's registration. Call [`poll`](Self::poll) until `None` after each [`handle`](Self::handle).
#[derive(Clone, Debug)]
pub struct Registration {
    config: Config,
    client: Option<Client>,
    state: State,
    cseq: u32,
    /// The lifetime to ask for: the configured one, or more after a 423.
    expires: u32,
    observed: Option<SocketAddr>,
    outputs: VecDeque<Output>,
}

impl Registration {
    /// A registration that has not been started.
    pub fn new(config: Config, credentials: Option<Credentials>) -> Self {
        Self {
            expires: config.expires.max(1),
            config,
            client: credentials.map(Client::new),
            state: State::Idle,
            cseq: 0,
            observed: None,
            outputs: VecDeque::new(),
        }
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The account's half of digest authentication; calls of the account share its nonces.
    pub const fn client_mut(&mut self) -> Option<&mut Client> {
        self.client.as_mut()
    }

    /// Other credentials, from the next REGISTER on. After a refusal [`Input::Start`] tries them at once.
    pub fn set_credentials(&mut self, credentials: Option<Credentials>) {
        self.client = credentials.map(Client::new);
    }

    /// The state.
    pub const fn state(&self) -> StateName {
        match self.state {
            State::Idle => StateName::Idle,
            State::Registering { .. } => StateName::Registering,
            State::Registered { .. } => StateName::Registered,
            State::Refreshing { .. } => StateName::Refreshing,
            State::WaitingToRetry { .. } => StateName::WaitingToRetry,
            State::Stopping { .. } => StateName::Stopping,
            State::Unregistering { .. } => StateName::Unregistering,
        }
    }

    /// Until when our Contact is bound, if it is and is wanted to be.
    pub fn bound_until(&self) -> Option<Time> {
        match self.state {
            State::Registered { bound, .. } | State::Refreshing { bound, .. } => Some(bound.until),
            State::WaitingToRetry { bound, .. } => bound.map(|b| b.until),
            State::Idle
            | State::Registering { .. }
            | State::Stopping { .. }
            | State::Unregistering { .. } => None,
        }
    }

    /// Where the registrar saw us last.
    pub const fn observed(&self) -> Option<SocketAddr> {
        self.observed
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timer`].
    pub fn timeout(&self) -> Option<Time> {
        match self.state {
            State::Idle | State::Registering { .. } => None,
            State::Registered { refresh_at, .. } => Some(refresh_at),
            State::Refreshing { bound, .. } => Some(bound.until),
            State::WaitingToRetry { retry_at, bound, .. } => {
                Some(bound.map_or(retry_at, |b| b.until.min(retry_at)))
            }
            State::Stopping { deadline, .. } | State::Unregistering { deadline, .. } => Some(deadline),
        }
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: Input<'_>, entropy: &mut Entropy) {
        self.state = match input {
            Input::Start => self.start(),
            Input::Stop => self.stop(now),
            Input::ContactChanged => self.contact_changed(),
            Input::Response(answer) => self.answered(now, answer, entropy),
            Input::TimedOut { cseq } => self.failed(now, cseq, Cause::TimedOut, entropy),
            Input::TransportFailed { cseq } => self.failed(now, cseq, Cause::TransportFailed, entropy),
            Input::FlowClosed => self.flow_closed(now, entropy),
            Input::Timer => self.timer(now),
        };
    }

    fn start(&mut self) -> State {
        match self.state {
            State::Idle => State::Registering { pending: self.register(0) },
            State::WaitingToRetry { bound, failures, .. } => self.try_again(bound, failures),
            State::Stopping { pending, bound: Some(bound), .. } => State::Refreshing { pending, bound },
            State::Stopping { pending, bound: None, .. } => State::Registering { pending },
            State::Unregistering { cseq, attempt, deadline, after: _ } => {
                State::Unregistering { cseq, attempt, deadline, after: After::Register }
            }
            State::Registering { .. } | State::Registered { .. } | State::Refreshing { .. } => self.state,
        }
    }

    fn stop(&mut self, now: Time) -> State {
        let deadline = now + self.config.stop_wait;
        match self.state {
            State::Idle | State::WaitingToRetry { bound: None, .. } => self.unregistered(),
            State::Registered { .. } | State::WaitingToRetry { bound: Some(_), .. } => {
                self.unregister(Attempt::default(), deadline, After::Rest)
            }
            State::Registering { pending } => State::Stopping { pending, bound: None, deadline },
            State::Refreshing { pending, bound } => State::Stopping { pending, bound: Some(bound), deadline },
            State::Stopping { .. } => self.state,
            State::Unregistering { cseq, attempt, deadline, after: _ } => {
                State::Unregistering { cseq, attempt, deadline, after: After::Rest }
            }
        }
    }

    fn contact_changed(&mut self) -> State {
        match self.state {
            State::Registered { bound, .. } => State::Refreshing { pending: self.register(0), bound },
            State::Registering { pending } => {
                State::Registering { pending: Pending { outdated: true, ..pending } }
            }
            State::Refreshing { pending, bound } => {
                State::Refreshing { pending: Pending { outdated: true, ..pending }, bound }
            }
            State::Stopping { pending, bound, deadline } => {
                State::Stopping { pending: Pending { outdated: true, ..pending }, bound, deadline }
            }
            // The next REGISTER will carry it, or none will follow.
            State::Idle | State::WaitingToRetry { .. } | State::Unregistering { .. } => self.state,
        }
    }

    fn answered(&mut self, now: Time, answer: &Answer<'_>, entropy: &mut Entropy) -> State {
        if answer.status < 200 || self.outstanding() != Some(answer.cseq) {
            return self.state;
        }
        self.observe(answer.observed);
        match self.state {
            State::Registering { pending } => self.judge(now, pending, None, answer, entropy),
            State::Refreshing { pending, bound } => self.judge(now, pending, Some(bound), answer, entropy),
            State::Stopping { pending, bound, deadline } => {
                let mut attempt = Attempt::default();
                if is_challenge(answer.status) {
                    attempt = pending.attempt;
                    if self.challenged(&mut attempt, answer, entropy).is_err() {
                        return self.unregistered();
                    }
                }
                if (200..300).contains(&answer.status) || bound.is_some() {
                    self.unregister(attempt, deadline, After::Rest)
                } else {
                    self.unregistered()
                }
            }
            State::Unregistering { mut attempt, deadline, after, .. } => {
                if is_challenge(answer.status) && self.challenged(&mut attempt, answer, entropy).is_ok() {
                    self.unregister(attempt, deadline, after)
                } else {
                    self.ended(after)
                }
            }
            State::Idle | State::Registered { .. } | State::WaitingToRetry { .. } => self.state,
        }
    }

    /// What a final response to a REGISTER for a binding means.
    fn judge(
        &mut self,
        now: Time,
        pending: Pending,
        bound: Option<Bound>,
        answer: &Answer<'_>,
        entropy: &mut Entropy,
    ) -> State {
        let cause = match answer.status {
            200..=299 => {
                if let (Some(nonce), Some(client)) = (answer.next_nonce, &mut self.client) {
                    client.renew(Place::Server, nonce);
                }
                match answer.granted {
                    Granted::No | Granted::For(0) => Cause::NotBound,
                    Granted::For(expires) => return self.registered(now, expires, pending, bound, entropy),
                    Granted::AsAsked => return self.registered(now, self.expires, pending, bound, entropy),
                }
            }
            401 | 407 => {
                let mut attempt = pending.attempt;
                match self.challenged(&mut attempt, answer, entropy) {
                    Ok(()) => {
                        let pending = Pending { attempt, ..pending };
                        return with_bound(self.register_again(pending), bound);
                    }
                    Err(cause) => cause,
                }
            }
            // RFC 3261 10.2.8: once, and not if it asks for less than we asked for, or for too much.
            423 => match answer.min_expires {
                Some(least)
                    if least > self.expires
                        && least <= self.config.longest_expires
                        && pending.too_brief == 0 =>
                {
                    self.expires = least;
                    let pending = Pending { too_brief: 1, ..pending };
                    return with_bound(self.register_again(pending), bound);
                }
                Some(_) | None => Cause::Rejected(423),
            },
            status => Cause::of_status(status),
        };
        self.wait(now, cause, pending.failures, bound, answer.retry_after, entropy)
    }

    fn challenged(
        &mut self,
        attempt: &mut Attempt,
        answer: &Answer<'_>,
        entropy: &mut Entropy,
    ) -> Result<(), Cause> {
        let client = self.client.as_mut().ok_or(Cause::NoCredentials)?;
        Ok(client.challenged(attempt, answer.challenges.iter().copied(), entropy)?)
    }

    fn registered(
        &mut self,
        now: Time,
        expires: u32,
        pending: Pending,
        bound: Option<Bound>,
        entropy: &mut Entropy,
    ) -> State {
        let since = bound.map_or(now, |b| b.since);
        let bound = Bound { since, until: now + lifetime(expires) };
        self.outputs.push_back(Output::Registered { expires, since });
        if pending.outdated {
            return State::Refreshing { pending: self.register(0), bound };
        }
        State::Registered { bound, refresh_at: now + refresh_after(expires, entropy) }
    }

    fn failed(&mut self, now: Time, cseq: u32, cause: Cause, entropy: &mut Entropy) -> State {
        if self.outstanding() != Some(cseq) {
            return self.state;
        }
        match self.state {
            State::Registering { pending } => self.wait(now, cause, pending.failures, None, None, entropy),
            State::Refreshing { pending, bound } => {
                self.wait(now, cause, pending.failures, Some(bound), None, entropy)
            }
            State::Stopping { .. } => self.unregistered(),
            State::Unregistering { after, .. } => self.ended(after),
            State::Idle | State::Registered { .. } | State::WaitingToRetry { .. } => self.state,
        }
    }

    fn flow_closed(&mut self, now: Time, entropy: &mut Entropy) -> State {
        match self.state {
            // RFC 5626 4.4.1: the binding leads nowhere now.
            State::Registered { .. } => self.wait(now, Cause::FlowClosed, 0, None, None, entropy),
            State::Registering { pending } | State::Refreshing { pending, .. } => {
                self.wait(now, Cause::FlowClosed, pending.failures, None, None, entropy)
            }
            State::WaitingToRetry { retry_at, failures, .. } => {
                State::WaitingToRetry { retry_at, failures, bound: None }
            }
            State::Stopping { .. } => self.unregistered(),
            State::Unregistering { after, .. } => self.ended(after),
            State::Idle => self.state,
        }
    }

    fn timer(&mut self, now: Time) -> State {
        match self.state {
            State::Registered { bound, refresh_at } if now >= refresh_at => {
                if now < bound.until {
                    return State::Refreshing { pending: self.register(0), bound };
                }
                self.outputs.push_back(Output::Lapsed);
                State::Registering { pending: self.register(0) }
            }
            State::Refreshing { pending, bound } if now >= bound.until => {
                self.outputs.push_back(Output::Lapsed);
                State::Registering { pending }
            }
            State::WaitingToRetry { retry_at, bound, failures } => {
                let held = bound.filter(|b| now < b.until);
                if bound.is_some() && held.is_none() {
                    self.outputs.push_back(Output::Lapsed);
                }
                if now >= retry_at {
                    self.try_again(held, failures)
                } else {
                    State::WaitingToRetry { retry_at, bound: held, failures }
                }
            }
            State::Stopping { deadline, .. } if now >= deadline => self.unregistered(),
            State::Unregistering { deadline, after, .. } if now >= deadline => self.ended(after),
            State::Idle
            | State::Registering { .. }
            | State::Registered { .. }
            | State::Refreshing { .. }
            | State::Stopping { .. }
            | State::Unregistering { .. } => self.state,
        }
    }

    fn wait(
        &mut self,
        now: Time,
        cause: Cause,
        failures: u32,
        bound: Option<Bound>,
        retry_after: Option<u32>,
        entropy: &mut Entropy,
    ) -> State {
        let (wait, failures) = match cause {
            Cause::FlowClosed if failures == 0 => (self.config.flow(entropy), 1),
            cause if cause.is_temporary() => {
                let failures = failures.saturating_add(1);
                (self.config.backoff(failures, retry_after, entropy), failures)
            }
            _ => (self.config.refused(retry_after, entropy), failures),
        };
        let (retry_at, bound) = (now + wait, bound.filter(|b| now < b.until));
        self.outputs.push_back(Output::Failed { cause, retry_at, bound_until: bound.map(|b| b.until) });
        State::WaitingToRetry { retry_at, bound, failures }
    }

    fn try_again(&mut self, bound: Option<Bound>, failures: u32) -> State {
        with_bound(self.register(failures), bound)
    }

    fn unregistered(&mut self) -> State {
        self.outputs.push_back(Output::Unregistered);
        State::Idle
    }

    /// The binding is gone: rest, or start anew.
    fn ended(&mut self, after: After) -> State {
        let state = self.unregistered();
        match after {
            After::Rest => state,
            After::Register => State::Registering { pending: self.register(0) },
        }
    }

    fn observe(&mut self, observed: Option<SocketAddr>) {
        if let Some(address) = observed
            && self.observed != Some(address)
        {
            self.observed = Some(address);
            self.outputs.push_back(Output::Observed(address));
        }
    }

    fn outstanding(&self) -> Option<u32> {
        match self.state {
            State::Registering { pending }
            | State::Refreshing { pending, .. }
            | State::Stopping { pending, .. } => Some(pending.cseq),
            State::Unregistering { cseq, .. } => Some(cseq),
            State::Idle | State::Registered { .. } | State::WaitingToRetry { .. } => None,
        }
    }

    fn register(&mut self, failures: u32) -> Pending {
        let attempt = Attempt::default();
        self.register_again(Pending { cseq: 0, attempt, failures, too_brief: 0, outdated: false })
    }

    /// Sends the REGISTER once more, with the credentials we have by now. It carries the newest Contact.
    fn register_again(&mut self, pending: Pending) -> Pending {
        let mut attempt = pending.attempt;
        let cseq = self.send(self.expires, &mut attempt);
        Pending { cseq, attempt, outdated: false, ..pending }
    }

    fn unregister(&mut self, mut attempt: Attempt, deadline: Time, after: After) -> State {
        let cseq = self.send(0, &mut attempt);
        State::Unregistering { cseq, attempt, deadline, after }
    }

    fn send(&mut self, expires: u32, attempt: &mut Attempt) -> u32 {
        // RFC 3261 8.1.1.5: below 2^31.
        self.cseq = (self.cseq + 1) & 0x7fff_ffff;
        let credentials = match &mut self.client {
            Some(client) => client.authorize(attempt, "REGISTER", &self.config.registrar, b""),
            None => Vec::new(),
        };
        self.outputs.push_back(Output::SendRegister(Register { cseq: self.cseq, expires, credentials }));
        self.cseq
    }
}

const fn with_bound(pending: Pending, bound: Option<Bound>) -> State {
    match bound {
        Some(bound) => State::Refreshing { pending, bound },
        None => State::Registering { pending },
    }
}

const fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
