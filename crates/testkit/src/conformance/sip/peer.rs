//! The scripted peer: a registrar, a switch and everybody behind it, as far as one script needs.

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

    /// A message of the provider's.
    pub fn receive(&mut self, now: Time, bytes: Bytes) {
        let Ok(message) = Message::parse(bytes, &Limits::default()) else { return };
        match message.status() {
            Some(status) => self.response(status, &message),
            None => self.request(now, &message),
        }
    }

    fn leg_of(&self, message: &Message) -> Option<u32> {
        let at = self.legs.iter().position(|leg| leg.call_id == message.call_id())?;
        Some(at as u32)
    }

    fn response(&mut self, status: u16, message: &Message) {
        let Some(n) = self.leg_of(message) else { return };
        let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| !leg.silent) else { return };
        if message.method() != Method::Invite {
            return;
        }
        let first = leg.branch == message.branch().unwrap_or_default();
        if let (Some(to), true) = (message.header(Name::To), status > 100 && message.to_tag().is_some()) {
            leg.theirs = to.to_owned();
        }
        if let Some(contact) = message.contact() {
            leg.target = contact.uri().to_string();
        }
        let uui = user_info(message);
        match status {
            180 | 183 => {
                leg.note(Saw::Alerted(uui));
            }
            101..=199 => {}
            200..=299 => {
                if first {
                    if leg.state == LegState::Early {
                        leg.note(Saw::Answered(uui));
                    }
                    if leg.state != LegState::Over {
                        leg.state = LegState::Up;
                    }
                }
                let branch = self.branch();
                let Some(leg) = self.legs.get_mut(n as usize) else { return };
                let number = leg.cseq;
                leg.cseq = message.cseq().number;
                // Without an offer in the INVITE, the 200 offers and the ACK answers.
                let sdp = leg.sdp();
                let answer = leg.version == 1 && !message.body().is_empty();
                let body = if answer { Body::Sdp(&sdp) } else { Body::None };
                let text = leg.request("ACK", &branch, "", body);
                leg.cseq = number;
                self.out.push_back(text);
            }
            300..=699 if first => {
                leg.state = LegState::Over;
                match (status, message.contact()) {
                    (302, Some(contact)) => leg.note(Saw::Redirected(contact.uri().to_string())),
                    _ => leg.note(Saw::Refused(status)),
                }
                let branch = leg.branch.clone();
                let text = leg.request("ACK", &branch, "", Body::None);
                self.out.push_back(text);
            }
            _ => {}
        }
    }

    fn request(&mut self, now: Time, message: &Message) {
        let n = self.leg_of(message);
        if n.and_then(|n| self.legs.get(n as usize)).is_some_and(|leg| leg.silent) {
            return;
        }
        match (message.method(), n) {
            (Method::Register, _) => self.register(message),
            (Method::Invite, None) => self.invited(now, message),
            (Method::Invite, Some(n)) => self.reinvited(n, message),
            (Method::Ack, Some(n)) => {
                // That of a re-INVITE confirms nothing new.
                let leg = self.legs.get_mut(n as usize).filter(|leg| leg.state == LegState::Up);
                if let Some(leg) = leg.filter(|leg| !leg.saw.contains(&Saw::Confirmed)) {
                    leg.note(Saw::Confirmed);
                }
            }
            (Method::Cancel, Some(n)) => self.cancelled(n, message),
            (Method::Bye, Some(n)) => {
                self.ok(message);
                if let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| leg.state != LegState::Over) {
                    leg.state = LegState::Over;
                    leg.note(Saw::HungUp(user_info(message)));
                }
            }
            (Method::Refer, Some(n)) => self.referred(now, n, message),
            (Method::Subscribe, _) => self.subscribed(message),
            (Method::Ack, None) => {}
            (_, Some(n)) => {
                let data = user_info(message);
                let status = self.legs.get(n as usize).map_or(0, |leg| leg.refuse_within);
                if let (false, Some(leg)) = (data.is_empty(), self.legs.get_mut(n as usize)) {
                    leg.note(Saw::UserInfo(data));
                }
                if status == 0 {
                    self.ok(message)
                } else {
                    self.out.push_back(respond(message, status, "peer", "", Body::None))
                }
            }
            (_, None) => self.out.push_back(respond(message, 481, "peer", "", Body::None)),
        }
        self.extra_headers(message);
    }

    /// Header lines that the suite looks for.
    fn extra_headers(&mut self, message: &Message) {
        let Some(n) = self.leg_of(message) else { return };
        let text = String::from_utf8_lossy(message.bytes()).into_owned();
        let lines = text.lines().take_while(|line| !line.is_empty()).filter(|line| line.starts_with("X-"));
        if let Some(leg) = self.legs.get_mut(n as usize) {
            leg.saw.extend(lines.map(|line| Saw::Header(line.to_owned())));
        }
    }

    fn ok(&mut self, message: &Message) {
        self.out.push_back(respond(message, 200, "peer", "", Body::None));
    }

    fn register(&mut self, message: &Message) {
        let user = message.to().uri().user_unescaped().unwrap_or_default().into_owned();
        let contact = message.contact().map(|contact| contact.uri().to_string());
        let expires = message.expires().unwrap_or(3_600);
        let fields = match (&contact, expires) {
            (_, 0) | (None, _) => String::new(),
            (Some(contact), _) => format!("Contact: <{contact}>;expires={expires}\r\n"),
        };
        if let (Some(contact), true) = (contact, expires > 0) {
            self.contacts.insert(user, contact);
        }
        self.out.push_back(respond(message, 200, "registrar", &fields, Body::None));
    }

    fn invited(&mut self, now: Time, message: &Message) {
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        let user = user.unwrap_or_default();
        let n = self.new_leg(&user, message.call_id().to_owned(), false, MediaTypes::VOICE);
        let Some(leg) = self.legs.get_mut(n as usize) else { return };
        leg.own = format!("{};tag=peer{n}", message.header(Name::To).unwrap_or_default());
        leg.theirs = message.header(Name::From).unwrap_or_default().to_owned();
        leg.target = message.contact().map(|contact| contact.uri().to_string()).unwrap_or_default();
        leg.pending = Some(message.clone());
        leg.note(Saw::Called(user_info(message)));
        let replaced = message.header(Name::new("Replaces")).and_then(|value| {
            let call_id = value.split(';').next()?.trim();
            self.alerting
                .iter()
                .position(|(_, of)| self.legs.get(*of as usize).is_some_and(|leg| leg.call_id == call_id))
        });
        if let Some(at) = replaced {
            // The alerting call is taken over by whoever picks it up.
            let (station, of) = self.alerting.remove(at);
            if let Some(leg) = self.legs.get_mut(of as usize) {
                leg.note(Saw::Answered(Vec::new()));
                leg.joined = Some(n);
            }
            if let Some(leg) = self.legs.get_mut(n as usize) {
                leg.joined = Some(of);
            }
            self.notify_dialogs(&station);
            return self.answer(n);
        }
        if user == "park" {
            // Who names a free orbit.
            let free =
                (701..=720).map(|orbit| orbit.to_string()).find(|orbit| !self.orbits.contains_key(orbit));
            let contact = free.map(|orbit| format!("Contact: <sip:{orbit}@{DOMAIN}>\r\n"));
            return match contact {
                Some(contact) => self.refuse(n, 302, &contact),
                None => self.refuse(n, 486, ""),
            };
        }
        if let Some(parked) = self.orbits.remove(&user) {
            self.join(n, parked);
            return self.answer(n);
        }
        match self.behaviours.get(&user).cloned() {
            None => self.refuse(n, 404, ""),
            Some(Behaviour::Silent) => {}
            Some(Behaviour::Proceeds) => self.provisional(n, 100),
            Some(Behaviour::Rings) => {
                self.provisional(n, 100);
                self.provisional(n, 180);
            }
            Some(Behaviour::Answers(after)) => {
                self.provisional(n, 100);
                self.provisional(n, 180);
                self.plan(now + after, Plan::Answer(n));
            }
            Some(Behaviour::Refuses(status, fields)) => self.refuse(n, status, &fields),
            Some(Behaviour::RingsThenRefuses(after, status, fields)) => {
                self.provisional(n, 100);
                self.provisional(n, 180);
                self.plan(now + after, Plan::Refuse(n, status, fields));
            }
            Some(Behaviour::Redirects(to)) => {
                self.refuse(n, 302, &format!("Contact: <sip:{to}@{DOMAIN}>\r\n"));
            }
        }
    }

    fn reinvited(&mut self, n: u32, message: &Message) {
        let Some(leg) = self.legs.get_mut(n as usize) else { return };
        if leg.pending.as_ref().is_some_and(|invite| invite.branch() == message.branch()) {
            // A retransmission of the INVITE that waits for its answer.
            return;
        }
        if leg.refuse_within != 0 {
            let text = leg.response(message, leg.refuse_within, "", Body::None);
            self.out.push_back(text);
            return;
        }
        let body = String::from_utf8_lossy(message.body()).into_owned();
        if !leg.agree(&body) {
            let text = leg.response(message, 488, "", Body::None);
            self.out.push_back(text);
            return;
        }
        let direction = body.lines().find_map(|line| match line.trim() {
            "a=sendonly" => Some((true, false)),
            "a=inactive" => Some((false, false)),
            "a=recvonly" => Some((false, true)),
            _ => None,
        });
        let (sends, receives) = direction.unwrap_or((true, true));
        let held = !receives;
        if held != leg.held {
            leg.held = held;
            leg.note(if held { Saw::Held } else { Saw::Resumed });
        }
        let wanted = leg.direction;
        leg.direction = match (sends, receives) {
            (true, true) => wanted,
            (true, false) => "recvonly",
            (false, true) => "sendonly",
            (false, false) => "inactive",
        };
        let sdp = leg.sdp();
        leg.direction = wanted;
        let text = leg.response(message, 200, "", Body::Sdp(&sdp));
        self.out.push_back(text);
    }

    fn cancelled(&mut self, n: u32, message: &Message) {
        self.ok(message);
        let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| leg.state == LegState::Early) else {
            return;
        };
        leg.note(Saw::Cancelled);
        self.refuse(n, 487, "");
    }

    /// A party is asked to call somebody else.
    fn referred(&mut self, now: Time, n: u32, message: &Message) {
        let refer_to = message.header(Name::ReferTo).unwrap_or_default().to_owned();
        let target = refer_to.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
        let user = target.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned();
        let replaced = target.split_once("Replaces=").and_then(|(_, value)| {
            let call_id = value.split("%3B").next()?.split(';').next()?.replace("%40", "@");
            let at = self.legs.iter().position(|leg| leg.call_id == call_id)?;
            Some(Party(at as u32))
        });
        let Some(leg) = self.legs.get_mut(n as usize) else { return };
        leg.note(Saw::Transferred(user.clone(), replaced));
        let status = leg.when_transferred;
        if status == 0 {
            let text = leg.response(message, 603, "", Body::None);
            self.out.push_back(text);
            return;
        }
        let text = leg.response(message, 202, "", Body::None);
        self.out.push_back(text);
        self.plan(now + Duration::from_millis(20), Plan::Notify(n, 100, false));
        if status == 200 && user.parse().is_ok_and(|orbit: u32| (701..=720).contains(&orbit)) {
            let parker = message.from().uri().user_unescaped().unwrap_or_default().into_owned();
            self.plan(now + RECALL_AFTER, Plan::Recall(user.clone(), parker));
            self.orbits.insert(user, n);
        } else if status == 200 {
            match replaced {
                Some(other) => {
                    self.join(n, other.0);
                    // The replaced dialog is ended by the party that was taken over (RFC 3891 3).
                    self.hang_up(other.0, "");
                }
                None => {
                    let media = MediaTypes::VOICE;
                    let number = self.legs.len();
                    let other = self.new_leg(
                        &user,
                        format!("referred-{}{number}@{DOMAIN}", self.place.run),
                        false,
                        media,
                    );
                    if let Some(leg) = self.legs.get_mut(other as usize) {
                        leg.note(Saw::Called(Vec::new()));
                        leg.state = LegState::Over;
                    }
                    self.join(n, other);
                }
            }
        }
        self.plan(now + Duration::from_millis(200), Plan::Notify(n, status, true));
    }

    fn join(&mut self, a: u32, b: u32) {
        for (one, other) in [(a, b), (b, a)] {
            if let Some(leg) = self.legs.get_mut(one as usize) {
                leg.joined = Some(other);
            }
        }
    }

    fn subscribed(&mut self, message: &Message) {
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        let user = user.unwrap_or_default();
        let package = message.header(Name::new("Event")).unwrap_or_default();
        let package = package.split(';').next().unwrap_or_default().trim().to_owned();
        let expires = message.expires().unwrap_or(3_600);
        if package != "dialog" && package != "message-summary" {
            self.out.push_back(respond(message, 489, "peer", "", Body::None));
            return;
        }
        let known = self.subscriptions.iter().position(|known| known.leg.call_id == message.call_id());
        let at = known.unwrap_or_else(|| {
            let number = self.subscriptions.len();
            let leg = Leg {
                place: self.place.peer,
                user: user.clone(),
                call_id: message.call_id().to_owned(),
                own: format!("{};tag=watch{number}", message.header(Name::To).unwrap_or_default()),
                theirs: message.header(Name::From).unwrap_or_default().to_owned(),
                target: message.contact().map(|contact| contact.uri().to_string()).unwrap_or_default(),
                cseq: 0,
                calls: false,
                state: LegState::Up,
                pending: None,
                branch: String::new(),
                media: MediaTypes::NONE,
                version: 0,
                direction: "inactive",
                held: false,
                port: 9,
                payload: 0,
                saw: Vec::new(),
                refuse_within: 0,
                silent: false,
                when_transferred: 0,
                joined: None,
            };
            self.subscriptions.push(Subscription { user: user.clone(), package, leg: Box::new(leg) });
            number
        });
        let Some(subscription) = self.subscriptions.get_mut(at) else { return };
        let fields = format!("Expires: {expires}\r\n");
        let text = subscription.leg.response(message, 200, &fields, Body::None);
        self.out.push_back(text);
        if expires == 0 {
            let mut gone = self.subscriptions.remove(at);
            let branch = self.branch();
            let fields =
                format!("Event: {}\r\nSubscription-State: terminated;reason=timeout\r\n", gone.package);
            self.out.push_back(gone.leg.request("NOTIFY", &branch, &fields, Body::None));
            return;
        }
        self.notify_one(at);
    }

    fn notify_dialogs(&mut self, user: &str) {
        self.notify_package(user, "dialog");
    }

    fn notify_package(&mut self, user: &str, package: &str) {
        for at in 0..self.subscriptions.len() {
            let fits =
                self.subscriptions.get(at).is_some_and(|one| one.user == user && one.package == package);
            if fits {
                self.notify_one(at);
            }
        }
    }

    fn notify_one(&mut self, at: usize) {
        let branch = self.branch();
        let Some(subscription) = self.subscriptions.get_mut(at) else { return };
        let fields =
            format!("Event: {}\r\nSubscription-State: active;expires=3600\r\n", subscription.package);
        let (kind, body) = if subscription.package == "dialog" {
            subscription.leg.version += 1;
            let mut dialogs = String::new();
            let busy = match self.behaviours.get(&subscription.user) {
                Some(Behaviour::Refuses(status, _) | Behaviour::RingsThenRefuses(_, status, _)) => {
                    matches!(status, 486 | 600)
                }
                Some(_) | None => false,
            };
            if busy {
                dialogs.push_str("<dialog id=\"other\"><state>confirmed</state></dialog>");
            }
            for (_, of) in self.alerting.iter().filter(|(station, _)| *station == subscription.user) {
                let Some(caller) = self.legs.get(*of as usize) else { continue };
                let tag = |text: &str| text.rsplit_once(";tag=").map_or("", |(_, tag)| tag).to_owned();
                dialogs.push_str(&format!(
                    "<dialog id=\"d{of}\" call-id=\"{}\" local-tag=\"{}\" remote-tag=\"{}\" direction=\"recipient\">\
                     <state>early</state><remote><identity>sip:{user}@{DOMAIN}</identity>\
                     <target uri=\"sip:{user}@{peer}\"/></remote></dialog>",
                    caller.call_id,
                    tag(&caller.theirs),
                    tag(&caller.own),
                    user = caller.user,
                    peer = self.place.peer,
                ));
            }
            let body = format!(
                "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{}\" \
                 state=\"full\" entity=\"sip:{}@{DOMAIN}\">{dialogs}</dialog-info>\r\n",
                subscription.leg.version - 1,
                subscription.user,
            );
            ("application/dialog-info+xml", body)
        } else {
            let (new, old) = self.messages.get(&subscription.user).copied().unwrap_or_default();
            let waiting = if new > 0 { "yes" } else { "no" };
            let body = format!("Messages-Waiting: {waiting}\r\nVoice-Message: {new}/{old}\r\n");
            ("application/simple-message-summary", body)
        };
        let text = subscription.leg.request("NOTIFY", &branch, &fields, Body::Other(kind, &body));
        self.out.push_back(text);
    }
}
