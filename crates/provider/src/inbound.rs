//! Calls to us: who may call, which line is meant, what its rules say, and the offer to applications (spec 2.4).

use crate::call::{Call, Facts, Taken};
use crate::core::{Core, Timer};
use crate::ending::{self, Given};
use crate::forwarding;
use crate::parties;
use crate::profile::Alerting;
use hookswitch_machine::{Flow, Time};
use hookswitch_media::negotiate::{MediaSession, NegotiateError};
use hookswitch_media::sdp::{MediaKind, MediaKinds};
use hookswitch_sip::cause::{Identities, Protocol, Reason, Trust};
use hookswitch_sip::message::{Message, Name};
use hookswitch_sip::ua::LegId;
use hookswitch_spi::{
    AddressId, CallId, CallState, Disconnect, DisconnectMode, EndedBy, ForwardCondition, ForwardTarget,
    LineId, MediaType, MediaTypes, OfferingMode, OperationError, Party, ProviderEvent, Reason as CallReason,
    StateKind, TimelineFact, Way,
};
use std::net::IpAddr;

/// How often a caller is told that the call still alerts.
const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
/// How long a call may stay offered, in these.
const MOST_MINUTES: u8 = 10;
/// After so long, twice, three times so long, a call that was not taken is announced again.
const ANNOUNCE_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);
/// So often at most.
const MOST_ANNOUNCEMENTS: u8 = 6;

impl Core {
    /// An INVITE opened a session; one that is to take the place of another says so.
    pub(crate) fn incoming(
        &mut self,
        now: Time,
        leg: LegId,
        replaced: Option<LegId>,
        flow: Flow,
        message: &Message,
    ) {
        let Some((id, address)) = self.called_line(flow.peer.ip(), message) else {
            let status = self.status_for_nobody(flow.peer.ip(), message);
            self.refuse(now, leg, status, "");
            return;
        };
        let Some(line) = self.line(id).filter(|line| line.wants_calls() && !self.closing.contains(&id))
        else {
            self.refuse(now, leg, 480, "");
            return;
        };
        let trust = if line.account.profile.trust_identity { Trust::Trusted } else { Trust::Untrusted };
        let Identities { caller, called, redirecting } = Identities::read(message, trust);
        // A switch that is believed may still say who calls (RFC 4916).
        let may_come = trust == Trust::Trusted;
        let caller = parties::party(caller, may_come);
        let called = parties::called(line, address, parties::party(called, may_come));
        if let Some(old) = replaced {
            self.replaced(now, leg, id, old, caller, message);
            return;
        }
        if let Some(to) = self.rule(id, address, ForwardCondition::Unconditional, &caller.address) {
            self.divert(now, leg, id, address, &to, "unconditional");
            return;
        }
        if self.line(id).is_some_and(|line| !line.has_room() || line.secured > 0) {
            match self.rule(id, address, ForwardCondition::Busy, &caller.address) {
                Some(to) => self.divert(now, leg, id, address, &to, "user-busy"),
                None => self.refuse(now, leg, 486, ""),
            }
            return;
        }
        let mut media = MediaSession::new(self.entropy.next_u64());
        let media_types = match self.offered_types(id, &mut media, message) {
            Ok(types) => types,
            Err((status, fields)) => {
                self.refuse(now, leg, status, &fields);
                return;
            }
        };
        if self.stock.is_empty() {
            self.refuse(now, leg, 503, "Retry-After: 2\r\n");
            return;
        }
        let referred = message.header(Name::ReferredBy).is_some();
        let (reason, redirecting) = parties::reason(redirecting, referred, may_come);
        let reason = if parties::is_recall(message, reason) { CallReason::Reminder } else { reason };
        let origin = self.origin_of(id, &caller.address);
        let facts = Facts {
            physical: self.physical_of(id, message),
            reason,
            connected: caller.clone(),
            caller,
            called,
            redirecting,
            redirection: Party::default(),
            call_id: message.call_id().into(),
            target: Box::default(),
            session: self.session_of(message),
        };
        let mut call = Call::new((id, address), origin, now, media, facts);
        call.taken = Taken::NotYet(1);
        call.media_types = media_types;
        call.leg = Some(leg);
        call.last_leg = Some(leg);
        call.ring_mode = crate::ringing::mode(message);
        self.note_arrival(&mut call, message);
        self.offer_call(now, leg, call, message);
    }

    /// Announces a call and alerts as the line's policy says.
    fn offer_call(&mut self, now: Time, leg: LegId, call: Call, message: &Message) {
        let (id, address) = (call.line, call.address);
        let call = self.calls.insert(call);
        self.by_leg.insert(leg, call);
        self.refresh_standing(call);
        if let Some(line) = self.line_mut(id) {
            line.kept += 1;
        }
        self.events.push_back(ProviderEvent::NewCall { line: id, address, call });
        self.trace(now, call, Way::Received, message);
        self.enter(call, CallState::Offering(OfferingMode::Active));
        self.next_minute(now, call);
        let caller = self.calls.get(call).map_or("", |call| &call.facts.caller.address);
        let no_answer = self.rule(id, address, ForwardCondition::NoAnswer, caller);
        let after =
            self.line(id).and_then(|line| line.forwarding.get(usize::from(address.0))?.no_answer_after);
        if let (Some(_), Some(after)) = (no_answer, after) {
            let timer = self.timers.set(now + after, Timer::NotAnswered(call));
            if let Some(call) = self.calls.get_mut(call) {
                call.timer = Some(timer);
            }
        }
    }

    /// The application side has a place for an announced call, or (`false`) has not.
    pub(crate) fn take_call(&mut self, now: Time, id: CallId, taken: bool) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Taken::NotYet(times) = call.taken else { return };
        if !taken {
            self.timers.set(now + ANNOUNCE_AGAIN * u32::from(times), Timer::Announce(id));
            return;
        }
        call.taken = Taken::Yes;
        let (state, media, line) = (call.state.clone(), call.media_types, call.line);
        self.events.push_back(ProviderEvent::CallState { call: id, state, media });
        self.recount(id);
        self.begin_ringing(now, id);
        let alerting = self.line(line).map(|line| line.account.profile.alerting);
        if alerting == Some(Alerting::AtOnce) {
            self.alert(now, id);
        }
    }

    /// A call that nobody took is announced once more, or given up.
    pub(crate) fn announce_again(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Taken::NotYet(times) = call.taken else { return };
        match call.leg {
            Some(leg) if times >= MOST_ANNOUNCEMENTS => {
                self.refuse(now, leg, 503, "Retry-After: 5\r\n");
                self.forget(now, id);
            }
            Some(_) => {
                call.taken = Taken::NotYet(times + 1);
                let (line, address) = (call.line, call.address);
                self.events.push_back(ProviderEvent::NewCall { line, address, call: id });
            }
            None if call.is_call_back() && times < MOST_ANNOUNCEMENTS => {
                call.taken = Taken::NotYet(times + 1);
                let (line, address) = (call.line, call.address);
                self.events.push_back(ProviderEvent::NewCall { line, address, call: id });
            }
            // It ended before anybody heard of it.
            None => {
                self.forget(now, id);
            }
        }
    }

    /// Sends 180 once; 183 to a caller that hears us already.
    pub(crate) fn alert(&mut self, now: Time, id: CallId) {
        if self.calls.get(id).is_some_and(|call| !call.alerted) {
            self.alert_with(now, id, "");
        }
    }

    /// Sends 180, or 183, with further header fields.
    pub(crate) fn alert_with(&mut self, now: Time, id: CallId, fields: &str) {
        let Some(call) = self.calls.get(id) else { return };
        let Some(leg) = call.leg else { return };
        let contact = self.contact_of(call.line);
        let early = call.extra.as_ref().and_then(|extra| extra.early.as_deref());
        let status = if early.is_some() { 183 } else { 180 };
        if self.ua.ring_with(now, &mut self.layer, leg, status, &contact, early, fields).is_ok()
            && let Some(call) = self.calls.get_mut(id)
        {
            call.alerted = true;
        }
    }

    /// Tells the caller once more, so that no proxy on the way takes the call for dead (RFC 3261 13.3.1.1).
    pub(crate) fn alert_again(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.alerting = None;
        call.minutes += 1;
        let Some(leg) = call.leg else { return };
        if call.minutes >= MOST_MINUTES {
            // Whoever calls that long is gone, and nobody here will answer any more.
            let _ = self.ua.reject(now, &mut self.layer, leg, 480, format_args!(""));
            let reason = "nobody answered in ten minutes";
            let end = Disconnect {
                status: Some(480),
                ..Disconnect::new(DisconnectMode::NoAnswer, EndedBy::Us, reason)
            };
            self.over(now, id, leg, end);
            return;
        }
        if std::mem::take(&mut call.alerted) {
            self.alert(now, id);
        }
        self.next_minute(now, id);
    }

    fn next_minute(&mut self, now: Time, id: CallId) {
        let timer = self.timers.set(now + MINUTE, Timer::Alerting(id));
        if let Some(old) = self.calls.get_mut(id).and_then(|call| call.alerting.replace(timer)) {
            self.timers.cancel(old);
        }
    }

    /// The call does not alert any more.
    pub(crate) fn stop_alerting(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let ring = call.extra.as_mut().and_then(|extra| extra.ring.take()).map(|ring| ring.timer);
        for timer in call.alerting.take().into_iter().chain(ring) {
            self.timers.cancel(timer);
        }
    }

    /// The line and address that an INVITE is for, if its sender may call there: by our Contact's token, the Request-URI,
    /// P-Called-Party-ID, and at last the sender itself.
    fn called_line(&self, peer: IpAddr, message: &Message) -> Option<(LineId, AddressId)> {
        let lines = || {
            self.lines
                .iter()
                .enumerate()
                .filter_map(|(n, line)| Some((LineId(n as u32), line.as_ref()?)))
                .filter(|(id, line)| line.open.is_some() && !self.removed.contains(id) && line.accepts(peer))
        };
        let uri = message.uri().ok()?;
        let user = uri.user_unescaped().unwrap_or_default();
        let called = message.addresses(Name::PCalledPartyId).next().and_then(Result::ok);
        if let Some((id, line)) = lines().find(|(_, line)| *line.token == *user) {
            let named = called.as_ref().map(|address| address.uri()).unwrap_or_else(|| message.to().uri());
            let address = named.user_unescaped().and_then(|user| line.address_of(&user));
            return Some((id, address.unwrap_or(AddressId(0))));
        }
        if let Some(found) = lines().find_map(|(id, line)| Some((id, line.address_of(&user)?))) {
            return Some(found);
        }
        if let Some(user) =
            called.and_then(|address| address.uri().user_unescaped().map(std::borrow::Cow::into_owned))
            && let Some(found) = lines().find_map(|(id, line)| Some((id, line.address_of(&user)?)))
        {
            return Some(found);
        }
        let mut all = lines();
        match (all.next(), all.next()) {
            (Some((id, line)), None) => {
                let other = self.elsewhere.iter().any(|(_, other)| other.may_be_meant(peer, &line.account));
                (!other).then_some((id, AddressId(0)))
            }
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    /// How an INVITE is refused that is for none of the lines its sender may call.
    fn status_for_nobody(&mut self, peer: IpAddr, message: &Message) -> u16 {
        let lines = || self.lines.iter().flatten().filter(|line| line.accepts(peer));
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        let user = user.unwrap_or_default();
        if lines().any(|line| *line.token == *user || line.address_of(&user).is_some()) {
            // It exists; nobody has it open.
            return 480;
        }
        if lines().next().is_some() {
            return 404;
        }
        self.counters.forbidden += 1;
        403
    }

    /// What an offer contains, or how it is to be refused.
    pub(crate) fn offered_types(
        &self,
        id: LineId,
        media: &mut MediaSession,
        message: &Message,
    ) -> Result<MediaTypes, (u16, String)> {
        let line = self.line(id).ok_or((480, String::new()))?;
        if message.body().is_empty() {
            // Our 200 will offer: audio is what the line can do.
            return Ok(MediaTypes::from(MediaType::Unknown).union(MediaTypes::VOICE));
        }
        let offered =
            media.receive_offer(&line.terms.media, message.body()).map_err(|error| refusal(&error))?;
        let types = media_types(offered.media);
        match offered.refusal {
            None => Ok(types),
            // Somebody may want to know of a call that carries no audio we could answer.
            Some(_) if self.is_wanted(id, types.without(MediaType::Voice)) => Ok(types),
            Some(refusal_) => Err(refusal(&NegotiateError::Refused(refusal_))),
        }
    }

    fn is_wanted(&self, id: LineId, types: MediaTypes) -> bool {
        let wanted = self.line(id).and_then(|line| line.open.as_ref()).map(|open| open.wanted_media);
        wanted.is_some_and(|wanted| !wanted.intersection(types).is_empty())
    }

    /// Where the address's rules send a call under this condition.
    pub(crate) fn rule(
        &self,
        id: LineId,
        address: AddressId,
        condition: ForwardCondition,
        caller: &str,
    ) -> Option<ForwardTarget> {
        let line = self.line(id)?;
        let rules = line.forwarding.get(usize::from(address.0)).filter(|list| !list.rules.is_empty())?;
        let kind = parties::kind(line, caller);
        forwarding::applying(rules, condition, caller, kind).map(|rule| rule.to.clone())
    }

    /// Refuses an INVITE before it is a call.
    pub(crate) fn refuse(&mut self, now: Time, leg: LegId, status: u16, fields: &str) {
        // The session is gone with it either way.
        let _ = self.ua.reject(now, &mut self.layer, leg, status, format_args!("{fields}"));
    }

    /// Sends an INVITE elsewhere by a standing rule.
    pub(crate) fn divert(
        &mut self,
        now: Time,
        leg: LegId,
        id: LineId,
        address: AddressId,
        to: &ForwardTarget,
        reason: &str,
    ) {
        let Some(line) = self.line(id) else { return };
        let fields = match to {
            ForwardTarget::DoNotDisturb => {
                let status = line.account.profile.dnd_status;
                self.refuse(now, leg, status, "");
                return;
            }
            ForwardTarget::Address(target) => {
                format!("Contact: <{target}>\r\nDiversion: <{}>;reason={reason}\r\n", line.uri(address))
            }
        };
        self.refuse(now, leg, 302, &fields);
    }

    /// Nobody answered an offered call in the time its rule gives.
    pub(crate) fn not_answered(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.timer = None;
        let Some(leg) = call.leg else { return };
        if !matches!(call.state.kind(), StateKind::Offering | StateKind::Accepted) {
            return;
        }
        let (line, address, caller) = (call.line, call.address, call.facts.caller.address.clone());
        let Some(to) = self.rule(line, address, ForwardCondition::NoAnswer, &caller) else { return };
        self.divert(now, leg, line, address, &to, "no-answer");
        if let (Some(call), ForwardTarget::Address(address)) = (self.calls.get_mut(id), &to) {
            call.facts.redirection = Party::known(address.clone(), "");
        }
        self.fail_waiting(id, &OperationError::CallEnded);
        self.leg_gone(id, leg);
        self.stop_stream(id);
        let (mode, status) = match to {
            ForwardTarget::Address(_) => (DisconnectMode::Forwarded, 302),
            ForwardTarget::DoNotDisturb => (
                DisconnectMode::DoNotDisturb,
                self.line(line).map_or(480, |line| line.account.profile.dnd_status),
            ),
        };
        let end = Disconnect {
            status: Some(status),
            ..Disconnect::new(mode, EndedBy::Us, "nobody answered in time")
        };
        self.enter(id, CallState::Disconnected(end));
    }

    /// The caller gave up.
    pub(crate) fn cancelled(&mut self, now: Time, leg: LegId, message: Option<&Message>) {
        let Some(id) = self.call_by_leg(leg) else { return };
        if let Some(message) = message {
            self.trace(now, id, Way::Received, message);
        }
        let (given, text) = given(message);
        self.over(now, id, leg, ending::by_cancel(given, &text));
    }

    /// The session of a call is over, by somebody else's doing.
    pub(crate) fn over(&mut self, now: Time, id: CallId, leg: LegId, end: Disconnect) {
        if self.calls.get(id).is_some_and(|call| call.bridge().is_some()) {
            self.bridge_over(now, id);
            return;
        }
        self.leg_gone(id, leg);
        self.abandon_referral(now, id);
        self.stop_stream(id);
        self.transfer_dialog_ended(now, id);
        // Every drop that waits has what it wanted; whoever asked finds the call idle.
        if self.is_dropping(id) {
            self.enter(id, CallState::Idle);
            self.complete_drops(id);
        } else {
            self.enter(id, CallState::Disconnected(end));
        }
        self.fail_waiting_but_transfer(id);
    }

    /// Every drop that waits has what it wanted.
    pub(crate) fn complete_drops(&mut self, id: CallId) {
        let done = || Ok(hookswitch_spi::Outcome::Done);
        while self.complete_waiting(id, |wait| wait == crate::call::Wait::End, done()) {}
    }

    /// The session of a call is gone at the user agent. Late messages still find the call's timeline.
    pub(crate) fn leg_gone(&mut self, id: CallId, leg: LegId) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.leg == Some(leg)) else { return };
        call.leg = None;
        if let Some(timer) = call.timer.take_if(|_| call.transfer.is_none()) {
            self.timers.cancel(timer);
        }
        self.stop_alerting(id);
    }

    pub(crate) fn contact_of(&self, line: LineId) -> std::sync::Arc<str> {
        self.line(line)
            .and_then(|line| line.open.as_ref())
            .map_or_else(|| std::sync::Arc::from("sip:invalid"), |open| std::sync::Arc::clone(&open.contact))
    }

    /// Notes a decision about media.
    pub(crate) fn note_media(&mut self, now: Time, id: CallId, text: &'static str) {
        self.record(now, id, TimelineFact::Media(text));
    }
}

/// Status and header fields for an offer that cannot be answered.
pub(crate) fn refusal(error: &NegotiateError) -> (u16, String) {
    let status = error.status().unwrap_or(488);
    let warning = error
        .warning()
        .map_or_else(String::new, |(code, text)| format!("Warning: {code} hookswitch \"{text}\"\r\n"));
    (status, warning)
}

/// The media types of an offer (spec 2.9).
pub(crate) fn media_types(kinds: MediaKinds) -> MediaTypes {
    kinds
        .iter()
        .map(|kind| match kind {
            MediaKind::Audio => MediaType::Voice,
            MediaKind::Video => MediaType::Video,
            MediaKind::Image => MediaType::Fax,
            MediaKind::Text => MediaType::Text,
            MediaKind::Message | MediaKind::Application | MediaKind::Other => MediaType::Data,
        })
        .collect()
}

/// What a Reason header field gives, with its text.
pub(crate) fn given(message: Option<&Message>) -> (Given, String) {
    let mut given = Given::default();
    let mut text = String::new();
    for reason in message.into_iter().flat_map(Reason::all) {
        match reason.protocol {
            Protocol::Sip => given.sip = given.sip.or(reason.cause),
            Protocol::Q850 => given.q850 = given.q850.or(reason.cause.and_then(|c| u8::try_from(c).ok())),
            Protocol::Other(_) => {}
        }
        if let (true, Some(words)) = (text.is_empty(), reason.text) {
            text = words.into_owned();
        }
    }
    let warning = message.and_then(|message| message.header(Name::Warning));
    given.warning = warning.and_then(|value| value.split(' ').next()?.trim().parse().ok());
    (given, text)
}

/// A number for the physical call, from what all its legs through one switch share.
pub(crate) fn physical(text: &str) -> u64 {
    // FNV-1a: not for a table, only to name the call.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
