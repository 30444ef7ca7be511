//! Calls of ours: from the destination to the answer (spec 2.5).

use crate::call::{Ask, Call, Facts, Halves, Placing, Wait};
use crate::core::{Core, Query, Timer};
use crate::dial::{self, Dialled};
use crate::ending;
use crate::inbound::given;
use crate::physical;
use hookswitch_machine::{Flow, Question, ResolveError, Target, Time, Transport};
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::MediaSession;
use hookswitch_sip::cause::{self, Trust};
use hookswitch_sip::message::{Contact, Message, Uri};
use hookswitch_sip::ua::{Failure, Invitation, LegId};
use hookswitch_spi::{
    AddressId, AudioSource, BusyMode, CallId, CallOptions, CallState, ConnectedMode, Disconnect,
    DisconnectMode, EndedBy, InfoParts, LineId, OperationError, Origin, Outcome, Party, Presentation,
    ProviderEvent, Reason, StateKind,
};
use std::time::Duration;

/// How long a call of ours rings if nobody said otherwise.
const NO_ANSWER: Duration = Duration::from_secs(180);
/// Redirections followed in one call.
const MOST_REDIRECTIONS: u8 = 5;

impl Core {
    /// Starts a call. The request completes with the first response.
    pub(crate) fn make_call(
        &mut self,
        now: Time,
        ask: &mut Ask,
        line_id: LineId,
        address: AddressId,
        destination: &str,
        options: CallOptions,
    ) -> Result<CallId, OperationError> {
        let line = self.line(line_id).ok_or(OperationError::NoSuchLine(line_id))?;
        if address.0 >= line.addresses() {
            return Err(OperationError::InvalidParameter(format!(
                "the line has {} addresses",
                line.addresses()
            )));
        }
        let dialled = dial::dialled(destination, &line.account.domain)?;
        let placing = self.placing(line_id, &options)?;
        let off_hook = matches!(dialled, Dialled::Nothing);
        if !off_hook || line.is_in_service() {
            self.can_make(line_id)?;
        }
        let id = self.new_outgoing(now, line_id, address, options.source, options.call_data);
        self.begin_with(id, options.audio.as_deref());
        match dialled {
            Dialled::Whole(uri) => {
                if let Err(error) = self.place(now, id, uri, &placing) {
                    self.forget(now, id);
                    return Err(error);
                }
                self.keep_placing(id, placing);
                self.wait(id, ask, Wait::Proceeding);
            }
            Dialled::Nothing | Dialled::Part => {
                if let Some(call) = self.calls.get_mut(id) {
                    let extra = call.extra();
                    extra.placing = placing;
                    extra.dialled = destination.to_owned();
                }
                self.begin(now, id, ask.0.take());
            }
        }
        Ok(id)
    }

    /// Whether a line has a path, and room for one more call.
    pub(crate) fn can_make(&self, id: LineId) -> Result<(), OperationError> {
        let line = self.line(id).ok_or(OperationError::NoSuchLine(id))?;
        if !line.is_in_service() {
            let reason = match &line.state {
                hookswitch_spi::LineState::OutOfService(out) => out.reason.clone(),
                hookswitch_spi::LineState::InService => String::new(),
            };
            return Err(OperationError::OutOfService(reason));
        }
        if !line.has_room() {
            return Err(OperationError::TooManyCalls(line.capabilities.max_calls));
        }
        Ok(())
    }

    /// A call of ours that nobody is called with yet.
    pub(crate) fn new_outgoing(
        &mut self,
        now: Time,
        line_id: LineId,
        address: AddressId,
        source: AudioSource,
        call_data: Vec<u8>,
    ) -> CallId {
        let own = self.line(line_id).map_or_else(Party::default, |line| {
            Party::known(line.uri(address), line.account.display_name.clone())
        });
        let facts = Facts {
            physical: physical::number(self.entropy.next_u64()),
            reason: Reason::Direct,
            caller: own,
            called: Party::withheld(Presentation::Unknown),
            connected: Party::withheld(Presentation::Unknown),
            redirecting: Party::default(),
            redirection: Party::default(),
            call_id: Box::default(),
            target: Box::default(),
            session: None,
        };
        let media = MediaSession::new(self.entropy.next_u64());
        let mut call = Call::new((line_id, address), Origin::Outbound, now, media, facts);
        call.state = CallState::Dialing;
        call.embryo = true;
        call.source = source;
        if !call_data.is_empty() {
            call.extra().call_data = call_data.into();
        }
        let id = self.calls.insert(call);
        if let Some(line) = self.line_mut(line_id) {
            line.kept += 1;
        }
        self.recount(id);
        id
    }

    /// Calls a Request-URI. If it cannot, nothing has changed.
    pub(crate) fn place(
        &mut self,
        now: Time,
        id: CallId,
        uri: String,
        placing: &Placing,
    ) -> Result<(), OperationError> {
        let line = self.calls.get(id).map(|call| call.line).ok_or(OperationError::NoSuchCall(id))?;
        let line = self.line(line).ok_or(OperationError::NoSuchLine(line))?;
        let flow = line.flow().ok_or_else(|| OperationError::OutOfService("no path to the switch".into()))?;
        self.port(id).ok_or(OperationError::ResourceUnavailable("audio port"))?;
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let callee = Party::known(uri.clone(), "");
        call.facts.target = uri.into();
        call.facts.called = callee.clone();
        call.facts.connected = callee;
        // A registered line calls through its switch; a line that is not registered is a trunk to it. Either way the switch
        // is the next hop, whatever the Request-URI says (RFC 3261 8.1.2: the outbound proxy).
        if let Err(error) = self.send_invite(now, id, flow, placing) {
            if let Some(call) = self.calls.get_mut(id) {
                call.media.abandon();
            }
            return Err(error);
        }
        let timer = self.timers.set(now + placing.no_answer_after.unwrap_or(NO_ANSWER), Timer::GiveUp(id));
        if let Some(call) = self.calls.get_mut(id) {
            call.timer = Some(timer);
        }
        Ok(())
    }

    fn send_invite(
        &mut self,
        now: Time,
        id: CallId,
        flow: Flow,
        placing: &Placing,
    ) -> Result<(), OperationError> {
        let failed = |text: &str| OperationError::Failed(text.to_owned());
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let (line_id, address, target) = (call.line, call.address, call.facts.target.clone());
        let number = call.facts.physical;
        let line = self.line(line_id).ok_or(OperationError::NoSuchLine(line_id))?;
        let capabilities = self.line_media(id).ok_or(OperationError::NoSuchLine(line_id))?;
        let credentials = line.credentials;
        let name = placing.display_name.as_deref().unwrap_or(&line.account.display_name);
        let from = if name.is_empty() {
            format!("<{}>", line.uri(address))
        } else {
            format!("{} <{}>", hookswitch_sip::message::Quoted(name), line.uri(address))
        };
        let contact = self.contact_of(line_id);
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let rtp = call.port.map(|port| port.rtp).ok_or_else(|| failed("no audio port"))?;
        let offer = call
            .media
            .offer(&capabilities, rtp, Direction::SendRecv)
            .map_err(|error| failed(&error.to_string()))?;
        let to = format!("<{target}>");
        let session = physical::session_id(number, self.entropy.next_u64());
        call.facts.session = Some(Box::new(Halves { own: session.local, theirs: 0 }));
        let fields = format!("Session-ID: {session}\r\n{}", placing.fields);
        let invitation = Invitation {
            flow,
            account: Some(credentials),
            uri: &target,
            from: &from,
            to: &to,
            contact,
            fields: &fields,
            offer: Some(&offer),
        };
        let leg = self
            .ua
            .invite(now, &mut self.layer, &invitation)
            .map_err(|_| OperationError::ResourceUnavailable("transaction"))?;
        self.by_leg.insert(leg, id);
        if let Some(call) = self.calls.get_mut(id) {
            call.leg = Some(leg);
            call.last_leg = Some(leg);
        }
        self.refresh_standing(id);
        self.start_stream(id);
        Ok(())
    }

    /// The first sign that the call is under way: its request completes, and only then its events begin.
    pub(crate) fn proceeding(&mut self, id: CallId) {
        if self.complete_waiting(id, |wait| wait == Wait::Proceeding, Ok(Outcome::Call(id))) {
            if let Some(call) = self.calls.get_mut(id) {
                call.embryo = false;
            }
            self.enter(id, CallState::Proceeding);
        }
    }

    /// The Call-ID is the agent's choice: learnt from the first response.
    fn note_call_id(&mut self, id: CallId, message: &Message) {
        if let Some(call) = self.calls.get_mut(id).filter(|call| call.facts.call_id.is_empty()) {
            call.facts.call_id = message.call_id().into();
        }
        self.note_physical(id, message);
        self.note_session(id, message);
        self.note_opening(id, message);
        self.note_user_info(id, message);
    }

    /// A provisional response.
    pub(crate) fn progress(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(id) = self.call_by_leg(leg) else { return };
        self.note_call_id(id, message);
        self.proceeding(id);
        let status = message.status().unwrap_or_default();
        let Some(call) = self.calls.get_mut(id) else { return };
        let ringing = status == 180;
        call.alerted |= status >= 180;
        if message.content_type_is("application/sdp") && !message.body().is_empty() {
            // Early media: another branch of a fork may still answer differently, so the offer stays open in the original
            // (RFC 3261 13.2.1, RFC 6337 3.1.1).
            let capabilities = self.line_media(id);
            let early = self.calls.get(id).map(|call| call.media.clone());
            if let (Some(capabilities), Some(mut early)) = (capabilities, early)
                && let Ok(parameters) = early.receive_answer(&capabilities, message.body())
            {
                self.note_media(now, id, "early media");
                self.configure(id, parameters);
            }
        }
        let state = self.calls.get(id).map(|call| call.state.kind());
        if ringing && state == Some(StateKind::Proceeding) {
            self.enter(id, CallState::Ringback);
        }
    }

    /// The first 2xx.
    pub(crate) fn answered(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(id) = self.call_by_leg(leg) else {
            self.ua.abandon(now, &mut self.layer, leg);
            return;
        };
        self.note_call_id(id, message);
        self.proceeding(id);
        self.fetched(id);
        self.leave_queue(now, id);
        if let Some(extra) = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()) {
            // It does not go out again.
            extra.placing = Placing::default();
        }
        if let Some(timer) = self.calls.get_mut(id).and_then(|call| call.timer.take()) {
            self.timers.cancel(timer);
        }
        // Whatever becomes of its SDP, a 2xx is acknowledged (RFC 3261 13.2.2.4).
        let _ = self.ua.acknowledge(now, &mut self.layer, leg, None);
        let capabilities = self.line_media(id);
        let settled = match (self.calls.get_mut(id), capabilities) {
            (Some(call), Some(capabilities)) => {
                call.media.receive_answer(&capabilities, message.body()).map_err(|error| error.to_string())
            }
            _ => Err("the line is gone".into()),
        };
        match settled {
            Ok(parameters) => {
                self.configure(id, parameters);
                self.connected_party(id, message);
                self.enter(id, CallState::Connected(self.connected_mode(id)));
                self.bridge_turn(now, id);
                self.user_info_turn(now, id);
            }
            Err(why) => {
                // RFC 3261 13.2.2.4: an answer that cannot be used ends the session.
                let _ = self.ua.hang_up(
                    now,
                    &mut self.layer,
                    leg,
                    Some("SIP;cause=488;text=\"Not acceptable here\""),
                );
                let end = Disconnect::new(DisconnectMode::Incompatible, EndedBy::Us, why);
                self.ua.abandon(now, &mut self.layer, leg);
                self.over(now, id, leg, end);
            }
        }
    }

    /// Active, or held by the other side.
    pub(crate) fn connected_mode(&self, id: CallId) -> ConnectedMode {
        match self.calls.get(id) {
            Some(call) if call.media.held_by_them() => ConnectedMode::ActiveHeld,
            Some(_) | None => ConnectedMode::Active,
        }
    }

    /// Who answered, if that is another than who was called.
    fn connected_party(&mut self, id: CallId, message: &Message) {
        let Some(call) = self.calls.get(id) else { return };
        let trust = match self.line(call.line) {
            Some(line) if line.account.profile.trust_identity => Trust::Trusted,
            Some(_) | None => Trust::Untrusted,
        };
        let may_come = trust == Trust::Trusted;
        let Some(party) = cause::connected(message, trust).map(|p| crate::parties::party(p, may_come)) else {
            return;
        };
        let Some(call) = self.calls.get_mut(id).filter(|call| call.facts.connected != party) else { return };
        call.facts.connected = party;
        self.tell(id, ProviderEvent::CallInfo { call: id, changed: InfoParts::CONNECTED });
    }

    /// A 3xx: followed if the profile says so.
    pub(crate) fn redirected(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(id) = self.call_by_leg(leg) else {
            self.ua.abandon(now, &mut self.layer, leg);
            return;
        };
        let Some(call) = self.calls.get(id) else { return };
        let follows = self.line(call.line).is_some_and(|line| line.account.profile.follow_redirects);
        // The best Contact that is a SIP URI (RFC 3261 8.1.3.4); without q the first.
        let mut best: Option<(u16, String)> = None;
        for contact in message.contacts().take(16).filter_map(Result::ok) {
            if let Contact::Address(address) = contact {
                let q = address.q().unwrap_or(1_000);
                let uri = address.uri();
                if uri.is_sip() && best.as_ref().is_none_or(|(known, _)| q > *known) {
                    // Header fields in it would be another's words in our INVITE (RFC 3261 19.1.5).
                    let uri = uri.as_str().split('?').next().unwrap_or_default();
                    best = Some((q, uri.to_owned()));
                }
            }
        }
        let redirections = call.redirections;
        self.note_call_id(id, message);
        let Some((_, uri)) = best.filter(|_| follows && redirections < MOST_REDIRECTIONS) else {
            self.ua.abandon(now, &mut self.layer, leg);
            let status = message.status().unwrap_or(300);
            let (given, _) = given(Some(message));
            let alerted = self.calls.get(id).is_some_and(|call| call.alerted);
            let end = ending::by_response(status, message.reason(), given, alerted);
            self.outgoing_over(now, id, leg, end);
            return;
        };
        self.proceeding(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        call.redirections += 1;
        call.facts.redirection = Party::known(uri.clone(), "");
        call.facts.target = uri.clone().into();
        self.tell(id, ProviderEvent::CallInfo { call: id, changed: InfoParts::REDIRECTION });
        self.follow(now, id, leg, &uri);
    }

    /// Sends a redirected INVITE on: through the line's switch if the target is of its domain, else to the target itself.
    fn follow(&mut self, now: Time, id: CallId, leg: LegId, uri: &str) {
        let Some(call) = self.calls.get(id) else { return };
        let Some(line) = self.line(call.line) else { return };
        let Ok(parsed) = Uri::parse(uri) else { return };
        let host = parsed.host().map(|host| host.to_string()).unwrap_or_default();
        let own = parsed.host().is_some_and(|host| line.account.is_own_domain(&host, parsed.port()));
        let transport = parsed.transport().and_then(|name| name.parse::<Transport>().ok());
        if let (Some(flow), true) = (line.flow(), own) {
            self.send_on(now, id, leg, uri, flow);
        } else if let Some(address) = parsed.socket_addr() {
            let target = Target { transport: transport.unwrap_or(Transport::Udp), address };
            match self.endpoint_for(&target) {
                Some(endpoint) => self.send_on(now, id, leg, uri, Flow::to(endpoint.id, address)),
                None => self.unreachable(now, id, leg, "no local socket reaches the new target"),
            }
        } else {
            let question = Question { host, port: parsed.port(), transport };
            self.resolve(now, question, Query::Target(id));
        }
    }

    /// The look-up of a redirected call's target has ended.
    pub(crate) fn target_resolved(
        &mut self,
        now: Time,
        id: CallId,
        answer: Result<Vec<Target>, ResolveError>,
    ) {
        let Some(call) = self.calls.get(id) else { return };
        let Some(leg) = call.leg else { return };
        let uri = call.facts.target.clone();
        let found = answer.ok().and_then(|targets| {
            targets.iter().find_map(|target| Some(Flow::to(self.endpoint_for(target)?.id, target.address)))
        });
        match found {
            Some(flow) => self.send_on(now, id, leg, &uri, flow),
            None => self.unreachable(now, id, leg, "the new target cannot be looked up"),
        }
    }

    fn send_on(&mut self, now: Time, id: CallId, leg: LegId, uri: &str, flow: Flow) {
        if self.ua.follow(now, &mut self.layer, leg, uri, flow).is_err() {
            self.unreachable(now, id, leg, "the redirected call could not be sent");
        }
    }

    fn unreachable(&mut self, now: Time, id: CallId, leg: LegId, why: &str) {
        self.ua.abandon(now, &mut self.layer, leg);
        self.outgoing_over(now, id, leg, Disconnect::new(DisconnectMode::Unreachable, EndedBy::Network, why));
    }

    /// Our INVITE was refused, or not answered at all.
    pub(crate) fn failed(&mut self, now: Time, leg: LegId, failure: Failure, message: Option<&Message>) {
        let Some(id) = self.call_by_leg(leg) else { return };
        if let Some(message) = message {
            self.note_call_id(id, message);
        }
        let alerted = self.calls.get(id).is_some_and(|call| call.alerted);
        let (given, _) = given(message);
        let end = match failure {
            Failure::Status(status) | Failure::Unauthorized(status) => {
                ending::by_response(status, message.map_or("", Message::reason), given, alerted)
            }
            Failure::TimedOut => {
                Disconnect::new(DisconnectMode::Unreachable, EndedBy::Network, "no response to the INVITE")
            }
            Failure::Unreachable => {
                Disconnect::new(DisconnectMode::Unreachable, EndedBy::Network, "the INVITE could not be sent")
            }
        };
        self.outgoing_over(now, id, leg, end);
    }

    /// A call of ours ended before it was answered.
    fn outgoing_over(&mut self, now: Time, id: CallId, leg: LegId, end: Disconnect) {
        let waits = self.calls.get(id).is_some_and(|call| {
            call.waiting.iter().any(|w| matches!(w.what, Wait::Proceeding | Wait::Fetching))
        });
        if waits && end.mode == DisconnectMode::Busy && self.can_stay_busy(id) {
            // It can be completed later, so there is a call although nothing else was heard of it.
            self.proceeding(id);
        } else if waits {
            // It never was under way: the request fails, there is no call, and nothing else is said.
            let from = self.calls.get(id).and_then(|call| call.fetch_from());
            let error = match end.status {
                Some(status) if from.is_some() && crate::fetching::is_nothing_there(status) => {
                    OperationError::NothingThere(from.unwrap_or_default())
                }
                Some(status) => OperationError::Refused { status, reason: end.reason.into() },
                None => OperationError::Failed(format!("the call could not be set up: {}", end.reason)),
            };
            self.leg_gone(id, leg);
            self.fail_waiting(id, &error);
            self.forget(now, id);
            return;
        }
        if end.mode == DisconnectMode::Busy && !self.is_dropping(id) {
            if self.waits_again(now, id, leg) {
                return;
            }
            self.enter(id, CallState::Busy(BusyMode::Station));
            if self.can_queue(id).is_ok() {
                return self.stay_busy(now, id, leg, end);
            }
        }
        self.over(now, id, leg, end);
    }

    pub(crate) fn is_dropping(&self, id: CallId) -> bool {
        self.calls.get(id).is_some_and(|call| call.waiting.iter().any(|waiting| waiting.what == Wait::End))
    }

    /// Nobody answered a call of ours in time.
    pub(crate) fn give_up(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.timer = None;
        call.ending = Some(DisconnectMode::NoAnswer);
        if let Some(leg) = call.leg
            && self.ua.hang_up(now, &mut self.layer, leg, None).is_err()
        {
            self.hung_up(now, leg);
        }
    }
}
