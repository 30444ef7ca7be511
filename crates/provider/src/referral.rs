//! Being transferred: the other side asks by REFER that this call goes on with somebody else (RFC 3515, RFC 5589).
//!
//! For applications it stays the same call: a second INVITE session is set up beside the first, and takes its place with the
//! answer. Who referred us hears of every step (NOTIFY), and the call is as it was if nothing comes of it.

use crate::call::Wait;
use crate::core::{Core, Timer};
use crate::inbound::given;
use crate::profile::AcceptReferrals;
use hookswitch_machine::{Flow, Time, TimerKey};
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::MediaSession;
use hookswitch_sip::headers::SessionId;
use hookswitch_sip::message::{Message, Method, Name, Uri};
use hookswitch_sip::refer::{Notifier, NotifierInput, NotifierOutput, ReferTo, ReferredBy, SIPFRAG};
use hookswitch_sip::transaction::{ClientId, ServerId};
use hookswitch_sip::ua::{Failure, Indication, Invitation, LegId};
use hookswitch_spi::{
    CallId, CallState, InfoParts, OperationError, Outcome, Party, ProviderEvent, StateKind,
};
use std::time::Duration;

/// How long who referred us is told of the outcome.
const REPORTS: Duration = Duration::from_secs(180);
/// How long the new party may ring.
const ANSWER: Duration = Duration::from_secs(120);
/// How long the last report may take.
const LAST_REPORT: Duration = Duration::from_secs(40);

/// A referral on its way.
#[derive(Debug)]
pub(crate) struct Referral {
    /// The session with the new party, until it is the call's.
    leg: Option<LegId>,
    /// The session in which we were referred, until it ends.
    referrer: Option<LegId>,
    media: MediaSession,
    notifier: Notifier,
    /// The NOTIFY on its way.
    notify: Option<ClientId>,
    target: Box<str>,
    timer: Option<TimerKey>,
}

impl Core {
    /// A REFER within a call.
    pub(crate) fn referred(
        &mut self,
        now: Time,
        id: CallId,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) {
        let without =
            message.header(Name::new("Refer-Sub")).is_some_and(|value| value.eq_ignore_ascii_case("false"));
        let mut notifier = Notifier::new(message.cseq().number, !without, REPORTS);
        match self.start_referral(now, id, message) {
            Ok((leg, media, target)) => {
                notifier.handle(now, NotifierInput::Accept);
                let Some(call) = self.calls.get_mut(id) else { return };
                let referrer = call.leg;
                let referral =
                    Referral { leg: Some(leg), referrer, media, notifier, notify: None, target, timer: None };
                call.referral = Some(Box::new(referral));
                self.set_referral_timer(id, now + ANSWER);
                self.by_leg.insert(leg, id);
                self.report_referral(now, id, Some((server, flow, message)));
            }
            Err(status) => {
                self.ua.respond(now, &mut self.layer, server, flow, message, status, format_args!(""));
            }
        }
    }

    /// Checks a referral and calls its target.
    fn start_referral(
        &mut self,
        now: Time,
        id: CallId,
        message: &Message,
    ) -> Result<(LegId, MediaSession, Box<str>), u16> {
        let call = self.calls.get(id).ok_or(481_u16)?;
        let up =
            matches!(call.state.kind(), StateKind::Connected | StateKind::OnHold | StateKind::Conferenced);
        if !up || call.referral.is_some() {
            return Err(491);
        }
        let target =
            message.header(Name::ReferTo).and_then(|value| ReferTo::parse(value).ok()).ok_or(400_u16)?;
        let line = self.line(call.line).ok_or(480_u16)?;
        let uri = Uri::parse(&target.uri).map_err(|_| 400_u16)?;
        if !uri.is_sip() {
            return Err(416);
        }
        let host = uri.host().map(|host| host.to_string()).unwrap_or_default();
        let own = host.eq_ignore_ascii_case(line.account.domain.split(':').next().unwrap_or_default())
            || host.eq_ignore_ascii_case(&line.account.registrar.host);
        // Whoever may send our calls anywhere may spend our money.
        match line.account.profile.accept_referrals {
            AcceptReferrals::Any => {}
            AcceptReferrals::OwnDomain if own => {}
            AcceptReferrals::OwnDomain => return Err(403),
            AcceptReferrals::Never => return Err(603),
        }
        let flow = line.flow().ok_or(480_u16)?;
        let capabilities = self.line_media(id).ok_or(480_u16)?;
        let credentials = line.credentials;
        let from = format!("<{}>", line.uri(call.address));
        let contact = self.contact_of(call.line);
        let rtp = call.port.map(|port| port.rtp).ok_or(480_u16)?;
        let mut fields = match call.facts.session.as_deref() {
            None => String::new(),
            Some(session) => {
                format!("Session-ID: {}\r\n", SessionId { local: session.own, remote: Some(0) })
            }
        };
        if let Some(by) = message.header(Name::ReferredBy).and_then(|value| ReferredBy::parse(value).ok()) {
            fields.push_str(&format!("Referred-By: {by}\r\n"));
        }
        if let Some(replaces) = &target.replaces {
            fields.push_str(&format!("Replaces: {replaces}\r\n"));
        }
        let mut media = MediaSession::new(self.entropy.next_u64());
        let offer = media.offer(&capabilities, rtp, Direction::SendRecv).map_err(|_| 480_u16)?;
        let to = format!("<{}>", target.uri);
        let invitation = Invitation {
            flow,
            account: Some(credentials),
            uri: &target.uri,
            from: &from,
            to: &to,
            contact,
            fields: &fields,
            offer: Some(&offer),
        };
        let leg = self.ua.invite(now, &mut self.layer, &invitation).map_err(|_| 503_u16)?;
        Ok((leg, media, target.uri.into()))
    }

    /// Whether an indication is about a session that is not, or not any more, the call's own; then it is dealt with here.
    pub(crate) fn of_referral(
        &mut self,
        now: Time,
        indication: Indication,
        message: Option<&Message>,
    ) -> bool {
        let leg = match indication {
            Indication::Progress(leg)
            | Indication::Answered(leg)
            | Indication::Redirected(leg)
            | Indication::Failed(leg, _)
            | Indication::Ended(leg)
            | Indication::NotAcknowledged(leg)
            | Indication::Lost(leg, _)
            | Indication::HungUp(leg)
            | Indication::Offered(leg)
            | Indication::OfferConfirmed(leg)
            | Indication::OfferAnswered(leg)
            | Indication::OfferRefused(leg, _)
            | Indication::Response(leg, ..) => leg,
            Indication::None
            | Indication::Incoming(_)
            | Indication::Replacing { .. }
            | Indication::Cancelled(_)
            | Indication::Confirmed(_)
            | Indication::Refreshed(_)
            | Indication::Request(..)
            | Indication::OutOfDialog(_)
            | Indication::OutOfDialogResponse(..)
            | Indication::Subscription(..)
            | Indication::NotifyDue(_)
            | Indication::SubscriberGone(_) => return false,
        };
        let Some(id) = self.call_by_leg(leg) else { return false };
        let Some(call) = self.calls.get_mut(id) else { return false };
        let Some(referral) = call.referral.as_mut() else { return false };
        if let Indication::Response(_, client, failure) = indication {
            // With credentials it went out again under another number: then its method tells.
            let of_notify = message.is_some_and(|message| message.method() == Method::Notify);
            if referral.notify != Some(client) && !of_notify {
                return false;
            }
            referral.notify = None;
            referral.notifier.handle(now, NotifierInput::NotifyAnswered(failure.is_success()));
            self.report_referral(now, id, None);
            return true;
        }
        if referral.leg == Some(leg) {
            self.new_party(now, id, leg, indication, message);
            return true;
        }
        if referral.referrer == Some(leg) && matches!(indication, Indication::Ended(_) | Indication::Lost(..))
        {
            // Some hang up as soon as we agree: the call lives on in the new session, or ends with it.
            referral.referrer = None;
            referral.notifier.handle(now, NotifierInput::Abandoned);
            let (own, next) = (call.leg == Some(leg), referral.leg);
            if own && next.is_none() {
                // The target has refused, and who could take the call back is gone.
                self.abandon_referral(now, id);
                return false;
            }
            if own {
                call.leg = next;
                call.last_leg = next;
                self.leg_changed(id);
            }
            self.by_leg.remove(&leg);
            if own {
                self.transfer_dialog_ended(now, id);
            }
            self.end_referral_if_done(now, id);
            return true;
        }
        if referral.referrer == Some(leg) && call.leg != Some(leg) {
            // The session that was left behind has no say in the call's audio any more.
            if matches!(indication, Indication::Offered(_)) {
                let _ = self.ua.refuse_offer(now, &mut self.layer, leg, 488, "");
            }
            return true;
        }
        false
    }

    /// The call goes on in another session: what was offered to the old party is asked of the new one, and who referred us has had
    /// our 200, whatever became of its ACK. What was told to the old party fails: its answer will not be heard.
    pub(crate) fn leg_changed(&mut self, id: CallId) {
        self.complete_waiting(id, |wait| wait == Wait::Acknowledgement, Ok(Outcome::Done));
        let told = |wait| matches!(wait, Wait::UserInfo(_) | Wait::Errand(_));
        let error =
            || OperationError::Failed("another party has taken the place of who it was sent to".into());
        while self.complete_waiting(id, told, Err(error())) {}
        self.refresh_standing(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        for waiting in &mut call.waiting {
            if let Wait::OfferAnswer(aim) = waiting.what {
                waiting.what = Wait::Turn(aim);
            }
        }
    }

    /// The time for a referral's target, or for reports about it, is over.
    pub(crate) fn referral_due(&mut self, now: Time, id: CallId) {
        let Some(referral) = self.calls.get_mut(id).and_then(|call| call.referral.as_mut()) else { return };
        referral.timer = None;
        match referral.leg {
            Some(leg) => {
                self.ua.abandon(now, &mut self.layer, leg);
                self.new_party_failed(now, id, leg, 408, None);
                self.set_referral_timer(id, now + LAST_REPORT);
            }
            None => {
                referral.notifier.handle(now, NotifierInput::Abandoned);
                self.end_referral_if_done(now, id);
            }
        }
    }

    fn set_referral_timer(&mut self, id: CallId, at: Time) {
        let Some(referral) = self.calls.get_mut(id).and_then(|call| call.referral.as_mut()) else { return };
        if let Some(old) = referral.timer.replace(self.timers.set(at, Timer::Referral(id))) {
            self.timers.cancel(old);
        }
    }

    fn new_party(
        &mut self,
        now: Time,
        id: CallId,
        leg: LegId,
        indication: Indication,
        message: Option<&Message>,
    ) {
        match indication {
            Indication::Progress(_) => {
                // That it is tried was told with the 202.
                let status = message.and_then(Message::status).unwrap_or(180);
                if status > 100 {
                    self.tell_referrer(now, id, status);
                }
            }
            Indication::Answered(_) => self.new_party_answered(now, id, leg, message),
            Indication::Redirected(_) => {
                self.ua.abandon(now, &mut self.layer, leg);
                self.new_party_failed(
                    now,
                    id,
                    leg,
                    message.and_then(Message::status).unwrap_or(300),
                    message,
                );
            }
            Indication::Failed(_, failure) => self.new_party_failed(now, id, leg, failure.status(), message),
            _ => self.new_party_failed(now, id, leg, Failure::TimedOut.status(), message),
        }
    }

    fn new_party_answered(&mut self, now: Time, id: CallId, leg: LegId, message: Option<&Message>) {
        let _ = self.ua.acknowledge(now, &mut self.layer, leg, None);
        let capabilities = self.line_media(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(referral) = call.referral.as_mut() else { return };
        let body = message.map(Message::body).unwrap_or_default();
        let settled =
            capabilities.ok_or(()).and_then(|c| referral.media.receive_answer(&c, body).map_err(drop));
        let Ok(parameters) = settled else {
            self.ua.abandon(now, &mut self.layer, leg);
            self.new_party_failed(now, id, leg, 488, None);
            return;
        };
        referral.leg = None;
        let party = Party::known(referral.target.clone(), "");
        call.media = referral.media.clone();
        call.leg = Some(leg);
        call.last_leg = Some(leg);
        call.facts.connected = party;
        self.leg_changed(id);
        if let Some(message) = message {
            self.note_session(id, message);
        }
        self.set_referral_timer(id, now + LAST_REPORT);
        self.configure(id, parameters);
        self.tell(id, ProviderEvent::CallInfo { call: id, changed: InfoParts::CONNECTED });
        let mode = self.connected_mode(id);
        self.enter(id, CallState::Connected(mode));
        self.tell_referrer(now, id, message.and_then(Message::status).unwrap_or(200));
        // A REFER of ours to the old party will not be reported on any more.
        self.transfer_dialog_ended(now, id);
        self.next_turn(now, id);
        self.transfer_turn(now, id);
    }

    fn new_party_failed(
        &mut self,
        now: Time,
        id: CallId,
        leg: LegId,
        status: u16,
        message: Option<&Message>,
    ) {
        self.by_leg.remove(&leg);
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(referral) = call.referral.as_mut() else { return };
        referral.leg = None;
        if call.leg == Some(leg) {
            // Who referred us is gone: there is nobody to fall back to.
            let (given, _) = given(message);
            let end = crate::ending::by_response(status, message.map_or("", Message::reason), given, false);
            self.abandon_referral(now, id);
            self.over(now, id, leg, end);
            return;
        }
        self.tell_referrer(now, id, status);
    }

    fn tell_referrer(&mut self, now: Time, id: CallId, status: u16) {
        let Some(referral) = self.calls.get_mut(id).and_then(|call| call.referral.as_mut()) else { return };
        referral.notifier.handle(now, NotifierInput::Progress(status));
        self.report_referral(now, id, None);
    }

    /// Sends what the notifier wants sent.
    fn report_referral(&mut self, now: Time, id: CallId, asked: Option<(ServerId, Flow, &Message)>) {
        while let Some(referral) = self.calls.get_mut(id).and_then(|call| call.referral.as_mut()) {
            let Some(output) = referral.notifier.poll() else { break };
            let (event, referrer) = (referral.notifier.event(), referral.referrer);
            match output {
                NotifierOutput::Respond { status, subscription } => {
                    let Some((server, flow, message)) = asked else { continue };
                    let fields = if subscription { "" } else { "Refer-Sub: false\r\n" };
                    self.ua.respond(
                        now,
                        &mut self.layer,
                        server,
                        flow,
                        message,
                        status,
                        format_args!("{fields}"),
                    );
                }
                NotifierOutput::Notify(notify) => {
                    let fields = format!("Event: {event}\r\nSubscription-State: {}\r\n", notify.state);
                    let body = notify.body.to_string();
                    let sent = referrer.and_then(|leg| {
                        let body = Some((SIPFRAG, body.as_bytes()));
                        self.ua.send_within(now, &mut self.layer, leg, Method::Notify, &fields, body).ok()
                    });
                    if let Some(referral) = self.calls.get_mut(id).and_then(|call| call.referral.as_mut()) {
                        referral.notify = sent;
                        if sent.is_none() {
                            referral.notifier.handle(now, NotifierInput::Abandoned);
                        }
                    }
                }
            }
        }
        self.end_referral_if_done(now, id);
    }

    /// The outcome is known and told: what is left of the first session ends, if the new one has taken its place.
    fn end_referral_if_done(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let over = call.referral.as_ref().is_some_and(|r| r.leg.is_none() && r.notifier.is_done());
        if !over {
            return;
        }
        let Some(referral) = call.referral.take() else { return };
        if let Some(timer) = referral.timer {
            self.timers.cancel(timer);
        }
        if let Some(old) = referral.referrer.filter(|old| call.leg != Some(*old)) {
            self.ua.abandon(now, &mut self.layer, old);
            self.by_leg.remove(&old);
        }
    }

    /// The call ends: so does a referral in it.
    pub(crate) fn abandon_referral(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let own = call.leg;
        let Some(referral) = call.referral.take() else { return };
        if let Some(timer) = referral.timer {
            self.timers.cancel(timer);
        }
        for leg in [referral.leg, referral.referrer].into_iter().flatten().filter(|leg| Some(*leg) != own) {
            self.ua.abandon(now, &mut self.layer, leg);
            self.by_leg.remove(&leg);
        }
    }
}
