//! The client transactions: requests that we sent, the responses to them, ACK and CANCEL.

use super::answer;
use super::branch::Branch;
use super::client_invite::{self, ClientInvite};
use super::client_non_invite::{self, ClientNonInvite};
use super::flows::{FlowIndex, FlowLink};
use super::keys::ClientKey;
use super::shared::{Alarm, ClientId, Clock, Clocks, Output, Shared};
use super::slots::Slots;
use crate::message::{Message, Method};
use bytes::Bytes;
use hookswitch_machine::{Entropy, Flow, Map, Time};

#[derive(Debug)]
enum Machine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

/// Who waits for the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    User,
    /// Nobody: it is a CANCEL, and what matters is the response to the INVITE.
    Layer,
}

/// What may have to be sent again.
#[derive(Debug)]
enum Kept {
    /// The request; of an INVITE also what ACK and CANCEL are made from.
    Request(Bytes),
    /// The ACK for a 300-699.
    Ack(Bytes),
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
struct Entry {
    key: ClientKey,
    flow: Flow,
    reliable: bool,
    owner: Owner,
    machine: Machine,
    kept: Kept,
    /// The Reason (RFC 3326) of a CANCEL that waits for its provisional response.
    reason: Option<Box<str>>,
    clocks: Clocks,
    /// Until the final response.
    link: Option<FlowLink>,
}

impl Entry {
    /// The CANCEL for the INVITE that is kept.
    fn cancel(&self, reason: Option<&str>) -> Option<Outgoing> {
        let Kept::Request(invite) = &self.kept else { return None };
        Some(Outgoing {
            flow: self.flow,
            reliable: self.reliable,
            key: self.key.with_method(Method::Cancel),
            bytes: answer::cancel(invite, reason)?,
        })
    }
}

/// A request to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) flow: Flow,
    pub(crate) reliable: bool,
    pub(crate) key: ClientKey,
    pub(crate) bytes: Bytes,
}

/// What became of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Deliver(ClientId),
    Stray,
    Absorbed,
    Unmatched,
}

/// What became of the wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The CANCEL is out. The final response comes as ever: 487, or a 2xx that was faster; or the request times out.
    Sent,
    /// The CANCEL waits for a provisional response (RFC 3261 9.1).
    Waiting,
    /// There is a final response, or no such INVITE transaction; nothing to cancel.
    TooLate,
}

#[derive(Debug)]
pub(crate) struct Clients {
    slots: Slots<Entry>,
    by_key: Map<ClientKey, ClientId>,
    by_flow: FlowIndex<ClientId>,
    limit: usize,
    invites: usize,
}

impl Clients {
    pub(crate) fn new(limit: usize, entropy: &mut Entropy) -> Self {
        Self {
            slots: Slots::new(),
            by_key: Map::with_hasher(entropy.hash_keys()),
            by_flow: FlowIndex::new(entropy.hash_keys()),
            limit,
            invites: 0,
        }
    }

    pub(crate) fn invites(&self) -> usize {
        self.invites
    }

    pub(crate) fn non_invites(&self) -> usize {
        self.slots.len() - self.invites
    }

    /// Whether anything is kept at all, in any table.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.len() == 0 && self.by_key.is_empty() && self.by_flow.is_empty()
    }

    /// Sends a request; `None` if there is no room. The last eighth of the room is for requests other than INVITE.
    pub(crate) fn request(
        &mut self,
        shared: &mut Shared,
        now: Time,
        method: Method<'_>,
        outgoing: Outgoing,
    ) -> Option<ClientId> {
        let invite = method == Method::Invite;
        if self.slots.len() >= if invite { self.limit - self.limit / 8 } else { self.limit } {
            return None;
        }
        if invite {
            self.start_invite(shared, now, outgoing)
        } else {
            self.start_non_invite(shared, now, Owner::User, outgoing)
        }
    }

    fn start_invite(&mut self, shared: &mut Shared, now: Time, outgoing: Outgoing) -> Option<ClientId> {
        let (machine, actions) = ClientInvite::start(outgoing.reliable);
        let id = self.insert(Machine::Invite(machine), Owner::User, outgoing)?;
        self.invites += 1;
        self.act_invite(shared, now, id, machine, actions, None);
        Some(id)
    }

    fn start_non_invite(
        &mut self,
        shared: &mut Shared,
        now: Time,
        owner: Owner,
        outgoing: Outgoing,
    ) -> Option<ClientId> {
        let (machine, actions) = ClientNonInvite::start(outgoing.reliable);
        let id = self.insert(Machine::NonInvite(machine), owner, outgoing)?;
        self.act_non_invite(shared, now, id, machine, actions);
        Some(id)
    }

    fn insert(&mut self, machine: Machine, owner: Owner, outgoing: Outgoing) -> Option<ClientId> {
        let Outgoing { flow, reliable, key, bytes } = outgoing;
        let id = ClientId(self.slots.insert(Entry {
            key,
            flow,
            reliable,
            owner,
            machine,
            kept: Kept::Request(bytes),
            reason: None,
            clocks: Clocks::default(),
            link: None,
        })?);
        self.by_key.insert(key, id);
        let link = self.by_flow.link(flow, id);
        if let Some(entry) = self.slots.get_mut(id.0) {
            entry.link = Some(link);
        }
        Some(id)
    }

    /// A received response. RFC 3261 17.1.3: the branch of the topmost Via and the method in CSeq match.
    pub(crate) fn receive(&mut self, shared: &mut Shared, now: Time, message: &Message) -> Reply {
        let status = message.status().unwrap_or_default();
        let method = message.method();
        let branch = message.via().branch().and_then(Branch::parse);
        let Some(id) = branch.and_then(|b| self.by_key.get(&ClientKey::new(b, method)).copied()) else {
            // RFC 6026 7.3: only a user agent that gets a 2xx has something left to do.
            let accepted = method == Method::Invite && (200..300).contains(&status);
            return if accepted { Reply::Stray } else { Reply::Unmatched };
        };
        let Some(entry) = self.slots.get(id.0) else { return Reply::Unmatched };
        match entry.machine {
            Machine::Invite(_) => {
                let input = match status {
                    0..=199 => client_invite::Input::Provisional,
                    200..=299 => client_invite::Input::Success,
                    300.. => client_invite::Input::Failure,
                };
                self.step_invite(shared, now, id, input, Some(message))
            }
            Machine::NonInvite(_) => {
                let input = match status {
                    0..=199 => client_non_invite::Input::Provisional,
                    200.. => client_non_invite::Input::Final,
                };
                self.step_non_invite(shared, now, id, input)
            }
        }
    }

    /// The user wants an INVITE cancelled.
    pub(crate) fn cancel(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ClientId,
        reason: Option<&str>,
    ) -> Cancelled {
        let Some(entry) = self.slots.get_mut(id.0) else { return Cancelled::TooLate };
        match entry.machine {
            Machine::Invite(ClientInvite::Calling { intent, .. } | ClientInvite::Proceeding { intent }) => {
                if intent == client_invite::Intent::Proceed {
                    entry.reason = reason.map(Into::into);
                }
            }
            Machine::Invite(ClientInvite::Completed | ClientInvite::Accepted | ClientInvite::Terminated)
            | Machine::NonInvite(_) => return Cancelled::TooLate,
        }
        self.step_invite(shared, now, id, client_invite::Input::Cancel, None);
        match self.slots.get(id.0).map(|entry| &entry.machine) {
            Some(Machine::Invite(ClientInvite::Calling { .. })) => Cancelled::Waiting,
            Some(_) | None => Cancelled::Sent,
        }
    }

    /// A flow ended, or nothing can be sent on it.
    pub(crate) fn flow_closed(&mut self, shared: &mut Shared, now: Time, flow: Flow) {
        for id in self.by_flow.drain(flow) {
            let Some(entry) = self.slots.get_mut(id.0) else { continue };
            entry.link = None;
            // What is still to be sent (CANCEL, ACK) may go on a new connection.
            entry.flow.connection = 0;
            match entry.machine {
                Machine::Invite(_) => {
                    self.step_invite(shared, now, id, client_invite::Input::TransportError, None);
                }
                Machine::NonInvite(_) => {
                    self.step_non_invite(shared, now, id, client_non_invite::Input::TransportError);
                }
            }
        }
    }

    pub(crate) fn invite_timer(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ClientId,
        timer: client_invite::Timer,
    ) {
        self.step_invite(shared, now, id, client_invite::Input::Timer(timer), None);
    }

    pub(crate) fn non_invite_timer(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ClientId,
        timer: client_non_invite::Timer,
    ) {
        self.step_non_invite(shared, now, id, client_non_invite::Input::Timer(timer));
    }

    fn step_invite(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ClientId,
        input: client_invite::Input,
        response: Option<&Message>,
    ) -> Reply {
        let mut reply = Reply::Absorbed;
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let Some(entry) = self.slots.get_mut(id.0) else { return reply };
            let Machine::Invite(mut machine) = entry.machine else { return reply };
            let actions = machine.handle(input);
            entry.machine = Machine::Invite(machine);
            let (told, due) = self.act_invite(shared, now, id, machine, actions, response);
            if told != Reply::Absorbed {
                reply = told;
            }
            next = due.map(client_invite::Input::Timer);
            match machine {
                ClientInvite::Calling { .. } | ClientInvite::Proceeding { .. } => {}
                ClientInvite::Completed => self.settle(id, Keep::Sent),
                ClientInvite::Accepted => self.settle(id, Keep::Nothing),
                ClientInvite::Terminated => self.remove(shared, id),
            }
        }
        reply
    }

    /// Carries actions out; returns what the user learns, and a timer that is due at once.
    fn act_invite(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ClientId,
        machine: ClientInvite,
        actions: &[client_invite::Action],
        response: Option<&Message>,
    ) -> (Reply, Option<client_invite::Timer>) {
        use client_invite::Action;
        let (mut reply, mut due, mut cancel) = (Reply::Absorbed, None, None);
        let Some(entry) = self.slots.get_mut(id.0) else { return (reply, due) };
        for action in actions {
            match *action {
                Action::Send => send(shared, entry),
                Action::SendAck => {
                    if let (Kept::Request(invite), Some(response)) = (&entry.kept, response) {
                        entry.kept = answer::ack(invite, response).map_or(Kept::Nothing, Kept::Ack);
                    }
                    send(shared, entry);
                }
                Action::SendCancel => {
                    let reason = entry.reason.take();
                    cancel = entry.cancel(reason.as_deref());
                }
                Action::Deliver => reply = Reply::Deliver(id),
                Action::DeliverStray => reply = Reply::Stray,
                Action::TimedOut => shared.output(Output::TimedOut(id)),
                Action::TransportFailed => shared.output(Output::TransportFailed(id)),
                Action::Start(timer) => {
                    let after = machine.length(timer, &shared.timers, entry.reliable);
                    if after.is_zero() {
                        due = Some(timer);
                    } else {
                        let alarm = Alarm::InviteClient(id, timer);
                        shared.start(&mut entry.clocks, invite_clock(timer), now, after, alarm);
                    }
                }
                Action::Stop(timer) => shared.stop(&mut entry.clocks, invite_clock(timer)),
            }
        }
        if let Some(cancel) = cancel {
            // One per INVITE, and beyond the limit: it ends a call.
            self.start_non_invite(shared, now, Owner::Layer, cancel);
        }
        (reply, due)
    }

    fn step_non_invite(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ClientId,
        input: client_non_invite::Input,
    ) -> Reply {
        let mut reply = Reply::Absorbed;
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let Some(entry) = self.slots.get_mut(id.0) else { return reply };
            let Machine::NonInvite(machine) = &mut entry.machine else { return reply };
            let actions = machine.handle(input);
            let machine = *machine;
            let (told, due) = self.act_non_invite(shared, now, id, machine, actions);
            if told != Reply::Absorbed {
                reply = told;
            }
            next = due.map(client_non_invite::Input::Timer);
            match machine {
                ClientNonInvite::Trying { .. } | ClientNonInvite::Proceeding => {}
                ClientNonInvite::Completed => self.settle(id, Keep::Nothing),
                ClientNonInvite::Terminated => self.remove(shared, id),
            }
        }
        reply
    }

    fn act_non_invite(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ClientId,
        machine: ClientNonInvite,
        actions: &[client_non_invite::Action],
    ) -> (Reply, Option<client_non_invite::Timer>) {
        use client_non_invite::Action;
        let (mut reply, mut due) = (Reply::Absorbed, None);
        let Some(entry) = self.slots.get_mut(id.0) else { return (reply, due) };
        for action in actions {
            match (*action, entry.owner) {
                (Action::Send, Owner::User | Owner::Layer) => send(shared, entry),
                (Action::Deliver, Owner::User) => reply = Reply::Deliver(id),
                (Action::TimedOut, Owner::User) => shared.output(Output::TimedOut(id)),
                (Action::TransportFailed, Owner::User) => shared.output(Output::TransportFailed(id)),
                (Action::Deliver | Action::TimedOut | Action::TransportFailed, Owner::Layer) => {}
                (Action::Start(timer), Owner::User | Owner::Layer) => {
                    let after = machine.length(timer, &shared.timers, entry.reliable);
                    if after.is_zero() {
                        due = Some(timer);
                    } else {
                        let alarm = Alarm::RequestClient(id, timer);
                        shared.start(&mut entry.clocks, non_invite_clock(timer), now, after, alarm);
                    }
                }
                (Action::Stop(timer), Owner::User | Owner::Layer) => {
                    shared.stop(&mut entry.clocks, non_invite_clock(timer));
                }
            }
        }
        (reply, due)
    }

    /// The final response is there: keep no more than its retransmissions need.
    fn settle(&mut self, id: ClientId, keep: Keep) {
        let Some(entry) = self.slots.get_mut(id.0) else { return };
        entry.reason = None;
        match keep {
            Keep::Sent => {}
            Keep::Nothing => entry.kept = Kept::Nothing,
        }
        if let Some(link) = entry.link.take() {
            self.by_flow.unlink(link);
        }
    }

    fn remove(&mut self, shared: &mut Shared, id: ClientId) {
        let Some(mut entry) = self.slots.remove(id.0) else { return };
        shared.stop_all(&mut entry.clocks);
        self.by_key.remove(&entry.key);
        if let Some(link) = entry.link {
            self.by_flow.unlink(link);
        }
        match entry.machine {
            Machine::Invite(_) => self.invites -= 1,
            Machine::NonInvite(_) => {}
        }
        match entry.owner {
            Owner::User => shared.output(Output::ClientGone(id)),
            Owner::Layer => {}
        }
        if self.slots.len() == 0 {
            self.by_key.shrink_to(64);
            self.by_flow.shrink();
        }
    }
}

/// What a transaction with a final response keeps.
#[derive(Clone, Copy)]
enum Keep {
    Sent,
    Nothing,
}

fn send(shared: &mut Shared, entry: &Entry) {
    match &entry.kept {
        Kept::Request(bytes) | Kept::Ack(bytes) => {
            shared.output(Output::Transmit { flow: entry.flow, bytes: bytes.clone() });
        }
        Kept::Nothing => {}
    }
}

const fn invite_clock(timer: client_invite::Timer) -> Clock {
    use client_invite::Timer;
    match timer {
        Timer::A => Clock::Again,
        Timer::B | Timer::D | Timer::M | Timer::Cancelled => Clock::End,
    }
}

const fn non_invite_clock(timer: client_non_invite::Timer) -> Clock {
    use client_non_invite::Timer;
    match timer {
        Timer::E => Clock::Again,
        Timer::F | Timer::K => Clock::End,
    }
}

#[cfg(test)]
pub(super) const ENTRY_SIZE: usize = size_of::<Entry>();
