//! Transfers with a consultation: the held call and the consultation call, what becomes of one when the other ends, and how the
//! two others are joined (RFC 5589 7, or by a bridge of ours).
//!
//! The two calls are *partners* until one of them ends, the consultation is over, or the transfer is done. Either may be the active
//! one (they can be exchanged); the one that is *on hold pending transfer* comes back when its partner ends, where the profile
//! says so.

use crate::call::{Aim, Ask, Wait};
use crate::core::Core;
use crate::dial;
use hookswitch_machine::Time;
use hookswitch_sip::message::Uri;
use hookswitch_sip::refer::{ReferTo, Replaces};
use hookswitch_spi::{
    AddressId, CallId, CallState, Completion, ConsultOptions, Disconnect, DisconnectMode, EndedBy, InfoParts,
    LineId, OperationError, PhysicalCallId, StateKind,
};
use std::time::Duration;

impl Core {
    /// Holds a connected call; its consultation call begins when it is held.
    pub(crate) fn setup_transfer(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        consult: ConsultOptions,
    ) -> Result<CallId, OperationError> {
        let ConsultOptions { destination, call: options } = consult;
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        if call.partner().is_some() || call.is_leaving() {
            return Err(OperationError::Failed("a transfer of this call is being prepared already".into()));
        }
        self.can_change(id)?;
        let (line_id, address, physical) = (call.line, call.address, call.facts.physical);
        self.can_make(line_id)?;
        let line = self.line(line_id).ok_or(OperationError::Closed)?;
        dial::dialled(&destination, &line.account.domain)?;
        let consult = ConsultOptions { destination, call: options };
        let consult = self.new_consultation(now, line_id, address, PhysicalCallId(physical), consult);
        match self.change_hold(now, id, Aim::Consult(consult)) {
            Ok(what) => {
                self.wait(id, ask, what);
                Ok(consult)
            }
            Err(error) => {
                self.forget(now, consult);
                Err(error)
            }
        }
    }

    /// A consultation call that does not exist for applications yet.
    pub(crate) fn new_consultation(
        &mut self,
        now: Time,
        line: LineId,
        address: AddressId,
        related: PhysicalCallId,
        consult: ConsultOptions,
    ) -> CallId {
        let ConsultOptions { destination, call: options } = consult;
        // What could not be sent was refused before.
        let placing = self.placing(line, &options).unwrap_or_default();
        let consult = self.new_outgoing(now, line, address, options.source, options.call_data);
        self.begin_with(consult, options.audio.as_deref());
        if let Some(call) = self.calls.get_mut(consult) {
            let extra = call.extra();
            extra.placing = placing;
            extra.dialled = destination;
            extra.related = Some(related);
        }
        consult
    }

    /// The call is held: its consultation call begins.
    pub(crate) fn consult(&mut self, now: Time, id: CallId, consult: CallId, completion: Option<Completion>) {
        let Some(other) = self.calls.get_mut(consult) else {
            // It was closed meanwhile.
            self.enter(id, CallState::OnHold);
            self.complete(completion, Err(OperationError::CallEnded));
            return;
        };
        other.extra().partner = Some(id);
        let physical = PhysicalCallId(other.facts.physical);
        if let Some(call) = self.calls.get_mut(id) {
            let extra = call.extra();
            extra.partner = Some(consult);
            extra.related = Some(physical);
        }
        self.enter(id, CallState::OnHoldPendingTransfer);
        self.changed(id, InfoParts::IDENTITY);
        self.begin(now, consult, completion);
    }

    /// Takes partners apart; the other one.
    pub(crate) fn part(&mut self, id: CallId) -> Option<CallId> {
        let partner = self.calls.get_mut(id)?.extra.as_mut()?.partner.take()?;
        if let Some(extra) = self.calls.get_mut(partner).and_then(|call| call.extra.as_mut()) {
            extra.partner = None;
        }
        Some(partner)
    }

    /// A call has ended: its partner is not held for it any more.
    pub(crate) fn partner_ended(&mut self, id: CallId) {
        if let Some(partner) = self.part(id) {
            self.consultation_over(self.now, partner);
        }
    }

    /// A call that waits for nothing any more comes back (TAPI: AUTORECONNECT), or stays as it is until it is retrieved.
    pub(crate) fn consultation_over(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        let waits = call.state == CallState::OnHoldPendingTransfer
            && call.partner().is_none()
            && !call.is_leaving()
            && !call.is_changing();
        if !waits {
            return;
        }
        if self.line(call.line).is_some_and(|line| line.capabilities.flags.reconnects) {
            self.go_on(now, id, None, Aim::Return);
        }
    }

    /// Ends a call without a request of its own: it becomes idle.
    pub(crate) fn dismiss(&mut self, now: Time, id: CallId) {
        let Some(leg) = self.calls.get(id).and_then(|call| call.leg) else {
            self.finish(id);
            return;
        };
        self.stop_stream(id);
        self.abandon_referral(now, id);
        self.wait_on(id, None, Wait::End);
        if self.ua.hang_up(now, &mut self.layer, leg, None).is_err() {
            self.hung_up(now, leg);
        }
    }

    /// Ends an active call because another is answered; whoever owns it is told why.
    pub(crate) fn displace(&mut self, now: Time, id: CallId) {
        for member in self.scatter(id) {
            if self.is_dropping(member) {
                self.part_with(now, member);
            } else {
                self.displace(now, member);
            }
        }
        let end = Disconnect::new(DisconnectMode::Normal, EndedBy::Us, "another call was answered");
        self.enter(id, CallState::Disconnected(end));
        self.fail_waiting_but_transfer(id);
        self.dismiss(now, id);
    }

    /// Lets go of a call's session; the call is idle at once.
    pub(crate) fn part_with(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(id).filter(|call| call.state.kind() != StateKind::Idle) else {
            return;
        };
        if let Some(leg) = call.leg {
            self.ua.abandon(now, &mut self.layer, leg);
        }
        self.abandon_referral(now, id);
        // Who asked for its end has what it wanted.
        self.complete_drops(id);
        self.finish(id);
    }

    /// Whether two calls are those of a transfer that was prepared, and nothing is on its way in either.
    pub(crate) fn can_complete(&self, id: CallId, consult: CallId) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        if call.partner() != Some(consult) {
            return Err(OperationError::NotConsultation(consult));
        }
        let other = self.calls.get(consult).ok_or(OperationError::NoSuchCall(consult))?;
        if call.is_leaving()
            || other.is_leaving()
            || other.waiting.iter().any(|w| w.what == Wait::BridgeTurn(id))
        {
            return Err(OperationError::Failed("a transfer of this call is already on its way".into()));
        }
        self.can_change(id)?;
        self.can_change(consult)
    }

    /// Joins the two others of a transfer that was prepared (lineCompleteTransfer). Completes with what became of it.
    pub(crate) fn complete_transfer(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        consult: CallId,
        deadline: Duration,
    ) -> Result<(), OperationError> {
        self.can_complete(id, consult)?;
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let other = self.calls.get(consult).ok_or(OperationError::NoSuchCall(consult))?;
        let connected = other.state.kind() == StateKind::Connected;
        if !self.line(call.line).is_some_and(|line| line.account.profile.refer) {
            if connected {
                return self.hold(now, ask, id, Aim::Bridge(consult));
            }
            self.wait(consult, ask, Wait::BridgeTurn(id));
            return Ok(());
        }
        let target = other.facts.target.clone();
        let party = match &*other.facts.connected.address {
            "" => target.clone(),
            address => address.into(),
        };
        // Nobody may replace a session that only alerts and that another began (RFC 3891 3): then the call is transferred
        // to the same target, and the consultation ends as soon as that is taken on.
        let dialog = other.leg.filter(|_| connected).and_then(|leg| self.ua.dialog(leg));
        let refer_to = match dialog {
            Some(dialog) => {
                let uri = Uri::parse(dialog.target())
                    .map_err(|_| OperationError::Failed("the contact of the target is no address".into()))?;
                ReferTo::new(&uri, Some(Replaces::of(dialog))).to_string()
            }
            None => format!("<{target}>"),
        };
        let what = self.refer(now, id, &refer_to, party, deadline)?;
        if let Some(call) = self.calls.get_mut(id) {
            call.extra().follower = Some(consult);
        }
        self.wait(id, ask, what);
        Ok(())
    }

    /// The other side has taken a transfer on: a consultation call that only alerts would find its target busy.
    pub(crate) fn transfer_taken_on(&mut self, now: Time, id: CallId) {
        let follower = self.calls.get(id).and_then(|call| call.extra.as_ref()?.follower);
        let Some(follower) = follower else { return };
        let alerts = self.calls.get(follower).is_some_and(|call| {
            matches!(call.state.kind(), StateKind::Dialing | StateKind::Proceeding | StateKind::Ringback)
        });
        if alerts {
            self.dismiss(now, follower);
        }
    }
}
