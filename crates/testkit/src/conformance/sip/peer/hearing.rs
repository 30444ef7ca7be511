//! What the provider sends, and what the peer makes of it: calls, hold, hang-ups, transfers.

use super::*;

impl Peer {
    /// A message of the provider's.
    pub fn receive(&mut self, now: Time, bytes: Bytes) {
        let Ok(message) = Message::parse(bytes, &Limits::default()) else { return };
        match message.status() {
            Some(status) => self.response(status, &message),
            None => self.request(now, &message),
        }
    }

    pub(super) fn leg_of(&self, message: &Message) -> Option<u32> {
        let at = self.legs.iter().position(|leg| leg.call_id == message.call_id())?;
        Some(at as u32)
    }

    pub(super) fn response(&mut self, status: u16, message: &Message) {
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

    pub(super) fn request(&mut self, now: Time, message: &Message) {
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
    pub(super) fn extra_headers(&mut self, message: &Message) {
        let Some(n) = self.leg_of(message) else { return };
        let text = String::from_utf8_lossy(message.bytes()).into_owned();
        let lines = text.lines().take_while(|line| !line.is_empty()).filter(|line| line.starts_with("X-"));
        if let Some(leg) = self.legs.get_mut(n as usize) {
            leg.saw.extend(lines.map(|line| Saw::Header(line.to_owned())));
        }
    }

    pub(super) fn ok(&mut self, message: &Message) {
        self.out.push_back(respond(message, 200, "peer", "", Body::None));
    }

    pub(super) fn register(&mut self, message: &Message) {
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

    pub(super) fn invited(&mut self, now: Time, message: &Message) {
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

    pub(super) fn reinvited(&mut self, n: u32, message: &Message) {
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

    pub(super) fn cancelled(&mut self, n: u32, message: &Message) {
        self.ok(message);
        let Some(leg) = self.legs.get_mut(n as usize).filter(|leg| leg.state == LegState::Early) else {
            return;
        };
        leg.note(Saw::Cancelled);
        self.refuse(n, 487, "");
    }

    /// A party is asked to call somebody else.
    pub(super) fn referred(&mut self, now: Time, n: u32, message: &Message) {
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

    pub(super) fn join(&mut self, a: u32, b: u32) {
        for (one, other) in [(a, b), (b, a)] {
            if let Some(leg) = self.legs.get_mut(one as usize) {
                leg.joined = Some(other);
            }
        }
    }
}
