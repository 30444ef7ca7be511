//! Lines in and out of service: looking up the switch and registering with it.

use crate::account::Server;
use crate::core::{Core, Outside, Query, Timer};
use crate::line::{Line, Mailbox, Open, Route};
use crate::profile::TransportChoice;
use bytes::Bytes;
use hookswitch_machine::{Endpoint, Flow, Output, Question, ResolveError, Target, Time, Transport};
use hookswitch_sip::auth::Credentials;
use hookswitch_sip::message::{Message, Method, Name, Request, Uri};
use hookswitch_sip::registration::{self, Answer, Cause, Input, Register, Registration, StateName};
use hookswitch_sip::transaction::ClientId;
use hookswitch_sip::ua::Failure;
use hookswitch_spi::{InterfaceVersion, LineId, LineState, MediaTypes, OutOfService, ProviderEvent};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Why a line is out of service that an application wants to be so.
const TAKEN_OUT: &str = "taken out of service by an application";
/// How long after a failed look-up the next one follows, at least.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(20);

impl Core {
    /// Starts what an open line needs: its route, then its registration.
    pub(crate) fn start_line(&mut self, now: Time, id: LineId, version: InterfaceVersion) {
        let closing = self.closing.contains(&id);
        self.closing.retain(|closing| *closing != id);
        if let (true, Some(open)) = (closing, self.registrant_mut(id).and_then(|line| line.open.as_mut())) {
            // It still un-registers: the same registration goes on, so that two cannot cross.
            open.version = version;
            open.wanted_media = MediaTypes::NONE;
            open.off = false;
            if let Some(line) = self.registrant_mut(id) {
                line.state = LineState::InService;
            }
            self.serve(id, false, None, "registering with the switch");
            self.register(now, id, Input::Start);
            return;
        }
        let Some((server, preferred)) = self.switch(id) else { return };
        let route = match server.host.parse::<IpAddr>() {
            Ok(ip) => {
                let address = (ip, server.port.unwrap_or(5060)).into();
                self.route(vec![Target { transport: preferred, address }])
            }
            Err(_) => self.look_up(now, id, server, preferred),
        };
        self.stop_timers(id);
        // A Call-ID of its own: CSeq numbers start anew (RFC 3261 10.2).
        let unique = self.entropy.next_u64();
        let registration = self.registrant(id).filter(|line| line.account.register).map(|line| {
            let account = &line.account;
            let call_id = format!("{unique:016x}{}", line.token);
            let mut config = registration::Config::new(format!("sip:{}", account.domain), call_id);
            config.expires = account.profile.register_expires;
            config.retry_base = account.profile.first_retry();
            config.refused_retry = config.refused_retry.min(config.retry_cap);
            let credentials = (!account.password.expose().is_empty()).then(|| Credentials {
                username: account.auth_user.clone(),
                password: account.password.clone(),
                realm: account.realm.clone(),
            });
            Registration::new(config, credentials)
        });
        let contact = Arc::from(self.contact(id, &route).as_str());
        let Some(line) = self.registrant_mut(id) else { return };
        line.open = Some(Open {
            version,
            wanted_media: MediaTypes::NONE,
            registration,
            route,
            contact,
            timer: None,
            keep_alive: None,
            look_up: None,
            mailbox: Mailbox::Unwatched,
            off: false,
        });
        line.state = LineState::InService;
        self.serve(id, false, None, "registering with the switch");
        self.route_settled(now, id);
    }

    /// The switch of a line, and the transport it prefers.
    fn switch(&self, id: LineId) -> Option<(Server, Transport)> {
        let account = &self.registrant(id)?.account;
        let preferred = match account.profile.transport {
            TransportChoice::Udp => Transport::Udp,
            TransportChoice::Tcp => Transport::Tcp,
        };
        Some((account.registrar.clone(), preferred))
    }

    fn look_up(&mut self, now: Time, id: LineId, server: Server, preferred: Transport) -> Route {
        let question = Question { host: server.host, port: server.port, transport: Some(preferred) };
        Route::Resolving(self.resolve(now, question, Query::Switch(id)))
    }

    /// The route over these targets, if an endpoint of ours can reach one.
    fn route(&self, targets: Vec<Target>) -> Route {
        let reachable: Vec<Target> =
            targets.into_iter().filter(|target| self.endpoint_for(target).is_some()).collect();
        match reachable.first().and_then(|target| Some((*target, self.endpoint_for(target)?))) {
            Some((target, endpoint)) => {
                Route::Known { used: 0, flow: Flow::to(endpoint.id, target.address), targets: reachable }
            }
            None => Route::Unknown { why: "its address cannot be reached from any local socket".into() },
        }
    }

    /// The local endpoint that speaks a target's transport and address family.
    pub(crate) fn endpoint_for(&self, target: &Target) -> Option<Endpoint> {
        self.ua
            .endpoints()
            .iter()
            .find(|e| e.transport == target.transport && e.advertised.is_ipv4() == target.address.is_ipv4())
            .copied()
    }

    /// Our Contact towards the switch of a line.
    fn contact(&self, id: LineId, route: &Route) -> String {
        let endpoint = match route {
            Route::Known { flow, .. } => self.ua.endpoints().iter().find(|e| e.id == flow.endpoint),
            Route::Resolving(_) | Route::Unknown { .. } => self.ua.endpoints().first(),
        };
        let token = self.registrant(id).map_or("", |line| &*line.token);
        match endpoint {
            Some(endpoint) if endpoint.transport == Transport::Tcp => {
                format!("sip:{token}@{};transport=tcp", endpoint.advertised)
            }
            Some(endpoint) => format!("sip:{token}@{}", endpoint.advertised),
            None => format!("sip:{token}@invalid"),
        }
    }

    /// The look-up of a line's switch has ended.
    pub(crate) fn switch_resolved(
        &mut self,
        now: Time,
        id: LineId,
        answer: Result<Vec<Target>, ResolveError>,
    ) {
        let Some(line) = self.registrant(id).filter(|line| line.open.is_some()) else { return };
        let host = line.account.registrar.host.clone();
        let route = match answer {
            Ok(targets) => self.route(targets),
            Err(error) => {
                let why = match error {
                    ResolveError::NotFound => "it does not exist".to_owned(),
                    ResolveError::TimedOut => "no name server answered in time".to_owned(),
                    ResolveError::Failed(why) => why,
                };
                Route::Unknown { why: format!("{host} cannot be looked up: {why}") }
            }
        };
        let contact = Arc::from(self.contact(id, &route).as_str());
        let Some(open) = self.registrant_mut(id).and_then(|line| line.open.as_mut()) else { return };
        open.route = route;
        open.contact = contact;
        self.route_settled(now, id);
    }

    /// Sends a keep-alive over UDP and sets the time of the next one.
    pub(crate) fn keep_alive(&mut self, now: Time, id: LineId) {
        let Some(line) = self.registrant(id) else { return };
        let pause = line.account.profile.keep_alive;
        let (Some(flow), true) = (line.flow(), pause > 0) else { return };
        let datagrams =
            self.ua.endpoints().iter().any(|e| e.id == flow.endpoint && e.transport == Transport::Udp);
        if !datagrams {
            return;
        }
        self.actions.push_back(Output::Transmit { flow, bytes: Bytes::from_static(b"\r\n\r\n") });
        let timer = self.timers.set(now + Duration::from_secs(pause.into()), Timer::KeepAlive(id));
        let open = self.registrant_mut(id).and_then(|line| line.open.as_mut());
        if let Some(old) = open.and_then(|open| open.keep_alive.replace(timer)) {
            self.timers.cancel(old);
        }
    }

    /// The line is closed: its timers end.
    fn stop_timers(&mut self, id: LineId) {
        let Some(open) = self.registrant_mut(id).and_then(|line| line.open.as_mut()) else { return };
        let timers = [open.timer.take(), open.keep_alive.take(), open.look_up.take()];
        for timer in timers.into_iter().flatten() {
            self.timers.cancel(timer);
        }
    }

    /// The route is known, or known to be missing: register, or be in service without.
    fn route_settled(&mut self, now: Time, id: LineId) {
        let Some(line) = self.registrant(id) else { return };
        let Some(open) = line.open.as_ref() else { return };
        let (state, off) = (open.registration.as_ref().map(Registration::state), open.off);
        match (&open.route, state) {
            (Route::Resolving(_), _) => {}
            (Route::Known { targets, .. }, state) => {
                // Challenges from elsewhere are not answered unless the account names their realm.
                let home = targets.iter().map(|target| target.address.ip().to_canonical()).collect();
                let credentials = line.credentials;
                self.ua.set_home(credentials, home);
                match state {
                    Some(StateName::Idle) if off => {}
                    Some(StateName::Idle) => self.register(now, id, Input::Start),
                    // It tries again by itself, on this route.
                    Some(_) => {}
                    None => {
                        self.serve(id, true, None, "");
                        self.keep_alive(now, id);
                    }
                }
            }
            (Route::Unknown { why }, _) => {
                let why = why.clone();
                self.serve(id, false, None, &why);
                let pause = LOOK_UP_AGAIN + Duration::from_millis(self.entropy.below(10_000));
                let timer = self.timers.set(now + pause, Timer::LookUp(id));
                let open = self.registrant_mut(id).and_then(|line| line.open.as_mut());
                if let Some(old) = open.and_then(|open| open.look_up.replace(timer)) {
                    self.timers.cancel(old);
                }
            }
        }
    }

    /// A line's switch is looked up again.
    pub(crate) fn look_up_again(&mut self, now: Time, id: LineId) {
        let Some((server, preferred)) = self.switch(id) else { return };
        let route = match server.host.parse::<IpAddr>() {
            Ok(ip) => {
                let address = (ip, server.port.unwrap_or(5060)).into();
                self.route(vec![Target { transport: preferred, address }])
            }
            Err(_) => self.look_up(now, id, server, preferred),
        };
        let Some(open) = self.registrant_mut(id).and_then(|line| line.open.as_mut()) else { return };
        open.look_up = None;
        open.route = route;
        self.route_settled(now, id);
    }

    /// Gives a line's registration an input and does what it wants.
    pub(crate) fn register(&mut self, now: Time, id: LineId, input: Input<'_>) {
        let Some(line) = self.lines.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        let Some(open) = line.open.as_mut() else { return };
        let Some(registration) = open.registration.as_mut() else { return };
        registration.handle(now, input, &mut self.entropy);
        let mut outputs = Vec::new();
        while let Some(output) = registration.poll() {
            outputs.push(output);
        }
        for output in outputs {
            match output {
                registration::Output::SendRegister(register) => self.send_register(now, id, &register),
                registration::Output::Registered { .. } => {
                    self.serve(id, true, None, "");
                    self.keep_alive(now, id);
                    self.in_service(now, id);
                }
                registration::Output::Observed(_) => {}
                registration::Output::Failed { cause, bound_until, .. } => {
                    if bound_until.is_none_or(|until| until <= now) {
                        self.serve(id, false, status_of(cause), &cause.to_string());
                    }
                    self.next_target(now, id, cause);
                }
                registration::Output::Lapsed => self.serve(id, false, None, "the registration ran out"),
                registration::Output::Unregistered => {
                    // Opened again meanwhile, it registers anew.
                    if self.closing.contains(&id) {
                        self.unregistered(id);
                    }
                }
            }
        }
        self.schedule_registration(id);
    }

    fn schedule_registration(&mut self, id: LineId) {
        let Some(open) =
            self.lines.get_mut(id.0 as usize).and_then(Option::as_mut).and_then(|line| line.open.as_mut())
        else {
            return;
        };
        if let Some(timer) = open.timer.take() {
            self.timers.cancel(timer);
        }
        if let Some(at) = open.registration.as_ref().and_then(Registration::timeout) {
            open.timer = Some(self.timers.set(at, Timer::Registration(id)));
        }
    }

    /// A registration's timer.
    pub(crate) fn registration_due(&mut self, now: Time, id: LineId) {
        self.register(now, id, Input::Timer);
    }

    /// After a failure that another server of the same name may not share, the next one is tried (RFC 3263 4.3).
    /// After the last one the switch is looked up again: its address may have changed.
    fn next_target(&mut self, now: Time, id: LineId, cause: Cause) {
        if !cause.is_temporary() {
            return;
        }
        let last = self.registrant(id).is_some_and(|line| match line.open.as_ref().map(|open| &open.route) {
            Some(Route::Known { targets, used, .. }) => used + 1 >= targets.len(),
            Some(Route::Resolving(_) | Route::Unknown { .. }) | None => false,
        });
        if last
            && let Some((server, preferred)) =
                self.switch(id).filter(|(s, _)| s.host.parse::<IpAddr>().is_err())
        {
            let route = self.look_up(now, id, server, preferred);
            if let Some(open) = self.registrant_mut(id).and_then(|line| line.open.as_mut()) {
                open.route = route;
            }
            return;
        }
        let next = self.registrant(id).and_then(|line| match &line.open.as_ref()?.route {
            Route::Known { targets, used, .. } if targets.len() > 1 => {
                let used = (used + 1) % targets.len();
                let target = targets.get(used)?;
                Some((used, Flow::to(self.endpoint_for(target)?.id, target.address)))
            }
            Route::Known { .. } | Route::Resolving(_) | Route::Unknown { .. } => None,
        });
        if let (Some((next, path)), Some(line)) = (next, self.registrant_mut(id))
            && let Some(Route::Known { used, flow, .. }) = line.open.as_mut().map(|open| &mut open.route)
        {
            (*used, *flow) = (next, path);
        }
    }

    fn send_register(&mut self, now: Time, id: LineId, register: &Register) {
        let cseq = register.cseq;
        let Some(line) = self.registrant(id) else { return };
        let Some(flow) = line.flow() else {
            self.register(now, id, Input::TransportFailed { cseq });
            return;
        };
        let Some(open) = line.open.as_ref() else { return };
        let Some(config) = open.registration.as_ref().map(Registration::config) else { return };
        let (registrar, call_id) = (config.registrar.clone(), config.call_id.clone());
        let address = format!("<sip:{}@{}>", line.account.user, line.account.domain);
        let contact = Arc::clone(&open.contact);
        // One tag for one registration's life is enough (RFC 3261 10.2 asks for a Call-ID only).
        let tag = format!("{:x}", self.entropy.next_u64());
        let product = self.product.clone();
        let allow = self.ua.allow().to_string();
        let sent = self.ua.send_outside(
            now,
            &mut self.layer,
            flow,
            None,
            Method::Register,
            |transport, sent_by, branch| {
                let mut request = Request::new(Method::Register, &registrar)
                    .via(transport.via_name(), sent_by, branch)
                    .max_forwards(70)
                    .header(Name::From, format_args!("{address};tag={tag}"))
                    .header(Name::To, &address)
                    .call_id(&call_id)
                    .cseq(cseq, Method::Register)
                    .header(Name::Contact, format_args!("<{contact}>;expires={}", register.expires))
                    .header(Name::Expires, register.expires)
                    .header(Name::Allow, &allow)
                    .header(Name::UserAgent, &product);
                for (place, value) in &register.credentials {
                    request = request.header(Name::new(place.credentials_header()), value);
                }
                request.finish()
            },
        );
        match sent {
            Ok(client) => {
                self.outside.insert(client, Outside::Register(id, cseq));
            }
            Err(_) => self.register(now, id, Input::TransportFailed { cseq }),
        }
    }

    /// A final response to a request outside sessions, or none.
    pub(crate) fn outside_response(
        &mut self,
        now: Time,
        client: ClientId,
        failure: Failure,
        message: Option<&Message>,
    ) {
        let Some(Outside::Register(id, cseq)) = self.outside.remove(&client) else { return };
        match (failure, message) {
            (Failure::Status(_) | Failure::Unauthorized(_), Some(message)) => {
                let contact = self
                    .line(id)
                    .and_then(|line| line.open.as_ref())
                    .map_or_else(|| Arc::from(""), |open| Arc::clone(&open.contact));
                match Uri::parse(&contact) {
                    Ok(contact) => {
                        let answer = Answer::read(message, &contact);
                        self.register(now, id, Input::Response(&answer));
                    }
                    Err(_) => self.register(now, id, Input::TransportFailed { cseq }),
                }
            }
            (Failure::TimedOut, _) => self.register(now, id, Input::TimedOut { cseq }),
            (Failure::Unreachable | Failure::Status(_) | Failure::Unauthorized(_), _) => {
                self.register(now, id, Input::TransportFailed { cseq });
            }
        }
    }

    /// The stream to a registrar is gone.
    pub(crate) fn registrar_flow_closed(&mut self, now: Time, flow: Flow) {
        if flow.connection == 0 {
            return;
        }
        let hit: Vec<LineId> = self
            .lines
            .iter()
            .enumerate()
            .filter(|(_, line)| {
                line.as_ref()
                    .and_then(Line::flow)
                    .is_some_and(|own| own.endpoint == flow.endpoint && own.peer == flow.peer)
            })
            .map(|(n, _)| LineId(n as u32))
            .collect();
        for id in hit {
            self.register(now, id, Input::FlowClosed);
        }
    }

    /// Registers at once if the line waits after a failure: something has changed that may help.
    pub(crate) fn register_again(&mut self, now: Time, id: LineId) {
        let state = self.registrant(id).and_then(|line| line.open.as_ref()?.registration.as_ref());
        match state.map(Registration::state) {
            Some(StateName::WaitingToRetry) => self.register(now, id, Input::Start),
            Some(
                StateName::Idle
                | StateName::Registering
                | StateName::Registered
                | StateName::Refreshing
                | StateName::Stopping
                | StateName::Unregistering,
            )
            | None => {}
        }
    }

    /// Takes a line out of the switch when it is closed. The un-registration goes on by itself.
    pub(crate) fn stop_line(&mut self, now: Time, id: LineId) {
        self.register(now, id, Input::Stop);
        if self
            .registrant(id)
            .and_then(|line| line.open.as_ref())
            .is_some_and(|open| open.registration.is_none())
        {
            self.unregistered(id);
        }
    }

    fn unregistered(&mut self, id: LineId) {
        self.stop_timers(id);
        self.closing.retain(|closing| *closing != id);
        if self.removed.contains(&id) {
            return self.vanished(id);
        }
        let Some(line) = self.registrant_mut(id) else { return };
        line.open = None;
        line.state =
            LineState::OutOfService(OutOfService { status: None, reason: "the line is not open".into() });
    }

    /// Tells whether a line is in service, if that is news.
    pub(crate) fn serve(&mut self, id: LineId, in_service: bool, status: Option<u16>, reason: &str) {
        let off = self.line(id).and_then(|line| line.open.as_ref()).is_some_and(|open| open.off);
        let (in_service, reason) = if off { (false, TAKEN_OUT) } else { (in_service, reason) };
        let state = if in_service {
            LineState::InService
        } else {
            LineState::OutOfService(OutOfService { status, reason: reason.to_owned() })
        };
        let Some(line) = self.registrant_mut(id) else { return };
        if line.state == state {
            return;
        }
        line.state = state.clone();
        if !self.closing.contains(&id) {
            self.events.push_back(ProviderEvent::LineState { line: id, state });
        }
    }
}

/// The status behind a registration's failure, where there is one.
const fn status_of(cause: Cause) -> Option<u16> {
    match cause {
        Cause::Rejected(status) | Cause::Unavailable(status) | Cause::Redirected(status) => Some(status),
        Cause::NoCredentials | Cause::Credentials(_) => Some(401),
        _ => None,
    }
}
