//! Random scenarios: several calls and registrations of one seed, over a random network, checked at their end.

use crate::apps::{Act, Plan};
use crate::net::Conditions;
use crate::phone::{
    Answering, Calling, Deed, Ending, Mode, OnRefer, PhoneCall, PhoneConfig, PhoneRequest, Progress,
    Registrar, Talk, Target, Verdict,
};
use crate::stage::{HOOKSWITCH, Stage, registered, trunk};
use crate::world::{NodeId, Passage};
use hookswitch_machine::{Entropy, Time};
use hookswitch_sip::message::{Limits, Message, Method};
use hookswitch_sip::ua::Failure;
use hookswitch_spi::{
    AddressId, AnswerMode, CallId, CallOptions, CallState, ConnectedMode, EndedBy, ForwardCondition,
    ForwardRule, ForwardTarget, ForwardingRules, InfoParts, LineId, LineState, MediaType, MediaTypes,
    Operation, RejectReason, TransferOutcome,
};
use hookswitch_telephony::{Event, HandOffTarget, Interest, Reply, Request, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// What a seed came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Calls that applications heard of, and calls of phones that never became one.
    pub calls: usize,
    /// What went against the rules.
    pub violations: Vec<String>,
    /// Stands for everything that crossed the wire.
    pub trace: u64,
    /// How often what happened.
    pub coverage: BTreeMap<&'static str, usize>,
    /// Ladders and wire, if there are violations or they were asked for.
    pub explanation: Option<String>,
}

const LINES: [LineId; 3] = [LineId(0), LineId(1), LineId(2)];

/// Runs one seed.
pub fn run(seed: u64, explain: bool) -> Outcome {
    let mut scenario = Scenario::new(seed);
    scenario.prepare();
    scenario.play();
    scenario.probe();
    let mut violations = scenario.stage.finish(&scenario.phones);
    scenario.judge(&mut violations);
    let wanted = explain || !violations.is_empty();
    let explanation = wanted.then(|| scenario.stage.explain());
    let coverage = scenario.coverage();
    Outcome {
        calls: scenario.calls(),
        coverage,
        violations,
        trace: scenario.stage.world.trace_hash(),
        explanation,
    }
}

struct Scenario {
    entropy: Entropy,
    stage: Stage,
    phones: Vec<NodeId>,
    sessions: Vec<SessionId>,
    /// An application left in the middle.
    departed: bool,
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let mut entropy = Entropy::from_number(seed ^ 0x5eed_0000);
        let conditions =
            if entropy.chance(1, 8) { Conditions::PERFECT } else { Conditions::random(&mut entropy) };
        let switch = |n: u8| SocketAddr::from(([10, 0, 1, n], 5060));
        let mut accounts =
            vec![registered("alice", switch(1)), trunk("bob", switch(2)), trunk("carol", switch(3))];
        for account in &mut accounts {
            account.accept_from.extend("10.0.1.0/24".parse::<hookswitch_provider::AddressRange>());
            account.max_calls = 1 + entropy.below(4) as u32;
            let mut profile = (*account.profile).clone();
            if entropy.chance(1, 3) {
                profile.alerting = hookswitch_provider::Alerting::OnAccept;
            }
            if entropy.chance(1, 3) {
                profile.hold = hookswitch_provider::HoldDirection::Inactive;
            }
            if entropy.chance(1, 3) {
                profile.accept_referrals = hookswitch_provider::AcceptReferrals::Any;
            }
            profile.follow_redirects = entropy.chance(3, 4);
            profile.refer = entropy.chance(3, 4);
            profile.reconnect = entropy.chance(1, 2);
            profile.answer_mode = [AnswerMode::None, AnswerMode::Hold, AnswerMode::Drop]
                .get(entropy.below(6) as usize)
                .copied()
                .unwrap_or_default();
            profile.register_expires = 60 + entropy.below(120) as u32;
            account.profile = profile.into();
        }
        let mut stage = Stage::new(seed, conditions, accounts);
        let mut phones = Vec::new();
        for n in 1..=3 {
            let mut config = PhoneConfig::new(switch(n), HOOKSWITCH.into());
            if n == 1 {
                let registrar = Registrar::new("10.0.1.1", &[("alice", "secret")], entropy.fork());
                config.registrar = Some(registrar);
            }
            if n == 2 && entropy.chance(1, 3) {
                config.demands = Some(("bob".into(), "secret".into(), "trunk".into()));
            }
            phones.push(stage.phone(&format!("phone-{n}"), config, entropy.next_u64()));
        }
        Self { entropy, stage, phones, sessions: Vec::new(), departed: false }
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.entropy.below(most - least + 1))
    }

    fn prepare(&mut self) {
        for name in ["desk", "queue", "wall"] {
            let session = self.stage.attach(name);
            self.sessions.push(session);
            for line in LINES {
                let interest = match name {
                    "wall" => Interest::monitor(),
                    _ => Interest::owner(MediaTypes::VOICE),
                };
                self.stage.open(session, line, interest);
            }
        }
        if self.entropy.chance(1, 4) {
            self.trouble();
        }
        // The registered line has to come into service first.
        let wait = self.millis(2_000, 8_000);
        self.stage.run_for(wait);
    }

    /// The registrar fails for a while.
    fn trouble(&mut self) {
        let mode = match self.entropy.below(3) {
            0 => Mode::Refusing(503),
            1 => Mode::Refusing(500),
            _ => Mode::Down,
        };
        let phone = self.phones[0];
        let (begin, length) = (self.millis(0, 60_000), self.millis(5_000, 90_000));
        self.stage.phone_after(begin, phone, PhoneRequest::Registrar(mode));
        if self.entropy.chance(1, 2) {
            self.stage.phone_after(begin + length, phone, PhoneRequest::RestartRegistrar);
        }
        self.stage.phone_after(begin + length, phone, PhoneRequest::Registrar(Mode::Serving));
    }

    fn play(&mut self) {
        let calls = 2 + self.entropy.below(7);
        if self.entropy.chance(1, 4) {
            self.forwarding();
        }
        for _ in 0..calls {
            let after = self.millis(0, 30_000);
            if self.entropy.chance(1, 2) { self.incoming(after) } else { self.outgoing(after) }
        }
        if self.entropy.chance(1, 10) {
            self.garbage();
        }
        if self.entropy.chance(1, 8) {
            self.partition();
        }
        if self.entropy.chance(1, 6) {
            self.departure();
        }
        let span = self.millis(60_000, 150_000);
        self.stage.run_for(span);
    }

    /// Whatever happened: the lines still take as many calls as they say.
    fn probe(&mut self) {
        self.stage.world.network().heal();
        self.stage.world.network().set_conditions(Conditions::PERFECT);
        self.stage.hang_up_everything(&self.phones);
        let alive = self.stage.engine().alive();
        // A registration's and a keep-alive's for each line.
        if alive.calls == 0 && alive.timers > 2 * LINES.len() {
            self.stage.object(format!("timers are left of calls that are gone: {alive:?}"));
        }
        let fresh = self.stage.attach("fresh");
        for (n, line) in LINES.into_iter().enumerate() {
            self.stage.open(fresh, line, Interest::monitor());
            let operation =
                Operation::Forward { line, address: AddressId(0), rules: ForwardingRules::default() };
            self.stage.ask(fresh, Request::Operate(operation));
            let most = self.stage.most_calls(line);
            let name = ["alice", "bob", "carol"][n];
            let before = self.stage.heard().len();
            for _ in 0..most {
                let mut calling = Calling::new(Target::Uri(format!("sip:{name}@10.0.0.1")), "probe");
                calling.patience = Some(Duration::from_millis(200));
                let request = PhoneRequest::Call(Box::new(calling));
                self.stage.phone_after(Duration::ZERO, self.phones[n], request);
            }
            self.stage.run_for(Duration::from_millis(150));
            let offered = self.stage.heard()[before..].iter().filter(|(_, session, event)| {
                *session == fresh && matches!(event, Event::NewCall { line: of, .. } if *of == line)
            });
            let offered = offered.count();
            if offered != most as usize {
                self.stage.object(format!("{line} takes {offered} calls at the end, not {most}"));
            }
            self.stage.run_for(Duration::from_secs(5));
        }
    }

    fn forwarding(&mut self) {
        let when = match self.entropy.below(3) {
            0 => ForwardCondition::Unconditional,
            1 => ForwardCondition::Busy,
            _ => ForwardCondition::NoAnswer,
        };
        let to = if self.entropy.chance(1, 4) {
            ForwardTarget::DoNotDisturb
        } else {
            ForwardTarget::Address("sip:mailbox@10.0.1.3".into())
        };
        let from = self.entropy.chance(1, 2).then(|| "caller".into());
        let rules = ForwardingRules {
            rules: vec![ForwardRule { when, from, origin: None, to }],
            no_answer_after: Some(Duration::from_secs(6)),
        };
        let line = LINES[self.entropy.below(3) as usize];
        let session = self.sessions[0];
        let operation = Operation::Forward { line, address: AddressId(0), rules };
        self.stage.ask(session, Request::Operate(operation));
    }

    /// Octets that are no SIP, from where calls come from.
    fn garbage(&mut self) {
        for _ in 0..20 {
            let bytes: Vec<u8> =
                (0..self.entropy.below(200)).map(|_| self.entropy.next_u32() as u8).collect();
            let from = SocketAddr::from(([10, 0, 1, 2], 5060));
            self.stage.world.inject(from, HOOKSWITCH.into(), bytes);
        }
    }

    /// Nobody reaches anybody for a while.
    fn partition(&mut self) {
        let begin = self.millis(0, 30_000);
        self.stage.run_for(begin);
        let engine = SocketAddr::from(HOOKSWITCH).ip();
        for n in 1..=3 {
            if self.entropy.chance(1, 2) {
                self.stage.world.network().cut(engine, [10, 0, 1, n].into());
            }
        }
        let length = self.millis(1_000, 60_000);
        self.stage.run_for(length);
        self.stage.world.network().heal();
    }

    /// An application goes: closes a line, leaves, or is lost, and opens the line again.
    fn departure(&mut self) {
        self.departed = true;
        let after = self.millis(5_000, 40_000);
        let session = self.sessions[self.entropy.below(3) as usize];
        let line = LINES[self.entropy.below(3) as usize];
        match self.entropy.below(4) {
            0 => self.stage.ask_after(after, session, Request::Detach),
            1 => self.stage.ask_after(after, session, Request::Lost),
            2 => {
                self.stage.ask_after(after, session, Request::CloseLine { line });
                let interest = Interest::owner(MediaTypes::VOICE);
                let later = after + self.millis(0, 3_000);
                self.stage.ask_after(later, session, Request::OpenLine { line, interest });
            }
            _ => {
                for session in self.sessions.clone() {
                    self.stage.ask_after(after, session, Request::CloseLine { line });
                    let interest = Interest::owner(MediaTypes::VOICE);
                    self.stage.ask_after(
                        after + Duration::from_millis(700),
                        session,
                        Request::OpenLine { line, interest },
                    );
                }
            }
        }
    }

    /// What happens in a call, on either side.
    fn deeds(&mut self) -> Vec<(Duration, Deed)> {
        let mut deeds = Vec::new();
        if self.entropy.chance(1, 4) {
            let at = self.millis(0, 5_000);
            let length = self.millis(0, 5_000);
            deeds.push((at, Deed::Hold));
            deeds.push((at + length, Deed::Retrieve));
        }
        if self.entropy.chance(1, 10) {
            deeds.push((self.millis(0, 5_000), Deed::Digit('5')));
        }
        if self.entropy.chance(1, 10) {
            deeds.push((self.millis(0, 5_000), Deed::Update));
        }
        if self.entropy.chance(1, 8) {
            let target =
                ["sip:erin@10.0.1.3", "sip:busy@10.0.1.3", "not-an-address"][self.entropy.below(3) as usize];
            deeds.push((self.millis(0, 5_000), Deed::Refer(target.into())));
        }
        if self.entropy.chance(2, 3) {
            deeds.push((self.millis(0, 20_000), Deed::HangUp));
        }
        deeds
    }

    fn talk(&mut self) -> Talk {
        let at = |this: &mut Self| this.millis(0, 4_000);
        let on_refer = match self.entropy.below(6) {
            0 => OnRefer::Refuse(603),
            1 => OnRefer::Silence,
            2 => OnRefer::HangUp(at(self)),
            3 => OnRefer::Report(vec![(at(self), 100), (Duration::from_secs(5), 486)]),
            _ => OnRefer::Report(vec![(at(self), 100), (Duration::from_secs(5), 200)]),
        };
        Talk { deeds: self.deeds(), on_refer }
    }

    /// What an application does with a call that is up.
    fn acts(&mut self) -> Vec<(Duration, Act)> {
        let mut acts = Vec::new();
        if self.entropy.chance(1, 3) {
            let at = self.millis(0, 5_000);
            let length = self.millis(0, 5_000);
            acts.push((at, Act::Hold));
            acts.push((at + length, Act::Retrieve));
        }
        if self.entropy.chance(1, 6) {
            acts.push((self.millis(0, 5_000), Act::Digits("12#".into())));
        }
        if self.entropy.chance(1, 6) {
            acts.push((self.millis(0, 5_000), Act::Statistics));
        }
        if self.entropy.chance(1, 6) {
            acts.push((self.millis(0, 5_000), Act::HandOff(self.other_application())));
        }
        if self.entropy.chance(1, 5) {
            let transfer = Act::Transfer("sip:dave@10.0.1.3".into(), Duration::from_secs(20));
            acts.push((self.millis(0, 8_000), transfer));
        }
        if self.entropy.chance(1, 4) {
            let at = self.millis(0, 4_000);
            acts.push((at, Act::Consult("consultant".into())));
            let mut later = at + self.millis(0, 4_000);
            if self.entropy.chance(1, 3) {
                acts.push((later, Act::Exchange));
                later += self.millis(0, 4_000);
            }
            let end = [
                Act::Complete(Duration::from_secs(20)),
                Act::Retrieve,
                Act::Complete(Duration::from_secs(1)),
            ];
            acts.push((later, end[self.entropy.below(3) as usize].clone()));
        }
        if self.entropy.chance(2, 3) {
            acts.push((self.millis(0, 20_000), Act::Drop(RejectReason::Default)));
        }
        acts
    }

    fn other_application(&mut self) -> HandOffTarget {
        match self.entropy.below(3) {
            0 => HandOffTarget::Application("queue".into()),
            1 => HandOffTarget::Application("wall".into()),
            _ => HandOffTarget::Media(MediaType::Voice),
        }
    }

    /// What an application does with an offered call.
    fn plan(&mut self) -> Plan {
        let at = self.millis(0, 6_000);
        let later = at + self.millis(0, 6_000);
        let at_first = match self.entropy.below(12) {
            0 => vec![(at, Act::Drop(RejectReason::Default))],
            1 => vec![(at, Act::Drop(RejectReason::Decline))],
            2 => vec![(at, Act::Redirect("sip:elsewhere@10.0.1.3".into()))],
            3 => vec![(at, Act::Redirect("not an address".into())), (later, Act::Answer)],
            4 => vec![(at, Act::HandOff(self.other_application())), (later, Act::Answer)],
            5 => vec![(at, Act::HandOff(HandOffTarget::Address("sip:elsewhere@10.0.1.3".into())))],
            6 => Vec::new(),
            7 => vec![(at, Act::Answer), (at, Act::Drop(RejectReason::Default))],
            8 => vec![(at, Act::Answer)],
            _ => vec![(at, Act::Accept), (later, Act::Answer)],
        };
        Plan { at_first, connected: self.acts() }
    }

    fn incoming(&mut self, after: Duration) {
        let n = self.entropy.below(3) as usize;
        let name = ["alice", "bob", "carol"][n];
        let phone = self.phones[n];
        let target = if n == 0 {
            Target::Registered("alice".into())
        } else {
            Target::Uri(format!("sip:{name}@10.0.0.1"))
        };
        let mut calling = Calling::new(target, "caller").talking(self.talk());
        calling.offer = !self.entropy.chance(1, 5);
        if self.entropy.chance(1, 4) {
            calling.patience = Some(self.millis(0, 8_000));
        } else {
            calling.patience = Some(self.millis(20_000, 40_000));
        }
        calling.acknowledge = match self.entropy.below(12) {
            0 => None,
            1 => Some(self.millis(1, 10_000)),
            _ => Some(Duration::ZERO),
        };
        for session in [self.sessions[0], self.sessions[1]] {
            let plan = self.plan();
            self.stage.app(session).plans.push_back(plan);
        }
        self.stage.phone_after(after, phone, PhoneRequest::Call(Box::new(calling)));
    }

    fn outgoing(&mut self, after: Duration) {
        let n = self.entropy.below(3) as usize;
        let user = format!("user{}", self.entropy.below(1_000_000));
        let decide = self.millis(0, 6_000);
        let status = [486, 480, 603, 404, 500, 503, 488, 408][self.entropy.below(8) as usize];
        let verdict = match self.entropy.below(10) {
            0 => Verdict::Reject(decide, status),
            1 => Verdict::Redirect(decide, "sip:other@10.0.1.3".into()),
            2 => Verdict::Redirect(decide, "sip:other@nowhere.example".into()),
            3 => Verdict::Never,
            _ => Verdict::Answer(decide),
        };
        let ring = self.entropy.chance(4, 5).then(|| decide.mul_f64(0.3));
        let early_media = self.entropy.chance(1, 6).then(|| decide.mul_f64(0.6));
        let answering = Answering { ring, early_media, verdict, talk: self.talk() };
        self.stage.phone_after(
            Duration::ZERO,
            self.phones[n],
            PhoneRequest::Answering(user.clone(), answering),
        );
        let mut plan = Plan { at_first: Vec::new(), connected: self.acts() };
        match self.entropy.below(5) {
            0 => plan.at_first.push((self.millis(0, 8_000), Act::Drop(RejectReason::Default))),
            1 => plan.at_first.push((self.millis(20_000, 40_000), Act::Drop(RejectReason::Default))),
            _ => {}
        }
        let no_answer_after = self.entropy.chance(1, 2).then(|| self.millis(1_000, 20_000));
        let options = CallOptions { no_answer_after, ..CallOptions::default() };
        let session = self.sessions[self.entropy.below(2) as usize];
        self.stage.make_call_after(after, session, LINES[n], &user, options, plan);
    }

    fn calls(&self) -> usize {
        let phones = self.phones.iter().map(|phone| self.stage.phone_of(*phone).calls().len());
        phones.sum::<usize>().max(self.stage.calls())
    }

    /// Whether each side's view follows from what it was sent.
    fn judge(&self, violations: &mut Vec<String>) {
        let traffic = Traffic::read(&self.stage);
        for phone in &self.phones {
            for call in self.stage.phone_of(*phone).calls() {
                if !call.is_over() {
                    violations
                        .push(format!("a phone's call {} never ended: {:?}", call.call_id, call.progress));
                }
                if let Some(seen) = traffic.calls.get(&call.call_id) {
                    agree(call, seen, violations);
                }
            }
        }
        self.judge_ends(&traffic, violations);
        self.judge_times(violations);
        if self.stage.phone_of(self.phones[0]).registrar().is_some_and(|r| r.granted == 0) {
            let tried = traffic.registers > 0;
            if !tried {
                violations.push("the registered line never tried to register".into());
            }
        }
    }

    /// Ends that applications were told follow from what the engine received.
    fn judge_ends(&self, traffic: &Traffic, violations: &mut Vec<String>) {
        let mut was_up = BTreeSet::new();
        for (_, _, event) in self.stage.heard() {
            let Event::CallState { call, state, .. } = event else { continue };
            let seen = self.stage.sip_call_id(*call).and_then(|id| traffic.calls.get(id));
            match state {
                CallState::Connected(_) => {
                    was_up.insert(*call);
                }
                CallState::Disconnected(end) if end.by == EndedBy::Peer => {
                    let Some(seen) = seen else { continue };
                    let got = |word: Word| seen.to_engine.contains(&word);
                    let inbound = seen.to_engine.contains(&Word::Invite);
                    let told = match (was_up.contains(call), inbound, end.status) {
                        (true, ..) => got(Word::Bye),
                        (false, true, _) => got(Word::Cancel) || got(Word::Bye),
                        (false, false, Some(status)) => got(Word::Final(status)),
                        (false, false, None) => false,
                    };
                    if !told {
                        violations
                            .push(format!("{call} ended ({end}), but nothing that it was sent says so"));
                    }
                }
                _ => {}
            }
        }
        for call in &was_up {
            let Some(seen) = self.stage.sip_call_id(*call).and_then(|id| traffic.calls.get(id)) else {
                continue;
            };
            let inbound = seen.to_engine.contains(&Word::Invite);
            if !inbound && !seen.to_engine.contains(&Word::Answer) {
                violations.push(format!("{call} is connected without a 2xx"));
            }
        }
    }

    /// What ends a call on the wire ends it for applications in the same moment.
    fn judge_times(&self, violations: &mut Vec<String>) {
        if self.departed {
            // Who has left hears nothing.
            return;
        }
        let mut ends: BTreeMap<String, Time> = BTreeMap::new();
        let mut first = BTreeSet::new();
        for crossing in self.stage.world.wire() {
            let Ok(message) = Message::parse(crossing.bytes.clone(), &Limits::default()) else { continue };
            let call = message.call_id().to_owned();
            let ours = crossing.from == SocketAddr::from(HOOKSWITCH);
            match (crossing.what, message.method(), message.status()) {
                (Passage::Arrived, Method::Invite, None) if !ours && message.to_tag().is_none() => {
                    first.insert((call, message.cseq().number));
                }
                (Passage::Sent(_), Method::Bye, Some(200)) if ours => {
                    ends.entry(call).or_insert(crossing.at);
                }
                (Passage::Sent(_), Method::Invite, Some(300..=699))
                    if ours && first.contains(&(call.clone(), message.cseq().number)) =>
                {
                    ends.entry(call).or_insert(crossing.at);
                }
                _ => {}
            }
        }
        for (call, told) in self.told_ends() {
            let at = self.stage.sip_call_id(call).and_then(|id| ends.get(id));
            // A drop that crosses their BYE waits for its own response.
            if let Some(at) = at
                && self.stage.dropped_at(call).is_none_or(|dropped| dropped > *at)
                && told.is_none_or(|told| told > *at)
            {
                violations.push(format!("{call} ended on the wire at {at:?}, for its owner at {told:?}"));
            }
        }
    }

    /// When applications heard of the end of each call that they were still interested in, and that stayed with its party.
    fn told_ends(&self) -> BTreeMap<CallId, Option<Time>> {
        let mut told: BTreeMap<CallId, Option<Time>> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for (at, _, event) in self.stage.heard() {
            match event {
                Event::CallState { call, state: CallState::Disconnected(_) | CallState::Idle, .. } => {
                    told.entry(*call).or_default().get_or_insert(*at);
                }
                Event::CallState { call, .. } => {
                    told.entry(*call).or_default();
                }
                Event::CallInfo { call, changed } if changed.contains(InfoParts::CONNECTED) => {
                    moved.insert(*call);
                }
                _ => {}
            }
        }
        told.retain(|call, _| !moved.contains(call));
        told
    }

    fn coverage(&self) -> BTreeMap<&'static str, usize> {
        let mut coverage = BTreeMap::new();
        let mut count = |what: &'static str| *coverage.entry(what).or_default() += 1;
        for (_, _, event) in self.stage.heard() {
            match event {
                Event::CallState { state, privilege: None, .. } => match state {
                    CallState::Connected(ConnectedMode::ActiveHeld) => count("held by peer"),
                    CallState::Disconnected(end) => count(end.mode.name()),
                    state => count(state.kind().name()),
                },
                Event::Completed { result: Ok(Reply::Transferred(TransferOutcome::Succeeded)), .. } => {
                    count("transfer succeeded");
                }
                Event::Completed { result: Ok(Reply::Transferred(TransferOutcome::Unknown)), .. } => {
                    count("transfer unknown");
                }
                Event::Completed { result: Ok(Reply::Transferred(TransferOutcome::Bridged)), .. } => {
                    count("transfer bridged");
                }
                Event::Completed { result: Err(_), .. } => count("request failed"),
                Event::Completed { .. } => count("request done"),
                Event::Refused { .. } => count("request refused"),
                Event::CallInfo { changed, .. } if changed.contains(InfoParts::CONNECTED) => {
                    count("other party")
                }
                Event::LineState { state: LineState::InService, .. } => count("line in service"),
                Event::LineState { .. } => count("line out of service"),
                Event::NewCall { .. } => count("offered"),
                Event::Digit { .. } => count("digit"),
                _ => {}
            }
        }
        for crossing in self.stage.world.wire().iter().filter(|crossing| crossing.what != Passage::Arrived) {
            let head = crossing.bytes.get(..16).unwrap_or_default();
            for (start, what) in [
                (&b"SIP/2.0 491"[..], "491"),
                (b"SIP/2.0 481", "481"),
                (b"SIP/2.0 500", "500"),
                (b"SIP/2.0 302", "302"),
                (b"SIP/2.0 407", "407"),
                (b"CANCEL", "CANCEL"),
                (b"UPDATE", "UPDATE"),
                (b"REFER", "REFER"),
                (b"NOTIFY", "NOTIFY"),
            ] {
                if head.starts_with(start) {
                    count(what);
                }
            }
        }
        coverage
    }
}

/// What of a call arrived where.
#[derive(Debug, Default)]
struct Seen {
    to_engine: Vec<Word>,
    to_phone: Vec<Word>,
}

/// A message, as far as it decides on the life of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Invite,
    Answer,
    Final(u16),
    Ack,
    Cancel,
    Bye,
}

#[derive(Debug, Default)]
struct Traffic {
    calls: BTreeMap<String, Seen>,
    registers: usize,
}

impl Traffic {
    fn read(stage: &Stage) -> Self {
        let mut traffic = Self::default();
        let engine = SocketAddr::from(HOOKSWITCH);
        for crossing in stage.world.wire().iter().filter(|crossing| crossing.what == Passage::Arrived) {
            let Ok(message) = Message::parse(crossing.bytes.clone(), &Limits::default()) else { continue };
            let word = match (message.status(), message.method()) {
                (None, Method::Register) => {
                    traffic.registers += 1;
                    continue;
                }
                (None, Method::Invite) => Word::Invite,
                (None, Method::Ack) => Word::Ack,
                (None, Method::Cancel) => Word::Cancel,
                (None, Method::Bye) => Word::Bye,
                (Some(200..=299), Method::Invite) => Word::Answer,
                (Some(status @ 300..=699), Method::Invite) => Word::Final(status),
                _ => continue,
            };
            let seen = traffic.calls.entry(message.call_id().to_owned()).or_default();
            if crossing.to == engine { seen.to_engine.push(word) } else { seen.to_phone.push(word) }
        }
        traffic
    }
}

/// What RFC 3261 permits a phone's view to be, given what it received.
fn agree(call: &PhoneCall, seen: &Seen, violations: &mut Vec<String>) {
    let got = |word: Word| seen.to_phone.contains(&word);
    let wrong = match &call.progress {
        Progress::Ended { established, how } => match how {
            Ending::There => !got(Word::Bye) && !got(Word::Cancel),
            Ending::Refused(Failure::Status(status)) => !got(Word::Final(*status)),
            Ending::Refused(Failure::TimedOut | Failure::Unauthorized(_) | Failure::Unreachable) => false,
            // Up only by a 2xx that was received, or an ACK.
            Ending::Here | Ending::Lost => {
                *established && if call.outgoing { !got(Word::Answer) } else { !got(Word::Ack) }
            }
        },
        Progress::Alerting | Progress::Answered | Progress::Established => false,
    };
    if wrong {
        violations.push(format!("a phone's call ended without cause: {:?} after {seen:?}", call.progress));
    }
    // A caller that has its 200 is connected, and so is the callee that sent it.
    if call.was_established() && call.outgoing && !got(Word::Answer) {
        violations.push("a phone is connected without a 2xx".into());
    }
}

/// The time that a scenario may take at most.
pub const LONGEST: Time = Time::from_millis(3_600_000);
