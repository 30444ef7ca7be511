//! The world outside, played by a test: who calls, holds, hangs up; and what its parties hear.

use super::agenda::Search;
use super::cause::Refusal;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Leg, Other};
use super::route::{Caller, Found};
use super::stranger::{Fate, GivesUp, Heard, Incoming, Stranger};
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallState, CallTreatment, ConnectedMode, Disconnect, DisconnectMode,
    EndedBy, InfoParts, LineId, MediaType, MediaTypes, Origin, Party, ProviderEvent, StatusKind,
};

impl Loopback {
    /// Somebody outside calls. `None` if nobody takes the call: the line is closed, out of service, full, or forwards it to
    /// somebody outside.
    pub fn call_in(
        &mut self,
        line: LineId,
        address: AddressId,
        from: &str,
        media: MediaTypes,
    ) -> Option<CallId> {
        let incoming = Incoming { address, media, ..Incoming::new(line, from) };
        self.comes_in(incoming).ok()
    }

    /// Somebody outside calls. The call may arrive at another line, where rules forward it; it may be refused, and then this is
    /// how.
    pub fn comes_in(&mut self, incoming: Incoming) -> Result<CallId, Refusal> {
        let called = self.lines.get(&incoming.line).and_then(|line| line.uri(incoming.address));
        let called = called.ok_or(Refusal::with(404))?.to_owned();
        let party = self.shown(&incoming.uri, incoming.from);
        let caller = Caller { party: party.clone(), uri: incoming.uri.clone(), media: incoming.media };
        let mut search = Search {
            destination: called.clone().into(),
            hops: 0,
            reason: incoming.reason,
            redirecting: incoming.redirecting,
        };
        let (line, address) = loop {
            match self.find(&search.destination, &caller) {
                Found::Line(line, address) => break (line, address),
                Found::Nobody(refusal) => return Err(refusal),
                Found::Outside(..) => return Err(Refusal::with(302)),
                Found::Elsewhere(..) if search.hops >= 5 => return Err(Refusal::with(482)),
                Found::Elsewhere(destination, reason, by) => {
                    let redirecting = Party::known(by, "");
                    search = Search { destination, hops: search.hops + 1, reason, redirecting };
                }
            }
        };
        let dialled = incoming.dialled.unwrap_or_else(|| called.into());
        let physical = self.mint_physical();
        let origin = self.origin_of(line, address, &caller);
        let media = incoming.media;
        let mut info = leg::info(line, address, physical, origin, media, party, Party::known(dialled, ""));
        info.reason = search.reason;
        info.redirecting = search.redirecting;
        info.user_info = incoming.user_info;
        info.display = incoming.display;
        let stranger = self.add_stranger(Stranger::new(incoming.uri, true));
        let call = self.offer(info, Other::Stranger(stranger), incoming.ring_mode.max(1));
        self.watch_for_no_answer(call);
        Ok(call)
    }

    /// A call is found on a line that nobody has asked for: the user of the telephone has gone off-hook (`with` is `None`), or is
    /// talking with somebody.
    pub fn appears(&mut self, line: LineId, address: AddressId, with: Option<&str>) -> Option<CallId> {
        let own = self.lines.get(&line)?.uri(address)?.to_owned();
        let physical = self.mint_physical();
        let called = with.map_or_else(Party::default, |with| Party::known(with, ""));
        let own = Party::known(own, "");
        let info = leg::info(line, address, physical, Origin::Outbound, MediaTypes::VOICE, own, called);
        Some(match with {
            None => self.announce_new(info, Other::Nobody, CallState::Dialtone, 1),
            Some(with) => {
                let stranger = self.add_stranger(Stranger::new(with, true));
                let connected = CallState::Connected(ConnectedMode::Active);
                let call = self.announce_new(info, Other::Stranger(stranger), connected, 1);
                if let Some(leg) = self.legs.get_mut(&call) {
                    leg.answered = true;
                    leg.info.connected = Party::known(with, "");
                }
                call
            }
        })
    }

    /// The party outside hangs up, or gives up before an answer. Without effect on calls between lines of the exchange.
    pub fn hang_up(&mut self, call: CallId) {
        let Some(leg) = self.legs.get(&call) else { return };
        let mode = if leg.is_offered() { DisconnectMode::Cancelled } else { DisconnectMode::Normal };
        self.leaves(call, Disconnect::new(mode, EndedBy::Peer, ""));
    }

    /// The party outside gives up before an answer, for a reason.
    pub fn gives_up(&mut self, call: CallId, why: GivesUp) {
        if !self.legs.get(&call).is_some_and(Leg::is_offered) {
            return;
        }
        let mode = match why {
            _ if self.broken(Fault::CancelsWithoutReason) => DisconnectMode::Cancelled,
            GivesUp::Cancelled => DisconnectMode::Cancelled,
            GivesUp::AnsweredElsewhere => DisconnectMode::Pickup,
            GivesUp::Forwarded => DisconnectMode::Forwarded,
        };
        self.leaves(call, Disconnect::new(mode, EndedBy::Peer, ""));
    }

    /// A call with a party outside ends in this way: its network fails, its media stop.
    pub fn leaves(&mut self, call: CallId, end: Disconnect) {
        let Some(Other::Stranger(id)) = self.legs.get(&call).map(|leg| leg.other) else { return };
        self.unlink(Other::Leg(call));
        self.note_fate(call, Fate::Left);
        self.remove_stranger(id);
        self.end(call, end);
    }

    fn with_stranger(&mut self, call: CallId, change: impl FnOnce(&mut Stranger)) {
        if let Some(Other::Stranger(id)) = self.legs.get(&call).map(|leg| leg.other)
            && let Some(party) = self.strangers.get_mut(&id)
        {
            change(party);
        }
    }

    /// The party outside holds us, or no longer.
    pub fn holds_us(&mut self, call: CallId, on: bool) {
        self.with_stranger(call, |party| party.holds = on);
        self.refresh(call);
    }

    /// The party outside never confirms that a call has ended.
    pub fn never_confirms(&mut self, call: CallId) {
        self.with_stranger(call, |party| party.deaf = true);
    }

    /// The party outside does not let itself be transferred.
    pub fn refuses_transfers(&mut self, call: CallId) {
        self.with_stranger(call, |party| party.transferable = false);
    }

    /// The other side tells later who it is.
    pub fn names_caller(&mut self, call: CallId, caller: Party) {
        let party = self.shown("", caller);
        self.with_info(call, InfoParts::CALLER, |info| info.caller = party);
    }

    /// The other side offers other media (a re-INVITE): the same call goes on.
    pub fn offers_media(&mut self, call: CallId, media: MediaTypes) {
        let Some(leg) = self.known(call).filter(|leg| leg.is_up()) else { return };
        let (line, address, before, watched) = (leg.line, leg.address, leg.info.media, leg.rest.watched);
        if self.broken(Fault::AnnouncesAgain) {
            self.events.push_back(ProviderEvent::NewCall { line, address, call });
        }
        if before == media {
            return;
        }
        self.with_info(call, InfoParts::MEDIA, |info| info.media = media);
        for one in media.iter().filter(|one| !before.contains(*one) && watched.contains(*one)) {
            self.events.push_back(ProviderEvent::Media { call, media: one });
        }
    }

    /// The other side sounds like this, a fax perhaps; the recorded media stay.
    pub fn sounds_like(&mut self, call: CallId, media: MediaType) {
        if self.known(call).is_some_and(|leg| leg.is_up() && leg.rest.watched.contains(media)) {
            self.events.push_back(ProviderEvent::Media { call, media });
        }
    }

    /// Messages wait for a line's user: new ones and old ones.
    pub fn messages_wait(&mut self, line: LineId, new: u32, old: u32) {
        let repeats = self.broken(Fault::RepeatsMessageWaiting);
        let Some(entry) = self.lines.get_mut(&line) else { return };
        if entry.messages == (new, old) && !repeats {
            return;
        }
        entry.messages = (new, old);
        let event = ProviderEvent::MessageWaiting { line, waiting: new > 0, new, old };
        self.tell(line, StatusKind::MessageWaiting, event);
    }

    /// How the party outside of a call fares, or fared when it left the call; the last thousand are remembered.
    pub fn fate(&self, call: CallId) -> Option<Fate> {
        match self.legs.get(&call).map(|leg| (leg.other, leg.is_offered())) {
            Some((Other::Stranger(_), true)) => Some(Fate::Alerts),
            Some((Other::Stranger(id), false)) => {
                let present = self.strangers.get(&id).is_some_and(|party| party.present);
                Some(if present { Fate::Talks } else { Fate::Alerts })
            }
            Some((Other::Leg(_) | Other::Orbit(_) | Other::Nobody, _)) | None => {
                self.fates.get(&call).cloned()
            }
        }
    }

    /// What the other party of a call hears.
    pub fn party_hears(&self, call: CallId) -> Heard {
        let Some(leg) = self.legs.get(&call) else { return Heard::Nothing };
        let waits = |otherwise| Heard::Treatment(leg.info.treatment.unwrap_or(otherwise));
        match &leg.state {
            CallState::Offering(_) | CallState::Accepted => waits(CallTreatment::Ringback),
            CallState::OnHold | CallState::OnHoldPendingTransfer | CallState::OnHoldPendingConference => {
                waits(CallTreatment::Music)
            }
            CallState::Connected(_) if leg.answered => match &leg.rest.source {
                AudioSource::Silence => Heard::Talk,
                source => Heard::Source(source.clone()),
            },
            CallState::Conferenced(_) if leg.answered => Heard::Talk,
            CallState::Connected(_)
            | CallState::Conferenced(_)
            | CallState::Idle
            | CallState::Dialtone
            | CallState::Dialing
            | CallState::Proceeding
            | CallState::Ringback
            | CallState::Busy(_)
            | CallState::Disconnected(_)
            | CallState::Unknown => Heard::Nothing,
        }
    }

    /// Whether somebody with this address hears somebody with that one: users of lines and parties outside alike.
    pub fn hears(&self, listener: &str, speaker: &str) -> bool {
        let heard = self.ends_of(listener).into_iter().flat_map(|end| self.heard_by(end));
        heard.into_iter().any(|end| *self.party_at(end).address == *speaker)
    }

    fn ends_of(&self, address: &str) -> Vec<Other> {
        let legs = self.legs.keys().map(|call| Other::Leg(*call));
        let strangers = self.strangers.keys().map(|id| Other::Stranger(*id));
        legs.chain(strangers).filter(|end| *self.party_at(*end).address == *address).collect()
    }

    /// Somebody outside who talks to somebody outside, or waits at an orbit, hangs up.
    pub fn hangs_up_elsewhere(&mut self, address: &str) {
        let found = self
            .strangers
            .iter()
            .find(|(_, party)| *party.address == *address && !matches!(party.other, Other::Leg(_)));
        if let Some(id) = found.map(|(id, _)| *id) {
            self.remove_stranger(id);
        }
    }
}
