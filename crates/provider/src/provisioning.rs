//! Lines that appear and disappear, and new credentials, while the provider runs. Everything else of a configuration is read once.

use crate::account::{Account, Elsewhere};
use crate::core::Core;
use crate::line::Line;
use crate::provider::SipProvider;
use hookswitch_machine::Time;
use hookswitch_sip::auth::Credentials;
use hookswitch_spi::{
    CallId, CallState, Disconnect, DisconnectMode, EndedBy, ForwardingRules, LineId, OperationError,
    ProviderEvent, StateKind,
};

/// The highest number that a line can have: what is kept grows with it.
const HIGHEST: u32 = 1 << 20;

impl SipProvider {
    /// Adds a line, closed, and tells so (LINE_CREATE). Every shard is told of every line, so that a number means the same line
    /// everywhere; a number that was used before, or is above a million, changes nothing.
    pub fn add_line(&mut self, now: Time, line: LineId, account: Account) {
        self.core.now = now;
        let used = (line.0 as usize) < self.core.lines.len();
        if used || line.0 > HIGHEST {
            return;
        }
        self.core.lines.resize_with(line.0 as usize, || None);
        self.push_line(account);
        if self.core.line(line).is_some() {
            self.core.events.push_back(ProviderEvent::LineCreated { line });
        }
    }

    /// Removes a line for good: its calls end, what is outstanding completes, then it is told (LINE_REMOVE). Its number is not
    /// used again. The un-registration goes on by itself.
    pub fn remove_line(&mut self, now: Time, line: LineId) {
        let core = &mut self.core;
        core.now = now;
        core.elsewhere.retain(|(other, _)| *other != line);
        if core.line(line).is_none() {
            return;
        }
        for call in core.calls.on_line(line) {
            core.part(call);
        }
        core.end_watches(now, line);
        core.forget_roles(line);
        for call in core.calls.on_line(line) {
            core.end_with_line(now, call);
        }
        core.end_watches(now, line);
        core.removed.push(line);
        let closing = core.closing.contains(&line);
        match core.registrant(line).map(|found| found.open.is_some()) {
            Some(true) if !closing => {
                core.closing.push(line);
                core.stop_line(now, line);
            }
            Some(true) => {}
            Some(false) | None => core.vanished(line),
        }
        core.events.push_back(ProviderEvent::LineRemoved { line });
        core.settle(now);
    }

    /// Gives a line the name, password, realm and peers of `account`. What was refused for the old ones is tried again at once; what
    /// is registered goes on. Every shard is told of every line.
    pub fn set_access(&mut self, now: Time, line: LineId, account: &Account) {
        self.core.now = now;
        if let Some((_, other)) = self.core.elsewhere.iter_mut().find(|(other, _)| *other == line) {
            other.set_access(account);
        }
        let Some(found) = self.core.line_mut(line) else { return };
        let own = &mut found.account;
        own.accept_from.clone_from(&account.accept_from);
        if (&own.auth_user, &own.password, &own.realm)
            == (&account.auth_user, &account.password, &account.realm)
        {
            return;
        }
        (own.auth_user, own.password, own.realm) =
            (account.auth_user.clone(), account.password.clone(), account.realm.clone());
        let (id, credentials) = (found.credentials, credentials(own));
        let registers = (!own.password.expose().is_empty()).then(|| credentials.clone());
        if let Some(registration) = found.open.as_mut().and_then(|open| open.registration.as_mut()) {
            registration.set_credentials(registers);
        }
        self.core.ua.set_credentials(id, credentials);
        self.core.register_again(now, line);
        self.core.settle(now);
    }

    /// Tells that the stored configuration changed in a way that takes effect at the next start (LINEDEVSTATE_REINIT).
    pub fn reinitialise(&mut self, why: String) {
        self.core.events.push_back(ProviderEvent::Reinitialise { why });
    }

    /// Adds a line, closed, with the next number. Nothing is told.
    pub(crate) fn push_line(&mut self, account: Account) {
        let number = self.core.lines.len();
        if number % usize::from(self.shards) == usize::from(self.shard) {
            let line = self.core.new_line(self.shard, account);
            self.core.lines.push(Some(line));
        } else {
            self.core.elsewhere.push((LineId(number as u32), Elsewhere::of(&account)));
            self.core.lines.push(None);
        }
    }
}

impl Core {
    fn new_line(&mut self, shard: u16, account: Account) -> Line {
        let token = format!("hs{shard:04x}{:016x}", self.entropy.next_u64()).into_boxed_str();
        let credentials = self.ua.add_account(credentials(&account));
        let addresses = 1 + account.numbers.len();
        // A rule that cannot be is left out; those of a configuration file were checked when it was read.
        let mut rules =
            ForwardingRules { rules: Vec::new(), no_answer_after: account.forward.no_answer_after };
        for rule in &account.forward.rules {
            let mut with = rules.clone();
            with.rules.push(rule.clone());
            rules = Account::checked_rules(with, &account.domain).unwrap_or(rules);
        }
        Line::new(account, token, credentials, vec![rules; addresses])
    }

    /// Ends a call because its line is gone: its last events, then what the other side is told.
    fn end_with_line(&mut self, now: Time, id: CallId) {
        let embryo = self.calls.get(id).is_some_and(|call| call.embryo);
        self.fail_waiting(id, &OperationError::Closed);
        if embryo {
            // It never was a call for anybody.
            self.forget(now, id);
            return;
        }
        let ended = self.calls.get(id).map(|call| match call.state.kind() {
            StateKind::Idle | StateKind::Disconnected => true,
            StateKind::Offering
            | StateKind::Accepted
            | StateKind::Dialtone
            | StateKind::Dialing
            | StateKind::Proceeding
            | StateKind::Ringback
            | StateKind::Busy
            | StateKind::Connected
            | StateKind::OnHold
            | StateKind::OnHoldPendingTransfer
            | StateKind::OnHoldPendingConference
            | StateKind::Conferenced
            | StateKind::Unknown => false,
        });
        if ended == Some(false) {
            let end = Disconnect::new(DisconnectMode::Normal, EndedBy::Us, "its line was removed");
            self.enter(id, CallState::Disconnected(end));
        }
        self.enter(id, CallState::Idle);
        self.forget(now, id);
    }

    /// A removed line is un-registered: nothing is left of it.
    pub(crate) fn vanished(&mut self, id: LineId) {
        self.removed.retain(|removed| *removed != id);
        if let Some(line) = self.lines.get_mut(id.0 as usize).and_then(Option::take) {
            self.ua.remove_account(line.credentials);
        }
    }
}

fn credentials(account: &Account) -> Credentials {
    Credentials {
        username: account.auth_user.clone(),
        password: account.password.clone(),
        realm: account.realm.clone(),
    }
}
