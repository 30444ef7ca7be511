//! Whether what each side says of a call follows from what it was sent.

use crate::phone::{Ending, PhoneCall, Progress};
use crate::stage::{HOOKSWITCH, Stage};
use crate::world::{NodeId, Passage};
use hookswitch_machine::Time;
use hookswitch_sip::message::{Limits, Message, Method, Name};
use hookswitch_sip::ua::Failure;
use hookswitch_spi::{CallId, CallState, EndedBy, InfoParts};
use hookswitch_telephony::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The header field that applications try to slip into messages.
const SLIPPED: &str = "X-Slipped";

/// Looks at a scenario that has been played.
pub(super) struct Judge<'a> {
    pub(super) stage: &'a Stage,
    pub(super) phones: &'a [NodeId],
    /// Somebody left or let go in the middle: who has left hears nothing.
    pub(super) departed: bool,
}

impl Judge<'_> {
    /// Whether each side's view follows from what it was sent.
    pub(super) fn judge(&self) -> Vec<String> {
        let mut violations = Vec::new();
        let traffic = Traffic::read(self.stage);
        for phone in self.phones {
            for call in self.stage.phone_of(*phone).calls() {
                if !call.is_over() {
                    violations
                        .push(format!("a phone's call {} never ended: {:?}", call.call_id, call.progress));
                }
                if let Some(seen) = traffic.calls.get(&call.call_id) {
                    agree(call, seen, &mut violations);
                }
            }
        }
        self.judge_ends(&traffic, &mut violations);
        self.judge_times(&traffic, &mut violations);
        self.judge_service(&mut violations);
        if traffic.slipped {
            violations.push("a header field went out that nobody may write".into());
        }
        let registrars = self.phones.iter().filter_map(|phone| self.stage.phone_of(*phone).registrar());
        if registrars.into_iter().any(|registrar| registrar.granted == 0) {
            let tried = traffic.registers > 0;
            if !tried {
                violations.push("the registered line never tried to register".into());
            }
        }
        violations
    }

    /// Ends that applications were told follow from what the engine received.
    fn judge_ends(&self, traffic: &Traffic, violations: &mut Vec<String>) {
        let mut was_up = BTreeSet::new();
        for (_, _, event) in self.stage.heard() {
            let Event::CallState { call, state, .. } = event else { continue };
            match state {
                CallState::Connected(_) => {
                    was_up.insert(*call);
                }
                CallState::Disconnected(end) if end.by == EndedBy::Peer => {
                    let Some(seen) = traffic.of(self.stage, *call).filter(|seen| !seen.replaced) else {
                        continue;
                    };
                    let got = |word: Word| seen.to_engine.contains(&word);
                    let inbound = seen.to_engine.contains(&Word::Invite);
                    let told = match (was_up.contains(call), inbound, end.status) {
                        (true, ..) => got(Word::Bye),
                        (false, true, _) => got(Word::Cancel) || got(Word::Bye),
                        // Or answered while it was in a conference, and a BYE may name a status as its reason.
                        (false, false, status) => {
                            status.is_some_and(|status| got(Word::Final(status)))
                                || got(Word::Answer) && got(Word::Bye)
                        }
                    };
                    if !told {
                        violations
                            .push(format!("{call} ended ({end}), but nothing that it was sent says so"));
                    }
                }
                _ => {}
            }
        }
        for call in &was_up {
            let Some(seen) = traffic.of(self.stage, *call) else { continue };
            let inbound = seen.to_engine.contains(&Word::Invite) || seen.replaced;
            if !inbound && !seen.to_engine.contains(&Word::Answer) {
                violations.push(format!("{call} is connected without a 2xx"));
            }
        }
    }

    /// Nobody is called on a line that is out of service by request, unless the INVITE came before.
    fn judge_service(&self, violations: &mut Vec<String>) {
        for (call, since) in self.stage.came_while_off() {
            let Some(id) = self.stage.sip_call_ids(*call).next() else { continue };
            let invites = self.stage.world.wire().iter().filter(|crossing| {
                crossing.what == Passage::Arrived
                    && crossing.to == SocketAddr::from(HOOKSWITCH)
                    && crossing.bytes.starts_with(b"INVITE")
            });
            let came = invites.filter(|crossing| {
                let message = Message::parse(crossing.bytes.clone(), &Limits::default());
                message.is_ok_and(|message| message.call_id() == id)
            });
            if came.map(|crossing| crossing.at).min().is_some_and(|came| came > *since) {
                violations
                    .push(format!("{call} was offered on a line that was out of service since {since:?}"));
            }
        }
    }

    /// What ends a call on the wire ends it for applications in the same moment.
    fn judge_times(&self, traffic: &Traffic, violations: &mut Vec<String>) {
        if self.departed {
            // Who has left hears nothing.
            return;
        }
        let mut ends: BTreeMap<String, Time> = BTreeMap::new();
        let (mut first, mut hung_up) = (BTreeSet::new(), BTreeSet::new());
        for crossing in self.stage.world.wire() {
            let Ok(message) = Message::parse(crossing.bytes.clone(), &Limits::default()) else { continue };
            let call = message.call_id().to_owned();
            let ours = crossing.from == SocketAddr::from(HOOKSWITCH);
            match (crossing.what, message.method(), message.status()) {
                (Passage::Arrived, Method::Invite, None) if !ours && message.to_tag().is_none() => {
                    first.insert((call, message.cseq().number));
                }
                // Whoever said BYE first waits for its own response.
                (Passage::Sent(_), Method::Bye, None) if ours => {
                    hung_up.insert(call);
                }
                (Passage::Sent(_), Method::Bye, Some(200)) if ours && !hung_up.contains(&call) => {
                    ends.entry(call).or_insert(crossing.at);
                }
                (Passage::Sent(_), Method::Invite, Some(300..=699))
                    if ours && first.contains(&(call.clone(), message.cseq().number)) =>
                {
                    ends.entry(call).or_insert(crossing.at);
                }
                _ => {}
            }
        }
        for (call, told) in self.told_ends() {
            let id = self.stage.sip_call_ids(call).next_back();
            let elsewhere = id.and_then(|id| traffic.calls.get(id)).is_some_and(|seen| seen.replaced);
            let at = id.and_then(|id| ends.get(id)).filter(|_| !elsewhere);
            // A drop that crosses their BYE waits for its own response.
            if let Some(at) = at
                && self.stage.dropped_at(call).is_none_or(|dropped| dropped > *at)
                && told.is_none_or(|told| told > *at)
            {
                violations.push(format!("{call} ended on the wire at {at:?}, for its owner at {told:?}"));
            }
        }
    }

    /// When applications heard of the end of each call that they were still interested in, and that stayed with its party.
    fn told_ends(&self) -> BTreeMap<CallId, Option<Time>> {
        let mut told: BTreeMap<CallId, Option<Time>> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for (at, _, event) in self.stage.heard() {
            match event {
                Event::CallState { call, state: CallState::Disconnected(_) | CallState::Idle, .. } => {
                    told.entry(*call).or_default().get_or_insert(*at);
                }
                Event::CallState { call, .. } => {
                    told.entry(*call).or_default();
                }
                Event::CallInfo { call, changed } if changed.contains(InfoParts::CONNECTED) => {
                    moved.insert(*call);
                }
                _ => {}
            }
        }
        told.retain(|call, _| !moved.contains(call));
        told
    }
}

/// What of a call arrived where.
#[derive(Clone, Debug, Default)]
struct Seen {
    to_engine: Vec<Word>,
    to_phone: Vec<Word>,
    /// Somebody asked for another dialog in its place.
    replaced: bool,
}

/// A message, as far as it decides on the life of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Invite,
    Answer,
    Final(u16),
    Ack,
    Cancel,
    Bye,
}

#[derive(Debug, Default)]
struct Traffic {
    calls: BTreeMap<String, Seen>,
    registers: usize,
    /// Something was sent that an application has slipped in.
    slipped: bool,
}

impl Traffic {
    /// What of a call arrived, in all the sessions that it went out in.
    fn of(&self, stage: &Stage, call: CallId) -> Option<Seen> {
        let seen = stage.sip_call_ids(call).filter_map(|id| self.calls.get(id));
        seen.cloned().reduce(|mut all, seen| {
            all.to_engine.extend(seen.to_engine);
            all.to_phone.extend(seen.to_phone);
            all.replaced |= seen.replaced;
            all
        })
    }

    fn read(stage: &Stage) -> Self {
        let mut traffic = Self::default();
        let engine = SocketAddr::from(HOOKSWITCH);
        for crossing in stage.world.wire().iter().filter(|crossing| crossing.what == Passage::Arrived) {
            let Ok(message) = Message::parse(crossing.bytes.clone(), &Limits::default()) else { continue };
            traffic.slipped |= crossing.to != engine && message.header(Name::new(SLIPPED)).is_some();
            if message.method() == Method::Refer && message.status().is_none() {
                // Whoever refers us elsewhere is not who ends the call.
                traffic.calls.entry(message.call_id().to_owned()).or_default().replaced = true;
            }
            if let Some(replaces) = message.header(Name::Replaces) {
                let old = replaces.split(';').next().unwrap_or_default();
                traffic.calls.entry(old.to_owned()).or_default().replaced = true;
            }
            let word = match (message.status(), message.method()) {
                (None, Method::Register) => {
                    traffic.registers += 1;
                    continue;
                }
                (None, Method::Invite) => Word::Invite,
                (None, Method::Ack) => Word::Ack,
                (None, Method::Cancel) => Word::Cancel,
                (None, Method::Bye) => Word::Bye,
                (Some(200..=299), Method::Invite) => Word::Answer,
                (Some(status @ 300..=699), Method::Invite) => Word::Final(status),
                _ => continue,
            };
            let seen = traffic.calls.entry(message.call_id().to_owned()).or_default();
            if crossing.to == engine { seen.to_engine.push(word) } else { seen.to_phone.push(word) }
        }
        traffic
    }
}

/// What RFC 3261 permits a phone's view to be, given what it received.
fn agree(call: &PhoneCall, seen: &Seen, violations: &mut Vec<String>) {
    let got = |word: Word| seen.to_phone.contains(&word);
    let wrong = match &call.progress {
        Progress::Ended { established, how } => match how {
            Ending::There => !got(Word::Bye) && !got(Word::Cancel),
            Ending::Refused(Failure::Status(status)) => !got(Word::Final(*status)),
            Ending::Refused(Failure::TimedOut | Failure::Unauthorized(_) | Failure::Unreachable) => false,
            // Up only by a 2xx that was received, or an ACK.
            Ending::Here | Ending::Lost => {
                *established && if call.outgoing { !got(Word::Answer) } else { !got(Word::Ack) }
            }
        },
        Progress::Alerting | Progress::Answered | Progress::Established => false,
    };
    if wrong {
        violations.push(format!("a phone's call ended without cause: {:?} after {seen:?}", call.progress));
    }
    // A caller that has its 200 is connected, and so is the callee that sent it.
    if call.was_established() && call.outgoing && !got(Word::Answer) {
        violations.push("a phone is connected without a 2xx".into());
    }
}
