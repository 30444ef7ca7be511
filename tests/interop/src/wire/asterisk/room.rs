//! The parties: what the suite asks of them is told to Asterisk, and what Asterisk tells is what they notice.

use super::ami::{Ami, LOOK, Message};
use super::leg::{Leg, State};
use super::loss::Loss;
use super::phones::Phones;
use super::start::Instance;
use crate::wire::outside::Wire;
use hookswitch_machine::Time;
use hookswitch_testkit::conformance::subject::{Behaviour, Party, Saw};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long Asterisk may take to do what it was told.
pub(super) const DONE: Duration = Duration::from_secs(10);
/// After the last sign of life Asterisk may still have something in hand for so long.
pub(super) const QUIET: Duration = Duration::from_millis(50);

/// So long a call stays parked, and a little more.
const PARKED: Duration = Duration::from_secs(7);

/// Something that a party does by itself.
#[derive(Debug)]
pub(super) enum Plan {
    Answer(usize),
    Refuse(usize, u16, String),
}

/// Asterisk and everybody at it.
pub(super) struct Room {
    pub(super) ami: RefCell<Ami>,
    pub(super) phones: Phones,
    pub(super) wire: Wire,
    pub(super) legs: Vec<Leg>,
    pub(super) behaviours: BTreeMap<String, Behaviour>,
    pub(super) loss: Loss,
    pub(super) plans: BTreeMap<(Time, u64), Plan>,
    pub(super) planned: u64,
    /// The last sign of life, or the last thing that was asked.
    pub(super) stirred: Instant,
    /// A digit or a tone sounds until then.
    pub(super) sounding: Option<Instant>,
    /// A call is parked until then, unless somebody fetches it.
    pub(super) parked: Option<Instant>,
    pub(super) now: Time,
}

impl Room {
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
    pub(super) fn clear(&mut self) -> Result<(), String> {
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

    pub(super) fn list(
        &self,
        action: &str,
        fields: &[(&str, &str)],
        item: &str,
        last: &str,
    ) -> Result<Vec<Message>, String> {
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

    pub(super) fn channels(&self) -> Result<usize, String> {
        Ok(self.list("CoreShowChannels", &[], "CoreShowChannel", "CoreShowChannelsComplete")?.len())
    }

    /// What was added to the dialplan.
    pub(super) fn extensions(&self) -> Result<Vec<String>, String> {
        let fields = [("Context", "lines")];
        let all = self.list("ShowDialPlan", &fields, "ListDialplan", "ShowDialPlanComplete")?;
        let extensions = all.iter().map(|entry| entry.get("Extension"));
        // The configuration has patterns here, and who names free orbits.
        let added = extensions.filter(|extension| !extension.starts_with('_') && *extension != "park");
        Ok(added.map(str::to_owned).collect())
    }

    pub(super) fn ask(&mut self, action: &str, fields: &[(&str, &str)]) -> Result<Message, String> {
        self.stirred = Instant::now();
        self.ami.borrow_mut().ask(action, fields)
    }

    /// Asks for what has to work.
    pub(super) fn tell(&mut self, action: &str, fields: &[(&str, &str)]) {
        if let Err(error) = self.ask(action, fields) {
            eprintln!("asterisk: {error}");
        }
    }

    /// Takes in events until something holds. Whether it came to hold.
    pub(super) fn until(&mut self, holds: impl Fn(&Self) -> bool) -> bool {
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

    /// Takes in events until Asterisk has said nothing for so long.
    pub(super) fn settle(&mut self, quiet: Duration) {
        let begun = Instant::now();
        self.take_in();
        while self.stirred.elapsed() < quiet && begun.elapsed() < DONE {
            std::thread::sleep(LOOK);
            self.take_in();
        }
    }

    pub(super) fn take_in(&mut self) -> bool {
        let mut any = false;
        loop {
            let event = self.ami.borrow_mut().event();
            let Some(event) = event else { return any };
            any = true;
            self.stirred = Instant::now();
            self.hear(&event);
        }
    }

    pub(super) fn plan(&mut self, at: Time, plan: Plan) {
        self.planned += 1;
        self.plans.insert((at, self.planned), plan);
    }

    pub(super) fn leg_at(&mut self, channel: &str) -> Option<(usize, &mut Leg)> {
        let n = self.legs.iter().rposition(|leg| leg.channel == channel)?;
        self.legs.get_mut(n).map(|leg| (n, leg))
    }

    pub(super) fn leg_of(&mut self, phone: &str) -> Option<&mut Leg> {
        self.legs.iter_mut().rev().find(|leg| leg.phone == phone)
    }

    pub(super) fn new_leg(&mut self, user: &str, phone: &str, calls: bool) -> usize {
        let n = self.legs.len();
        self.legs.push(Leg::new(user, phone, calls));
        // Tones of all who can be in one conference differ, and none is a digit's or a call progress tone's.
        self.phones.says(phone, 500 + 100 * (n as u16 % 24) + 50);
        n
    }

    pub(super) fn hear(&mut self, event: &Message) {
        match event.event() {
            "UserEvent" => self.told(event),
            "Newstate" => {
                let state = event.get("ChannelState").to_owned();
                let Some((_, leg)) = self.leg_at(event.get("Channel")) else { return };
                match state.as_str() {
                    "5" if leg.calls && leg.state == State::Early => leg.note(Saw::Alerted(Vec::new())),
                    "6" if leg.state == State::Early => {
                        leg.state = State::Up;
                        leg.up_since = Some(Instant::now());
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
                let status =
                    event.get("TechCause").split_whitespace().last().and_then(|code| code.parse().ok());
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
                let second =
                    self.leg_at(event.get("SecondTransfererChannel")).map(|(n, leg)| (n, leg.user.clone()));
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
    pub(super) fn told(&mut self, event: &Message) {
        let phone = event.get("Phone").to_owned();
        match event.get("UserEvent") {
            "Called" => {
                let address = event.get("Address").to_owned();
                self.loss.came(event.get("CallID"));
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
                self.loss.calls(event.get("CallID"));
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

    pub(super) fn redirect(&mut self, channel: &str, context: &str, user: &str, priority: &str) {
        let fields = [("Channel", channel), ("Context", context), ("Exten", user), ("Priority", priority)];
        self.tell("Redirect", &fields);
    }

    pub(super) fn answer(&mut self, n: usize) {
        let Some(leg) = self.legs.get(n).filter(|leg| leg.state == State::Early && !leg.calls) else {
            return;
        };
        let (channel, user, call_id) = (leg.channel.clone(), leg.user.clone(), leg.call_id.clone());
        self.loss.heal(&call_id);
        self.redirect(&channel, "talk", &user, "1");
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.state != State::Early));
    }

    pub(super) fn refuse(&mut self, n: usize, status: u16, fields: &str) {
        let Some(leg) = self.legs.get_mut(n).filter(|leg| leg.state == State::Early && !leg.calls) else {
            return;
        };
        leg.own_end = true;
        let (channel, call_id) = (leg.channel.clone(), leg.call_id.clone());
        if !fields.is_empty() {
            self.wire.unable("Asterisk refuses with the cause of its status, and with no other Reason");
        }
        self.loss.heal(&call_id);
        self.tell("PJSIPHangup", &[("Channel", &channel), ("Cause", &status.to_string())]);
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.state != State::Early));
    }

    pub(super) fn hang_up(&mut self, n: usize, fields: &str) {
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

    pub(super) fn hold(&mut self, n: usize, holds: bool) {
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.joined && !leg.half.is_empty()));
        let Some(leg) = self.legs.get(n).filter(|leg| leg.state == State::Up) else { return };
        let (half, user) = (leg.half.clone(), leg.user.clone());
        match holds {
            true => self.redirect(&half, "holds", &user, "1"),
            false => self.redirect(&half, "phone", &user, "audio"),
        }
        self.until(|room| room.legs.get(n).is_some_and(|leg| leg.holds == holds));
    }

    /// Takes all calls out of their bridges, from where Asterisk completes no transfer, and leaves no address to transfer to.
    pub(super) fn keep(&mut self) {
        self.until(|room| room.legs.iter().all(|leg| leg.state != State::Up || leg.joined));
        let up = self.legs.iter().filter(|leg| leg.state == State::Up);
        for (channel, user) in up.map(|leg| (leg.channel.clone(), leg.user.clone())).collect::<Vec<_>>() {
            self.set(&channel, "TRANSFER_CONTEXT", "nowhere");
            self.redirect(&channel, "phone", &user, "audio");
        }
    }

    pub(super) fn set(&mut self, channel: &str, variable: &str, value: &str) {
        self.tell("Setvar", &[("Channel", channel), ("Variable", variable), ("Value", value)]);
    }

    /// A variable of a channel.
    pub(super) fn variable(&self, channel: &str, variable: &str) -> String {
        let fields = [("Channel", channel), ("Variable", variable)];
        let answer = self.ami.borrow_mut().ask("Getvar", &fields);
        answer.map(|answer| answer.get("Value").to_owned()).unwrap_or_default()
    }

    /// Header field that names a party's call: its Call-ID, the provider's tag and the party's.
    pub(super) fn named(&self, party: Party) -> Option<String> {
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

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}
