//! The parties: what the suite asks of them is told to Asterisk, and what Asterisk tells is what they notice.

use super::ami::{Ami, LOOK, Message};
use super::leg::{Leg, State};
use super::loss::Loss;
use super::phones::Phones;
use super::start::Instance;
use crate::wire::outside::{Outside, Pace, Traffic, Wire};
use hookswitch_machine::Time;
use hookswitch_spi::MediaTypes;
use hookswitch_testkit::conformance::subject::{Act, Behaviour, Diverted, Incoming, Party, Saw};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long Asterisk may take to do what it was told.
const DONE: Duration = Duration::from_secs(3);
/// After the last sign of life Asterisk may still have something in hand for so long.
const QUIET: Duration = Duration::from_millis(60);

/// So long a call stays parked, and a little more.
const PARKED: Duration = Duration::from_secs(7);

/// Something that a party does by itself.
#[derive(Debug)]
enum Plan {
    Answer(usize),
    Refuse(usize, u16, String),
}

/// Asterisk and everybody at it.
pub(super) struct Switchroom {
    ami: RefCell<Ami>,
    phones: Phones,
    sip: SocketAddr,
    wire: Wire,
    legs: Vec<Leg>,
    behaviours: BTreeMap<String, Behaviour>,
    loss: Loss,
    plans: BTreeMap<(Time, u64), Plan>,
    planned: u64,
    /// The last sign of life, or the last thing that was asked.
    stirred: Instant,
    /// A digit or a tone sounds until then.
    sounding: Option<Instant>,
    /// A call is parked until then, unless somebody fetches it.
    parked: Option<Instant>,
    now: Time,
}

impl Switchroom {
    /// A switch with nobody in a call.
    ///
    /// # Errors
    /// What Asterisk or the system says against it.
    pub(super) fn open(instance: &Instance, wire: Wire) -> Result<Self, String> {
        let ami = Ami::connect(instance.manager, "wire", "hookswitch-wire")?;
        let phones = Phones::open().map_err(|error| error.to_string())?;
        let mut room = Self {
            ami: RefCell::new(ami),
            phones,
            sip: instance.sip,
            wire,
            legs: Vec::new(),
            behaviours: BTreeMap::new(),
            loss: Loss::default(),
            plans: BTreeMap::new(),
            planned: 0,
            stirred: Instant::now(),
            sounding: None,
            parked: None,
            now: Time::ZERO,
        };
        room.clear()?;
        let sound = room.phones.address().to_string();
        room.ask("Setvar", &[("Variable", "SOUND"), ("Value", &sound)])?;
        room.ask("Setvar", &[("Variable", "FREE_ORBIT"), ("Value", "702")])?;
        Ok(room)
    }

    /// Ends what an earlier subject has left behind.
    fn clear(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < DONE {
            self.ask("Hangup", &[("Channel", "/^.*$/")])?;
            let counted = self.ask("CoreStatus", &[])?;
            if counted.get("CoreCurrentCalls") == "0" && self.channels()? == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        for address in self.extensions()? {
            let fields = [("Context", "lines"), ("Extension", address.as_str())];
            self.ask("DialplanExtensionRemove", &fields)?;
        }
        while self.ami.borrow_mut().event().is_some() {}
        Ok(())
    }

    fn list(&self, action: &str, fields: &[(&str, &str)], item: &str, last: &str) -> Result<Vec<Message>, String> {
        let mut ami = self.ami.borrow_mut();
        let _ = ami.ask(action, fields)?;
        let (mut items, begun) = (Vec::new(), Instant::now());
        while begun.elapsed() < DONE {
            match ami.event() {
                Some(event) if event.event() == last => return Ok(items),
                Some(event) if event.event() == item => items.push(event),
                Some(_) => {}
                None => std::thread::sleep(LOOK),
            }
        }
        Err(format!("{action}: the list does not end"))
    }

    fn channels(&self) -> Result<usize, String> {
        Ok(self.list("CoreShowChannels", &[], "CoreShowChannel", "CoreShowChannelsComplete")?.len())
    }

    /// What was added to the dialplan.
    fn extensions(&self) -> Result<Vec<String>, String> {
        let fields = [("Context", "lines")];
        let all = self.list("ShowDialPlan", &fields, "ListDialplan", "ShowDialPlanComplete")?;
        let extensions = all.iter().map(|entry| entry.get("Extension"));
        // The configuration has patterns here, and who names free orbits.
        let added = extensions.filter(|extension| !extension.starts_with('_') && *extension != "park");
        Ok(added.map(str::to_owned).collect())
    }

    fn ask(&mut self, action: &str, fields: &[(&str, &str)]) -> Result<Message, String> {
        self.stirred = Instant::now();
        self.ami.borrow_mut().ask(action, fields)
    }

    /// Asks for what has to work.
    fn tell(&mut self, action: &str, fields: &[(&str, &str)]) {
        if let Err(error) = self.ask(action, fields) {
            eprintln!("asterisk: {error}");
        }
    }

    /// Takes in events until something holds. Whether it came to hold.
    fn until(&mut self, holds: impl Fn(&Self) -> bool) -> bool {
        let begun = Instant::now();
        loop {
            self.take_in();
            if holds(self) {
                return true;
            }
            if begun.elapsed() > DONE {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn take_in(&mut self) -> bool {
        let mut any = false;
        loop {
            let event = self.ami.borrow_mut().event();
            let Some(event) = event else { return any };
            any = true;
            self.stirred = Instant::now();
            self.hear(&event);
        }
    }

    fn plan(&mut self, at: Time, plan: Plan) {
        self.planned += 1;
        self.plans.insert((at, self.planned), plan);
    }

    fn leg_at(&mut self, channel: &str) -> Option<(usize, &mut Leg)> {
        let n = self.legs.iter().rposition(|leg| leg.channel == channel)?;
        self.legs.get_mut(n).map(|leg| (n, leg))
    }

    fn leg_of(&mut self, phone: &str) -> Option<&mut Leg> {
        self.legs.iter_mut().rev().find(|leg| leg.phone == phone)
    }

    fn new_leg(&mut self, user: &str, phone: &str, calls: bool) -> usize {
        let n = self.legs.len();
        self.legs.push(Leg::new(user, phone, calls));
        // Tones of all who can be in one conference differ, and none is a digit's or a call progress tone's.
        self.phones.says(phone, 500 + 100 * (n as u16 % 24) + 50);
        n
    }

    fn hear(&mut self, event: &Message) {
        match event.event() {
            "UserEvent" => self.told(event),
            "Newstate" => {
                let state = event.get("ChannelState").to_owned();
                let Some((_, leg)) = self.leg_at(event.get("Channel")) else { return };
                match state.as_str() {
                    "5" if leg.calls && leg.state == State::Early => leg.note(Saw::Alerted(Vec::new())),
                    "6" if leg.state == State::Early => {
                        leg.state = State::Up;
                        if leg.calls {
                            leg.note(Saw::Answered(Vec::new()));
                        }
                    }
                    _ => {}
                }
            }
            "BridgeEnter" => {
                let holding = event.get("BridgeTechnology").contains("holding");
                if let Some((_, leg)) = self.leg_at(event.get("Channel")) {
                    leg.joined = !holding;
                } else if let Some(leg) = self.legs.iter_mut().find(|leg| leg.half == event.get("Channel"))
                    && holding
                {
                    leg.holds = true;
                }
            }
            "BridgeLeave" => {
                if let Some(leg) = self.legs.iter_mut().find(|leg| leg.half == event.get("Channel")) {
                    leg.holds = false;
                }
            }
            "Hold" | "Unhold" => {
                let saw = if event.event() == "Hold" { Saw::Held } else { Saw::Resumed };
                if let Some((_, leg)) = self.leg_at(event.get("Channel")) {
                    leg.note(saw);
                }
            }
            "DTMFEnd" if event.get("Direction") == "Received" => {
                let digit = event.get("Digit").chars().next();
                if let (Some((_, leg)), Some(digit)) = (self.leg_at(event.get("Channel")), digit) {
                    leg.note(Saw::Digit(digit));
                }
            }
            "HangupRequest" => {
                let Some((_, leg)) = self.leg_at(event.get("Channel")) else { return };
                match leg.state {
                    State::Up => {
                        leg.state = State::Over;
                        leg.note(Saw::HungUp(Vec::new()));
                    }
                    State::Early if !leg.calls => {
                        leg.state = State::Over;
                        leg.note(Saw::Cancelled);
                    }
                    State::Early | State::Over => {}
                }
            }
            "Hangup" => {
                let status = event.get("TechCause").split_whitespace().last().and_then(|code| code.parse().ok());
                let Some((_, leg)) = self.leg_at(event.get("Channel")) else { return };
                // Where a 302 leads to is told by the dialplan.
                if leg.calls && leg.state == State::Early && !leg.own_end && status != Some(302) {
                    leg.note(Saw::Refused(status.unwrap_or(0)));
                }
                leg.state = State::Over;
            }
            "BlindTransfer" => {
                let to = event.get("Extension").to_owned();
                if let Some((_, leg)) = self.leg_at(event.get("TransfererChannel")) {
                    leg.note(Saw::Transferred(to, None));
                }
            }
            "AttendedTransfer" => {
                let second = self.leg_at(event.get("SecondTransfererChannel")).map(|(n, leg)| (n, leg.user.clone()));
                if let (Some((_, leg)), Some((n, user))) =
                    (self.leg_at(event.get("OrigTransfererChannel")), second)
                {
                    leg.note(Saw::Transferred(user, Some(Party(n as u32))));
                }
            }
            "ParkedCall" => self.parked = Some(Instant::now() + PARKED),
            "UnParkedCall" | "ParkedCallGiveUp" => self.parked = None,
            _ => {}
        }
    }

    /// What the dialplan tells.
    fn told(&mut self, event: &Message) {
        let phone = event.get("Phone").to_owned();
        match event.get("UserEvent") {
            "Called" => {
                let address = event.get("Address").to_owned();
                let n = self.new_leg(&address, &phone, false);
                if let Some(leg) = self.legs.get_mut(n) {
                    leg.channel = event.get("Leg").into();
                    leg.call_id = event.get("CallID").into();
                    leg.note(Saw::Called(octets(event.get("Info"))));
                }
                match self.behaviours.get(&address).cloned() {
                    Some(Behaviour::Answers(after)) => self.plan(self.now + after, Plan::Answer(n)),
                    Some(Behaviour::RingsThenRefuses(after, status, fields)) => {
                        self.plan(self.now + after, Plan::Refuse(n, status, fields));
                    }
                    Some(
                        Behaviour::Rings
                        | Behaviour::Proceeds
                        | Behaviour::Silent
                        | Behaviour::Refuses(..)
                        | Behaviour::Redirects(_),
                    )
                    | None => {}
                }
            }
            "Calling" => {
                if let Some(leg) = self.leg_of(&phone) {
                    leg.channel = event.get("Leg").into();
                    leg.call_id = event.get("CallID").into();
                }
            }
            "Phone" => {
                if let Some(leg) = self.leg_of(&phone) {
                    leg.half = event.get("Leg").into();
                    if leg.channel.is_empty() {
                        // Somebody who alerted elsewhere was picked up.
                        leg.state = State::Up;
                        leg.note(Saw::Answered(Vec::new()));
                    }
                }
            }
            "Redirected" => {
                let to = event.get("To").to_owned();
                if let Some(leg) = self.leg_of(&phone) {
                    leg.note(Saw::Redirected(format!("sip:{to}@pbx.test")));
                }
            }
            _ => {}
        }
    }

    fn redirect(&mut self, channel: &str, context: &str, user: &str, priority: &str) {
        let fields = [("Channel", channel), ("Context", context), ("Exten", user), ("Priority", priority)];
        self.tell("Redirect", &fields);
    }

    fn answer(&mut self, n: usize) {
        let Some(leg) = self.legs.get(n).filter(|leg| leg.state == State::Early && !leg.calls) else { return };
        let (channel, user, call_id) = (leg.channel.clone(), leg.user.clone(), leg.call_id.clone());
        self.loss.heal(&call_id);
        self.redirect(&channel, "talk", &user, "1");
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.state != State::Early));
    }

    fn refuse(&mut self, n: usize, status: u16, fields: &str) {
        let Some(leg) = self.legs.get_mut(n).filter(|leg| leg.state == State::Early && !leg.calls) else { return };
        leg.own_end = true;
        let (channel, call_id) = (leg.channel.clone(), leg.call_id.clone());
        if !fields.is_empty() {
            self.wire.unable("Asterisk refuses with the cause of its status, and with no other Reason");
        }
        self.loss.heal(&call_id);
        self.tell("PJSIPHangup", &[("Channel", &channel), ("Cause", &status.to_string())]);
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.state != State::Early));
    }

    fn hang_up(&mut self, n: usize, fields: &str) {
        let Some(leg) = self.legs.get_mut(n).filter(|leg| leg.state != State::Over) else { return };
        if leg.state == State::Early && !leg.calls {
            return self.refuse(n, 480, fields);
        }
        leg.own_end = true;
        let channel = leg.channel.clone();
        let cause = match fields.trim() {
            "" => "16",
            "Reason: SIP;cause=200;text=\"Call completed elsewhere\"" => "26",
            reason => match reason.strip_prefix("Reason: Q.850;cause=") {
                Some(cause) => cause,
                None => {
                    self.wire.unable(format!("Asterisk never says '{reason}'"));
                    "16"
                }
            },
        };
        self.tell("Hangup", &[("Channel", &channel), ("Cause", cause)]);
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.state == State::Over));
    }

    fn hold(&mut self, n: usize, holds: bool) {
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.joined && !leg.half.is_empty()));
        let Some(leg) = self.legs.get(n).filter(|leg| leg.state == State::Up) else { return };
        let (half, user) = (leg.half.clone(), leg.user.clone());
        match holds {
            true => self.redirect(&half, "holds", &user, "1"),
            false => self.redirect(&half, "phone", &user, "audio"),
        }
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.holds == holds));
    }

    /// Takes all calls out of their bridges: from there Asterisk transfers nobody.
    fn keep(&mut self) {
        self.until(|room| room.legs.iter().all(|leg| leg.state != State::Up || leg.joined));
        let up = self.legs.iter().filter(|leg| leg.state == State::Up);
        for (channel, user) in up.map(|leg| (leg.channel.clone(), leg.user.clone())).collect::<Vec<_>>() {
            self.redirect(&channel, "phone", &user, "audio");
        }
    }

    fn set(&mut self, channel: &str, variable: &str, value: &str) {
        self.tell("Setvar", &[("Channel", channel), ("Variable", variable), ("Value", value)]);
    }

    /// A variable of a channel.
    fn variable(&self, channel: &str, variable: &str) -> String {
        let fields = [("Channel", channel), ("Variable", variable)];
        let answer = self.ami.borrow_mut().ask("Getvar", &fields);
        answer.map(|answer| answer.get("Value").to_owned()).unwrap_or_default()
    }

    /// Header field that names a party's call: its Call-ID, the provider's tag and the party's.
    fn named(&self, party: Party) -> Option<String> {
        let leg = self.legs.get(party.0 as usize)?;
        let to = self.variable(&leg.channel, "CHANNEL(pjsip,remote_tag)");
        let from = self.variable(&leg.channel, "CHANNEL(pjsip,local_tag)");
        Some(format!("{};to-tag={to};from-tag={from}", leg.call_id))
    }
}

/// The octets that User-to-User bears (RFC 7433).
fn octets(value: &str) -> Vec<u8> {
    let hex = value.split(';').next().unwrap_or_default().trim().trim_matches('"');
    let pairs = hex.as_bytes().chunks(2);
    pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

impl Outside for Switchroom {
    fn address(&self) -> SocketAddr {
        self.sip
    }

    fn passes(&mut self, outward: bool, bytes: &[u8]) -> bool {
        if !outward {
            return self.loss.inward(bytes);
        }
        let arrives = self.loss.outward(bytes);
        if let Some(call_id) = self.loss.acknowledged.take() {
            self.take_in();
            let leg = self.legs.iter_mut().rev().find(|leg| leg.call_id == call_id && !leg.calls);
            if let Some(leg) = leg.filter(|leg| leg.state == State::Up && !leg.saw.contains(&Saw::Confirmed)) {
                leg.note(Saw::Confirmed);
            }
        }
        if self.loss.told_user_information {
            self.loss.told_user_information = false;
            self.wire.unable("Asterisk does not tell what user information comes with anything but an INVITE");
        }
        arrives
    }

    fn pickup_prefix(&self) -> &'static str {
        "**"
    }

    fn poll(&mut self, now: Time) -> bool {
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

    fn next(&self) -> Option<Time> {
        self.plans.first_key_value().map(|((at, _), _)| *at)
    }

    fn pace(&mut self, traffic: Traffic) -> Pace {
        let joining = self.legs.iter().any(|leg| leg.state == State::Up && !leg.joined && !leg.channel.is_empty());
        if traffic.quiet < QUIET || self.stirred.elapsed() < QUIET || self.loss.under_way() {
            return Pace::Working;
        }
        if joining && self.stirred.elapsed() < DONE / 3 {
            return Pace::Working;
        }
        if self.sounding.is_some_and(|until| Instant::now() < until)
            || self.parked.is_some_and(|until| Instant::now() < until)
        {
            return Pace::Playing;
        }
        Pace::Idle
    }

    fn arrange(&mut self, _: Time, address: &str, behaviour: Behaviour) {
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
                    self.wire.unable("Asterisk refuses with the cause of its status, and with no other Reason");
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

    fn call_in(&mut self, _: Time, line: &str, called: &str, call: &Incoming) -> Party {
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

    fn party_at(&self, address: &str) -> Option<Party> {
        let at = self.legs.iter().rposition(|leg| !leg.calls && leg.user == address)?;
        Some(Party(at as u32))
    }

    fn act(&mut self, _: Time, party: Party, act: Act) {
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

    fn saw(&self, party: Party) -> Vec<Saw> {
        self.legs.get(party.0 as usize).map(|leg| leg.saw.clone()).unwrap_or_default()
    }

    fn hears(&self, a: Party, b: Party) -> bool {
        let (a, b) = (self.legs.get(a.0 as usize), self.legs.get(b.0 as usize));
        let phones = a.zip(b).map(|(a, b)| (&a.phone, &b.phone));
        phones.is_some_and(|(a, b)| self.phones.hears(b, a))
    }

    fn port(&self, party: Party) -> Option<u16> {
        let leg = self.legs.get(party.0 as usize)?;
        self.variable(&leg.channel, "CHANNEL(rtp,src)").rsplit_once(':')?.1.parse().ok()
    }

    fn messages(&mut self, _: Time, user: &str, new: u32, old: u32) {
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

    fn alerting_elsewhere(&mut self, _: Time, at: &str, from: &str) -> Party {
        let n = self.legs.len();
        let phone = format!("{:08x}-0000-4000-8000-{n:012x}", self.wire.run);
        self.new_leg(from, &phone, true);
        let channel = format!("Local/{at}@elsewhere/n");
        let fields = [
            ("Channel", channel.as_str()),
            ("Context", "phone"),
            ("Exten", from),
            ("Priority", "1"),
            ("Async", "true"),
            ("Timeout", "7200000"),
            ("CallerID", from),
            ("Variable", &format!("__PHONE={phone}")),
        ];
        self.tell("Originate", &fields);
        let device = format!("DEVICE_STATE(Custom:{at})");
        self.tell("Setvar", &[("Variable", &device), ("Value", "RINGING")]);
        Party(n as u32)
    }
}

impl Drop for Switchroom {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}
