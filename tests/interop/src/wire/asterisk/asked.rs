//! What the suite asks of the parties, in Asterisk's terms.

use super::leg::{Leg, State};
use super::room::{Plan, QUIET, Room};
use crate::wire::outside::{Pace, Traffic};
use hookswitch_machine::Time;
use hookswitch_spi::MediaTypes;
use hookswitch_testkit::conformance::subject::{Act, Behaviour, Diverted, Incoming, Party, Saw};
use std::time::{Duration, Instant};

/// How long an answered call may take to be joined with its phone.
const JOINED: Duration = Duration::from_secs(1);
/// So long after that audio flows.
const SETTLED: Duration = Duration::from_millis(150);

impl Room {
    pub(super) fn passes(&mut self, outward: bool, bytes: &[u8]) -> bool {
        self.stirred = Instant::now();
        if !outward {
            return self.loss.inward(bytes);
        }
        let arrives = self.loss.outward(bytes);
        if let Some(call_id) = self.loss.acknowledged.take() {
            self.take_in();
            let leg = self.legs.iter_mut().rev().find(|leg| leg.call_id == call_id && !leg.calls);
            if let Some(leg) = leg.filter(|leg| leg.state == State::Up && !leg.saw.contains(&Saw::Confirmed))
            {
                leg.note(Saw::Confirmed);
            }
        }
        if let Some(call_id) = self.loss.unread.take()
            && let Some(leg) = self.legs.iter_mut().rev().find(|leg| leg.call_id == call_id)
        {
            leg.unread = true;
        }
        if let Some(call_id) = self.loss.refers.take() {
            // Asterisk refuses a transfer in the moment between answering a call and joining it.
            let joined = |leg: &Leg| leg.call_id != call_id || leg.joined || leg.state != State::Up;
            let holds = |room: &Self| room.legs.iter().all(joined);
            let begun = Instant::now();
            self.settle(QUIET / 5);
            while !holds(self) && begun.elapsed() < JOINED {
                self.settle(QUIET / 5);
            }
        }
        arrives
    }

    pub(super) fn poll(&mut self, now: Time) -> bool {
        self.now = now;
        let mut any = self.take_in();
        while let Some(entry) = self.plans.first_entry().filter(|entry| entry.key().0 <= now) {
            any = true;
            match entry.remove() {
                Plan::Answer(n) => self.answer(n),
                Plan::Refuse(n, status, fields) => self.refuse(n, status, &fields),
            }
        }
        any
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.plans.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn pace(&mut self, traffic: Traffic) -> Pace {
        if traffic.quiet < QUIET || self.stirred.elapsed() < QUIET || self.loss.under_way() {
            return Pace::Working;
        }
        if self.legs.iter().any(|leg| self.joins(leg)) {
            return Pace::Working;
        }
        if self.sounding.is_some_and(|until| Instant::now() < until)
            || self.parked.is_some_and(|until| Instant::now() < until)
        {
            return Pace::Playing;
        }
        Pace::Idle
    }

    /// Whether the audio of an answered call is still on its way to its phone. Asterisk transfers nobody before.
    fn joins(&self, leg: &Leg) -> bool {
        let open = self.phones.open_for(&leg.phone);
        leg.state == State::Up
            && leg.up_since.is_some_and(|since| since.elapsed() < JOINED)
            && (!leg.joined || open.is_none_or(|open| open < SETTLED))
    }

    pub(super) fn arrange(&mut self, address: &str, behaviour: Behaviour) {
        let busy = matches!(
            &behaviour,
            Behaviour::Refuses(486 | 600, _) | Behaviour::RingsThenRefuses(_, 486 | 600, _)
        );
        let state = if busy { "BUSY" } else { "NOT_INUSE" };
        let device = format!("DEVICE_STATE(Custom:{address})");
        self.tell("Setvar", &[("Variable", &device), ("Value", state)]);
        if address.parse().is_ok_and(|orbit: u32| (701..=720).contains(&orbit)) {
            // Orbits are the switch's own.
            return;
        }
        self.loss.silent.remove(address);
        self.loss.abrupt.remove(address);
        if matches!(&behaviour, Behaviour::RingsThenRefuses(_, _, fields) if !fields.is_empty()) {
            self.wire.unable("Asterisk refuses with the cause of its status, and with no other Reason");
        }
        let data = match &behaviour {
            Behaviour::Answers(_) | Behaviour::Rings | Behaviour::RingsThenRefuses(..) => {
                "rings,${EXTEN},1".to_owned()
            }
            Behaviour::Proceeds => "proceeds,${EXTEN},1".to_owned(),
            Behaviour::Silent => {
                self.loss.silent.insert(address.into());
                "proceeds,${EXTEN},1".to_owned()
            }
            Behaviour::Refuses(404, _) => String::new(),
            Behaviour::Refuses(status, fields) => {
                if !fields.is_empty() {
                    self.wire
                        .unable("Asterisk refuses with the cause of its status, and with no other Reason");
                }
                self.loss.abrupt.insert(address.into());
                format!("refuses,${{EXTEN}},1({status})")
            }
            Behaviour::Redirects(to) => {
                self.loss.abrupt.insert(address.into());
                format!("redirects,${{EXTEN}},1({to})")
            }
        };
        let known = self.behaviours.insert(address.into(), behaviour).is_some();
        if data.is_empty() {
            if known {
                let _ = self.ask("DialplanExtensionRemove", &[("Context", "lines"), ("Extension", address)]);
            }
            return;
        }
        let fields = [
            ("Context", "lines"),
            ("Extension", address),
            ("Priority", "1"),
            ("Application", "Gosub"),
            ("ApplicationData", data.as_str()),
            ("Replace", "true"),
        ];
        self.tell("DialplanExtensionAdd", &fields);
    }

    pub(super) fn call_in(&mut self, line: &str, called: &str, call: &Incoming) -> Party {
        let n = self.legs.len();
        let phone = format!("{:08x}-0000-4000-8000-{n:012x}", self.wire.run);
        self.new_leg(&call.from, &phone, true);
        let mut variables = vec![format!("__PHONE={phone}"), format!("__LINE={line}")];
        if !call.name.is_empty() {
            variables.push(format!("__NAME={}", call.name));
        }
        if call.external {
            variables.push("__EXTERNAL=1".into());
        }
        if call.private {
            variables.push("__ANONYMOUS=1".into());
        }
        if let Some((by, why)) = &call.diverted {
            let why = match why {
                Diverted::Unconditionally => "cfu",
                Diverted::Busy => "cfb",
                Diverted::NoAnswer => "cfnr",
                Diverted::Once => "deflection",
            };
            variables.extend([format!("__DIVERTED={by}"), format!("__WHY={why}")]);
        }
        if call.transferred {
            variables.push("__SIPREFERREDBYHDR=<sip:transferor@pbx.test>".into());
        }
        if let Some(named) = call.replaces.and_then(|party| self.named(party)) {
            variables.push(format!("__SIPREPLACESHDR={named}"));
        }
        let mut fields = Vec::new();
        if called != line {
            fields.push(("P-Called-Party-ID", format!("<sip:{called}@pbx.test>")));
        }
        if !call.user_info.is_empty() {
            let hex: String = call.user_info.iter().map(|octet| format!("{octet:02x}")).collect();
            fields.push(("User-to-User", format!("{hex};encoding=hex")));
        }
        if !call.display.is_empty() {
            fields.push(("Subject", call.display.clone()));
        }
        if call.physical != 0 {
            fields.push(("Session-ID", format!("{:032x};remote={:032x}", call.physical, 0)));
        }
        if let Some(named) = call.joins.and_then(|party| self.named(party)) {
            fields.push(("Join", named));
        }
        for (n, (field, value)) in (1..).zip(&fields) {
            variables.extend([format!("__FIELD{n}={field}"), format!("__VALUE{n}={value}")]);
        }
        if call.media != MediaTypes::VOICE {
            self.wire.unable("Asterisk offers audio in every INVITE that begins a call, and nothing else");
        }
        let channel = format!("Local/{}@calls/nm", call.from);
        let id = format!("{:x}-{n}", self.wire.run);
        let other = format!("{id}-2");
        let mut fields = vec![
            ("Channel", channel.as_str()),
            ("Context", "phone"),
            ("Exten", call.from.as_str()),
            ("Priority", "1"),
            ("Async", "true"),
            ("Timeout", "7200000"),
            ("ChannelId", id.as_str()),
            ("OtherChannelId", other.as_str()),
        ];
        fields.extend(variables.iter().map(|variable| ("Variable", variable.as_str())));
        self.tell("Originate", &fields);
        self.until(|room| room.legs.get(n).is_some_and(|leg| !leg.channel.is_empty()));
        Party(n as u32)
    }

    pub(super) fn party_at(&self, address: &str) -> Option<Party> {
        let at = self.legs.iter().rposition(|leg| !leg.calls && leg.user == address)?;
        Some(Party(at as u32))
    }

    pub(super) fn act(&mut self, party: Party, act: Act) {
        // What it does is about what it knows by now.
        self.settle(QUIET);
        let n = party.0 as usize;
        let Some(leg) = self.legs.get_mut(n) else { return };
        let (channel, user, call_id) = (leg.channel.clone(), leg.user.clone(), leg.call_id.clone());
        let (phone, early) = (leg.phone.clone(), leg.state == State::Early && !leg.calls);
        match act {
            // Asterisk says 100 by itself.
            Act::Proceed => self.loss.heal(&call_id),
            Act::Ring if early => {
                self.loss.heal(&call_id);
                self.redirect(&channel, "ringing", &user, "1");
            }
            Act::Ring => {}
            Act::Answer => self.answer(n),
            Act::Refuse(status, fields) => self.refuse(n, status, &fields),
            Act::HangUp(fields) => self.hang_up(n, &fields),
            Act::Hold => self.hold(n, true),
            Act::Resume => self.hold(n, false),
            Act::Press(digit, lasts) => {
                self.until(|room| room.legs.get(n).is_some_and(|leg| leg.joined && !leg.half.is_empty()));
                let half = self.legs.get(n).map(|leg| leg.half.clone()).unwrap_or_default();
                let (digit, duration) = (digit.to_string(), lasts.as_millis().to_string());
                self.tell("PlayDTMF", &[("Channel", &half), ("Digit", &digit), ("Duration", &duration)]);
                self.sounding = Some(Instant::now() + lasts + QUIET);
            }
            Act::Tone(frequencies, lasts) => {
                self.phones.sounds(&phone, frequencies, lasts);
                self.sounding = Some(Instant::now() + lasts + QUIET);
            }
            Act::UserInfo(_) => self.wire.unable("Asterisk sends no INFO with user information"),
            Act::Becomes(other) => {
                leg.user.clone_from(&other);
                self.set(&channel, "CONNECTEDLINE(num)", &other);
            }
            Act::Media(_) => self.wire.unable("Asterisk adds no media to a call by itself"),
            Act::Refresh => self.set(&channel, "CONNECTEDLINE(num)", &user),
            Act::RefuseWithin(0) => {}
            Act::RefuseWithin(_) => self.wire.unable("Asterisk refuses no hold"),
            Act::FallSilent => self.loss.cut(&call_id),
            Act::WhenTransferred(200) => {}
            Act::WhenTransferred(0) => self.keep(),
            Act::WhenTransferred(_) => {
                self.wire.unable("Asterisk ends the call of who transfers when the target refuses");
            }
        }
    }

    pub(super) fn saw(&self, party: Party) -> Vec<Saw> {
        let Some(leg) = self.legs.get(party.0 as usize) else { return Vec::new() };
        if leg.unread {
            self.wire
                .unable("Asterisk does not tell what user information comes with anything but an INVITE");
        }
        leg.saw.clone()
    }

    pub(super) fn hears(&self, a: Party, b: Party) -> bool {
        let (a, b) = (self.legs.get(a.0 as usize), self.legs.get(b.0 as usize));
        let phones = a.zip(b).map(|(a, b)| (&a.phone, &b.phone));
        phones.is_some_and(|(a, b)| self.phones.hears(b, a))
    }

    pub(super) fn port(&self, party: Party) -> Option<u16> {
        let leg = self.legs.get(party.0 as usize)?;
        self.variable(&leg.channel, "CHANNEL(rtp,src)").rsplit_once(':')?.1.parse().ok()
    }

    pub(super) fn messages(&mut self, user: &str, new: u32, old: u32) {
        let channel = format!("Local/{user}@messages/n");
        let (new, old) = (format!("NEW={new}"), format!("OLD={old}"));
        let fields = [
            ("Channel", channel.as_str()),
            ("Application", "Wait"),
            ("Data", "0"),
            ("Async", "true"),
            ("Variable", &format!("__{new}")),
            ("Variable", &format!("__{old}")),
        ];
        self.tell("Originate", &fields);
    }

    pub(super) fn alerting_elsewhere(&mut self, at: &str, from: &str) -> Party {
        let n = self.legs.len();
        let phone = format!("{:08x}-0000-4000-8000-{n:012x}", self.wire.run);
        self.new_leg(from, &phone, true);
        let channel = format!("Local/{from}@visits/n");
        let fields = [
            ("Channel", channel.as_str()),
            ("Context", "phone"),
            ("Exten", from),
            ("Priority", "1"),
            ("Async", "true"),
            ("Timeout", "7200000"),
            ("CallerID", from),
            ("Variable", &format!("__PHONE={phone}")),
            ("Variable", &format!("__AT={at}")),
        ];
        self.tell("Originate", &fields);
        let device = format!("DEVICE_STATE(Custom:{at})");
        self.tell("Setvar", &[("Variable", &device), ("Value", "RINGING")]);
        Party(n as u32)
    }
}
