//! How a call finds the called party: another line (and its forwarding rules), a party outside, or nobody.

use super::agenda::Task;
use super::exchange::Loopback;
use super::leg::{self, Other};
use super::script::Outside;
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, BusyMode, CallId, CallState, Disconnect, DisconnectMode, EndedBy, ForwardCondition,
    ForwardTarget, LineId, OperationError, Origin, Party, Reason,
};
use std::time::Duration;

/// How often a call may be sent on.
const HOPS_MOST: u8 = 5;
/// How long an offered call rings before its no-answer rule applies, unless the rules say otherwise.
const NO_ANSWER: Duration = Duration::from_secs(20);

/// Why a call was sent on, or was not.
pub(crate) enum Found {
    /// A line with this address takes it.
    Line(LineId, AddressId),
    /// It goes on to this address.
    Elsewhere(Box<str>, Reason),
    /// A party outside.
    Outside(Outside),
    /// Nobody: with this status.
    Nobody(u16),
}

impl Loopback {
    /// Who is at an address for this caller.
    pub(crate) fn find(&self, destination: &str, caller: &str) -> Found {
        if let Some(outside) = self.script.outside.get(destination) {
            return Found::Outside(*outside);
        }
        let known = self.lines.iter().find_map(|(id, line)| {
            let address = line.addresses.iter().find(|address| address.uri == destination)?;
            Some((*id, line, address.address))
        });
        let Some((id, line, address)) = known else { return Found::Nobody(404) };
        let rules = line.forwarding.get(usize::from(address.0));
        let rule = |when| {
            let mut rules = rules.into_iter().flat_map(|list| &list.rules);
            rules.find(|rule| rule.when == when && rule.from.as_deref().is_none_or(|from| from == caller))
        };
        let applies = rule(ForwardCondition::Unconditional)
            .map(|rule| (rule, Reason::ForwardedUnconditional))
            .or_else(|| {
                let busy = rule(ForwardCondition::Busy).filter(|_| self.is_full(id));
                busy.map(|rule| (rule, Reason::ForwardedBusy))
            });
        match applies.map(|(rule, reason)| (&rule.to, reason)) {
            Some((ForwardTarget::Address(to), reason)) => Found::Elsewhere(to.clone(), reason),
            Some((ForwardTarget::DoNotDisturb, _)) => Found::Nobody(480),
            None if self.takes_calls(id) => Found::Line(id, address),
            None if self.is_full(id) => Found::Nobody(486),
            None => Found::Nobody(480),
        }
    }

    /// A calling leg looks for the party at an address.
    pub(crate) fn route(&mut self, now: Time, call: CallId, destination: &str, hops: u8, why: Reason) {
        let Some(leg) = self.legs.get(&call).filter(|leg| leg.is_up()) else { return };
        let caller = leg.info.caller.address.clone();
        let (physical, media) = (leg.info.physical, leg.info.media);
        match self.find(destination, &caller) {
            Found::Nobody(status) => self.refuse(call, status),
            Found::Elsewhere(..) if hops >= HOPS_MOST => self.refuse(call, 482),
            Found::Elsewhere(to, reason) => {
                let latency = self.latency;
                self.after(now, latency, Task::Route { call, destination: to, hops: hops + 1, reason });
            }
            Found::Outside(behaviour) => {
                if let Some(leg) = self.legs.get_mut(&call) {
                    leg.other = Other::Outside;
                }
                match behaviour {
                    Outside::Answers(after) => {
                        self.alert(call);
                        self.after(now, after, Task::OutsideAnswers(call));
                    }
                    Outside::Rings => self.alert(call),
                    Outside::Refuses(status, after) => {
                        self.after(now, after, Task::OutsideRefuses(call, status));
                    }
                }
            }
            Found::Line(line, address) => {
                let mut info =
                    leg::info(line, address, physical, Origin::Inbound, media, &caller, destination);
                info.reason = why;
                let other = self.offer(info, Other::Leg(call));
                if let Some(leg) = self.legs.get_mut(&call) {
                    leg.other = Other::Leg(other);
                }
                self.alert(call);
                self.watch_for_no_answer(now, other);
            }
        }
    }

    fn alert(&mut self, call: CallId) {
        if self.legs.get(&call).is_some_and(|leg| leg.state == CallState::Proceeding) {
            self.enter(call, CallState::Ringback);
        }
    }

    /// Starts the clock of a no-answer rule, if there is one.
    fn watch_for_no_answer(&mut self, now: Time, call: CallId) {
        if let Some((_, after)) = self.no_answer_rule(call) {
            self.after(now, after, Task::NoAnswer(call));
        }
    }

    fn no_answer_rule(&self, call: CallId) -> Option<(ForwardTarget, Duration)> {
        let leg = self.legs.get(&call)?;
        let rules = self.lines.get(&leg.line)?.forwarding.get(usize::from(leg.address.0))?;
        let applies = |rule: &&hookswitch_spi::ForwardRule| {
            rule.when == ForwardCondition::NoAnswer
                && rule.from.as_deref().is_none_or(|from| *from == *leg.info.caller.address)
        };
        let rule = rules.rules.iter().find(applies)?;
        Some((rule.to.clone(), rules.no_answer_after.unwrap_or(NO_ANSWER)))
    }

    /// Nobody has answered an offered call: its rule applies, if it still stands.
    pub(crate) fn no_answer(&mut self, now: Time, call: CallId) {
        if !self.legs.get(&call).is_some_and(super::leg::Leg::is_offered) {
            return;
        }
        let Some((to, _)) = self.no_answer_rule(call) else { return };
        let other = self.legs.get(&call).map(|leg| leg.other);
        self.end(call, Disconnect::new(DisconnectMode::Forwarded, EndedBy::Us, "nobody answered"));
        if let Some(Other::Leg(caller)) = other {
            match to {
                ForwardTarget::Address(to) => self.route(now, caller, &to, 1, Reason::ForwardedNoAnswer),
                ForwardTarget::DoNotDisturb => self.refuse(caller, 480),
            }
        }
    }

    /// A calling leg is refused with a SIP status.
    pub(crate) fn refuse(&mut self, call: CallId, status: u16) {
        if !self.legs.get(&call).is_some_and(super::leg::Leg::is_up) {
            return;
        }
        let mode = match status {
            486 | 600 => DisconnectMode::Busy,
            404 | 484 | 604 => DisconnectMode::BadAddress,
            480 | 408 => DisconnectMode::NoAnswer,
            603 => DisconnectMode::Reject,
            503 => DisconnectMode::Congestion,
            _ => DisconnectMode::Unreachable,
        };
        if mode == DisconnectMode::Busy {
            self.enter(call, CallState::Busy(BusyMode::Station));
        }
        let end = Disconnect { status: Some(status), ..Disconnect::new(mode, EndedBy::Peer, "") };
        self.end(call, end);
    }

    /// A party outside answers a calling leg.
    pub(crate) fn outside_answers(&mut self, call: CallId) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        if leg.other != Other::Outside || !matches!(leg.state, CallState::Proceeding | CallState::Ringback) {
            return;
        }
        leg.info.connected = Party { ..leg.info.called.clone() };
        self.enter(call, CallState::Connected(hookswitch_spi::ConnectedMode::Active));
    }

    /// Whether an address can be dialled.
    pub(crate) fn dialable(destination: &str) -> Result<(), OperationError> {
        let why = if destination.is_empty() {
            "it is empty"
        } else if destination.chars().any(|c| c.is_whitespace() || c.is_control()) {
            "it contains blanks"
        } else {
            return Ok(());
        };
        Err(OperationError::InvalidAddress { address: destination.into(), why: why.into() })
    }
}
