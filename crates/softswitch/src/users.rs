//! Requests to users and to codes: what is passed on, subscribed to, or picked up.

use crate::calls::{CallState, Party};
use crate::event::Event;
use crate::location::UserId;
use crate::own::user_of;
use crate::proxy::{Arrived, Kind, Target};
use crate::routing::Routing;
use crate::services::{Code, Ringing};
use crate::softswitch::Softswitch;
use crate::takeover::{Place, Right};
use crate::watch::Package;
use hookswitch_machine::{Flow, Time};
use hookswitch_sip::message::{Forward, Limits, Message, Method, Name, Uri};
use hookswitch_sip::refer::Replaces;
use hookswitch_sip::transaction::{Received, ServerId};

impl Softswitch {
    /// An authenticated request to a user or an extension.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn for_user(
        &mut self,
        now: Time,
        server: ServerId,
        flow: Flow,
        message: &Message,
        routing: &Routing<'_>,
        user: &str,
        sender: UserId,
    ) {
        let is_invite = message.method() == Method::Invite;
        if is_invite && self.draining {
            return self.core.refuse(now, server, flow, message, 503, &[]);
        }
        let place = if is_invite { Place::wanted(message) } else { Ok(Place::Nothing) };
        let Ok(place) = place else { return self.core.refuse(now, server, flow, message, 400, &[]) };
        let early_only = match self.core.right_to(now, sender, &place) {
            Right::Yes => None,
            Right::WhileItRings => match early_only(message) {
                // It has become too large.
                None => return self.core.refuse(now, server, flow, message, 513, &[]),
                said => said,
            },
            Right::No => return self.core.refuse(now, server, flow, message, 403, &[]),
        };
        let message = early_only.as_ref().unwrap_or(message);
        let code = self.services.find(user);
        if let Some(Code::Pickup(whom)) = &code
            && is_invite
            && message.to_tag().is_none()
        {
            return self.pick_up(now, server, flow, message, whom.as_deref(), sender);
        }
        if code.is_some() || self.services.is_replaced(message) {
            return self.services.dispatch(&mut self.core, now, Received::Request(server), flow, message);
        }
        let core = &mut self.core;
        let Some(id) = core.locations.find(user) else {
            return core.refuse(now, server, flow, message, 404, &[]);
        };
        let package = message.header(Name::Event).and_then(Package::of);
        if let Some(package) = package.filter(|_| message.method() == Method::Subscribe) {
            let watchers = &mut self.watchers;
            return match message.to_tag() {
                Some(_) => watchers.resubscribe(core, now, server, flow, message, sender),
                None if self.draining => core.refuse(now, server, flow, message, 503, &[]),
                None => watchers.subscribe(core, now, server, flow, message, package, sender, id),
            };
        }
        let replaced = match &place {
            Place::Of(named) | Place::Beside(named) => {
                core.calls.named(named).find_map(|(no, role, call)| {
                    let (own, _) = call.sides(role);
                    (own.user == Some(id)).then_some((no, &*own.target))
                })
            }
            Place::Nothing => None,
        };
        let mut bindings: Vec<_> = core.locations.bindings(id).iter().collect();
        if let Some((_, contact)) = replaced
            && bindings.iter().any(|binding| *binding.contact == *contact)
        {
            // RFC 3891 3: only the phone that has the dialog can do anything with it.
            bindings.retain(|binding| *binding.contact == *contact);
        }
        let replaced = replaced.map(|(no, _)| no);
        bindings.sort_by_key(|binding| std::cmp::Reverse(binding.q.unwrap_or(1_000)));
        let targets: Vec<Target> =
            bindings.into_iter().map(|b| Target::new(&*b.contact, b.flow, Some(id))).collect();
        if targets.is_empty() {
            return core.refuse(now, server, flow, message, 480, &[]);
        }
        if message.method() == Method::Refer {
            core.referred(now, sender, id, message, |user| self.services.find(user));
        }
        let kind = match (is_invite, message.to_tag()) {
            (true, None) => {
                let call_id = message.call_id().to_owned();
                let from = user_of(&message.from());
                core.tell(Event::CallStarted { call_id: call_id.clone(), from, to: user.to_owned() });
                let (caller, callee) = (core.sender(message), Party::of(&message.to(), Some(id)));
                let no = core.call_begins(now, &call_id, caller, callee, CallState::Trying { server });
                if let Some(call) = no.and_then(|no| core.calls.get_mut(no)) {
                    call.replaces = replaced.filter(|_| matches!(place, Place::Of(_)));
                }
                Kind::Call(call_id.into(), no)
            }
            (true, Some(_)) => Kind::Invite,
            (false, _) => Kind::Other,
        };
        // RFC 3261 16.6, 4; RFC 6665 and RFC 3515 make dialogs too.
        let dialogs = [Method::Invite, Method::Subscribe, Method::Refer, Method::Notify];
        let record = dialogs.contains(&message.method());
        let arrived = Arrived { server, flow, request: message, routes: routing.left(), record, kind };
        self.proxy.forward(core, now, arrived, targets);
    }

    /// An authenticated INVITE for the place of a phone in a call, which it names by the phone's contact (RFC 5589 7.1).
    pub(crate) fn for_phone(
        &mut self,
        now: Time,
        server: ServerId,
        flow: Flow,
        message: &Message,
        routing: &Routing<'_>,
        sender: UserId,
    ) {
        let core = &self.core;
        let user = match (Place::wanted(message), Uri::parse(routing.uri)) {
            (Ok(Place::Of(named)), Ok(uri)) => core.calls.named(&named).find_map(|(_, role, call)| {
                let (own, _) = call.sides(role);
                let meant = Uri::parse(&own.target).is_ok_and(|target| target.equivalent(&uri));
                own.user.filter(|_| meant)
            }),
            (Ok(Place::Nothing | Place::Of(_) | Place::Beside(_)) | Err(_), _) => None,
        };
        match user.map(|user| core.locations.name(user).to_owned()) {
            Some(user) => self.for_user(now, server, flow, message, routing, &user, sender),
            None => self.core.refuse(now, server, flow, message, 403, &[]),
        }
    }

    /// A user wants to pick up what rings at `whom`, or in its groups.
    fn pick_up(
        &mut self,
        now: Time,
        server: ServerId,
        flow: Flow,
        message: &Message,
        whom: Option<&str>,
        picker: UserId,
    ) {
        let core = &mut self.core;
        let rule = core.features.who_may_pick_up;
        let whom: Vec<UserId> = match whom.map(|whom| core.locations.find(whom)) {
            Some(None) => return core.refuse(now, server, flow, message, 404, &[]),
            Some(Some(user)) if !core.locations.permits(rule, picker, user) => {
                return core.refuse(now, server, flow, message, 403, &[]);
            }
            Some(Some(user)) => vec![user],
            None => {
                let group = |user: &UserId| *user != picker && core.locations.in_one_group(picker, *user);
                core.locations.users().filter(group).collect()
            }
        };
        let ringing = whom.into_iter().flat_map(|user| core.calls.ringing_at(user));
        let ringing = ringing.filter(|(_, _, call)| call.caller.user != Some(picker));
        let oldest = ringing.min_by_key(|(no, _, _)| *no).map(|(call, server, _)| (call, server));
        let found = oldest
            .and_then(|(call, server)| Some(Ringing { call, server, request: self.proxy.waiting(server)? }));
        match found {
            Some(ringing) => self.services.pick_up(core, now, server, flow, message, &ringing),
            None => core.refuse(now, server, flow, message, 480, &[]),
        }
    }

    /// Gives INVITEs to the services that want them.
    pub(crate) fn hand_over(&mut self, now: Time) {
        while let Some(wanted) = self.services.wanted() {
            let given = self.proxy.take(&mut self.core, now, wanted.server);
            self.services.given(&mut self.core, now, &wanted, given);
        }
    }
}

/// The INVITE with a Replaces that means early dialogs only (RFC 3891 7.1).
fn early_only(invite: &Message) -> Option<Message> {
    let replaces = Replaces::parse(invite.header(Name::Replaces)?).ok()?.early_only();
    let bytes = Forward::new(invite).replace(Name::Replaces, replaces).finish();
    Message::parse(bytes, &Limits::default()).ok()
}
