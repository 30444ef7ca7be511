//! Writes the scenario of a seed.

use super::asks::Asker;
use super::script::{APPLICATIONS, Applicant, LINES, NAMES, PASSWORD, Script, Sound, Step, Watching, What};
use crate::apps::{Act, Plan};
use crate::net::Conditions;
use crate::phone::{Answering, Calling, Deed, Mode, OnOffer, OnRefer, OnSubscribe, Talk, Target, Verdict};
use crate::stage::{registered, trunk};
use hookswitch_machine::Entropy;
use hookswitch_provider::{AcceptReferrals, Account, Alerting, HoldDirection, MessageWaiting};
use hookswitch_sip::auth::Secret;
use hookswitch_sip::event::{DialogState, EndReason};
use hookswitch_spi::{
    AddressId, AnswerMode, AudioSource, CallOptions, CompletionId, CompletionMode, ExtensionVersion,
    ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules, MediaType, MediaTypes, Operation,
    RejectReason,
};
use hookswitch_telephony::{Config, HandOffTarget, Interest, Request, Treatment, Unowned};
use std::net::SocketAddr;
use std::time::Duration;

/// Where the phone of a line is.
pub(super) fn switch(n: usize) -> SocketAddr {
    let last = u8::try_from(n + 1).unwrap_or(u8::MAX);
    SocketAddr::from(([10, 0, 1, last], 5060))
}

/// Somewhere to send calls to.
const ELSEWHERE: [&str; 3] = ["sip:erin@10.0.1.3", "sip:busy@10.0.1.3", "not an address"];

impl Script {
    /// The scenario of a seed.
    pub fn of(seed: u64) -> Self {
        let mut entropy = Entropy::from_number(seed ^ 0x5eed_0000);
        let network =
            if entropy.chance(1, 8) { Conditions::PERFECT } else { Conditions::random(&mut entropy) };
        let accounts = (0..LINES.len()).map(|n| account(&mut entropy, n)).collect();
        let telephony = telephony(&mut entropy);
        let demands = entropy.chance(1, 3);
        let watching = LINES.iter().map(|_| watching(&mut entropy)).collect();
        let applications = APPLICATIONS.iter().map(|name| applicant(&mut entropy, name)).collect();
        let settles = Duration::from_millis(2_000 + entropy.below(6_000));
        let mut writer = Writer { entropy, steps: Vec::new() };
        writer.all();
        let span = writer.millis(120_000, 240_000);
        let mut steps = writer.steps;
        steps.sort_by_key(|step| step.at);
        for (number, step) in steps.iter_mut().enumerate() {
            step.number = number;
        }
        Self { seed, network, accounts, telephony, demands, watching, applications, settles, steps, span }
    }
}

fn account(entropy: &mut Entropy, n: usize) -> Account {
    let name = NAMES.get(n).copied().unwrap_or_default();
    let mut account = if n == 0 { registered(name, switch(n)) } else { trunk(name, switch(n)) };
    account.password = Secret::new(PASSWORD);
    account.accept_from.extend("10.0.1.0/24".parse::<hookswitch_provider::AddressRange>());
    account.max_calls = 1 + entropy.below(5) as u32;
    let mut profile = (*account.profile).clone();
    if entropy.chance(1, 3) {
        profile.alerting = Alerting::OnAccept;
    }
    if entropy.chance(1, 3) {
        profile.hold = HoldDirection::Inactive;
    }
    if entropy.chance(1, 3) {
        profile.accept_referrals = AcceptReferrals::Any;
    }
    profile.follow_redirects = entropy.chance(3, 4);
    profile.refer = entropy.chance(3, 4);
    profile.reconnect = entropy.chance(1, 2);
    profile.early_treatment = entropy.chance(1, 3);
    profile.hold_music = entropy.chance(1, 2);
    profile.info_digits = entropy.chance(1, 3);
    profile.redirect = entropy.chance(7, 8);
    profile.user_info = [0, 128][entropy.below(2) as usize];
    profile.dialog_events = entropy.chance(2, 3);
    profile.message_waiting = [
        MessageWaiting::Subscribe,
        MessageWaiting::Unsolicited,
        MessageWaiting::No,
        MessageWaiting::Subscribe,
    ][entropy.below(4) as usize];
    profile.park = entropy.chance(1, 2);
    if entropy.chance(1, 2) {
        profile.group_pickup_code = "*8".into();
    }
    if entropy.chance(1, 2) {
        profile.park_finder = "park".into();
    }
    profile.max_conference = [0, 2, 3, 16][entropy.below(4) as usize];
    profile.answer_mode =
        [AnswerMode::None, AnswerMode::Hold, AnswerMode::Drop, AnswerMode::None][entropy.below(4) as usize];
    profile.register_expires = 60 + entropy.below(120) as u32;
    account.profile = profile.into();
    account
}

fn telephony(entropy: &mut Entropy) -> Config {
    let mut config = Config {
        unowned: match entropy.below(8) {
            0 => Unowned::Reject(RejectReason::NoAnswer),
            1 => Unowned::Forward("sip:night@10.0.1.3".into()),
            2 => Unowned::Treatment(Treatment::Ringback),
            3 => Unowned::Treatment(Treatment::Answered(AudioSource::Music)),
            _ => Unowned::Leave,
        },
        ..Config::default()
    };
    config.limits.grace = Duration::from_secs(60);
    if entropy.chance(1, 6) {
        config.limits.calls = 6 + entropy.below(3) as u32;
    }
    config
}

fn watching(entropy: &mut Entropy) -> Watching {
    Watching { on_subscribe: on_subscribe(entropy), unsolicited: entropy.chance(1, 2) }
}

fn on_subscribe(entropy: &mut Entropy) -> OnSubscribe {
    match entropy.below(8) {
        0 => OnSubscribe::Silence,
        1 => OnSubscribe::Refuse([403, 404, 480, 489, 503][entropy.below(5) as usize]),
        _ => OnSubscribe::Grant { longest: 20 + entropy.below(100) as u32, partial: entropy.chance(1, 2) },
    }
}

fn applicant(entropy: &mut Entropy, name: &'static str) -> Applicant {
    let interest = match name {
        "wall" => Interest::monitor(),
        _ => Interest::owner(MediaTypes::VOICE),
    };
    let grace = [0, 3, 20, 60][entropy.below(4) as usize];
    Applicant { name, grace: Duration::from_secs(grace), old: entropy.chance(1, 8), interest }
}

struct Writer {
    entropy: Entropy,
    steps: Vec<Step>,
}

impl Writer {
    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.entropy.below(most - least + 1))
    }

    fn step(&mut self, at: Duration, what: What) {
        self.steps.push(Step { number: 0, at, what });
    }

    fn all(&mut self) {
        if self.entropy.chance(1, 4) {
            self.trouble();
        }
        if self.entropy.chance(1, 4) {
            self.forwarding();
        }
        for _ in 0..2 + self.entropy.below(30) {
            let at = self.millis(0, 120_000);
            if self.entropy.chance(1, 2) { self.incoming(at) } else { self.outgoing(at) }
        }
        if self.entropy.chance(1, 10) {
            let (at, seed) = (self.millis(0, 30_000), self.entropy.next_u64());
            self.step(at, What::Garbage(seed));
        }
        if self.entropy.chance(1, 8) {
            let begin = self.millis(0, 30_000);
            let which = [(); 3].map(|()| self.entropy.chance(1, 2));
            let end = begin + self.millis(1_000, 60_000);
            self.step(begin, What::Cut(which));
            self.step(end, What::Heal);
        }
        if self.entropy.chance(2, 5) {
            self.departures();
        }
        if self.entropy.chance(1, 3) {
            for _ in 0..1 + self.entropy.below(4) {
                self.unreached();
            }
        }
        if self.entropy.chance(1, 3) {
            self.switch_trouble();
        }
        if self.entropy.chance(1, 4) {
            self.service();
        }
        if self.entropy.chance(1, 2) {
            self.selects();
        }
        for _ in 0..self.entropy.below(250) {
            self.requests();
        }
        for _ in 0..self.entropy.below(60) {
            self.others();
        }
    }

    /// The registrar fails for a while.
    fn trouble(&mut self) {
        let mode = match self.entropy.below(3) {
            0 => Mode::Refusing(503),
            1 => Mode::Refusing(500),
            _ => Mode::Down,
        };
        let (begin, length) = (self.millis(0, 60_000), self.millis(5_000, 90_000));
        self.step(begin, What::Registrar(mode));
        if self.entropy.chance(1, 2) {
            self.step(begin + length, What::RestartRegistrar);
        }
        self.step(begin + length, What::Registrar(Mode::Serving));
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
        let operation = Operation::Forward { line, address: AddressId(0), rules };
        let at = self.millis(0, 5_000);
        self.asks(0, at, Request::Operate(operation));
    }

    /// Somebody is not reached, and the call is to be completed later: what that user does meanwhile, and what the application does with
    /// the completed call.
    fn unreached(&mut self) {
        let (app, n) = (self.entropy.below(2) as usize, self.entropy.below(3) as usize);
        let user = format!("busy{}", self.entropy.below(100));
        let at = self.millis(0, 90_000);
        let busy = self.entropy.chance(2, 3);
        let refuses = Verdict::Reject(self.millis(100, 3_000), 486);
        let verdict = if busy { refuses } else { Verdict::Never };
        let answering = Answering { verdict, ..Answering::no_answer() };
        let elsewhere = |user: &str, state| What::Elsewhere { n, user: user.into(), state };
        if busy {
            self.step(at, elsewhere(&user, Some(DialogState::Confirmed)));
        }
        let mode = if self.entropy.chance(1, 3) { CompletionMode::CampOn } else { CompletionMode::CallBack };
        let plan = Plan {
            unreached: vec![(self.millis(0, 3_000), Act::CompleteLater(mode))],
            connected: self.acts(),
            ..Plan::default()
        };
        self.step(
            at,
            What::Outgoing {
                app,
                n,
                destination: user.clone(),
                answering: Box::new(answering),
                options: Box::default(),
                plan: Box::new(plan),
            },
        );
        if self.entropy.chance(3, 4) {
            let plan = Box::new(self.plan());
            self.step(at, What::Expects { app, plan });
        }
        let mut later = at + self.millis(2_000, 20_000);
        let answering = Box::new(self.answering());
        self.step(later, What::Answers { n, user: user.clone(), answering });
        for _ in 0..1 + self.entropy.below(3) {
            if !busy || self.entropy.chance(1, 2) {
                let states = [DialogState::Trying, DialogState::Early, DialogState::Confirmed];
                let state =
                    if busy { states[self.entropy.below(3) as usize] } else { DialogState::Confirmed };
                self.step(later, elsewhere(&user, Some(state)));
                later += self.millis(100, 10_000);
            }
            self.step(later, elsewhere(&user, None));
            later += self.millis(500, 20_000);
        }
        if self.entropy.chance(1, 4) {
            let uncomplete = Operation::UncompleteCall { line: LINES[n], completion: CompletionId(1) };
            let when = at + self.millis(1_000, 60_000);
            self.asks(app, when, Request::Operate(uncomplete));
        }
    }

    /// Lines are taken out of service, and put back into it.
    fn service(&mut self) {
        for _ in 0..1 + self.entropy.below(3) {
            // Only a registered line can be.
            let line = if self.entropy.chance(7, 8) { LINES[0] } else { LINES[1] };
            let (mut at, length) = (self.millis(0, 120_000), self.millis(0, 30_000));
            for on in [false, true] {
                let app = self.entropy.below(3) as usize;
                self.asks(app, at, Request::Operate(Operation::SetService { line, on }));
                at += length;
            }
        }
    }

    /// Applications agree on a version of the extension, more or less.
    fn selects(&mut self) {
        let usual = ExtensionVersion(1 + self.entropy.below(2) as u32);
        for app in 0..APPLICATIONS.len() {
            for line in LINES {
                let version = if self.entropy.chance(7, 8) {
                    usual
                } else {
                    ExtensionVersion(self.entropy.below(4) as u32)
                };
                if self.entropy.chance(3, 4) {
                    let at = self.millis(0, 3_000);
                    self.asks(app, at, Request::SelectExtension { line, version });
                }
            }
        }
    }

    /// Switches end subscriptions, think better of them, lose their power; mailboxes fill and are emptied.
    fn switch_trouble(&mut self) {
        for _ in 0..1 + self.entropy.below(5) {
            let (n, at) = (self.entropy.below(3) as usize, self.millis(2_000, 140_000));
            match self.entropy.below(6) {
                0 => {
                    let reasons = [
                        EndReason::Deactivated,
                        EndReason::Probation,
                        EndReason::Rejected,
                        EndReason::Timeout,
                        EndReason::GiveUp,
                        EndReason::NoResource,
                        EndReason::Unspecified,
                    ];
                    let reason = reasons[self.entropy.below(7) as usize];
                    self.step(at, What::EndsWatches(n, reason));
                }
                1 => {
                    let what = on_subscribe(&mut self.entropy);
                    self.step(at, What::OnSubscribe(n, what));
                }
                2 => {
                    self.step(at, What::Power(n, false));
                    let later = at + self.millis(100, 90_000);
                    self.step(later, What::Power(n, true));
                }
                _ => {
                    let (new, old) = (self.entropy.below(3) as u32, self.entropy.below(3) as u32);
                    self.step(at, What::Messages { n, new, old });
                }
            }
        }
    }

    fn asks(&mut self, app: usize, at: Duration, request: Request) {
        let aim = Asker::aim(&mut self.entropy);
        self.step(at, What::Asks { app, request: Box::new(request), aim });
    }

    /// Something that an application asks, whatever its calls are doing; often the next follows on its heels.
    fn requests(&mut self) {
        let mut at = self.millis(500, 150_000);
        // Owners ask most.
        let app = [0, 0, 0, 1, 1, 2][self.entropy.below(6) as usize];
        for request in Asker::next(&mut self.entropy) {
            self.asks(app, at, request);
            at += match self.entropy.below(3) {
                0 => Duration::ZERO,
                1 => self.millis(0, 200),
                _ => self.millis(200, 6_000),
            };
        }
    }

    /// Something that others do.
    fn others(&mut self) {
        let at = self.millis(500, 150_000);
        let pick = self.entropy.next_u64();
        if self.entropy.chance(1, 3) {
            let what = match self.entropy.below(5) {
                0 => Sound::Tone(self.entropy.below(2)),
                n => Sound::Digit(['1', '5', '9', '#'][(n - 1) as usize]),
            };
            return self.step(at, What::Heard { pick, what });
        }
        let deed = self.deed();
        let n = self.entropy.below(3) as usize;
        self.step(at, What::Phone { n, pick, deed });
    }

    fn deed(&mut self) -> Deed {
        match self.entropy.below(9) {
            8 => Deed::Message,
            0 => Deed::Hold,
            1 => Deed::Retrieve,
            2 => Deed::Digit('5'),
            3 => Deed::Update,
            4 => {
                let replaces = "sip:erin@10.0.1.3?Replaces=gone%3Bto-tag%3D1%3Bfrom-tag%3D2";
                let to = ELSEWHERE.iter().copied().chain([replaces]).nth(self.entropy.below(4) as usize);
                Deed::Refer(to.unwrap_or_default().into())
            }
            5 => Deed::Replace,
            _ => Deed::HangUp,
        }
    }

    /// Applications go: they close a line, leave, or are lost, and most come back.
    fn departures(&mut self) {
        for _ in 0..1 + self.entropy.below(6) {
            let at = self.millis(5_000, 140_000);
            let app = self.entropy.below(3) as usize;
            let later = at + self.millis(0, 30_000);
            let line = LINES[self.entropy.below(3) as usize];
            let interest = Interest::owner(MediaTypes::VOICE);
            match self.entropy.below(7) {
                0 => {
                    self.step(at, What::Leaves(app));
                    self.step(later, What::Returns(app));
                }
                1 | 2 => {
                    self.step(at, What::Lost(app));
                    self.step(later, What::Returns(app));
                }
                3 => {
                    self.step(at, What::Lost(app));
                    self.step(at + Duration::from_millis(1), What::Returns(app));
                }
                4 => {
                    self.asks(app, at, Request::CloseLine { line });
                    self.asks(app, later, Request::OpenLine { line, interest });
                }
                5 => {
                    for app in 0..APPLICATIONS.len() {
                        self.asks(app, at, Request::CloseLine { line });
                        let again = at + Duration::from_millis(700);
                        self.asks(app, again, Request::OpenLine { line, interest });
                    }
                }
                _ => {
                    for request in Asker::partings(&mut self.entropy) {
                        self.asks(app, at, request);
                    }
                }
            }
        }
        if self.entropy.chance(1, 4) {
            let (at, app) = (self.millis(0, 40_000), self.entropy.below(3) as usize);
            self.step(at, What::Reads(app, false));
            let later = at + self.millis(100, 20_000);
            self.step(later, What::Reads(app, true));
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
            let target = ELSEWHERE[self.entropy.below(3) as usize];
            deeds.push((self.millis(0, 5_000), Deed::Refer(target.into())));
        }
        if self.entropy.chance(1, 3) {
            deeds.push((self.millis(0, 40_000), Deed::HangUp));
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
        let on_offer = match self.entropy.below(8) {
            0 => OnOffer::Refuse([488, 500, 603][self.entropy.below(3) as usize]),
            1 => OnOffer::Late(self.millis(1, 8_000)),
            _ => OnOffer::Answer,
        };
        Talk { deeds: self.deeds(), on_refer, on_offer }
    }

    /// What an application does with a call that is up.
    fn acts(&mut self) -> Vec<(Duration, Act)> {
        let mut acts = Vec::new();
        if self.entropy.chance(1, 4) {
            let at = self.millis(0, 5_000);
            let length = self.millis(0, 5_000);
            acts.push((at, Act::Hold));
            acts.push((at + length, Act::Retrieve));
        }
        if self.entropy.chance(1, 8) {
            acts.push((self.millis(0, 5_000), Act::Digits("12#".into())));
        }
        if self.entropy.chance(1, 8) {
            acts.push((self.millis(0, 5_000), Act::HandOff(self.other_application())));
        }
        if self.entropy.chance(1, 8) {
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
        if self.entropy.chance(1, 4) {
            self.confers(&mut acts);
        }
        if self.entropy.chance(1, 8) {
            acts.push((self.millis(0, 5_000), Act::Gather(1 + self.entropy.below(3) as u16)));
        }
        if self.entropy.chance(1, 4) {
            acts.push((self.millis(0, 40_000), Act::Drop(RejectReason::Default)));
        }
        acts
    }

    /// A conference: out of a transfer, or for its own sake, and what becomes of it.
    fn confers(&mut self, acts: &mut Vec<(Duration, Act)>) {
        let at = self.millis(0, 4_000);
        let mut later = at + self.millis(0, 5_000);
        if self.entropy.chance(1, 3) {
            acts.push((at, Act::Consult("consultant".into())));
            acts.push((later, Act::Merge));
        } else {
            acts.push((at, Act::Confer("consultant".into())));
            acts.push((later, Act::Admit));
        }
        for _ in 0..self.entropy.below(3) {
            later += self.millis(0, 3_000);
            let next = [
                Act::Leave,
                Act::Admit,
                Act::HoldConference(true),
                Act::HoldConference(false),
                Act::Disband,
                Act::Drop(RejectReason::Default),
            ];
            acts.push((later, next[self.entropy.below(6) as usize].clone()));
        }
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
        let at_first = match self.entropy.below(14) {
            0 => vec![(at, Act::Drop(RejectReason::Default))],
            1 => vec![(at, Act::Drop(RejectReason::Decline))],
            2 => vec![(at, Act::Redirect("sip:elsewhere@10.0.1.3".into()))],
            3 => vec![(at, Act::Redirect("not an address".into())), (later, Act::Answer)],
            4 => vec![(at, Act::HandOff(self.other_application())), (later, Act::Answer)],
            5 => vec![(at, Act::HandOff(HandOffTarget::Address("sip:elsewhere@10.0.1.3".into())))],
            6 => Vec::new(),
            7 => vec![(at, Act::Answer), (at, Act::Drop(RejectReason::Default))],
            8..=10 => vec![(at, Act::Answer)],
            _ => vec![(at, Act::Accept), (later, Act::Answer)],
        };
        Plan { at_first, connected: self.acts(), ..Plan::default() }
    }

    fn incoming(&mut self, at: Duration) {
        let n = self.entropy.below(3) as usize;
        let target = if n == 0 {
            Target::Registered(NAMES[0].into())
        } else {
            Target::Uri(format!("sip:{}@10.0.0.1", NAMES[n]))
        };
        let mut calling = Calling::new(target, "caller").talking(self.talk());
        calling.offer = !self.entropy.chance(1, 5);
        calling.patience =
            Some(if self.entropy.chance(1, 4) { self.millis(0, 8_000) } else { self.millis(20_000, 40_000) });
        calling.acknowledge = match self.entropy.below(12) {
            0 => None,
            1 => Some(self.millis(1, 10_000)),
            _ => Some(Duration::ZERO),
        };
        let plans = Box::new([self.plan(), self.plan()]);
        self.step(at, What::Incoming { n, calling: Box::new(calling), plans });
    }

    fn answering(&mut self) -> Answering {
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
        Answering { ring, early_media, verdict, talk: self.talk() }
    }

    fn outgoing(&mut self, at: Duration) {
        let n = self.entropy.below(3) as usize;
        let destination = format!("user{}", self.entropy.below(1_000_000));
        let answering = Box::new(self.answering());
        let mut plan = Plan { connected: self.acts(), ..Plan::default() };
        match self.entropy.below(5) {
            0 => plan.at_first.push((self.millis(0, 8_000), Act::Drop(RejectReason::Default))),
            1 => plan.at_first.push((self.millis(20_000, 40_000), Act::Drop(RejectReason::Default))),
            _ => {}
        }
        let no_answer_after = self.entropy.chance(1, 2).then(|| self.millis(1_000, 20_000));
        let headers = if self.entropy.chance(1, 8) { Asker::added(&mut self.entropy) } else { Vec::new() };
        let options = Box::new(CallOptions { no_answer_after, headers, ..CallOptions::default() });
        let (app, plan) = (self.entropy.below(2) as usize, Box::new(plan));
        self.step(at, What::Outgoing { app, n, destination, answering, options, plan });
    }
}
