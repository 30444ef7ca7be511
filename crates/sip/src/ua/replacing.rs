//! Sessions that take the place of another (RFC 3891).

use super::agent::{Timer, UserAgent, subscription_at};
use super::ids::LegId;
use super::leg::{AfterAck, Leg, State, Tag, Wish};
use crate::dialog::Dialog;
use crate::message::{Message, Name};
use crate::refer::Replaces;
use crate::transaction::Layer;
use hookswitch_machine::Time;

impl UserAgent {
    /// The session that an INVITE wants to take the place of; if it may not, the status to answer with (RFC 3891 3).
    pub(super) fn replaced_by(&self, message: &Message) -> Result<Option<LegId>, u16> {
        let Some(value) = message.header(Name::Replaces) else { return Ok(None) };
        // RFC 3911 4: never both.
        if message.header(Name::Join).is_some() {
            return Err(400);
        }
        let replaces = Replaces::parse(value).map_err(|_| 400u16)?;
        let tag = Tag::parse(&replaces.to_tag)
            .filter(|tag| self.is_own(tag) && subscription_at(tag.leg).is_none())
            .ok_or(481u16)?;
        match self.legs.get(tag.leg) {
            // We made the tag, so there was such a session: it is over.
            None => Err(603),
            Some(leg) if leg.is_ending() => Err(603),
            Some(leg) => {
                replaces.permits(leg.dialogs().find(|dialog| replaces.names(dialog)))?;
                Ok(Some(tag.leg))
            }
        }
    }

    /// A session ends because another has taken its place.
    pub(super) fn give_way(&mut self, now: Time, layer: &mut Layer, replaced: LegId) {
        let state = self.legs.get(replaced).map(|leg| &leg.state);
        let lived = state.is_some();
        // Whoever still alerts is told that somebody else has answered (RFC 3326 2).
        let reason = match state {
            Some(State::Inviting { .. }) => Some("SIP;cause=200;text=\"Call completed elsewhere\""),
            Some(_) | None => None,
        };
        let _ = self.hang_up(now, layer, replaced, reason);
        if lived && self.legs.get(replaced).is_none() {
            // Nothing will come that tells its end.
            self.timers.set(now, Timer::Replaced(replaced));
        }
    }

    /// The dialogs of a session: its own, or the early ones that the branches of a fork have made.
    pub fn dialogs(&self, id: LegId) -> impl Iterator<Item = &Dialog> {
        self.legs.get(id).into_iter().flat_map(Leg::dialogs)
    }
}

impl Leg {
    fn dialogs(&self) -> impl Iterator<Item = &Dialog> {
        let early: &[Dialog] = match &self.state {
            State::Inviting { early, .. } => early,
            State::Invited { .. }
            | State::Accepted { .. }
            | State::Redirected { .. }
            | State::Confirmed
            | State::HangingUp { .. } => &[],
        };
        self.dialog.as_deref().into_iter().chain(early)
    }

    /// Whether somebody has ended it already.
    const fn is_ending(&self) -> bool {
        match &self.state {
            State::Invited { .. }
            | State::Accepted { then: AfterAck::Talk, .. }
            | State::Inviting { wish: Wish::Answer, .. }
            | State::Redirected { .. }
            | State::Confirmed => false,
            State::Accepted { then: AfterAck::HangUp | AfterAck::Farewell, .. }
            | State::Inviting { wish: Wish::Cancel, .. }
            | State::HangingUp { .. } => true,
        }
    }
}
