//! Making a telephone ring although nobody calls: an INVITE of our own, which is never meant to connect. Whoever lifts the handset is
//! hung up on; a telephone that does not ring says so by its answer.

use super::Services;
use crate::core::{Core, Timer};
use crate::location::UserId;
use hookswitch_machine::{Flow, Time, TimerKey};
use hookswitch_sip::message::Message;
use hookswitch_sip::ua::{Invitation, LegId};
use std::sync::Arc;
use std::time::Duration;

/// After this it is enough.
const LONGEST: Duration = Duration::from_secs(60);
/// Why it stops: nobody has missed a call.
const DONE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// An INVITE that makes a telephone ring.
#[derive(Debug)]
pub(super) struct Ring {
    user: UserId,
    stage: Stage,
    timer: TimerKey,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked,
    Rings,
    /// It was cancelled before it rang.
    Withdrawn,
    /// It was cancelled while it rang, or somebody answered.
    Ending,
}

/// What is made to ring at a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    /// Nothing.
    No,
    /// It was asked for, and no telephone has said that it rings.
    Asked,
    /// A telephone rings.
    Rings,
    /// It was to stop, but may still ring.
    Ending,
}

impl Services {
    /// Makes the telephones of a user ring.
    pub(crate) fn ring(&mut self, core: &mut Core, now: Time, user: UserId) {
        let domain = core.own.domain();
        let from = format!("<sip:{domain}>");
        let to = format!("<{}>", core.address_of(user));
        let phones: Vec<(Box<str>, Flow)> =
            core.locations.bindings(user).iter().map(|b| (b.contact.clone(), b.flow)).collect();
        self.rung.insert(user);
        for (uri, flow) in phones {
            if !self.has_room(core) || self.rings.len() >= core.limits.service_calls {
                break;
            }
            let contact: Arc<str> = core.own.uri(flow.endpoint, core.locations.name(user)).into();
            let (account, fields, offer) = (None, "", None);
            let invitation =
                Invitation { flow, account, uri: &uri, from: &from, to: &to, contact, fields, offer };
            let Ok(leg) = self.agent.invite(now, &mut core.layer, &invitation) else { continue };
            let timer = core.timers.set_after(now, LONGEST, Timer::Service(leg));
            self.rings.insert(leg, Ring { user, stage: Stage::Asked, timer });
        }
    }

    /// Stops that.
    pub(crate) fn silence(&mut self, core: &mut Core, now: Time, user: UserId) {
        let legs: Vec<LegId> =
            self.rings.iter().filter(|(_, ring)| ring.user == user).map(|(leg, _)| *leg).collect();
        for leg in legs {
            self.stop_ring(core, now, leg);
        }
    }

    fn stop_ring(&mut self, core: &mut Core, now: Time, leg: LegId) {
        let Some(ring) = self.rings.get_mut(&leg) else { return };
        ring.stage = match ring.stage {
            Stage::Asked => Stage::Withdrawn,
            Stage::Rings => Stage::Ending,
            Stage::Withdrawn | Stage::Ending => return,
        };
        self.rung.insert(ring.user);
        if self.agent.hang_up(now, &mut core.layer, leg, Some(DONE)).is_err() {
            self.ring_over(core, leg);
        }
    }

    /// A provisional response to an INVITE of ours.
    pub(super) fn progressed(&mut self, leg: LegId, message: &Message) {
        if message.status() != Some(180) {
            return;
        }
        if let Some(ring) = self.rings.get_mut(&leg).filter(|ring| ring.stage == Stage::Asked) {
            ring.stage = Stage::Rings;
            self.rung.insert(ring.user);
        }
    }

    /// Somebody lifted the handset; false if it was not ours that rang.
    pub(super) fn ring_answered(&mut self, core: &mut Core, now: Time, leg: LegId) -> bool {
        let Some(ring) = self.rings.get_mut(&leg) else { return false };
        // It rang, whether it said so or not.
        ring.stage = Stage::Rings;
        let user = ring.user;
        // What it offers is not looked at, as the BYE follows.
        let _ = self.agent.acknowledge(now, &mut core.layer, leg, None);
        self.silence(core, now, user);
        true
    }

    /// A leg is no more.
    pub(super) fn ring_over(&mut self, core: &mut Core, leg: LegId) {
        if let Some(ring) = self.rings.remove(&leg) {
            core.timers.cancel(ring.timer);
            self.rung.insert(ring.user);
        }
    }

    /// What is made to ring at a user.
    pub(crate) fn rung(&self, user: UserId) -> Rung {
        let mut rung = Rung::No;
        for ring in self.rings.values().filter(|ring| ring.user == user) {
            rung = match (ring.stage, rung) {
                (Stage::Rings, _) => return Rung::Rings,
                (Stage::Asked, Rung::No | Rung::Asked | Rung::Ending | Rung::Rings) => Rung::Asked,
                (Stage::Withdrawn | Stage::Ending, Rung::No | Rung::Ending) => Rung::Ending,
                (Stage::Withdrawn | Stage::Ending, other @ (Rung::Asked | Rung::Rings)) => other,
            };
        }
        rung
    }

    /// Whether a telephone of a user rings because of us.
    pub(crate) fn is_heard(&self, user: UserId) -> bool {
        let theirs = self.rings.values().filter(|ring| ring.user == user);
        theirs.map(|ring| ring.stage).any(|stage| matches!(stage, Stage::Rings | Stage::Ending))
    }

    /// Somebody at whom something rings, or rings no more, since; call until `None`.
    pub(crate) fn rung_since(&mut self) -> Option<UserId> {
        self.rung.pop_first()
    }
}
