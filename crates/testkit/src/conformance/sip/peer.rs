//! The scripted peer: a registrar, a switch and everybody behind it, as far as one script needs.

mod hearing;
mod watchers;

use super::leg::{Body, DOMAIN, Leg, LegState, Place, respond, user_info, user_info_line};
use crate::conformance::subject::{Act, Behaviour, Diverted, Incoming, Party, Saw};
use bytes::Bytes;
use hookswitch_machine::Time;
use hookswitch_sip::message::{Limits, Message, Method, Name};
use hookswitch_spi::MediaTypes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// So long a call stays parked.
const RECALL_AFTER: Duration = Duration::from_secs(60);

/// Something the peer will do.
#[derive(Debug)]
enum Plan {
    Answer(u32),
    Refuse(u32, u16, String),
    Notify(u32, u16, bool),
    /// A parked call rings its parker back.
    Recall(String, String),
}

/// The peer: what everybody outside makes up their minds to do. It writes its messages itself; another program that sends them
/// in its own words is told so by [`sent`](Self::sent).
#[derive(Debug, Default)]
pub struct Peer {
    place: Place,
    legs: Vec<Leg>,
    behaviours: BTreeMap<String, Behaviour>,
    /// What leaves, for the provider.
    out: VecDeque<String>,
    plans: BTreeMap<(Time, u64), Plan>,
    planned: u64,
    branches: u64,
    /// The Contact that each user registered.
    contacts: BTreeMap<String, String>,
    /// Subscriptions: user and event package, with what is needed to notify.
    subscriptions: Vec<Subscription>,
    /// Messages that wait, by user.
    messages: BTreeMap<String, (u32, u32)>,
    /// Parties that are parked, by orbit.
    orbits: BTreeMap<String, u32>,
    /// Stations that alert, with the leg of the caller.
    alerting: Vec<(String, u32)>,
}

#[derive(Debug)]
struct Subscription {
    user: String,
    package: String,
    leg: Box<Leg>,
}

impl Peer {
    /// A peer at a place.
    pub fn new(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    /// The next message that leaves, for the provider.
    pub fn pop(&mut self) -> Option<String> {
        self.out.pop_front()
    }

    /// What really left, where another program sends for the peer: it names its dialogs itself.
    pub fn sent(&mut self, message: &Message) {
        let Some(leg) = self.leg_of(message).and_then(|n| self.legs.get_mut(n as usize)) else { return };
        match message.status() {
            None if message.method() == Method::Invite && leg.calls => {
                leg.own = message.header(Name::From).unwrap_or_default().to_owned();
                if message.to_tag().is_none() {
                    leg.branch = message.branch().unwrap_or_default().to_owned();
                }
            }
            Some(101..) if !leg.calls && message.to_tag().is_some() && message.method() == Method::Invite => {
                leg.own = message.header(Name::To).unwrap_or_default().to_owned();
            }
            Some(_) | None => {}
        }
    }

    /// From now on, whoever calls `address` finds it so.
    pub fn arrange(&mut self, address: &str, behaviour: Behaviour) {
        self.behaviours.insert(address.into(), behaviour);
        self.notify_dialogs(address);
    }

    /// A party's call.
    pub fn leg(&self, party: Party) -> Option<&Leg> {
        self.legs.get(party.0 as usize)
    }

    /// All of them.
    pub fn legs(&self) -> impl Iterator<Item = (Party, &Leg)> {
        self.legs.iter().enumerate().map(|(n, leg)| (Party(n as u32), leg))
    }

    /// A party's call, to note something there.
    pub fn leg_mut(&mut self, party: Party) -> Option<&mut Leg> {
        self.legs.get_mut(party.0 as usize)
    }

    /// The call that last reached an address.
    pub fn party_at(&self, address: &str) -> Option<Party> {
        let at = self.legs.iter().rposition(|leg| !leg.calls && leg.user == address)?;
        Some(Party(at as u32))
    }

    /// When it will do something next.
    pub fn next(&self) -> Option<Time> {
        self.plans.first_key_value().map(|((at, _), _)| *at)
    }

    /// Does what is due.
    pub fn due(&mut self, now: Time) {
        while let Some(entry) = self.plans.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Plan::Answer(n) => self.answer(n),
                Plan::Refuse(n, status, fields) => self.refuse(n, status, &fields),
                Plan::Notify(n, status, last) => self.notify(n, status, last),
                Plan::Recall(orbit, parker) => self.recall(&orbit, &parker),
            }
        }
    }

    fn plan(&mut self, at: Time, plan: Plan) {
        self.planned += 1;
        self.plans.insert((at, self.planned), plan);
    }

    fn branch(&mut self) -> String {
        self.branches += 1;
        format!("z9hG4bKpeer{}", self.branches)
    }

    fn new_leg(&mut self, user: &str, call_id: String, calls: bool, media: MediaTypes) -> u32 {
        let n = self.legs.len() as u32;
        let (first, apart) = self.place.audio;
        self.legs.push(Leg {
            place: self.place.peer,
            user: user.into(),
            call_id,
            own: String::new(),
            theirs: String::new(),
            target: String::new(),
            cseq: 0,
            calls,
            state: LegState::Early,
            pending: None,
            branch: String::new(),
            media,
            version: 0,
            direction: "sendrecv",
            held: false,
            port: first.wrapping_add(apart.wrapping_mul(n as u16)),
            payload: 0,
            saw: Vec::new(),
            refuse_within: 0,
            silent: false,
            when_transferred: 200,
            joined: None,
        });
        n
    }

    /// Somebody calls a line whose first address is `line` at its address `called`.
    pub fn call_in(&mut self, line: &str, called: &str, call: &Incoming) -> Party {
        self.call_in_with(line, called, call, "")
    }

    /// Who is parked rings whoever parked it.
    fn recall(&mut self, orbit: &str, parker: &str) {
        let Some(parked) = self.orbits.remove(orbit) else { return };
        let from = self.legs.get(parked as usize).map(|leg| leg.user.clone()).unwrap_or_default();
        let call = Incoming::new(hookswitch_spi::LineId(0), &from);
        self.call_in_with(parker, parker, &call, "Alert-Info: <urn:alert:service:recall:hold>\r\n");
    }

    fn call_in_with(&mut self, line: &str, called: &str, call: &Incoming, more: &str) -> Party {
        let number = self.legs.len();
        let n = self.new_leg(&call.from, format!("in-{}{number}@{DOMAIN}", self.place.run), true, call.media);
        let domain = if call.external { "elsewhere.test" } else { DOMAIN };
        let name = if call.name.is_empty() { String::new() } else { format!("\"{}\" ", call.name) };
        let tag = format!(";tag=peer{n}");
        let mut fields = more.to_owned();
        if call.private {
            fields.push_str("Privacy: id\r\n");
        } else {
            fields.push_str(&format!("P-Asserted-Identity: {name}<sip:{}@{domain}>\r\n", call.from));
        }
        if let Some((by, why)) = &call.diverted {
            let why = match why {
                Diverted::Unconditionally => "unconditional",
                Diverted::Busy => "user-busy",
                Diverted::NoAnswer => "no-answer",
                Diverted::Once => "deflection",
            };
            fields.push_str(&format!("Diversion: <sip:{by}@{DOMAIN}>;reason={why}\r\n"));
        }
        if call.transferred {
            fields.push_str(&format!("Referred-By: <sip:transferor@{DOMAIN}>\r\n"));
        }
        fields.push_str(&user_info_line(&call.user_info));
        if !call.display.is_empty() {
            fields.push_str(&format!("Subject: {}\r\n", call.display));
        }
        if call.physical != 0 {
            fields.push_str(&format!("Session-ID: {:032x};remote={:032x}\r\n", call.physical, 0));
        }
        for (header, other) in [("Replaces", call.replaces), ("Join", call.joins)] {
            if let Some(leg) = other.and_then(|party| self.leg(party)) {
                let tag = |text: &str| text.rsplit_once(";tag=").map_or("", |(_, tag)| tag).to_owned();
                // To be matched by the provider: its own tag is the to-tag.
                let (to, from) = (tag(&leg.theirs), tag(&leg.own));
                fields.push_str(&format!("{header}: {};to-tag={to};from-tag={from}\r\n", leg.call_id));
            }
        }
        let contact = self.contacts.get(line).cloned();
        let contact = contact.unwrap_or_else(|| format!("sip:{line}@{}", self.place.provider));
        let branch = self.branch();
        let Some(leg) = self.legs.get_mut(n as usize) else { return Party(n) };
        leg.own = if call.private {
            format!("\"Anonymous\" <sip:anonymous@anonymous.invalid>{tag}")
        } else {
            format!("{name}<sip:{}@{domain}>{tag}", call.from)
        };
        leg.theirs = format!("<sip:{called}@{DOMAIN}>");
        leg.target = contact;
        leg.branch = branch.clone();
        let sdp = leg.sdp();
        let body = if call.media.is_empty() { Body::None } else { Body::Sdp(&sdp) };
        if call.media.is_empty() {
            leg.media = MediaTypes::VOICE;
        }
        if called != line {
            fields.push_str(&format!("P-Called-Party-ID: <sip:{called}@{DOMAIN}>\r\n"));
        }
        let text = leg.request("INVITE", &branch, &fields, body);
        self.out.push_back(text);
        Party(n)
    }

    /// A station alerts for a call of `from`.
    pub fn alerting_elsewhere(&mut self, at: &str, from: &str) -> Party {
        let number = self.legs.len();
        let n = self.new_leg(
            from,
            format!("elsewhere-{}{number}@{DOMAIN}", self.place.run),
            true,
            MediaTypes::VOICE,
        );
        if let Some(leg) = self.legs.get_mut(n as usize) {
            leg.own = format!("<sip:{from}@{DOMAIN}>;tag=peer{n}");
            leg.theirs = format!("<sip:{at}@{DOMAIN}>;tag=station{n}");
        }
        self.alerting.push((at.into(), n));
        self.notify_dialogs(at);
        Party(n)
    }

    /// So many messages wait for a user.
    pub fn messages(&mut self, user: &str, new: u32, old: u32) {
        self.messages.insert(user.into(), (new, old));
        self.notify_package(user, "message-summary");
    }

    /// A party does something.
    pub fn act(&mut self, party: Party, act: Act) {
        let n = party.0;
        let Some(leg) = self.legs.get_mut(n as usize) else { return };
        match act {
            Act::Proceed => self.provisional(n, 100),
            Act::Ring => self.provisional(n, 180),
            Act::Answer => self.answer(n),
            Act::Refuse(status, fields) => self.refuse(n, status, &fields),
            Act::HangUp(fields) => self.hang_up(n, &fields),
            Act::Hold => {
                leg.direction = "sendonly";
                self.reinvite(n);
            }
            Act::Resume => {
                leg.direction = "sendrecv";
                self.reinvite(n);
            }
            // The audio of the party is the subject's to report.
            Act::Press(..) | Act::Tone(..) => {}
            Act::UserInfo(data) => {
                let fields = user_info_line(&data);
                self.within(n, "INFO", &fields, Body::None);
            }
            Act::Becomes(user) => {
                leg.user.clone_from(&user);
                let fields = format!("P-Asserted-Identity: <sip:{user}@{DOMAIN}>\r\n");
                self.within(n, "UPDATE", &fields, Body::None);
            }
            Act::Media(media) => {
                leg.media = media;
                self.reinvite(n);
            }
            Act::Refresh => self.within(n, "UPDATE", "", Body::None),
            Act::RefuseWithin(status) => leg.refuse_within = status,
            Act::FallSilent => leg.silent = true,
            Act::WhenTransferred(status) => leg.when_transferred = status,
        }
    }

    fn within(&mut self, n: u32, method: &str, fields: &str, body: Body<'_>) {
        let branch = self.branch();
        let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| leg.state != LegState::Over) else {
            return;
        };
        let text = leg.request(method, &branch, fields, body);
        self.out.push_back(text);
    }

    fn reinvite(&mut self, n: u32) {
        let branch = self.branch();
        let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| leg.state == LegState::Up) else { return };
        let sdp = leg.sdp();
        let text = leg.request("INVITE", &branch, "", Body::Sdp(&sdp));
        self.out.push_back(text);
    }

    fn provisional(&mut self, n: u32, status: u16) {
        let Some(leg) = self.legs.get(n as usize) else { return };
        if let Some(invite) = leg.pending.as_ref().filter(|_| !leg.calls && leg.state == LegState::Early) {
            let text = leg.response(invite, status, "", Body::None);
            self.out.push_back(text);
        }
    }

    fn answer(&mut self, n: u32) {
        let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| leg.state == LegState::Early) else {
            return;
        };
        let Some(invite) = leg.pending.take() else { return };
        leg.agree(&String::from_utf8_lossy(invite.body()));
        let sdp = leg.sdp();
        let text = leg.response(&invite, 200, "", Body::Sdp(&sdp));
        leg.state = LegState::Up;
        self.out.push_back(text);
    }

    fn refuse(&mut self, n: u32, status: u16, fields: &str) {
        let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| leg.state == LegState::Early) else {
            return;
        };
        let Some(invite) = leg.pending.take() else { return };
        let text = leg.response(&invite, status, fields, Body::None);
        leg.state = LegState::Over;
        self.out.push_back(text);
    }

    fn hang_up(&mut self, n: u32, fields: &str) {
        let branch = self.branch();
        let Some(leg) = self.legs.get_mut(n as usize) else { return };
        match (leg.state, leg.calls) {
            (LegState::Early, true) => {
                let branch = leg.branch.clone();
                let to = leg.theirs.clone();
                // A CANCEL bears the To of its INVITE, which had no tag (RFC 3261 9.1).
                leg.theirs = to.split(";tag=").next().unwrap_or_default().to_owned();
                let text = leg.request("CANCEL", &branch, fields, Body::None);
                leg.theirs = to;
                leg.state = LegState::Over;
                self.out.push_back(text);
            }
            (LegState::Early, false) => self.refuse(n, 480, fields),
            (LegState::Up, _) => {
                let text = leg.request("BYE", &branch, fields, Body::None);
                leg.state = LegState::Over;
                self.out.push_back(text);
            }
            (LegState::Over, _) => {}
        }
    }

    fn notify(&mut self, n: u32, status: u16, last: bool) {
        let state = if last { "terminated;reason=noresource" } else { "active;expires=60" };
        let fields = format!("Event: refer\r\nSubscription-State: {state}\r\n");
        let body = format!("SIP/2.0 {status} {}\r\n", hookswitch_sip::message::reason_phrase(status));
        let body = Body::Other("message/sipfrag;version=2.0", &body);
        let branch = self.branch();
        // Also a party whose call is over reports: the subscription outlives the session.
        let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| !leg.silent) else { return };
        let text = leg.request("NOTIFY", &branch, &fields, body);
        self.out.push_back(text);
    }
}
