//! What branches bring back (RFC 3261 16.7).

use super::context::{Context, ContextId, Kind, Stage, State};
use super::copy::Target;
use super::forward::{Proxy, upstream};
use crate::core::{Core, Timer};
use crate::location::UserId;
use crate::own::joined;
use crate::takeover::Place;
use hookswitch_machine::{Flow, Time};
use hookswitch_sip::message::{Contact, Forward, Limits, Message, Name};
use hookswitch_sip::transaction::{ClientId, ServerId};

/// What a response leaves to others.
#[derive(Debug)]
pub(crate) enum Onward {
    /// Nothing.
    Nothing,
    /// The call was redirected to an extension of our own, which takes the request over as it came.
    Extension {
        /// Its transaction.
        server: ServerId,
        /// The path it came on.
        flow: Flow,
        /// The request.
        request: Box<Message>,
        /// Where it was led.
        diverted: Diverted,
    },
}

/// A call that was redirected to an extension of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diverted {
    /// The extension.
    pub(crate) to: String,
    /// Whose phone did that.
    pub(crate) by: Option<UserId>,
}

/// Diversions that are passed on when a redirection is followed.
const MOST_DIVERSIONS: usize = 10;

impl Proxy {
    /// A response to a branch. `is_extension` says which users are extensions of our own.
    pub(crate) fn response(
        &mut self,
        core: &mut Core,
        now: Time,
        client: ClientId,
        response: &Message,
        is_extension: impl Fn(&str) -> bool,
    ) -> Onward {
        let Some(id) = self.by_client.get(&client).copied() else { return Onward::Nothing };
        let Some(context) = self.contexts.get_mut(&id) else { return Onward::Nothing };
        let status = response.status().unwrap_or_default();
        match status {
            ..200 => self.provisional(core, now, id, client, status, response),
            200..=299 => {
                let user = context.branch(client).and_then(|branch| branch.user);
                conclude(core, context, client);
                if let (true, Some(user), Kind::Call(_, no)) = (context.is_open(), user, &mut context.kind) {
                    *no = no.and_then(|no| core.call_reaches(now, no, user));
                }
                self.succeed(core, now, id, status, response);
            }
            300.. => return self.refused(core, now, id, client, status, response, is_extension),
        }
        Onward::Nothing
    }

    fn provisional(
        &mut self,
        core: &mut Core,
        now: Time,
        id: ContextId,
        client: ClientId,
        status: u16,
        response: &Message,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        // RFC 3261 16.7, 1 and 3: 100 is hop by hop. RFC 4320 4.1: no provisional responses but to INVITE.
        if status == 100 || !context.kind.is_invite() {
            return;
        }
        if let Some(branch) = context.branch(client)
            && let Some(timer) = branch.timer.take()
        {
            // RFC 3261 16.7, 2: timer C starts anew.
            core.timers.cancel(timer);
            branch.timer = Some(core.timers.set_after(now, core.limits.ringing, Timer::Ringing(client)));
        }
        if context.state == State::Open {
            context.kind.call().iter().for_each(|no| core.calls.rings(*no, response));
            let _ = core.layer.respond(now, context.server, status, upstream(response));
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn refused(
        &mut self,
        core: &mut Core,
        now: Time,
        id: ContextId,
        client: ClientId,
        status: u16,
        response: &Message,
        is_extension: impl Fn(&str) -> bool,
    ) -> Onward {
        let Some(context) = self.contexts.get_mut(&id) else { return Onward::Nothing };
        let overdue = conclude(core, context, client);
        if !context.is_open() {
            return Onward::Nothing;
        }
        if overdue {
            context.offer(408, None);
        } else if (300..400).contains(&status) && context.state == State::Open {
            match self.redirected(core, now, id, client, status, response, is_extension) {
                Onward::Nothing => {}
                onward @ Onward::Extension { .. } => return onward,
            }
        } else {
            if matches!(status, 401 | 407) {
                for (name, text) in [
                    (Name::WwwAuthenticate, "WWW-Authenticate"),
                    (Name::ProxyAuthenticate, "Proxy-Authenticate"),
                ] {
                    response.headers(name).for_each(|value| context.challenged(text, value));
                }
            }
            context.offer(status, Some(upstream(response)));
            if status >= 600 && context.state == State::Open {
                // RFC 3261 16.7, 5: no other branch is to answer any more.
                context.state = State::Declined;
                self.cancel_branches(core, now, id, None);
            }
        }
        self.settle(core, now, id);
        Onward::Nothing
    }

    /// No final response comes, or the request could not be sent: as if `status` had come (RFC 3261 16.8, 16.9).
    pub(crate) fn unanswered(&mut self, core: &mut Core, now: Time, client: ClientId, status: u16) {
        let Some(id) = self.by_client.get(&client).copied() else { return };
        let Some(context) = self.contexts.get_mut(&id) else { return };
        conclude(core, context, client);
        // RFC 4320 4.1: silence is not passed on but for INVITEs.
        if context.is_open() && (context.kind.is_invite() || status != 408) {
            context.offer(status, None);
        }
        self.settle(core, now, id);
    }

    /// A 3xx (RFC 3261 16.7, 4): contacts in our domain are tried, the others go upstream.
    #[allow(clippy::too_many_arguments)]
    fn redirected(
        &mut self,
        core: &mut Core,
        now: Time,
        id: ContextId,
        client: ClientId,
        status: u16,
        response: &Message,
        is_extension: impl Fn(&str) -> bool,
    ) -> Onward {
        let Some(context) = self.contexts.get_mut(&id) else { return Onward::Nothing };
        let request =
            context.origin.as_ref().and_then(|o| Message::parse(o.request.clone(), &Limits::default()).ok());
        let Some(request) = request else { return Onward::Nothing };
        if Place::wanted(&request) != Ok(Place::Nothing) {
            // Who may have the place in a call was asked when the INVITE came, and may be another by now: it is to come again.
            context.offer(status, Some(upstream(response)));
            return Onward::Nothing;
        }
        let by = context.branch(client).and_then(|branch| branch.user);
        let (mut targets, mut foreign, mut followed) = (Vec::new(), Vec::new(), false);
        let mut users = Vec::new();
        for contact in response.contacts().flatten().take(core.limits.branches) {
            let Contact::Address(address) = contact else { continue };
            let uri = address.uri();
            let user = uri.user_unescaped().filter(|_| uri.is_sip() && core.own.is_meant_by(&uri));
            let Some(user) = user else {
                foreign.push(address);
                continue;
            };
            followed = true;
            if is_extension(&user) && context.kind.is_invite() {
                return self.hand_over(core, now, id, Diverted { to: user.into_owned(), by });
            }
            let Some(user) = core.locations.find(&user) else { continue };
            users.push(user);
            for binding in core.locations.bindings(user) {
                let known = context.visited.contains(&binding.contact);
                if !known && !targets.iter().any(|target: &Target| *target.uri == *binding.contact) {
                    let mut target = Target::new(&*binding.contact, binding.flow, Some(user));
                    let diversions = response.headers(Name::Diversion).take(MOST_DIVERSIONS);
                    target.diversions = diversions.map(str::to_owned).collect();
                    targets.push(target);
                }
            }
        }
        if !followed {
            context.offer(status, Some(upstream(response)));
            return Onward::Nothing;
        }
        if !foreign.is_empty() {
            let rest = Forward::new(response).pop_via().replace(Name::Contact, joined(foreign)).finish();
            context.offer(status, Some(rest));
        }
        if targets.is_empty() {
            // Nobody new is there to be tried: as if the user were not registered.
            context.offer(480, None);
            return Onward::Nothing;
        }
        if let (true, &[user], Kind::Call(_, no)) = (context.is_settled(), &*users, &mut context.kind) {
            // It rings at somebody else now, and nowhere else.
            *no = no.and_then(|no| core.call_moves(now, no, user));
        }
        self.fork(core, now, id, &request, targets);
        Onward::Nothing
    }

    /// An extension answers for sure: the other branches end, the request changes hands.
    fn hand_over(&mut self, core: &mut Core, now: Time, id: ContextId, diverted: Diverted) -> Onward {
        let server = self.contexts.get(&id).map(|context| context.server);
        match server.and_then(|server| Some((server, self.take(core, now, server)?))) {
            Some((server, (flow, request))) => {
                Onward::Extension { server, flow, request: Box::new(request), diverted }
            }
            None => Onward::Nothing,
        }
    }

    /// Gives an INVITE away that has no final response and is wanted: the branches end, because somebody else answers for sure. The
    /// path it came on, and the request as it came.
    pub(crate) fn take(&mut self, core: &mut Core, now: Time, server: ServerId) -> Option<(Flow, Message)> {
        let request = self.waiting(server)?;
        let id = self.by_server.remove(&server)?;
        let context = self.contexts.get_mut(&id)?;
        let flow = context.flow;
        context.kind.call().iter().for_each(|no| core.call_ends(*no));
        context.finish();
        self.cancel_branches(core, now, id, Some(super::forward::COMPLETED_ELSEWHERE));
        self.release(id);
        Some((flow, request))
    }
}

/// The final response of a branch has come; true if it rang for too long.
fn conclude(core: &mut Core, context: &mut Context, client: ClientId) -> bool {
    let mut freed = 0;
    let overdue = match context.branch(client) {
        Some(branch) => {
            if let Some(timer) = branch.timer.take() {
                core.timers.cancel(timer);
            }
            freed = std::mem::take(&mut branch.breadth);
            std::mem::replace(&mut branch.stage, Stage::Done) == Stage::Overdue
        }
        None => false,
    };
    context.breadth += freed;
    overdue
}
