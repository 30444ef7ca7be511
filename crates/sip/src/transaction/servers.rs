//! The server transactions: received requests find theirs, the user's responses go through theirs.

use super::answer;
use super::flows::{FlowIndex, FlowLink};
use super::keys::{Keys, MergeKey, ServerKey};
use super::server_invite::{self, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::shared::{Alarm, Clock, Clocks, Output, ServerId, Shared};
use super::slots::Slots;
use crate::message::{Message, Method};
use bytes::Bytes;
use hookswitch_machine::{Entropy, Flow, Map, Time};

#[derive(Debug)]
enum Machine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

/// What may have to be sent.
#[derive(Debug)]
enum Kept {
    /// Nothing.
    Nothing,
    /// A copy of the INVITE, to write a 100 from: few INVITEs wait so long that it is needed.
    Invite(Bytes),
    /// The latest response.
    Response(Bytes),
}

#[derive(Debug)]
struct Entry {
    key: ServerKey,
    merge: Option<MergeKey>,
    flow: Flow,
    /// The port of sent-by, for the day the stream is gone (RFC 3261 18.2.2).
    sent_by_port: u16,
    reliable: bool,
    machine: Machine,
    kept: Kept,
    clocks: Clocks,
    link: Option<FlowLink>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New(ServerId),
    Merged(ServerId),
    Cancel {
        cancel: ServerId,
        invite: Option<ServerId>,
    },
    AckForUser,
    Absorbed,
    /// No room; the number makes a To tag.
    Full(u64),
}

/// What a step leaves to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Refused,
    AckForUser,
}

#[derive(Debug)]
pub(crate) struct Servers {
    keys: Keys,
    slots: Slots<Entry>,
    by_key: Map<ServerKey, ServerId>,
    by_merge: Map<MergeKey, ServerId>,
    /// Stream flows only: losing a datagram proves nothing.
    by_flow: FlowIndex<ServerId>,
    limit: usize,
    detect_merged: bool,
    invites: usize,
}

impl Servers {
    pub(crate) fn new(limit: usize, detect_merged: bool, entropy: &mut Entropy) -> Self {
        Self {
            keys: Keys::new(entropy),
            slots: Slots::new(),
            by_key: Map::with_hasher(entropy.hash_keys()),
            by_merge: Map::with_hasher(entropy.hash_keys()),
            by_flow: FlowIndex::new(entropy.hash_keys()),
            limit,
            detect_merged,
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
        self.slots.len() == 0 && self.by_key.is_empty() && self.by_merge.is_empty() && self.by_flow.is_empty()
    }

    /// A received request.
    pub(crate) fn receive(
        &mut self,
        shared: &mut Shared,
        now: Time,
        flow: Flow,
        message: &Message,
    ) -> Arrival {
        let method = message.method();
        if method == Method::Ack {
            return self.receive_ack(shared, now, message);
        }
        let via = message.via();
        let key = self.keys.server(message, &via, method);
        if let Some(id) = self.by_key.get(&key).copied() {
            if method == Method::Invite {
                self.step_invite(shared, now, id, server_invite::Input::Invite, None);
            } else {
                self.step_non_invite(shared, now, id, server_non_invite::Input::Request, None);
            }
            return Arrival::Absorbed;
        }
        // A BYE is inside a dialog or wrong.
        let new = !matches!(method, Method::Cancel | Method::Bye) && message.to_tag().is_none();
        if !self.has_room(new) {
            return Arrival::Full(key.number());
        }
        let merge = (new && self.detect_merged).then(|| self.keys.merge(message));
        let merged = merge.is_some_and(|merge| self.by_merge.contains_key(&merge));
        let entry = Entry {
            key,
            merge: merge.filter(|_| !merged),
            flow: answer::response_flow_by(&via, flow),
            sent_by_port: via.port().unwrap_or(5060),
            reliable: flow.connection != 0,
            machine: Machine::NonInvite(ServerNonInvite::Trying),
            kept: Kept::Nothing,
            clocks: Clocks::default(),
            link: None,
        };
        let inserted = if method == Method::Invite {
            self.insert_invite(shared, now, message, entry)
        } else {
            self.insert_non_invite(shared, now, entry)
        };
        let Some(id) = inserted else { return Arrival::Full(key.number()) };
        if method == Method::Cancel {
            // RFC 3261 9.2.
            let invite = self.keys.server(message, &via, Method::Invite);
            return Arrival::Cancel { cancel: id, invite: self.by_key.get(&invite).copied() };
        }
        if merged { Arrival::Merged(id) } else { Arrival::New(id) }
    }

    fn receive_ack(&mut self, shared: &mut Shared, now: Time, message: &Message) -> Arrival {
        let key = self.keys.server(message, &message.via(), Method::Invite);
        let Some(id) = self.by_key.get(&key).copied() else { return Arrival::AckForUser };
        match self.step_invite(shared, now, id, server_invite::Input::Ack, None) {
            Rest::AckForUser => Arrival::AckForUser,
            Rest::Nothing | Rest::Refused => Arrival::Absorbed,
        }
    }

    /// The last eighth of the room is for what goes on and what ends: requests inside dialogs, and CANCELs.
    fn has_room(&self, new: bool) -> bool {
        self.slots.len() < if new { self.limit - self.limit / 8 } else { self.limit }
    }

    fn insert_invite(
        &mut self,
        shared: &mut Shared,
        now: Time,
        message: &Message,
        mut entry: Entry,
    ) -> Option<ServerId> {
        let trying = shared.timers.trying.is_some();
        if trying {
            entry.kept = Kept::Invite(Bytes::copy_from_slice(message.bytes()));
        }
        let (machine, actions) = ServerInvite::start(trying);
        entry.machine = Machine::Invite(machine);
        let id = self.insert(entry)?;
        self.invites += 1;
        let entry = self.slots.get_mut(id.0)?;
        Self::act_invite(shared, now, id, entry, machine, actions, &mut None);
        Some(id)
    }

    fn insert_non_invite(&mut self, shared: &mut Shared, now: Time, mut entry: Entry) -> Option<ServerId> {
        let (machine, actions) = ServerNonInvite::start();
        entry.machine = Machine::NonInvite(machine);
        let id = self.insert(entry)?;
        let entry = self.slots.get_mut(id.0)?;
        Self::act_non_invite(shared, now, id, entry, machine, actions, &mut None);
        Some(id)
    }

    fn insert(&mut self, entry: Entry) -> Option<ServerId> {
        let (key, merge, flow, reliable) = (entry.key, entry.merge, entry.flow, entry.reliable);
        let id = ServerId(self.slots.insert(entry)?);
        self.by_key.insert(key, id);
        if let Some(merge) = merge {
            self.by_merge.insert(merge, id);
        }
        if reliable {
            let link = self.by_flow.link(flow, id);
            if let Some(entry) = self.slots.get_mut(id.0) {
                entry.link = Some(link);
            }
        }
        Some(id)
    }

    /// The user's response. `None` if there is no such transaction, false if it has a final response.
    pub(crate) fn respond(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ServerId,
        status: u16,
        bytes: Bytes,
    ) -> Option<bool> {
        let entry = self.slots.get(id.0)?;
        let rest = match entry.machine {
            Machine::Invite(_) => {
                let input = match status {
                    0..=199 => server_invite::Input::Provisional,
                    200..=299 => server_invite::Input::Success,
                    300.. => server_invite::Input::Failure,
                };
                self.step_invite(shared, now, id, input, Some(bytes))
            }
            Machine::NonInvite(_) => {
                let input = match status {
                    0..=199 => server_non_invite::Input::Provisional,
                    200.. => server_non_invite::Input::Final,
                };
                self.step_non_invite(shared, now, id, input, Some(bytes))
            }
        };
        if rest != Rest::Refused && status >= 300 {
            // What was refused here may well be tried here again by another way.
            self.forget_merge(id);
        }
        Some(rest != Rest::Refused)
    }

    /// A stream ended: responses go to a new one, to the address in Via (RFC 3261 18.2.2); if that is lost, nowhere.
    pub(crate) fn flow_closed(&mut self, shared: &mut Shared, now: Time, flow: Flow) {
        for id in self.by_flow.drain(flow) {
            let Some(entry) = self.slots.get_mut(id.0) else { continue };
            entry.link = None;
            if entry.flow.connection != 0 {
                entry.flow.connection = 0;
                entry.flow.peer.set_port(entry.sent_by_port);
                entry.link = Some(self.by_flow.link(entry.flow, id));
                continue;
            }
            match entry.machine {
                Machine::Invite(_) => {
                    self.step_invite(shared, now, id, server_invite::Input::TransportError, None);
                }
                Machine::NonInvite(_) => {
                    self.step_non_invite(shared, now, id, server_non_invite::Input::TransportError, None);
                }
            }
        }
    }

    pub(crate) fn invite_timer(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ServerId,
        timer: server_invite::Timer,
    ) {
        self.step_invite(shared, now, id, server_invite::Input::Timer(timer), None);
    }

    pub(crate) fn non_invite_timer(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ServerId,
        timer: server_non_invite::Timer,
    ) {
        self.step_non_invite(shared, now, id, server_non_invite::Input::Timer(timer), None);
    }

    fn step_invite(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ServerId,
        input: server_invite::Input,
        mut response: Option<Bytes>,
    ) -> Rest {
        let mut rest = Rest::Nothing;
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let Some(entry) = self.slots.get_mut(id.0) else { return rest };
            let Machine::Invite(mut machine) = entry.machine else { return rest };
            let actions = machine.handle(input, entry.reliable);
            entry.machine = Machine::Invite(machine);
            let (left, due) = Self::act_invite(shared, now, id, entry, machine, actions, &mut response);
            if left != Rest::Nothing {
                rest = left;
            }
            next = due.map(server_invite::Input::Timer);
            match machine {
                ServerInvite::Proceeding { .. } | ServerInvite::Completed { .. } => {}
                ServerInvite::Accepted | ServerInvite::Confirmed => entry.kept = Kept::Nothing,
                ServerInvite::Terminated => self.remove(shared, id),
            }
        }
        rest
    }

    /// Carries actions out; returns what is left for others, and a timer that is due at once.
    fn act_invite(
        shared: &mut Shared,
        now: Time,
        id: ServerId,
        entry: &mut Entry,
        machine: ServerInvite,
        actions: &[server_invite::Action],
        response: &mut Option<Bytes>,
    ) -> (Rest, Option<server_invite::Timer>) {
        use server_invite::Action;
        let mut rest = Rest::Nothing;
        let mut due = None;
        for action in actions {
            match *action {
                Action::Send => Self::send(shared, entry, response),
                Action::Refuse => rest = Rest::Refused,
                Action::DeliverAck => rest = Rest::AckForUser,
                Action::Acked => shared.output(Output::Acked(id)),
                Action::NoAck => shared.output(Output::NoAck(id)),
                Action::TransportFailed => shared.output(Output::ResponseFailed(id)),
                Action::Start(timer) => {
                    let after = machine.length(timer, &shared.timers, entry.reliable);
                    if after.is_zero() {
                        due = Some(timer);
                    } else {
                        let alarm = Alarm::InviteServer(id, timer);
                        shared.start(&mut entry.clocks, invite_clock(timer), now, after, alarm);
                    }
                }
                Action::Stop(timer) => shared.stop(&mut entry.clocks, invite_clock(timer)),
            }
        }
        (rest, due)
    }

    fn step_non_invite(
        &mut self,
        shared: &mut Shared,
        now: Time,
        id: ServerId,
        input: server_non_invite::Input,
        mut response: Option<Bytes>,
    ) -> Rest {
        let mut rest = Rest::Nothing;
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let Some(entry) = self.slots.get_mut(id.0) else { return rest };
            let Machine::NonInvite(mut machine) = entry.machine else { return rest };
            let actions = machine.handle(input);
            entry.machine = Machine::NonInvite(machine);
            let (left, due) = Self::act_non_invite(shared, now, id, entry, machine, actions, &mut response);
            if left != Rest::Nothing {
                rest = left;
            }
            next = due.map(server_non_invite::Input::Timer);
            match machine {
                ServerNonInvite::Trying | ServerNonInvite::Proceeding | ServerNonInvite::Completed => {}
                ServerNonInvite::Terminated => self.remove(shared, id),
            }
        }
        rest
    }

    fn act_non_invite(
        shared: &mut Shared,
        now: Time,
        id: ServerId,
        entry: &mut Entry,
        machine: ServerNonInvite,
        actions: &[server_non_invite::Action],
        response: &mut Option<Bytes>,
    ) -> (Rest, Option<server_non_invite::Timer>) {
        use server_non_invite::Action;
        let mut rest = Rest::Nothing;
        let mut due = None;
        for action in actions {
            match *action {
                Action::Send => Self::send(shared, entry, response),
                Action::Refuse => rest = Rest::Refused,
                Action::TransportFailed => shared.output(Output::ResponseFailed(id)),
                Action::Start(timer) => {
                    let after = machine.length(timer, &shared.timers, entry.reliable);
                    if after.is_zero() {
                        due = Some(timer);
                    } else {
                        let alarm = Alarm::RequestServer(id, timer);
                        shared.start(&mut entry.clocks, non_invite_clock(timer), now, after, alarm);
                    }
                }
                Action::Stop(timer) => shared.stop(&mut entry.clocks, non_invite_clock(timer)),
            }
        }
        (rest, due)
    }

    fn send(shared: &mut Shared, entry: &mut Entry, response: &mut Option<Bytes>) {
        if let Some(bytes) = response.take() {
            entry.kept = Kept::Response(bytes);
        } else if let Kept::Invite(invite) = &entry.kept {
            entry.kept = answer::trying(invite, entry.flow).map_or(Kept::Nothing, Kept::Response);
        }
        match &entry.kept {
            Kept::Response(bytes) => {
                shared.output(Output::Transmit { flow: entry.flow, bytes: bytes.clone() });
            }
            Kept::Nothing | Kept::Invite(_) => {}
        }
    }

    fn forget_merge(&mut self, id: ServerId) {
        if let Some(merge) = self.slots.get_mut(id.0).and_then(|entry| entry.merge.take()) {
            self.by_merge.remove(&merge);
        }
    }

    fn remove(&mut self, shared: &mut Shared, id: ServerId) {
        let Some(mut entry) = self.slots.remove(id.0) else { return };
        shared.stop_all(&mut entry.clocks);
        self.by_key.remove(&entry.key);
        if let Some(merge) = entry.merge {
            self.by_merge.remove(&merge);
        }
        if let Some(link) = entry.link {
            self.by_flow.unlink(link);
        }
        match entry.machine {
            Machine::Invite(_) => self.invites -= 1,
            Machine::NonInvite(_) => {}
        }
        shared.output(Output::ServerGone(id));
        if self.slots.len() == 0 {
            self.by_key.shrink_to(64);
            self.by_merge.shrink_to(64);
            self.by_flow.shrink();
        }
    }
}

const fn invite_clock(timer: server_invite::Timer) -> Clock {
    use server_invite::Timer;
    match timer {
        Timer::Trying | Timer::G => Clock::Again,
        Timer::H | Timer::I | Timer::L => Clock::End,
    }
}

const fn non_invite_clock(timer: server_non_invite::Timer) -> Clock {
    use server_non_invite::Timer;
    match timer {
        Timer::Expired | Timer::J => Clock::End,
    }
}

#[cfg(test)]
pub(super) const ENTRY_SIZE: usize = size_of::<Entry>();
