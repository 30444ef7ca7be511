//! Opening branches, cancelling them, and the end of a context.

use super::choose;
use super::context::{Branch, Context, ContextId, Kind, Origin, Stage, State};
use super::copy::{self, Target};
use crate::core::{Core, Timer};
use crate::event::Event;
use bytes::Bytes;
use hookswitch_machine::{Entropy, Flow, Map, Time};
use hookswitch_sip::message::{Forward, Limits, Message, Method, Name, Response};
use hookswitch_sip::transaction::{ClientId, RespondError, ServerId, response_flow};

/// Why branches are cancelled when one of them answered (RFC 3326).
pub(super) const COMPLETED_ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// A request to be passed on.
#[derive(Debug)]
pub(crate) struct Arrived<'m> {
    pub(crate) server: ServerId,
    pub(crate) flow: Flow,
    pub(crate) request: &'m Message,
    /// The value of Route without what was ours, if that stood there.
    pub(crate) routes: Option<String>,
    /// Whether we want to see what follows in the dialog.
    pub(crate) record: bool,
    pub(crate) kind: Kind,
}

/// All contexts.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(super) contexts: Map<ContextId, Context>,
    pub(super) by_server: Map<ServerId, ContextId>,
    pub(super) by_client: Map<ClientId, ContextId>,
    next: u64,
}

impl Proxy {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        Self {
            contexts: Map::with_hasher(entropy.hash_keys()),
            by_server: Map::with_hasher(entropy.hash_keys()),
            by_client: Map::with_hasher(entropy.hash_keys()),
            next: 0,
        }
    }

    /// Contexts alive.
    pub(crate) fn len(&self) -> usize {
        self.contexts.len().max(self.by_server.len()).max(self.by_client.len())
    }

    /// Whether a received request is being passed on.
    pub(crate) fn has(&self, server: ServerId) -> bool {
        self.by_server.contains_key(&server)
    }

    /// Whether a request that was sent is a branch.
    pub(crate) fn owns(&self, client: ClientId) -> bool {
        self.by_client.contains_key(&client)
    }

    /// Passes a request on to all targets at once.
    pub(crate) fn forward(&mut self, core: &mut Core, now: Time, arrived: Arrived<'_>, targets: Vec<Target>) {
        let Arrived { server, flow, request, routes, record, kind } = arrived;
        let id = ContextId(self.next);
        self.next += 1;
        let breadth = copy::breadth(request);
        // Copied, so that the buffer of the packet is free again.
        let origin = Origin { request: Bytes::copy_from_slice(request.bytes()), routes, record };
        self.by_server.insert(server, id);
        self.contexts.insert(
            id,
            Context {
                server,
                flow,
                reply_flow: response_flow(request, flow),
                kind,
                state: State::Open,
                origin: Some(Box::new(origin)),
                branches: Vec::with_capacity(targets.len()),
                tried: 0,
                breadth,
                visited: Vec::new(),
                best: None,
                challenges: Vec::new(),
            },
        );
        self.fork(core, now, id, request, targets);
        self.settle(core, now, id);
    }

    /// Opens a branch for each target, as far as the bounds allow.
    pub(super) fn fork(
        &mut self,
        core: &mut Core,
        now: Time,
        id: ContextId,
        request: &Message,
        targets: Vec<Target>,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        let room = core.limits.branches.saturating_sub(context.tried);
        let possible = targets.len().min(room).min(context.breadth as usize);
        if possible == 0 {
            context.offer(480, None);
        }
        let method = request.method();
        // RFC 5393 5.3.3: the branches share what is left, the first takes the rest.
        let share = context.breadth.checked_div(possible as u32).unwrap_or(0);
        for target in targets.into_iter().take(possible) {
            let Some(origin) = context.origin.as_deref() else { return };
            let own_share = share.min(context.breadth);
            let (branch, bytes) = copy::write(core, request, context.flow, origin, &target, own_share);
            let user = target.user;
            context.tried += 1;
            context.visited.push(target.uri.into());
            let reliable = core.is_reliable(target.flow);
            match core.layer.request(now, target.flow, reliable, branch, method, bytes) {
                Ok(client) => {
                    context.breadth -= own_share;
                    let timer = (method == Method::Invite)
                        .then(|| core.timers.set_after(now, core.limits.ringing, Timer::Ringing(client)));
                    context.branches.push(Branch {
                        client,
                        user,
                        stage: Stage::Waiting,
                        timer,
                        breadth: own_share,
                    });
                    self.by_client.insert(client, id);
                }
                Err(_) => context.offer(503, None),
            }
        }
    }

    /// The caller cancelled (RFC 3261 16.10). `reason` is the value of its Reason header field.
    pub(crate) fn cancel(&mut self, core: &mut Core, now: Time, server: ServerId, reason: Option<&str>) {
        let Some(id) = self.by_server.get(&server).copied() else { return };
        let Some(context) = self.contexts.get_mut(&id) else { return };
        match context.state {
            State::Open | State::Declined => context.state = State::Cancelled,
            State::Cancelled | State::Final => return,
        }
        let call = context.kind.call().and_then(|no| core.calls.get(no));
        // The caller cancels because somebody else has picked the call up; who rings should know.
        let replaced = call.is_some_and(|call| call.replaced).then_some(COMPLETED_ELSEWHERE);
        self.cancel_branches(core, now, id, reason.or(replaced));
        self.settle(core, now, id);
    }

    /// Cancels what has no final response yet.
    pub(super) fn cancel_branches(
        &mut self,
        core: &mut Core,
        now: Time,
        id: ContextId,
        reason: Option<&str>,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        if !context.kind.is_invite() {
            return;
        }
        for branch in &mut context.branches {
            match branch.stage {
                Stage::Waiting => {
                    let _ = core.layer.cancel(now, branch.client, reason);
                    // The layer waits for the 487, and gives up by itself.
                    if let Some(timer) = branch.timer.take() {
                        core.timers.cancel(timer);
                    }
                }
                Stage::Overdue | Stage::Done => {}
            }
        }
    }

    /// Timer C (RFC 3261 16.8): a callee rings for too long.
    pub(crate) fn overdue(&mut self, core: &mut Core, now: Time, client: ClientId) {
        let Some(context) = self.by_client.get(&client).and_then(|id| self.contexts.get_mut(id)) else {
            return;
        };
        let Some(branch) = context.branch(client) else { return };
        branch.timer = None;
        match branch.stage {
            Stage::Waiting => {
                branch.stage = Stage::Overdue;
                let _ = core.layer.cancel(now, client, Some("SIP;cause=408;text=\"No answer\""));
            }
            Stage::Overdue | Stage::Done => {}
        }
    }

    /// Sends the best response if every branch has come to its end (RFC 3261 16.7, 5 to 9).
    pub(super) fn settle(&mut self, core: &mut Core, now: Time, id: ContextId) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        if !context.is_open() || !context.is_settled() {
            return self.release(id);
        }
        let Some(origin) = context.origin.take() else { return };
        let best = context.best.take().map(|best| (choose::upstream(best.status), best));
        let cancelled = context.state == State::Cancelled;
        let (status, ready) = match (best, context.kind.is_invite()) {
            // RFC 3261 16.7, 6: nothing but silence is a 408. Whoever cancelled waits for a 487.
            (Some((408, _)) | None, true) => (if cancelled { 487 } else { 408 }, None),
            (Some((status, best)), _) => (status, best.bytes.filter(|_| status == best.status)),
            // RFC 4320 4.1: no 408 to anything but INVITE; the caller knows by itself.
            (None, false) => {
                context.finish();
                return self.release(id);
            }
        };
        let bytes = match ready {
            Some(bytes) => with_challenges(bytes, status, &context.challenges),
            None => write_own(core, &origin.request, context.flow, status),
        };
        if let Some(bytes) = bytes {
            let _ = core.layer.respond(now, context.server, status, bytes);
        }
        if let Kind::Call(call_id, no) = &context.kind {
            core.tell(Event::CallEnded { call_id: call_id.to_string(), status: Some(status) });
            no.iter().for_each(|no| core.call_ends(*no));
        }
        context.finish();
        self.release(id);
    }

    /// Sends a 2xx upstream. Further ones to an INVITE follow the first (RFC 3261 16.7, 5), even behind a refusal: somebody
    /// waits for an ACK and a BYE.
    pub(super) fn succeed(
        &mut self,
        core: &mut Core,
        now: Time,
        id: ContextId,
        status: u16,
        response: &Message,
    ) {
        let bytes = upstream(response);
        let Some(context) = self.contexts.get_mut(&id) else { return };
        match core.layer.respond(now, context.server, status, bytes.clone()) {
            Err(RespondError::Final(_)) if context.kind.is_invite() => {
                core.layer.transmit(context.reply_flow, bytes);
            }
            Ok(()) | Err(_) => {}
        }
        if !context.is_open() {
            return;
        }
        if let Kind::Call(call_id, no) = &context.kind {
            core.tell(Event::CallAnswered { call_id: call_id.to_string() });
            no.iter().for_each(|no| core.calls.answered(*no, response));
        }
        context.finish();
        self.cancel_branches(core, now, id, Some(COMPLETED_ELSEWHERE));
    }

    /// A branch's transaction is no more.
    pub(crate) fn client_gone(&mut self, core: &mut Core, client: ClientId) {
        let Some(id) = self.by_client.remove(&client) else { return };
        let Some(context) = self.contexts.get_mut(&id) else { return };
        if let Some(at) = context.branches.iter().position(|branch| branch.client == client) {
            let branch = context.branches.swap_remove(at);
            if let Some(timer) = branch.timer {
                core.timers.cancel(timer);
            }
        }
        self.release(id);
    }

    /// The transaction of a request that came is no more: whatever was to be said can be said no more.
    pub(crate) fn server_gone(&mut self, core: &mut Core, now: Time, server: ServerId) {
        let Some(id) = self.by_server.remove(&server) else { return };
        let Some(context) = self.contexts.get_mut(&id) else { return };
        if context.is_open() {
            if let Kind::Call(call_id, no) = &context.kind {
                core.tell(Event::CallEnded { call_id: call_id.to_string(), status: Some(408) });
                no.iter().for_each(|no| core.call_ends(*no));
            }
            context.finish();
            self.cancel_branches(core, now, id, None);
        }
        self.release(id);
    }

    /// The INVITE as it came, while it has no final response and is wanted.
    pub(crate) fn waiting(&self, server: ServerId) -> Option<Message> {
        let context = self.contexts.get(self.by_server.get(&server)?)?;
        let origin = context.origin.as_deref().filter(|_| context.state == State::Open)?;
        Message::parse(origin.request.clone(), &Limits::default()).ok()
    }

    /// Forgets a context that nothing hangs on any more.
    pub(super) fn release(&mut self, id: ContextId) {
        let over = self.contexts.get(&id).is_some_and(|c| !c.is_open() && c.branches.is_empty());
        if let Some(context) = over.then(|| self.contexts.remove(&id)).flatten() {
            self.by_server.remove(&context.server);
        }
        if self.contexts.is_empty() {
            self.contexts.shrink_to(64);
            self.by_server.shrink_to(64);
            self.by_client.shrink_to(64);
        }
    }
}

/// A response without our Via (RFC 3261 16.7, 3).
pub(super) fn upstream(response: &Message) -> Bytes {
    Forward::new(response).pop_via().finish()
}

/// A 401 or 407 carries the challenges of all branches (RFC 3261 16.7, 7).
fn with_challenges(bytes: Bytes, status: u16, challenges: &[(&'static str, String)]) -> Option<Bytes> {
    if !matches!(status, 401 | 407) {
        return Some(bytes);
    }
    let response = Message::parse(bytes, &Limits::default()).ok()?;
    let mut forward = Forward::new(&response).remove(Name::WwwAuthenticate).remove(Name::ProxyAuthenticate);
    for (name, value) in challenges {
        forward = forward.header(Name::new(name), value);
    }
    Some(forward.finish())
}

/// A final response of our own.
fn write_own(core: &mut Core, request: &Bytes, flow: Flow, status: u16) -> Option<Bytes> {
    let request = Message::parse(request.clone(), &Limits::default()).ok()?;
    let tag = format!("{:016x}", core.entropy.next_u64());
    Some(Response::to(&request, status).received(flow.peer).to_tag(&tag).finish())
}
