//! What has to hold in the middle and at the end: nothing contradicts, nothing is told that must not be, nothing is left.

use super::{HOOKSWITCH, Stage};
use crate::apps::Act;
use crate::phone::Phone;
use crate::world::{NodeId, Passage};
use hookswitch_engine::{Engine, Request as EngineRequest};
use hookswitch_sip::message::{Limits, Message};
use hookswitch_spi::{CallId, Provider as _, RejectReason};
use hookswitch_telephony::{Read, Request, SessionId};
use std::fmt::Write;
use std::time::Duration;

/// How long the party may ring that a call is referred to, and what is asked of it then may take.
const RINGS: Duration = Duration::from_secs(120 + 64);

impl Stage {
    /// Checks what holds whenever nothing is on its way between the engine and its applications.
    pub fn check(&mut self) {
        if self.over {
            return;
        }
        let now = self.world.now();
        let engine = self.world.machine::<Engine>(self.engine);
        self.observer.rest(now, |call| engine.provider().call_state(call));
        self.observer.rest_of_lines(now, |line| Some(engine.provider().line_status(line)?.state));
    }

    /// Nothing that applications are told, or that is remembered of calls, holds this.
    pub fn secrets(&self, secret: &str, found: &mut Vec<String>) {
        let tells = |text: &str| text.contains(secret) || text.contains("response=\"");
        let mut text = String::new();
        for (at, session, event) in &self.heard {
            text.clear();
            // Writing to a String cannot fail.
            let _ = write!(text, "{event:?}");
            if tells(&text) {
                found.push(format!("at {at:?}: {session} is told a secret: {text}"));
            }
        }
        for call in self.observer.call_ids() {
            if tells(&self.ladder(call)) {
                found.push(format!("the timeline of {call} tells a secret"));
            }
        }
    }

    /// What every session was told can be read again from anywhere, with its numbers.
    fn journals(&mut self, found: &mut Vec<String>) {
        for (session, journal) in &mut self.journals {
            let from = 1 + journal.last() / 3;
            journal.read_from(from);
            let mut expected = from;
            while let Some(next) = journal.read() {
                expected = match next {
                    Read::Event(number, _) if number == expected => number + 1,
                    Read::Gap { first, last } if first == expected => last + 1,
                    Read::Event(number, _) | Read::Gap { first: number, .. } => {
                        found.push(format!("{session} read number {number} where {expected} is next"));
                        break;
                    }
                };
            }
            if expected != journal.last() + 1 {
                found.push(format!("{session} read up to {expected} of {}", journal.last()));
            }
        }
    }

    /// Ends all calls on both sides, and gives that its time; those that come into being meanwhile too.
    pub fn hang_up_everything(&mut self, phones: &[NodeId]) {
        for _ in 0..2 {
            for phone in phones {
                self.world.request::<Phone>(*phone, crate::phone::PhoneRequest::HangUpAll);
            }
            let sessions: Vec<SessionId> = self.apps.keys().copied().collect();
            for session in sessions {
                let calls: Vec<CallId> = self.app(session).calls().map(|(call, _)| call).collect();
                for call in calls {
                    self.act(session, call, &Act::Drop(RejectReason::Default));
                }
            }
            // 64·T1 and some more.
            self.run_for(Duration::from_secs(40));
        }
    }

    /// Shuts the engine down, whatever its applications have open.
    pub fn shut_down(&mut self) {
        self.over = true;
        self.world.request::<Engine>(self.engine, EngineRequest::Shutdown);
    }

    /// Ends everything and checks that nothing is left: applications drop their calls and go, phones hang up, the engine
    /// shuts down, and what lingers has its time.
    pub fn finish(&mut self, phones: &[NodeId]) -> Vec<String> {
        self.hang_up_everything(phones);
        let sessions: Vec<SessionId> = self.apps.keys().copied().collect();
        for session in &sessions {
            self.ask(*session, Request::Detach);
        }
        self.world.request::<Engine>(self.engine, EngineRequest::Shutdown);
        self.listen();
        // 64·T1 for the last BYE, and as long for what lingers after it.
        self.run_for(Duration::from_secs(70));
        let alive = self.engine().alive();
        let timers = alive.timers;
        self.run_for(Duration::from_secs(50));
        for phone in phones {
            self.world.request::<Phone>(*phone, crate::phone::PhoneRequest::HangUpAll);
        }
        self.run_for(Duration::from_secs(300));
        self.observer.finish(self.world.now());
        let mut found = self.violations();
        found.extend(crate::rules::breaches(self.world.wire(), HOOKSWITCH.into()));
        self.slowness(&mut found);
        self.journals(&mut found);
        if timers > 0 {
            found.push(format!("{timers} timers outlived everything they could be for: {alive:?}"));
        }
        self.leaks(phones, &mut found);
        found
    }

    /// What is asked of a call waits for the party that the other side refers it to, if it has gone meanwhile.
    fn slowness(&self, found: &mut Vec<String>) {
        for slow in self.observer.slow() {
            let referred =
                || slow.call.is_some_and(|call| self.sip_call_ids(call).any(|id| self.was_referred(id)));
            if slow.took > RINGS || !referred() {
                found.push(slow.text.clone());
            }
        }
    }

    /// Whether a REFER came in the session of this Call-ID.
    fn was_referred(&self, call_id: &str) -> bool {
        let arrived = self.world.wire().iter().filter(|crossing| {
            crossing.what == Passage::Arrived
                && crossing.to == HOOKSWITCH.into()
                && crossing.bytes.starts_with(b"REFER")
        });
        let mut messages =
            arrived.filter_map(|crossing| Message::parse(crossing.bytes.clone(), &Limits::default()).ok());
        messages.any(|message| message.call_id() == call_id)
    }

    fn leaks(&self, phones: &[NodeId], found: &mut Vec<String>) {
        if !self.quiet {
            found.push("the engine did not come to rest within its time".into());
        }
        let engine = self.engine();
        let alive = engine.alive();
        let expected = hookswitch_provider::Alive { stock: self.ports, ..Default::default() };
        if alive != expected {
            found.push(format!("something is left in the provider: {alive:?}, not {expected:?}"));
        }
        let telephony = engine.telephony();
        let left = (telephony.calls(), telephony.sessions(), telephony.outstanding());
        if left != (0, 0, 0) {
            found.push(format!("calls, sessions, requests are left in telephony: {left:?}"));
        }
        if let Some(media) = self.world.media(self.engine).filter(|media| media.running() > 0) {
            found.push(format!("{} audio streams are left", media.running()));
        }
        for phone in phones {
            let alive = self.phone_of(*phone).alive();
            if alive != (0, 0, 0) {
                found.push(format!("sessions, transactions, requests are left in a phone: {alive:?}"));
            }
        }
    }
}
