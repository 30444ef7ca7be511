//! The machine: what arrives is sorted here to registrar, proxy or extensions.

use crate::calls::Calls;
use crate::config::{Config, Limits};
use crate::core::{Core, Timer};
use crate::devices::Devices;
use crate::ended::Ended;
use crate::event::{Counts, Event, Messages, Registration, Request, Snapshot, Unregistered};
use crate::gate::{Gate, Pass};
use crate::location::{Locations, UserId};
use crate::loops::Loops;
use crate::own::Own;
use crate::passage::{Passages, Way};
use crate::phones;
use crate::proxy::{Arrived, Kind, Onward, Proxy};
use crate::referrals::Referrals;
use crate::registrar;
use crate::routing::{Destination, Routing};
use crate::services::Services;
use crate::watch::Watchers;
use bytes::Bytes;
use hookswitch_machine::{Endpoint, Entropy, Flow, Input, Machine, Output, Time, TimerQueue};
use hookswitch_media::control::{Command, Event as MediaEvent};
use hookswitch_sip::auth::Place;
use hookswitch_sip::message::{KeepAlive, Message, Method, Name};
use hookswitch_sip::transaction::{self, Layer, Received, ServerId, response_flow};
use hookswitch_sip::ua::{self, UserAgent};
use std::collections::VecDeque;
use std::time::Duration;

/// The embedded softswitch: one machine for registrar, proxy and extensions.
///
/// It needs no look-ups: what it reaches is registered with it, or in a dialog that it saw begin.
#[derive(Debug)]
pub struct Softswitch {
    pub(crate) core: Core,
    pub(crate) proxy: Proxy,
    pub(crate) services: Services,
    pub(crate) watchers: Watchers,
    pub(crate) devices: Devices,
    pub(crate) watched: bool,
    rejections: Rejections,
    dropped: u64,
    pub(crate) draining: bool,
}

impl Softswitch {
    /// A softswitch that sends from `endpoints`, which the driver opened as [`Config::listen`] says. `shard` is part of every
    /// branch and tag, so that answers can be steered.
    pub fn new(
        config: &Config,
        limits: Limits,
        shard: u16,
        endpoints: Vec<Endpoint>,
        mut entropy: Entropy,
    ) -> Self {
        let layer_config = transaction::Config {
            shard,
            max_server: limits.transactions,
            max_client: limits.transactions,
            // A proxy wants its spirals back.
            detect_merged: false,
            ..transaction::Config::default()
        };
        let agent_config = ua::Config {
            shard,
            endpoints: endpoints.clone(),
            product: "Hookswitch softswitch".into(),
            max_legs: limits.service_calls.saturating_mul(2),
            ..ua::Config::default()
        };
        let agent = UserAgent::new(agent_config, entropy.fork());
        let services = Services::new(config, agent, shard, &mut entropy);
        let proxy = Proxy::new(&mut entropy);
        let watchers = Watchers::new(&mut entropy);
        let core = Core {
            limits,
            features: config.features.clone(),
            own: Own::new(&config.domain, endpoints),
            layer: Layer::new(layer_config, entropy.fork()),
            locations: Locations::new(&config.accounts, &mut entropy),
            gate: Gate::new(&config.domain, limits.nonces, &mut entropy),
            passages: Passages::new(&mut entropy),
            loops: Loops::new(shard, &mut entropy),
            ended: Ended::new(&mut entropy),
            calls: Calls::new(&mut entropy),
            referrals: Referrals::default(),
            timers: TimerQueue::new(),
            outputs: VecDeque::new(),
            entropy,
        };
        let rejections = Rejections { left: 0, second: None };
        let devices = Devices::default();
        let (watched, dropped, draining) = (false, 0, false);
        Self { core, proxy, services, watchers, devices, watched, rejections, dropped, draining }
    }

    /// What is alive.
    pub fn counts(&self) -> Counts {
        Counts {
            bindings: self.core.locations.len(),
            forwarded: self.proxy.len(),
            service_calls: self.services.live_calls(),
            service_requests: self.services.live_requests(),
            ports: self.services.ports(),
            timers: self.core.timers.len() + self.services.live_timers(),
            calls: self.core.calls.len(),
            subscriptions: self.watchers.len(),
            transactions: self.core.layer.counts(),
            dropped: self.dropped,
        }
    }

    fn received(&mut self, now: Time, flow: Flow, bytes: Bytes) {
        if bytes.iter().all(|c| matches!(c, b'\r' | b'\n')) {
            if *bytes == *KeepAlive::PING {
                let bytes = Bytes::from_static(KeepAlive::PONG);
                self.core.layer.transmit(flow, bytes);
            }
            return;
        }
        let message = match Message::parse(bytes, &Default::default()) {
            Ok(message) => message,
            Err(rejected) => {
                let allowed = self.rejections.permit(now, self.core.limits.rejections_per_second);
                match allowed.then(|| rejected.answer(flow.peer)).flatten() {
                    Some(bytes) => self.core.layer.transmit(flow, bytes),
                    None => self.dropped += 1,
                }
                return;
            }
        };
        if let Some(answer) = self.turn_away(now, flow, &message) {
            return self.core.layer.transmit(response_flow(&message, flow), answer);
        }
        let received = self.core.layer.receive(now, flow, &message);
        match received {
            Received::Request(server) => self.request(now, server, flow, &message),
            Received::Ack => self.ack(now, flow, &message),
            Received::Cancel { cancel, invite: Some(invite) } if self.proxy.has(invite) => {
                self.core.answer(now, cancel, flow, &message, 200, &[]);
                let reason = message.header(Name::Reason);
                self.proxy.cancel(&mut self.core, now, invite, reason);
            }
            Received::Response(client) if self.proxy.owns(client) => {
                let Self { core, proxy, services, .. } = self;
                let is_extension = |user: &str| services.find(user).is_some();
                match proxy.response(core, now, client, &message, is_extension) {
                    Onward::Nothing => {}
                    Onward::Extension { server, flow, request, diverted } => {
                        services.take_over(core, now, server, flow, &request, &diverted);
                    }
                }
            }
            Received::Response(client) if self.watchers.owns(client) => {
                let status = message.status().unwrap_or_default();
                self.watchers.answered(&mut self.core, now, client, status);
            }
            Received::Cancel { .. }
            | Received::Response(_)
            | Received::StrayResponse
            | Received::Merged(_)
            | Received::Absorbed
            | Received::Unmatched => self.services.dispatch(&mut self.core, now, received, flow, &message),
            Received::Overloaded { .. } => self.dropped += 1,
        }
    }

    /// A new request (RFC 3261 16.3 to 16.5).
    fn request(&mut self, now: Time, server: ServerId, flow: Flow, message: &Message) {
        let core = &mut self.core;
        let Ok(routing) = Routing::of(core, message) else {
            return core.refuse(now, server, flow, message, 400, &[]);
        };
        match self.destination(message, &routing) {
            Destination::Refused(status, fields) => {
                self.core.refuse(now, server, flow, message, status, &fields);
            }
            Destination::Gone => self.core.answer(now, server, flow, message, 481, &[]),
            Destination::Within(way) => self.within(now, server, flow, message, &routing, &way),
            Destination::Registrar => registrar::register(&mut self.core, now, server, flow, message),
            Destination::Itself | Destination::Dialog => {
                self.services.dispatch(&mut self.core, now, Received::Request(server), flow, message);
            }
            Destination::User(user) => {
                if let Some(sender) = self.admitted(now, server, flow, message) {
                    self.for_user(now, server, flow, message, &routing, &user, sender);
                }
            }
            Destination::Phone => {
                if let Some(sender) = self.admitted(now, server, flow, message) {
                    self.for_phone(now, server, flow, message, &routing, sender);
                }
            }
        }
    }

    /// The user who sent a request, as its credentials say; otherwise it is answered.
    fn admitted(&mut self, now: Time, server: ServerId, flow: Flow, message: &Message) -> Option<UserId> {
        let core = &mut self.core;
        match core.gate.check(now, Place::Proxy, flow.peer.ip(), message, &core.own, &core.locations) {
            Pass::User(sender) => return Some(sender),
            Pass::Challenge(status, name, values) => {
                let fields: Vec<_> = values.into_iter().map(|value| (Name::new(name), value)).collect();
                core.answer(now, server, flow, message, status, &fields);
            }
            Pass::Forbidden => core.refuse(now, server, flow, message, 403, &[]),
            Pass::Malformed => core.refuse(now, server, flow, message, 400, &[]),
        }
        None
    }

    /// A request within a dialog that we saw begin.
    fn within(
        &mut self,
        now: Time,
        server: ServerId,
        flow: Flow,
        message: &Message,
        routing: &Routing<'_>,
        way: &Way,
    ) {
        let Self { core, proxy, services, .. } = self;
        let (target, routes) = routing.within(core, way.to);
        let kind = match message.method() {
            Method::Invite => Kind::Invite,
            Method::Refer => {
                if let Some((by, whom)) = core.parties(flow, way) {
                    core.referred(now, by, whom, message, |user| services.find(user));
                }
                Kind::Other
            }
            Method::Bye => {
                core.hung_up(now, message);
                Kind::Other
            }
            _ => Kind::Other,
        };
        let arrived = Arrived { server, flow, request: message, routes, record: false, kind };
        proxy.forward(core, now, arrived, vec![target]);
    }

    /// An ACK to a 2xx: passed on without a transaction (RFC 3261 16.6, 16.11), or for an extension.
    fn ack(&mut self, now: Time, flow: Flow, message: &Message) {
        let core = &mut self.core;
        let Ok(routing) = Routing::of(core, message) else { return };
        let Some(way) = routing.way else {
            return self.services.dispatch(core, now, Received::Ack, flow, message);
        };
        if message.max_forwards() == Some(0)
            || core.loops.is_loop(&core.own, core.loops.mark(message), message)
        {
            self.dropped += 1;
            return;
        }
        let (target, routes) = routing.within(core, way.to);
        let bytes = crate::proxy::stateless_copy(core, message, flow, routes, &target);
        core.layer.transmit(target.flow, bytes);
    }

    fn asked(&mut self, now: Time, request: Request) {
        match request {
            Request::Snapshot => {
                let registrations = self.core.locations.all();
                let registrations = registrations.map(|(user, binding)| Registration {
                    user: user.to_owned(),
                    contact: binding.contact.to_string(),
                    expires: binding.expires.since(now),
                    flow: binding.flow,
                });
                let registrations = registrations.collect();
                let phones = phones::phones(&self.core, &self.watchers, now);
                let snapshot = Snapshot { registrations, phones, counts: self.counts() };
                self.core.tell(Event::Snapshot(snapshot));
            }
            Request::WatchPhones(watched) => self.watched = watched,
            Request::SetMessages { user, messages } => {
                let Some(id) = self.core.locations.find(&user) else { return };
                self.lamps_replaced(id);
                self.set_messages(now, id, messages);
            }
            Request::RemoveAccount { user } => {
                let Some(id) = self.core.locations.find(&user) else { return };
                let contacts: Vec<_> =
                    self.core.locations.bindings(id).iter().map(|binding| binding.id).collect();
                for contact in contacts {
                    registrar::remove(&mut self.core, id, contact, Some(Unregistered::Removed));
                }
                self.watchers.remove_user(&mut self.core, now, id);
                self.core.locations.remove_user(id);
                self.devices.remove(id);
            }
            Request::Drain => {
                self.draining = true;
                self.watchers.drain(&mut self.core, now);
                self.services.drain(&mut self.core, now);
            }
        }
    }

    /// So many messages wait for a user.
    pub(crate) fn set_messages(&mut self, now: Time, user: UserId, messages: Messages) {
        self.watchers.set_messages(&mut self.core, now, user, messages);
        if self.watched {
            let user = self.core.locations.name(user).to_owned();
            self.core.tell(Event::PhoneMessages { user, messages });
        }
    }

    /// Passes on what happened to calls.
    fn tell_news(&mut self, now: Time) {
        while let Some(news) = self.core.calls.news() {
            self.watchers.news(&mut self.core, now, &news);
            self.device_calls(&news);
            if self.watched {
                phones::tell(&mut self.core, &news);
            }
        }
    }

    fn flow_closed(&mut self, now: Time, flow: Flow) {
        if flow.connection != 0 {
            for (user, binding) in self.core.locations.on_flow(flow) {
                registrar::remove(&mut self.core, user, binding, Some(Unregistered::FlowClosed));
            }
        }
        self.core.layer.flow_closed(now, flow);
    }

    /// Lets everything happen that is due, until nothing is left to do.
    fn settle(&mut self, now: Time) {
        self.core.layer.timeout(now);
        self.services.timeout(&mut self.core, now);
        while let Some(timer) = self.core.timers.pop(now) {
            match timer {
                Timer::Binding(user, id) => {
                    registrar::remove(&mut self.core, user, id, Some(Unregistered::Expired));
                }
                Timer::Ringing(client) => self.proxy.overdue(&mut self.core, now, client),
                Timer::Service(leg) => self.services.hang_up(&mut self.core, now, leg),
                Timer::Forget(call) => self.core.call_ends(call),
                Timer::Watch(id) => self.watchers.due(&mut self.core, now, id),
                Timer::Orbit(orbit) => self.services.orbit_due(&mut self.core, now, orbit),
                Timer::Probe(leg) => self.services.probe(&mut self.core, now, leg),
            }
        }
        loop {
            self.hand_over(now);
            self.carry_out(now);
            self.tell_news(now);
            self.tell_devices();
            let Some(output) = self.core.layer.poll() else { break };
            self.transaction_event(now, output);
        }
    }

    fn transaction_event(&mut self, now: Time, output: transaction::Output) {
        use transaction::Output as Out;
        let core = &mut self.core;
        match output {
            Out::Transmit { flow, bytes } => core.outputs.push_back(Output::Transmit { flow, bytes }),
            Out::TimedOut(client) if self.proxy.owns(client) => self.proxy.unanswered(core, now, client, 408),
            // RFC 5626 5.3.1 in spirit: a contact that cannot be reached is a user that is not there.
            Out::TransportFailed(client) if self.proxy.owns(client) => {
                self.proxy.unanswered(core, now, client, 480);
            }
            Out::ClientGone(client) if self.proxy.owns(client) => self.proxy.client_gone(core, client),
            Out::ServerGone(server) if self.proxy.has(server) => self.proxy.server_gone(core, now, server),
            Out::TimedOut(client) | Out::TransportFailed(client) | Out::ClientGone(client)
                if self.watchers.owns(client) =>
            {
                self.watchers.unanswered(core, now, &output);
            }
            Out::TimedOut(_)
            | Out::TransportFailed(_)
            | Out::ClientGone(_)
            | Out::ServerGone(_)
            | Out::ResponseFailed(_)
            | Out::Acked(_)
            | Out::NoAck(_) => self.services.transaction_event(core, now, &output),
        }
    }
}

impl Machine for Softswitch {
    type Request = Request;
    type Event = Event;
    type MediaCommand = Command;
    type MediaEvent = MediaEvent;

    fn handle(&mut self, now: Time, input: Input<Request, MediaEvent>) {
        match input {
            Input::Received { flow, bytes } => self.received(now, flow, bytes),
            Input::FlowClosed { flow, .. } => self.flow_closed(now, flow),
            Input::Media(event) => self.services.media(&mut self.core, now, event),
            Input::Request(request) => self.asked(now, request),
            // Nothing is ever asked.
            Input::Resolved { .. } | Input::Timeout => {}
        }
        self.settle(now);
    }

    fn poll(&mut self) -> Option<Output<Event, Command>> {
        self.core.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Time> {
        let times = [self.core.layer.next_timeout(), self.core.timers.next(), self.services.next_timeout()];
        times.into_iter().flatten().min()
    }
}

/// The rate limit of answers to malformed requests.
#[derive(Debug)]
struct Rejections {
    left: u32,
    second: Option<Time>,
}

impl Rejections {
    fn permit(&mut self, now: Time, per_second: u32) -> bool {
        if self.second.is_none_or(|second| now.since(second) >= Duration::from_secs(1)) {
            self.second = Some(now);
            self.left = per_second;
        }
        let permitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        permitted
    }
}
