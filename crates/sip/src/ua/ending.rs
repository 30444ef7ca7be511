//! How sessions are ended by us: CANCEL, BYE, or a refusal, each when it may be said.

use super::agent::UserAgent;
use super::ids::{LegError, LegId};
use super::indication::Indication;
use super::leg::{AfterAck, State, Wish};
use super::pending::Purpose;
use crate::message::Method;
use crate::transaction::Layer;
use hookswitch_machine::Time;

impl UserAgent {
    /// Ends a session in whatever state it is: CANCEL, BYE, or 486. Ends with [`Indication::HungUp`] or
    /// [`Indication::Failed`]; refused calls are gone at once, and so is the session if an error
    /// says that there is nothing to wait for. `reason` is the value of a Reason header field.
    pub fn hang_up(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        reason: Option<&str>,
    ) -> Result<(), LegError> {
        self.hang_up_with(now, layer, id, reason, "")
    }

    /// As [`hang_up`](Self::hang_up), with further complete header field lines ([`ExtraHeaders`](crate::headers::ExtraHeaders)) in the BYE,
    /// or in the 486. A CANCEL carries none: it goes no further than the next proxy (RFC 3261 9.1). Neither does a BYE that has to wait for
    /// an ACK; what it must carry is to be given by [`set_standing_headers`](Self::set_standing_headers).
    pub fn hang_up_with(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        reason: Option<&str>,
        fields: &str,
    ) -> Result<(), LegError> {
        let leg = self.legs.get_mut(id).ok_or(LegError::Gone)?;
        match &mut leg.state {
            State::Invited { .. } => {
                self.finish_invite(now, layer, id, 486, format_args!("{fields}"));
                self.remove(id);
            }
            State::Accepted { then: then @ AfterAck::Talk, .. } => *then = AfterAck::HangUp,
            State::Accepted { then: AfterAck::HangUp | AfterAck::Farewell, .. } => {}
            State::Inviting { client, wish, .. } => {
                *wish = Wish::Cancel;
                let _ = layer.cancel(now, *client, reason);
            }
            State::Confirmed => {
                if self.send_bye_with(now, layer, id, reason, fields) != Indication::None {
                    return Err(LegError::Full);
                }
            }
            // The 3xx has ended the INVITE, and nothing followed it.
            State::Redirected { .. } => {
                self.remove(id);
                return Err(LegError::Gone);
            }
            State::HangingUp { .. } => {}
        }
        Ok(())
    }

    /// Lets go of a session: what must be said to the other side is said, as soon as it may be, and nothing more is indicated.
    pub fn abandon(&mut self, now: Time, layer: &mut Layer, id: LegId) {
        let Some(leg) = self.legs.get(id) else { return };
        match &leg.state {
            State::Invited { .. } => {
                self.finish_invite(now, layer, id, 480, format_args!(""));
                self.remove(id);
            }
            // The transaction goes on by itself; a late 2xx is a stray one and gets ACK and BYE.
            State::Inviting { client, .. } => {
                let client = *client;
                let _ = layer.cancel(now, client, None);
                if let Some(pending) = self.pending.get_mut(&client) {
                    pending.purpose = Purpose::Abandoned;
                }
                self.remove(id);
            }
            State::Redirected { .. } => {
                self.remove(id);
            }
            State::Accepted { .. } => {
                // RFC 3261 15: no BYE before the ACK or 64·T1. The place stays taken until then.
                if let Some(State::Accepted { then, .. }) = self.legs.get_mut(id).map(|leg| &mut leg.state) {
                    *then = AfterAck::Farewell;
                }
            }
            State::Confirmed => self.farewell(now, layer, id, None),
            State::HangingUp { client } => {
                if let Some(pending) = self.pending.get_mut(client) {
                    pending.purpose = Purpose::Farewell;
                }
                self.remove(id);
            }
        }
    }

    /// BYE of a session that the user still knows; [`Indication::HungUp`] if none could be sent: then it is gone.
    pub(super) fn send_bye(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        reason: Option<&str>,
    ) -> Indication {
        self.send_bye_with(now, layer, id, reason, "")
    }

    fn send_bye_with(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        reason: Option<&str>,
        fields: &str,
    ) -> Indication {
        self.close_exchange(now, layer, id);
        // A 2xx is acknowledged first, even if the user forgot.
        let _ = self.acknowledge(now, layer, id, None);
        let mut lines = reason_field(reason);
        lines.push_str(fields);
        match self.request_within(now, layer, id, Purpose::Bye(id), Method::Bye, lines, None) {
            Ok(client) => {
                if let Some(leg) = self.legs.get_mut(id) {
                    leg.state = State::HangingUp { client };
                }
                Indication::None
            }
            // No room for a transaction: the dialog ends on our side only, RTP silence tells the other.
            Err(_) => {
                self.remove(id);
                Indication::HungUp(id)
            }
        }
    }

    /// BYE of a session that is gone for the user.
    pub(super) fn farewell(&mut self, now: Time, layer: &mut Layer, id: LegId, reason: Option<&str>) {
        self.close_exchange(now, layer, id);
        let _ = self.acknowledge(now, layer, id, None);
        let _ =
            self.request_within(now, layer, id, Purpose::Farewell, Method::Bye, reason_field(reason), None);
        self.remove(id);
    }
}

fn reason_field(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!("Reason: {reason}\r\n"))
}
