//! Plays a script.

use super::aim::{Aim, Known};
use super::judge::Judge;
use super::script::{LINES, NAMES, PASSWORD, Script, Sound, Step, What};
use super::writer::switch;
use super::{Explain, Outcome, coverage};
use crate::net::Conditions;
use crate::phone::{Calling, Mode, PhoneConfig, PhoneRequest, Registrar, Target};
use crate::stage::{Fault, HOOKSWITCH, Stage};
use crate::world::NodeId;
use hookswitch_machine::Entropy;
use hookswitch_media::control::{Event as MediaEvent, StreamId};
use hookswitch_spi::{
    AddressId, CallId, CallState, ConnectedMode, ForwardingRules, LineId, LineState, Operation,
    Provider as _, StateKind,
};
use hookswitch_telephony::{Event, Interest, Request, SessionId};
use std::net::SocketAddr;
use std::time::Duration;

/// Audio ports of the engine: more than its lines take calls.
const PORTS: u16 = 64;

/// Plays it, and tells what came of it.
pub(super) fn play(script: &Script, fault: Fault, explain: Explain) -> Outcome {
    let mut player = Player::new(script, fault);
    player.prepare(script);
    let start = player.stage.world.now();
    for step in &script.steps {
        player.stage.run_until(start + step.at);
        player.perform(script, step);
        player.stage.check();
        if !player.stage.violations().is_empty() && explain == Explain::Nothing && fault != Fault::None {
            break;
        }
    }
    player.stage.run_until(start + script.span);
    player.stage.check();
    player.probe(script);
    let mut violations = player.stage.finish(&player.phones);
    player.stage.secrets(PASSWORD, &mut violations);
    let departed = script.steps.iter().any(|step| step.what.parts());
    violations.extend(Judge { stage: &player.stage, phones: &player.phones, departed }.judge());
    let explanation = match explain {
        Explain::Nothing => None,
        Explain::Concerned => Some(player.stage.explain_calls(&violations)),
        Explain::Everything => Some(player.stage.explain()),
    };
    Outcome {
        calls: player.calls(),
        coverage: coverage::coverage(&player.stage),
        violations,
        trace: player.stage.world.trace_hash(),
        explanation,
    }
}

/// An application of the script: its session, and where that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here(SessionId),
    Lost(SessionId),
    Gone,
}

struct Player {
    stage: Stage,
    phones: Vec<NodeId>,
    applications: Vec<Presence>,
}

impl Player {
    fn new(script: &Script, fault: Fault) -> Self {
        let telephony = script.telephony.clone();
        let mut stage = Stage::with(script.seed, script.network, script.accounts.clone(), telephony, PORTS);
        stage.break_it(fault);
        let mut entropy = Entropy::from_number(script.seed ^ 0xf0e5);
        let mut phones = Vec::new();
        for n in 0..LINES.len() {
            let mut config = PhoneConfig::new(switch(n), HOOKSWITCH.into());
            if n == 0 {
                config.registrar = Some(Registrar::new("10.0.1.1", &[(NAMES[0], PASSWORD)], entropy.fork()));
            }
            if n == 1 && script.demands {
                config.demands = Some((NAMES[1].into(), PASSWORD.into(), "trunk".into()));
            }
            if let Some(watching) = script.watching.get(n) {
                config.on_subscribe = Some(watching.on_subscribe);
                config.unsolicited = watching.unsolicited;
            }
            phones.push(stage.phone(&format!("phone-{}", n + 1), config, entropy.next_u64()));
        }
        Self { stage, phones, applications: Vec::new() }
    }

    fn prepare(&mut self, script: &Script) {
        for applicant in &script.applications {
            let session = self.attach(applicant);
            self.applications.push(Presence::Here(session));
        }
        // The registered line has to come into service first.
        self.stage.run_for(script.settles);
    }

    fn attach(&mut self, applicant: &super::Applicant) -> SessionId {
        let session = self.stage.attach_as(applicant.name, applicant.grace, applicant.old);
        for line in LINES {
            self.stage.open(session, line, applicant.interest);
        }
        session
    }

    fn perform(&mut self, script: &Script, step: &Step) {
        match &step.what {
            What::Incoming { n, calling, plans } => {
                for (app, plan) in plans.iter().enumerate() {
                    if let Some(Presence::Here(session) | Presence::Lost(session)) =
                        self.applications.get(app)
                    {
                        self.stage.app(*session).plans.push_back(plan.clone());
                    }
                }
                self.phone_does(*n, PhoneRequest::Call(calling.clone()));
            }
            What::Outgoing { app, n, destination, answering, options, plan } => {
                let answering = PhoneRequest::Answering(destination.clone(), (**answering).clone());
                self.phone_does(*n, answering);
                if let (Some(session), Some(line)) = (self.here(*app), LINES.get(*n)) {
                    let (options, plan) = ((**options).clone(), (**plan).clone());
                    self.stage.make_call(session, *line, destination, options, plan);
                }
            }
            What::Asks { app, request, aim } => {
                let Some(session) = self.here(*app) else { return };
                let mut request = (**request).clone();
                if aim.take(&mut request, self.stage.app(session)) {
                    self.rightly(*aim, &mut request);
                    self.ask(session, request);
                }
            }
            What::Phone { n, pick, deed } => {
                let Some(phone) = self.phones.get(*n) else { return };
                let calls = self.stage.phone_of(*phone).calls().iter().enumerate();
                let alive: Vec<usize> = calls.filter(|(_, call)| !call.is_over()).map(|(n, _)| n).collect();
                if let Some(call) = chosen(&alive, *pick) {
                    self.phone_does(*n, PhoneRequest::Do(call, deed.clone()));
                }
            }
            What::Heard { pick, what } => self.hear(*pick, *what),
            What::Expects { app, plan } => {
                if let Some(Presence::Here(session) | Presence::Lost(session)) = self.applications.get(*app) {
                    self.stage.app(*session).completed.push_back((**plan).clone());
                }
            }
            What::Elsewhere { n, user, state } => {
                self.phone_does(*n, PhoneRequest::Elsewhere(user.clone(), *state));
            }
            What::Answers { n, user, answering } => {
                self.phone_does(*n, PhoneRequest::Answering(user.clone(), (**answering).clone()));
            }
            What::Messages { n, new, old } => {
                let user = NAMES.get(*n).copied().unwrap_or_default();
                self.phone_does(*n, PhoneRequest::Messages(user.into(), *new, *old));
            }
            What::EndsWatches(n, reason) => self.phone_does(*n, PhoneRequest::EndWatches(*reason)),
            What::OnSubscribe(n, what) => self.phone_does(*n, PhoneRequest::OnSubscribe(*what)),
            What::Power(n, on) => self.phone_does(*n, PhoneRequest::Power(*on)),
            What::Registrar(mode) => self.phone_does(0, PhoneRequest::Registrar(*mode)),
            What::RestartRegistrar => self.phone_does(0, PhoneRequest::RestartRegistrar),
            What::Garbage(seed) => self.garbage(*seed),
            What::Cut(which) => {
                let engine = SocketAddr::from(HOOKSWITCH).ip();
                for (n, _) in which.iter().enumerate().filter(|(_, cut)| **cut) {
                    self.stage.world.network().cut(engine, switch(n).ip());
                }
            }
            What::Heal => self.stage.world.network().heal(),
            What::Lost(app) => {
                if let Some(session) = self.here(*app) {
                    self.stage.lose(session);
                    self.applications[*app] = Presence::Lost(session);
                }
            }
            What::Returns(app) => self.returns(script, *app),
            What::Leaves(app) => {
                if let Some(session) = self.here(*app) {
                    self.stage.ask(session, Request::Detach);
                    self.applications[*app] = Presence::Gone;
                }
            }
            What::Reads(app, reads) => {
                if let Some(session) = self.here(*app) {
                    self.stage.reads(session, *reads);
                }
            }
        }
    }

    /// A request that names a line and a call on it names the line of the call, unless it is to be wrong.
    fn rightly(&self, aim: Aim, request: &mut Request) {
        let Request::Operate(
            Operation::Extension { line, call: Some(call), .. }
            | Operation::SetupConference { line, call: Some(call), .. },
        ) = request
        else {
            return;
        };
        let info = self.stage.engine().provider().call_info(*call);
        if let Some(info) = info.filter(|_| aim.fitting) {
            *line = info.line;
        }
    }

    fn here(&self, app: usize) -> Option<SessionId> {
        match self.applications.get(app)? {
            Presence::Here(session) => Some(*session),
            Presence::Lost(_) | Presence::Gone => None,
        }
    }

    fn ask(&mut self, session: SessionId, request: Request) {
        if request == Request::Detach {
            for app in &mut self.applications {
                if *app == Presence::Here(session) {
                    *app = Presence::Gone;
                }
            }
        }
        let gives_back = match request {
            Request::Release { call } | Request::LetGo { call } => Some(call),
            _ => None,
        };
        let asked = self.stage.ask(session, request);
        // In the oldest version some cannot be given back.
        let given_back =
            gives_back.filter(|_| self.stage.answer_to(session, asked).is_some_and(Result::is_ok));
        if let Some(call) = given_back {
            self.stage.app(session).released(call);
        }
    }

    fn returns(&mut self, script: &Script, app: usize) {
        let Some(applicant) = script.applications.get(app) else { return };
        let back = match self.applications.get(app) {
            Some(Presence::Lost(session)) => self.stage.resume(*session, applicant.grace, applicant.old),
            Some(Presence::Gone) => None,
            Some(Presence::Here(_)) | None => return,
        };
        let session = back.unwrap_or_else(|| self.attach(applicant));
        self.applications[app] = Presence::Here(session);
    }

    fn phone_does(&mut self, n: usize, request: PhoneRequest) {
        if let Some(phone) = self.phones.get(n) {
            self.stage.phone_after(Duration::ZERO, *phone, request);
            self.stage.run_for(Duration::ZERO);
        }
    }

    /// Something is heard in a call that an application has.
    fn hear(&mut self, pick: u64, what: Sound) {
        let up = |(call, state): Known| (state == Some(StateKind::Connected)).then_some(call);
        let sessions = self.applications.iter().filter_map(|app| match app {
            Presence::Here(session) | Presence::Lost(session) => Some(*session),
            Presence::Gone => None,
        });
        let mut calls: Vec<CallId> = Vec::new();
        for session in sessions.collect::<Vec<_>>() {
            calls.extend(self.stage.app(session).calls().filter_map(up));
        }
        let Some(call) = chosen(&calls, pick) else { return };
        let stream = StreamId(call.0);
        let event = match what {
            Sound::Digit(digit) => MediaEvent::Digit { stream, digit, duration: Duration::from_millis(100) },
            Sound::Tone(tag) => MediaEvent::ToneHeard { stream, tag },
        };
        self.stage.world.report(self.stage.engine_node(), event);
        self.stage.run_for(Duration::ZERO);
    }

    fn garbage(&mut self, seed: u64) {
        let mut entropy = Entropy::from_number(seed);
        for _ in 0..20 {
            let bytes: Vec<u8> = (0..entropy.below(200)).map(|_| entropy.next_u32() as u8).collect();
            self.stage.world.inject(switch(1), HOOKSWITCH.into(), bytes);
        }
    }

    /// Whatever happened: the lines still take as many calls as they say.
    fn probe(&mut self, script: &Script) {
        self.stage.world.network().heal();
        self.stage.world.network().set_conditions(Conditions::PERFECT);
        for n in 0..self.phones.len() {
            self.phone_does(n, PhoneRequest::Power(true));
            self.phone_does(n, PhoneRequest::Registrar(Mode::Serving));
        }
        // Whoever does not read is offered nothing.
        for app in 0..self.applications.len() {
            if let Some(session) = self.here(app) {
                self.stage.reads(session, true);
            }
        }
        self.stage.hang_up_everything(&self.phones);
        // The other side of a call may be gone without a word that arrived. Nobody ends such a call if nobody owns it, or it is
        // bridged: no longer than this may it ring, or be talked into the void.
        let vanished = script.steps.iter().any(|step| step.what.silences());
        if vanished && self.stage.engine().alive().calls > 0 {
            self.stage.run_for(Duration::from_secs(660));
        }
        self.stage.check();
        let alive = self.stage.engine().alive();
        // A registration's and a keep-alive's for each line, a subscription's, and that of the completion that it is for.
        if alive.calls == 0 && alive.timers > 2 * LINES.len() + 2 * alive.subscriptions {
            self.stage.object(format!("timers are left of calls that are gone: {alive:?}"));
        }
        let fresh = self.stage.attach("fresh");
        let completions = self.stage.completions();
        for (n, line) in LINES.into_iter().enumerate() {
            self.stage.open(fresh, line, Interest::monitor());
            // Whoever is free now would take a place on the line.
            for (line, completion) in completions.iter().copied().filter(|(of, _)| *of == line) {
                self.stage.ask(fresh, Request::Operate(Operation::UncompleteCall { line, completion }));
            }
            let operation =
                Operation::Forward { line, address: AddressId(0), rules: ForwardingRules::default() };
            self.stage.ask(fresh, Request::Operate(operation));
            self.serves_again(fresh, line);
            let most = self.stage.most_calls(line);
            // Calls on hold that nobody owns are left alone, even if their other side has gone.
            let on_hold = |state: &CallState| {
                matches!(
                    state,
                    CallState::OnHold
                        | CallState::OnHoldPendingTransfer
                        | CallState::Connected(ConnectedMode::ActiveHeld)
                )
            };
            let held = self.stage.left(line).iter().filter(|(_, state)| on_hold(state)).count();
            let held = if vanished { held } else { 0 };
            let before = self.stage.heard().len();
            for _ in 0..most {
                let target = Target::Uri(format!("sip:{}@10.0.0.1", NAMES[n]));
                let mut calling = Calling::new(target, "probe");
                calling.patience = Some(Duration::from_millis(200));
                let request = PhoneRequest::Call(Box::new(calling));
                self.stage.phone_after(Duration::ZERO, self.phones[n], request);
            }
            self.stage.run_for(Duration::from_millis(150));
            let offered = self.stage.heard()[before..].iter().filter(|(_, session, event)| {
                *session == fresh && matches!(event, Event::NewCall { line: of, .. } if *of == line)
            });
            let offered = offered.count();
            if offered + held != most as usize {
                let left = self.stage.left(line);
                let text = format!("{line} takes {offered} calls at the end, not {most}; there are {left:?}");
                self.stage.object(text);
            }
            self.stage.run_for(Duration::from_millis(500));
            // The policy may have answered some.
            self.stage.phone_after(Duration::ZERO, self.phones[n], PhoneRequest::HangUpAll);
            self.stage.run_for(Duration::from_secs(5));
        }
    }

    /// A line that is taken out of service and put back into it is in service: it registers again.
    fn serves_again(&mut self, session: SessionId, line: LineId) {
        for on in [false, true] {
            self.stage.ask(session, Request::Operate(Operation::SetService { line, on }));
            self.stage.run_for(Duration::from_secs(u64::from(on)));
        }
        let status = self.stage.engine().provider().line_status(line);
        if status.is_none_or(|status| status.state != LineState::InService) {
            self.stage.object(format!("{line} was put back into service, and is not in service"));
        }
    }

    fn calls(&self) -> usize {
        let phones = self.phones.iter().map(|phone| self.stage.phone_of(*phone).calls().len());
        phones.sum::<usize>().max(self.stage.calls())
    }
}

fn chosen<T: Copy>(from: &[T], pick: u64) -> Option<T> {
    from.get(usize::try_from(pick % from.len().max(1) as u64).ok()?).copied()
}
