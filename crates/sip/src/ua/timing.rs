//! Session timers in the user agent: what requests and responses say of them, refreshes, and the end of a session that nobody refreshed.

use super::agent::{Timer, UserAgent};
use super::clock::{Answering, By, Clock, Side};
use super::ids::{LegError, LegId};
use super::indication::{Failure, Indication};
use super::leg::{Exchange, State};
use super::pending::{Pending, Purpose};
use super::reply::SDP;
use crate::message::{Limits, Message, Method, Name};
use crate::session_timer::{Agreed, Asked, Interval, SessionExpires, takes_update};
use crate::transaction::{ClientId, Layer};
use bytes::Bytes;
use hookswitch_machine::Time;
use std::time::Duration;

/// How long to wait when a refresh would cross an offer, or was refused.
const PAUSE: Duration = Duration::from_secs(10);

impl UserAgent {
    /// The lines that ask for a session timer in an INVITE, re-INVITE or UPDATE of ours; empty without session timers.
    pub(super) fn timer_lines(&self, leg: Option<LegId>) -> String {
        let Some(interval) = &self.config.session_timer else { return String::new() };
        let clock = leg.and_then(|id| self.legs.get(id)).and_then(|leg| leg.clock.as_deref());
        // RFC 4028 7.4: who refreshes stays who refreshes.
        let refresher = clock.map(|clock| clock.side.in_our_request());
        let seconds = clock.map_or(interval.wanted(), |clock| clock.agreed.seconds);
        let value = SessionExpires { seconds, refresher };
        format!("Session-Expires: {value}\r\nMin-SE: {}\r\n", interval.least())
    }

    /// What a 2xx to this request will agree to.
    ///
    /// # Errors
    /// The header field line of the 422 that it is to be refused with.
    pub(super) fn asked_timer(
        &self,
        leg: Option<LegId>,
        message: &Message,
    ) -> Result<Option<Answering>, String> {
        let Some(interval) = &self.config.session_timer else { return Ok(None) };
        let clock = leg.and_then(|id| self.legs.get(id)).and_then(|leg| leg.clock.as_deref());
        let present = clock.map(|clock| clock.side.in_their_request());
        match interval.answer(Asked::of(message), present) {
            Ok(agreed) => Ok(agreed.map(|agreed| Answering { agreed, takes_update: takes_update(message) })),
            Err(least) => Err(format!("Min-SE: {least}\r\n")),
        }
    }

    /// We have answered a request of theirs with 2xx; `sdp` is what it said for us, if it said anything.
    pub(super) fn answered_timer(
        &mut self,
        now: Time,
        id: LegId,
        answering: Option<Answering>,
        sdp: Option<&[u8]>,
    ) {
        match answering {
            Some(Answering { agreed, takes_update }) => {
                let side = Side::by_their_request(agreed.refresher);
                self.run_clock(now, id, agreed, side, takes_update, sdp);
            }
            // RFC 4028 9: without Session-Expires there is no session timer from now on.
            None => self.stop_clock(id),
        }
    }

    /// A request of ours was answered with 2xx; `sdp` is what it said, if it said anything.
    pub(super) fn agreed_timer(&mut self, now: Time, id: LegId, message: &Message, sdp: Option<&[u8]>) {
        if self.config.session_timer.is_none() {
            return;
        }
        match Interval::agreed(message) {
            Some(agreed) => {
                let side = Side::by_our_request(agreed.refresher);
                self.run_clock(now, id, agreed, side, takes_update(message), sdp);
            }
            None => self.stop_clock(id),
        }
    }

    fn run_clock(
        &mut self,
        now: Time,
        id: LegId,
        agreed: Agreed,
        side: Side,
        takes_update: bool,
        sdp: Option<&[u8]>,
    ) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        let old = leg.clock.take();
        let kept = match old.as_deref().map(|clock| &clock.by) {
            Some(By::Invite(sdp)) => sdp.clone(),
            Some(By::Update) | None => Bytes::new(),
        };
        let by = match (takes_update, sdp) {
            (true, _) => By::Update,
            // A response to an UPDATE or re-INVITE need not repeat what its sender takes.
            (false, _) if matches!(old.as_deref(), Some(Clock { by: By::Update, .. })) => By::Update,
            (false, Some(sdp)) => By::Invite(Bytes::copy_from_slice(sdp)),
            (false, None) => By::Invite(kept),
        };
        if let Some(old) = old {
            self.timers.cancel(old.timer);
        }
        let after = match side {
            Side::Us => agreed.refresh_after(),
            Side::Them => agreed.end_after(),
        };
        let timer = self.timers.set(now + after, Timer::Session(id));
        let until = now + agreed.end_after();
        leg.clock = Some(Box::new(Clock { agreed, side, by, until, timer, client: None }));
    }

    fn stop_clock(&mut self, id: LegId) {
        if let Some(clock) = self.legs.get_mut(id).and_then(|leg| leg.clock.take()) {
            self.timers.cancel(clock.timer);
        }
    }

    /// What our ACK said, if it is what a refresh would have to repeat.
    pub(super) fn said_in_ack(&mut self, id: LegId, sdp: &[u8]) {
        let clock = self.legs.get_mut(id).and_then(|leg| leg.clock.as_deref_mut());
        if let Some(By::Invite(said)) = clock.map(|clock| &mut clock.by) {
            *said = Bytes::copy_from_slice(sdp);
        }
    }

    /// A refresh is due, or the session was not refreshed.
    pub(super) fn session_timer(&mut self, now: Time, layer: &mut Layer, id: LegId) -> Indication {
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        let Some(clock) = leg.clock.as_deref_mut() else { return Indication::None };
        if now >= clock.until {
            return match leg.state {
                State::Confirmed => self.expired(now, layer, id),
                // It ends anyway.
                State::Invited { .. }
                | State::Accepted { .. }
                | State::Inviting { .. }
                | State::Redirected { .. }
                | State::HangingUp { .. } => {
                    leg.clock = None;
                    Indication::None
                }
            };
        }
        // One of ours in any case comes next: the end, or another attempt.
        let next = if clock.client.is_some() { clock.until } else { clock.until.min(now + PAUSE) };
        clock.timer = self.timers.set(next, Timer::Session(id));
        let idle = matches!(leg.exchange, Exchange::Idle);
        let due = matches!(leg.state, State::Confirmed)
            && clock.side == Side::Us
            && clock.client.is_none()
            // An offer on its way refreshes too.
            && (idle || clock.by == By::Update);
        if due {
            self.send_refresh(now, layer, id);
        }
        Indication::None
    }

    /// Nobody refreshed: the session ends (RFC 4028 10).
    fn expired(&mut self, now: Time, layer: &mut Layer, id: LegId) -> Indication {
        self.farewell(now, layer, id, Some("SIP;cause=408;text=\"Session expired\""));
        Indication::Lost(id, Failure::TimedOut)
    }

    fn send_refresh(&mut self, now: Time, layer: &mut Layer, id: LegId) {
        let lines = format!(
            "Allow: {}\r\nSupported: {}\r\n{}",
            self.allow,
            self.supported,
            self.timer_lines(Some(id))
        );
        let clock = self.legs.get(id).and_then(|leg| leg.clock.as_deref());
        let Some(by) = clock.map(|clock| clock.by.clone()) else { return };
        let purpose = Purpose::Refresh(id);
        let sent = match by {
            By::Update => self.request_within(now, layer, id, purpose, Method::Update, lines, None),
            By::Invite(sdp) => {
                let body = (!sdp.is_empty()).then_some((SDP, &*sdp));
                self.request_within(now, layer, id, purpose, Method::Invite, lines, body).inspect(|client| {
                    let deadline = self.timers.set(now + layer.timers().lifetime(), Timer::OfferOverdue(id));
                    if let Some(leg) = self.legs.get_mut(id) {
                        leg.exchange = Exchange::Refreshing { client: *client, deadline };
                    }
                })
            }
        };
        self.refresh_goes_on(id, sent);
    }

    /// A refresh is out; without room for it, it is tried again after a pause.
    fn refresh_goes_on(&mut self, id: LegId, sent: Result<ClientId, LegError>) {
        if let Some(clock) = self.legs.get_mut(id).and_then(|leg| leg.clock.as_deref_mut()) {
            clock.client = sent.ok();
        }
    }

    /// A refresh was answered or not: by anything but a 2xx to a re-INVITE.
    pub(super) fn refresh_finished(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        failure: Failure,
    ) -> Indication {
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        let mut told = Indication::None;
        if let Exchange::Refreshing { deadline, .. } = leg.exchange {
            self.timers.cancel(deadline);
            leg.exchange = Exchange::Idle;
            told = Indication::Refreshed(id);
        }
        if failure.ends_dialog() && matches!(leg.state, State::Confirmed) {
            self.farewell(now, layer, id, None);
            return Indication::Lost(id, failure);
        }
        if let Some(clock) = leg.clock.as_deref_mut() {
            clock.client = None;
            self.timers.cancel(clock.timer);
            clock.timer = self.timers.set(clock.until.min(now + PAUSE), Timer::Session(id));
        }
        told
    }

    /// A 2xx to an UPDATE that refreshes.
    pub(super) fn update_answered(&mut self, now: Time, id: LegId, message: &Message) -> Indication {
        let Some(dialog) = self.legs.get_mut(id).and_then(|leg| leg.dialog.as_deref_mut()) else {
            return Indication::None;
        };
        dialog.refresh_target(message);
        self.agreed_timer(now, id, message, None);
        Indication::None
    }

    /// A 422: the request is sent again with a longer interval, if that is bearable (RFC 4028 7.3).
    pub(super) fn with_longer_interval(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        response: &Message,
    ) -> Option<ClientId> {
        let interval = self.config.session_timer?;
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let least = |message: &Message| message.header(Name::MinSe).and_then(SessionExpires::parse_least);
        let least = interval.after_refusal(least(&request), least(response)?)?;
        let asked = SessionExpires::parse(request.header(Name::SessionExpires)?)?;
        let wanted = SessionExpires { seconds: asked.seconds.max(least), ..asked };
        let fields = [(Name::SessionExpires, wanted.to_string()), (Name::MinSe, least.to_string())];
        self.send_again(now, layer, pending, &request, &fields)
    }
}
