//! Calls that no request created: announced, announced again while there is no room for them, rung for, given up.

use super::agenda::Task;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Other, Taken};
use super::stranger::Noticed;
use super::{cause::Refusal, versions};
use hookswitch_spi::{
    CallId, CallInfo, CallState, Disconnect, DisconnectMode, EndedBy, MediaTypes, OfferingMode,
    OperationError, ProviderEvent, StatusKind,
};
use std::time::Duration;

/// So often a call is announced that nobody has room for.
const ANNOUNCED_MOST: u8 = 5;
/// The wait before the second announcement; it doubles each time.
const ANNOUNCED_AGAIN: Duration = Duration::from_secs(1);
/// One cycle of ringing.
pub(super) const RING_CYCLE: Duration = Duration::from_secs(4);

impl Loopback {
    /// A new call is offered to a line.
    pub(crate) fn offer(&mut self, info: CallInfo, other: Other, ring_mode: u8) -> CallId {
        let offered = CallState::Offering(OfferingMode::Active);
        self.announce_new(info, other, offered, ring_mode)
    }

    /// A call exists at a line that no request has created.
    pub(crate) fn announce_new(
        &mut self,
        mut info: CallInfo,
        other: Other,
        state: CallState,
        ring_mode: u8,
    ) -> CallId {
        let (line, address) = (info.line, info.address);
        if self.broken(Fault::ForgetsReasons) {
            info.reason = hookswitch_spi::Reason::Direct;
        }
        if self.broken(Fault::SplitsPhysicalCalls) {
            info.physical = self.mint_physical();
        }
        let call = self.add_leg(info, Taken::Waits { refused: 0 });
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.ring_mode = ring_mode;
        }
        if other != Other::Nobody {
            self.link(Other::Leg(call), other);
        }
        let alerts = self.lines.get(&line).is_some_and(|line| !line.capabilities.flags.accept_alerts);
        if alerts && matches!(state, CallState::Offering(_)) {
            self.notes(other, Noticed::Alerted(Vec::new()));
        }
        if self.broken(Fault::StateBeforeAnnounced) {
            let (state, media) = (state.clone(), MediaTypes::VOICE);
            self.events.push_back(ProviderEvent::CallState { call, state, media });
        }
        self.events.push_back(ProviderEvent::NewCall { line, address, call });
        self.enter(call, state);
        call
    }

    /// What the application side says to an announcement.
    pub(crate) fn taken(&mut self, call: CallId, taken: bool) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let Taken::Waits { refused } = leg.taken else { return };
        if taken {
            leg.taken = Taken::Yes;
            let (line, address, media, state) = (leg.line, leg.address, leg.info.media, leg.state.clone());
            let mut state = versions::state(self.version(line), state);
            if self.broken(Fault::OffersEverything) {
                state = CallState::Offering(OfferingMode::Active);
            }
            self.events.push_back(ProviderEvent::CallState { call, state, media });
            self.count(line, address);
            return self.ring(call, 0);
        }
        if !leg.is_up() {
            self.legs.remove(&call);
            return;
        }
        let refused = refused + 1;
        leg.taken = Taken::Waits { refused };
        if refused >= ANNOUNCED_MOST {
            return self.give_up(call);
        }
        if !self.broken(Fault::AnnouncesOnce) {
            self.after(ANNOUNCED_AGAIN * 2u32.pow(u32::from(refused) - 1), Task::Announce(call));
        }
    }

    pub(crate) fn announce_again(&mut self, call: CallId) {
        if let Some(leg) = self.legs.get(&call).filter(|leg| leg.taken != Taken::Yes) {
            let (line, address) = (leg.line, leg.address);
            self.events.push_back(ProviderEvent::NewCall { line, address, call });
        }
    }

    /// Nobody ever had room for a call: its caller hears busy.
    fn give_up(&mut self, call: CallId) {
        let other = self.unlink(Other::Leg(call));
        let decides = self.legs.get_mut(&call).and_then(|leg| leg.decides.take());
        self.legs.remove(&call);
        if let Some(transfer) = decides {
            let reason = "no room at the target".into();
            self.complete(transfer, Err(OperationError::Refused { status: 486, reason }));
        }
        match other {
            Other::Leg(caller) => self.refuse(caller, Refusal::with(486)),
            Other::Stranger(id) => {
                self.notes(other, Noticed::Refused(486));
                self.remove_stranger(id);
            }
            Other::Orbit(_) | Other::Nobody => {}
        }
    }

    /// A ring cycle of an offered call begins.
    pub(crate) fn ring(&mut self, call: CallId, count: u32) {
        let Some(leg) = self.legs.get(&call).filter(|leg| leg.is_offered() && leg.is_known()) else { return };
        let (line, mode) = (leg.line, leg.rest.ring_mode);
        let told = if self.broken(Fault::RingCountStuck) { 0 } else { count };
        self.tell(line, StatusKind::Ringing, ProviderEvent::Ringing { line, mode, count: told });
        self.after(RING_CYCLE, Task::Ring(call, count + 1));
    }

    /// A calling leg, or one that calls back, has waited long enough.
    pub(crate) fn waited_enough(&mut self, call: CallId) {
        let Some(leg) = self.legs.get(&call) else { return };
        let (offered, calls) = (leg.is_offered(), leg.rest.calls.is_some());
        if matches!(leg.state, CallState::Proceeding | CallState::Ringback) {
            let other = self.unlink(Other::Leg(call));
            let cancelled = Disconnect::new(DisconnectMode::Cancelled, EndedBy::Peer, "");
            self.end_other(other, cancelled, None);
            self.end(call, Disconnect::new(DisconnectMode::NoAnswer, EndedBy::Us, ""));
        } else if offered && calls {
            self.end(call, Disconnect::new(DisconnectMode::Cancelled, EndedBy::Network, ""));
        }
    }
}
