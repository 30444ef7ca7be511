//! What a request is about, before anybody is asked who sent it (RFC 3261 16.3 to 16.5), and what strangers are answered.

use crate::core::Core;
use crate::event::Event;
use crate::gate::Pass;
use crate::own::user_of;
use crate::proxy::breadth;
use crate::routing::{Destination, Fields, Routing};
use crate::softswitch::Softswitch;
use crate::takeover::Place;
use bytes::Bytes;
use hookswitch_machine::{Flow, Time};
use hookswitch_sip::auth::Place as AuthPlace;
use hookswitch_sip::message::{Message, Method, Name, Response, Scheme, Uri};

impl Softswitch {
    /// Where a request is to go.
    pub(crate) fn destination(&self, message: &Message, routing: &Routing<'_>) -> Destination {
        let refused = |status| Destination::Refused(status, Vec::new());
        let is_invite = message.method() == Method::Invite;
        let Ok(uri) = Uri::parse(routing.uri) else { return refused(400) };
        if uri.scheme() != Scheme::Sip {
            return refused(416);
        }
        if let Some(way) = routing.way.filter(|_| message.to_tag().is_some()) {
            if is_invite && Place::wanted(message) != Ok(Place::Nothing) {
                // Another place is asked for outside the dialog that one has (RFC 3891 4).
                return refused(403);
            }
            return self.unless_in_the_way(message, Destination::Within(way));
        }
        if !routing.routes.is_empty() {
            // No open relay: neither by a Route that the caller made up nor by a foreign domain.
            return refused(403);
        }
        if !self.core.own.is_meant_by(&uri) {
            // Refer-To names a phone as its dialogs do, by its contact.
            let is_transfer =
                is_invite && message.to_tag().is_none() && message.header(Name::Replaces).is_some();
            return if is_transfer {
                self.unless_in_the_way(message, Destination::Phone)
            } else {
                refused(403)
            };
        }
        if message.method() == Method::Register {
            return Destination::Registrar;
        }
        let Some(user) = uri.user_unescaped() else {
            return if is_invite { refused(404) } else { Destination::Itself };
        };
        if self.services.has_dialog(message, &uri) {
            return Destination::Dialog;
        }
        if message.to_tag().is_some() && message.method() == Method::Bye {
            // Nothing that we saw begin, and nothing to ask credentials for.
            return Destination::Gone;
        }
        let found = Destination::User(user.clone().into_owned());
        if self.services.find(&user).is_some() { found } else { self.unless_in_the_way(message, found) }
    }

    /// What keeps a request from being passed on (RFC 3261 16.3), or where it goes.
    fn unless_in_the_way(&self, message: &Message, destination: Destination) -> Destination {
        let core = &self.core;
        let required: Vec<&str> = message.headers(Name::ProxyRequire).collect();
        if message.max_forwards() == Some(0) {
            Destination::Refused(483, Vec::new())
        } else if core.loops.is_loop(&core.own, core.loops.mark(message), message) {
            Destination::Refused(482, Vec::new())
        } else if !required.is_empty() {
            Destination::Refused(420, vec![(Name::Unsupported, required.join(", "))])
        } else if breadth(message) == 0 {
            Destination::Refused(440, Vec::new())
        } else if self.proxy.len() >= core.limits.forwarded {
            Destination::Refused(503, vec![(Name::RetryAfter, "5".to_owned())])
        } else {
            destination
        }
    }

    /// The answer to a request in a datagram that proves nothing about its sender: neither credentials that fit nor a dialog. It
    /// needs no transaction, so that a flood leaves nothing, and is sent once for each copy: an answer to an INVITE would be
    /// retransmitted, be a multiple of what was received, and the source may be made up (RFC 3261 26.3.2.4).
    pub(crate) fn turn_away(&mut self, now: Time, flow: Flow, message: &Message) -> Option<Bytes> {
        if !message.is_request() || flow.connection != 0 {
            return None;
        }
        match message.method() {
            Method::Invite => self.turn_away_caller(now, flow, message),
            Method::Ack | Method::Cancel => None,
            _ => self.turn_away_other(now, flow, message),
        }
    }

    fn turn_away_caller(&mut self, now: Time, flow: Flow, message: &Message) -> Option<Bytes> {
        let routing = Routing::of(&self.core, message).ok();
        let in_dialog = message.to_tag().is_some_and(|tag| {
            routing.as_ref().is_some_and(|routing| routing.way.is_some()) || self.services.has_leg(tag)
        });
        if in_dialog || self.is_proven(now, flow, message, AuthPlace::Proxy) {
            return None;
        }
        let destination = routing.map(|routing| self.destination(message, &routing));
        let (status, fields) = match destination {
            None => (400, Vec::new()),
            Some(Destination::Refused(status, fields)) => (status, fields),
            Some(Destination::Gone | Destination::Dialog) => (481, Vec::new()),
            // These are not for INVITEs, or for those that prove something.
            Some(Destination::Registrar | Destination::Itself | Destination::Within(_)) => return None,
            Some(Destination::User(_) | Destination::Phone) => {
                self.stranger(now, flow, message, AuthPlace::Proxy)
            }
        };
        Some(self.core.answer_once(flow, message, status, fields))
    }

    /// Requests that make no session, outside dialogs; refusals of them are never retransmitted.
    fn turn_away_other(&mut self, now: Time, flow: Flow, message: &Message) -> Option<Bytes> {
        if message.to_tag().is_some() {
            return None;
        }
        let routing = Routing::of(&self.core, message).ok()?;
        let place = match self.destination(message, &routing) {
            // RFC 3261 10.3, 2: what is required is looked at first.
            Destination::Registrar if message.header(Name::Require).is_some() => return None,
            Destination::Registrar => AuthPlace::Server,
            Destination::User(_) => AuthPlace::Proxy,
            Destination::Refused(..)
            | Destination::Gone
            | Destination::Within(_)
            | Destination::Itself
            | Destination::Dialog
            | Destination::Phone => return None,
        };
        if self.is_proven(now, flow, message, place) {
            return None;
        }
        let (status, fields) = self.stranger(now, flow, message, place);
        Some(self.core.answer_once(flow, message, status, fields))
    }

    fn is_proven(&mut self, now: Time, flow: Flow, message: &Message, place: AuthPlace) -> bool {
        let Core { gate, locations, .. } = &mut self.core;
        gate.is_proven(now, place, flow.peer.ip(), message, locations)
    }

    /// What a request is answered whose credentials are missing or do not fit.
    fn stranger(&mut self, now: Time, flow: Flow, message: &Message, place: AuthPlace) -> (u16, Fields) {
        let Core { gate, locations, .. } = &mut self.core;
        match gate.stranger(now, place, flow.peer.ip(), message, locations) {
            Pass::Challenge(status, name, values) => {
                (status, values.into_iter().map(|value| (Name::new(name), value)).collect())
            }
            Pass::Malformed => (400, Vec::new()),
            Pass::Forbidden | Pass::User(_) => (403, Vec::new()),
        }
    }
}

impl Core {
    /// An answer without a transaction. The operator is told of refusals; challenges are none.
    fn answer_once(&mut self, flow: Flow, request: &Message, status: u16, fields: Fields) -> Bytes {
        if !matches!(status, 401 | 407) {
            let (method, from) = (request.method().to_string(), user_of(&request.from()));
            self.tell(Event::Refused { method, from, status, flow });
        }
        // RFC 3261 8.2.7: the same tag for every copy.
        let tag = format!("{:08x}", self.loops.mark(request));
        let mut response = Response::to(request, status).received(flow.peer).to_tag(&tag);
        for (name, value) in fields {
            response = response.header(name, value);
        }
        response.finish()
    }
}
