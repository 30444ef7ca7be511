//! The world outside, played by a test: who calls, holds, hangs up; and what its parties hear.

use super::agenda::Search;
use super::cause::Refusal;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Leg, Other};
use super::route::{Caller, Found};
use super::stranger::{GivesUp, Heard, Incoming, Noticed, PartyId, Stranger};
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallState, CallTreatment, ConnectedMode, Disconnect, DisconnectMode,
    EndedBy, InfoParts, LineId, MediaTrigger, MediaType, MediaTypes, Origin, Party, ProviderEvent, Reason,
    StatusKind,
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
        let party = self.comes_in(Incoming { address, media, ..Incoming::new(line, from) });
        self.call_of(party)
    }

    /// Somebody outside calls. The call may arrive at another line, where rules forward it; [`call_of`](Self::call_of) tells, and
    /// [`noticed`](Self::noticed) how it was refused.
    pub fn comes_in(&mut self, incoming: Incoming) -> PartyId {
        let id = self.add_stranger(Stranger::new(incoming.uri.clone(), true));
        let refusal = if let Some(replaced) = incoming.replaces {
            self.replace(id, replaced)
        } else {
            self.arrive(id, incoming)
        };
        if let Err(refusal) = refusal {
            if refusal.status != 302 {
                self.notes(Other::Stranger(id), Noticed::Refused(refusal.status));
            }
            self.remove_stranger(id);
        }
        id
    }

    fn arrive(&mut self, id: PartyId, incoming: Incoming) -> Result<(), Refusal> {
        let called = self.lines.get(&incoming.line).and_then(|line| line.uri(incoming.address));
        let called = called.ok_or(Refusal::with(404))?.to_owned();
        let party = self.shown(&incoming.uri, incoming.from);
        let media = if incoming.media.is_empty() { self.candidates(incoming.line) } else { incoming.media };
        let caller = Caller { party: party.clone(), uri: incoming.uri, media };
        let mut search = Search {
            destination: called.clone().into(),
            hops: 0,
            reason: incoming.reason,
            redirecting: incoming.redirecting,
        };
        if let Some(joined) = incoming.joins {
            let secure =
                self.call_of(joined).and_then(|call| self.legs.get(&call)).map(|leg| leg.info.secure);
            match secure {
                Some(false) => search.reason = Reason::Intrusion,
                Some(true) => return Err(Refusal::with(486)),
                None => return Err(Refusal::with(481)),
            }
        }
        let (line, address) = loop {
            match self.find(&search.destination, &caller) {
                Found::Line(line, address) => break (line, address),
                Found::Nobody(_) | Found::Outside(..) if search.hops > 0 => return Err(Refusal::with(302)),
                Found::Nobody(refusal) => return Err(refusal),
                Found::Outside(..) => return Err(Refusal::with(302)),
                Found::Elsewhere(..) if search.hops >= 5 => return Err(Refusal::with(482)),
                Found::Elsewhere(destination, reason, by) => {
                    self.notes(Other::Stranger(id), Noticed::SentTo(destination.clone()));
                    let redirecting = Party::known(by, "");
                    search = Search { destination, hops: search.hops + 1, reason, redirecting };
                }
            }
        };
        let dialled = incoming.dialled.unwrap_or_else(|| called.into());
        let physical = incoming.physical.unwrap_or_else(|| self.mint_physical());
        let origin = self.origin_of(line, address, &caller);
        let mut info = leg::info(line, address, physical, origin, media, party, Party::known(dialled, ""));
        info.reason = search.reason;
        info.redirecting = search.redirecting;
        info.user_info = incoming.user_info;
        info.display = incoming.display;
        let call = self.offer(info, Other::Stranger(id), incoming.ring_mode.max(1));
        self.watch_for_no_answer(call);
        Ok(())
    }

    /// What a call without an offer may turn out to be: what is wanted of what the line can carry.
    fn candidates(&self, line: LineId) -> MediaTypes {
        let candidates = self.lines.get(&line).map_or(MediaTypes::NONE, |entry| {
            let wanted = entry.open.map_or(MediaTypes::NONE, |open| open.detected);
            entry.capabilities.media.intersection(wanted)
        });
        candidates.with(MediaType::Unknown)
    }

    /// A party outside takes the place of another.
    fn replace(&mut self, id: PartyId, replaced: PartyId) -> Result<(), Refusal> {
        let call = self.call_of(replaced).ok_or(Refusal::with(481))?;
        if !self.legs.get(&call).is_some_and(|leg| leg.answered) {
            return Err(Refusal::with(481));
        }
        self.unlink(Other::Leg(call));
        self.let_go(replaced, None);
        self.link(Other::Leg(call), Other::Stranger(id));
        self.notes(Other::Stranger(id), Noticed::Answered(Vec::new()));
        self.notes(Other::Stranger(id), Noticed::Confirmed);
        let party = self.party_at(Other::Stranger(id));
        self.with_info(call, InfoParts::CONNECTED, |info| info.connected = party);
        self.refresh(call);
        Ok(())
    }

    /// The call at whose other end a party outside is.
    pub fn call_of(&self, party: PartyId) -> Option<CallId> {
        match self.strangers.get(&party)?.other {
            Other::Leg(call) => Some(call),
            Other::Stranger(_) | Other::Orbit(_) | Other::Nobody => None,
        }
    }

    /// The party outside at the other end of a call.
    pub fn party_of(&self, call: CallId) -> Option<PartyId> {
        match self.legs.get(&call)?.other {
            Other::Stranger(id) => Some(id),
            Other::Leg(_) | Other::Orbit(_) | Other::Nobody => None,
        }
    }

    /// The party outside that was called last at an address, in full or by its user part.
    pub fn called_at(&self, address: &str) -> Option<PartyId> {
        let called = self.strangers.iter().rev().find(|(_, party)| {
            (*party.address == *address || super::line::user(&party.address) == address)
                && matches!(party.noticed.first(), Some(Noticed::Called(_)))
        });
        called.map(|(id, _)| *id)
    }

    /// What a party outside has noticed, the oldest first; also after its call, the last thousand parties.
    pub fn noticed(&self, party: PartyId) -> &[Noticed] {
        self.strangers.get(&party).map(|party| &*party.noticed).unwrap_or_default()
    }

    /// A caller outside alerts a station that is none of our lines; it can be picked up.
    pub fn alerts_elsewhere(&mut self, station: &str, from: &str) -> PartyId {
        let mut party = Stranger::new(from, true);
        party.alerts = Some(station.into());
        self.add_stranger(party)
    }

    /// A party that is called says that the call is on its way.
    pub fn proceeds(&mut self, party: PartyId) {
        self.responds(party);
    }

    /// A party that is called rings.
    pub fn rings(&mut self, party: PartyId) {
        if let Some(call) = self.responds(party) {
            self.alert(call);
        }
    }

    /// A party that is called answers; if it was given up meanwhile, it is let go again.
    pub fn answers(&mut self, party: PartyId) {
        if let Some(call) = self.responds(party) {
            return self.outside_answers(call);
        }
        if let Some(late) = self.strangers.get_mut(&party).filter(|party| party.gone && !party.present) {
            late.present = true;
            late.note(Noticed::Confirmed);
            late.note(Noticed::HungUp(Vec::new()));
        }
    }

    /// A party that is called refuses.
    pub fn refuses(&mut self, party: PartyId, refusal: Refusal) {
        let silent = self.strangers.get(&party).is_some_and(|party| party.silent);
        let Some(call) = self.call_of(party) else { return };
        if silent {
            return self.refused_unheard(call, refusal);
        }
        self.outside_refuses(call, refusal);
    }

    /// A party that is called says something; the call, unless it was given up.
    fn responds(&mut self, id: PartyId) -> Option<CallId> {
        let party = self.strangers.get_mut(&id)?;
        let silent = std::mem::take(&mut party.silent);
        if party.gone && !party.present {
            if silent {
                party.note(Noticed::Cancelled);
            }
            return None;
        }
        let call = self.call_of(id)?;
        if silent {
            self.heard_of(call);
        }
        Some(call)
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

    /// The same with the causes that it gives.
    pub fn hang_up_because(&mut self, call: CallId, reason: Refusal) {
        if self.legs.get(&call).is_some_and(Leg::is_offered) {
            self.leaves(call, reason.given_up());
        } else {
            let end = Disconnect {
                q850: reason.q850,
                ..Disconnect::new(DisconnectMode::Normal, EndedBy::Peer, "")
            };
            self.leaves(call, end);
        }
    }

    /// The party outside gives up before an answer, for a reason.
    pub fn gives_up(&mut self, call: CallId, why: GivesUp) {
        if !self.legs.get(&call).is_some_and(Leg::is_offered) {
            return;
        }
        let mode = match why {
            GivesUp::Cancelled => DisconnectMode::Cancelled,
            GivesUp::AnsweredElsewhere => DisconnectMode::Pickup,
            GivesUp::Forwarded => DisconnectMode::Forwarded,
        };
        self.leaves(call, Disconnect::new(mode, EndedBy::Peer, ""));
    }

    /// A call with a party outside ends in this way: its network fails, its media stop.
    pub fn leaves(&mut self, call: CallId, mut end: Disconnect) {
        let Some(id) = self.party_of(call) else { return };
        if self.legs.get(&call).is_some_and(Leg::is_offered) && self.broken(Fault::CancelsWithoutReason) {
            end.mode = DisconnectMode::Cancelled;
        }
        self.unlink(Other::Leg(call));
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

    /// The party outside refuses with this status what it is asked within the call (hold); none: it agrees.
    pub fn refuses_within(&mut self, call: CallId, status: Option<u16>) {
        self.with_stranger(call, |party| party.refuses = status);
    }

    /// What becomes of it when the party outside is transferred: the target's status, or 0 if it does not let itself be
    /// transferred.
    pub fn when_transferred(&mut self, call: CallId, status: u16) {
        self.with_stranger(call, |party| party.transfer = Some(status));
    }

    /// The party outside is somebody else now, because it was transferred elsewhere.
    pub fn becomes(&mut self, call: CallId, address: &str) {
        self.with_stranger(call, |party| party.address = address.into());
        let party = Party::known(address, "");
        self.with_info(call, InfoParts::CONNECTED, |info| info.connected = party);
    }

    /// The other side tells later who it is.
    pub fn names_caller(&mut self, call: CallId, caller: Party) {
        let party = self.shown("", caller);
        self.with_info(call, InfoParts::CALLER, |info| info.caller = party);
    }

    /// The other side offers other media (a re-INVITE): the same call goes on, and what is recorded stays the owner's to change.
    pub fn offers_media(&mut self, call: CallId, media: MediaTypes) {
        let Some(leg) = self.known(call).filter(|leg| leg.is_up()) else { return };
        let (before, watched) = (leg.rest.offered.unwrap_or(leg.info.media), leg.rest.watched);
        if self.broken(Fault::AnnouncesAgain) {
            let info = leg.info.clone();
            self.offer(info, Other::Nobody, 1);
        }
        if before == media {
            return;
        }
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.offered = Some(media);
        }
        self.with_info(call, InfoParts::STREAM, |_| {});
        for one in media.iter().filter(|one| !before.contains(*one)) {
            if watched.contains(one) {
                self.events.push_back(ProviderEvent::Media { call, media: one });
            }
            self.set_off(call, |trigger| *trigger == MediaTrigger::Media(one));
        }
    }

    /// The other side sounds like this, a fax perhaps; the recorded media stay.
    pub fn sounds_like(&mut self, call: CallId, media: MediaType) {
        if self.known(call).is_some_and(|leg| leg.is_up() && leg.rest.watched.contains(media)) {
            self.events.push_back(ProviderEvent::Media { call, media });
        }
        self.set_off(call, |trigger| *trigger == MediaTrigger::Media(media));
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

    /// What the other party of a call hears.
    pub fn party_hears(&self, call: CallId) -> Heard {
        let Some(leg) = self.legs.get(&call) else { return Heard::Nothing };
        let waits = |otherwise| Heard::Treatment(leg.info.treatment.unwrap_or(otherwise));
        match &leg.state {
            CallState::Offering(_) | CallState::Accepted => waits(CallTreatment::Ringback),
            CallState::OnHold | CallState::OnHoldPendingTransfer | CallState::OnHoldPendingConference => {
                waits(CallTreatment::Music)
            }
            CallState::Connected(_) if leg.answered => match &leg.rest.playing.source {
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

    /// The same of two parties outside.
    pub fn party_hears_party(&self, listener: PartyId, speaker: PartyId) -> bool {
        self.heard_by(Other::Stranger(listener)).contains(&Other::Stranger(speaker))
    }

    fn ends_of(&self, address: &str) -> Vec<Other> {
        let legs = self.legs.keys().map(|call| Other::Leg(*call));
        let strangers = self.strangers.iter().filter(|(_, party)| !party.gone);
        let strangers = strangers.map(|(id, _)| Other::Stranger(*id));
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
