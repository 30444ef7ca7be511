//! Whatever is asked of the exchange, in whatever state: it keeps the contract, its state tables (it panics otherwise) and
//! leaves nothing behind.

mod exchange;

use exchange::{A, B, C, Wired};
use hookswitch_machine::Entropy;
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallOptions, CallTreatment, CompletionId, CompletionMode, ConsultOptions,
    DeviceConfig, DigitMonitoring, DigitOptions, DigitTransport, ExtensionCommand, ExtensionVersion, Feature,
    Features, ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules, GatherOptions, MediaAction,
    MediaControl, MediaTypes, Operation, Outcome, ParkAt, PickupFrom, Provider, RejectReason, RequestId, Set,
    StateKind, ToneOptions, TransferMode, UserInfo,
};
use hookswitch_testkit::loopback::{Outside, Refusal, may_follow};
use std::collections::BTreeMap;
use std::time::Duration;

const ADDRESSES: [&str; 11] = [
    "sip:yes@outside",
    "sip:rings@outside",
    "sip:busy@outside",
    "sip:silent@outside",
    "sip:a@loop",
    "sip:b@loop",
    "sip:c@loop",
    "b",
    "",
    "12;",
    "no address",
];

struct Sequence {
    wired: Wired,
    chance: Entropy,
    calls: Vec<CallId>,
    completions: Vec<CompletionId>,
    asked: BTreeMap<RequestId, Feature>,
}

impl Sequence {
    fn new(seed: u64) -> Self {
        let mut chance = Entropy::from_number(seed);
        let answer_mode = match chance.below(3) {
            0 => hookswitch_spi::AnswerMode::None,
            1 => hookswitch_spi::AnswerMode::Hold,
            _ => hookswitch_spi::AnswerMode::Drop,
        };
        let (reconnects, max_calls) = (chance.chance(1, 2), 4 + chance.below(6) as u32);
        let removed = match chance.below(3) {
            0 => StateKind::Idle,
            1 => StateKind::Connected,
            _ => StateKind::OnHold,
        };
        let mut wired = Wired::with(|line| {
            line.capabilities.answer_mode = answer_mode;
            line.capabilities.flags.reconnects = reconnects;
            line.capabilities.max_calls = max_calls;
            line.capabilities.removed_member = removed;
        });
        wired.hear_everything();
        let exchange = &mut wired.exchange;
        exchange.set_recall(Duration::from_secs(2));
        exchange.outside("sip:yes@outside", Outside::Answers(Duration::from_millis(60)));
        exchange.outside("sip:rings@outside", Outside::Rings);
        let busy = Refusal::with(486);
        exchange.outside("sip:busy@outside", Outside::RingsThenRefuses(busy, Duration::from_millis(30)));
        exchange.outside("sip:silent@outside", Outside::Silent);
        exchange.select_extension(A, ExtensionVersion(2)).unwrap();
        Self { wired, chance, calls: Vec::new(), completions: Vec::new(), asked: BTreeMap::new() }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.chance.below(from.len() as u64) as usize].clone()
    }

    fn call(&mut self) -> CallId {
        let recent = self.calls.len().saturating_sub(14);
        let recent = self.calls[recent..].to_vec();
        if recent.is_empty() { CallId(999_999) } else { self.pick(&recent) }
    }

    fn call_in(&mut self, state: &[StateKind]) -> CallId {
        let fit: Vec<_> = self.calls.iter().rev().take(40).copied().collect();
        let exchange = &self.wired.exchange;
        let fit: Vec<_> = fit
            .into_iter()
            .filter(|call| exchange.call_state(*call).is_some_and(|now| state.contains(&now.kind())))
            .collect();
        if fit.is_empty() { self.call() } else { self.pick(&fit) }
    }

    fn operation(&mut self) -> Operation {
        use StateKind as S;
        let line = self.pick(&[A, B, C]);
        let address = AddressId(0);
        let destination: String = self.pick(&ADDRESSES).into();
        let consult = ConsultOptions::to(destination.clone());
        let deadline = Duration::from_millis(self.chance.below(500));
        let call = self.call();
        let up = self.call_in(&[S::Connected]);
        match self.chance.below(45) {
            0..=2 => {
                let options = CallOptions {
                    no_answer_after: self.chance.chance(1, 2).then_some(Duration::from_millis(300)),
                    user_info: self.chance.chance(1, 2).then(|| UserInfo(b"hello".to_vec())),
                    ..CallOptions::default()
                };
                Operation::MakeCall { line, address, destination, options }
            }
            3 => Operation::Dial { call: self.call_in(&[S::Dialtone, S::Dialing]), digits: "b".into() },
            4 => Operation::accept(self.call_in(&[S::Offering])),
            5..=7 => Operation::answer(self.call_in(&[S::Offering, S::Accepted])),
            8 => Operation::Redirect { call: self.call_in(&[S::Offering]), destination },
            9 => {
                let target = self.pick(&["sip:c@loop", "sip:b@loop", "sip:yes@outside"]);
                let when = self.pick(&[
                    ForwardCondition::Unconditional,
                    ForwardCondition::Busy,
                    ForwardCondition::NoAnswer,
                ]);
                let to = ForwardTarget::Address(target.into());
                let rule = ForwardRule { when, from: None, origin: None, to };
                let rules = if self.chance.chance(1, 2) { vec![rule] } else { Vec::new() };
                let no_answer_after = Some(Duration::from_millis(200));
                Operation::Forward { line, address, rules: ForwardingRules { rules, no_answer_after } }
            }
            10 | 11 => Operation::Drop {
                call,
                reason: self.pick(&[RejectReason::Default, RejectReason::Decline]),
                user_info: None,
            },
            12 => Operation::Hold { call: up },
            13 => Operation::Retrieve { call: self.call_in(&[S::OnHold, S::OnHoldPendingTransfer]) },
            14 => {
                let held = self.call_in(&[S::OnHold, S::OnHoldPendingTransfer, S::OnHoldPendingConference]);
                Operation::SwapHold { active: up, held }
            }
            15 | 16 => Operation::SetupTransfer { call: up, consult },
            17 | 18 => {
                let mode = self.pick(&[TransferMode::Transfer, TransferMode::Conference]);
                let call = self.call_in(&[S::OnHoldPendingTransfer]);
                let consult = self.call_in(&[S::Connected, S::Ringback, S::Proceeding]);
                Operation::CompleteTransfer { call, consult, mode, deadline }
            }
            19 => Operation::BlindTransfer { call: up, destination, deadline },
            20 | 21 => {
                let call = self.chance.chance(2, 3).then_some(up);
                Operation::SetupConference { line, address, call, consult }
            }
            22 => Operation::PrepareAddToConference { conference: up, consult },
            23..=25 => {
                let conference = self.call_in(&[S::OnHoldPendingConference, S::OnHold]);
                let member = self.call_in(&[S::Connected, S::OnHold, S::Ringback, S::Proceeding]);
                Operation::AddToConference { conference, member }
            }
            26 => Operation::RemoveFromConference { member: self.call_in(&[S::Conferenced]) },
            27 => {
                let at = self.pick(&[ParkAt::Anywhere, ParkAt::Orbit("701".into())]);
                Operation::Park { call: up, at }
            }
            28 => Operation::Unpark { line, address, orbit: "701".into() },
            29 => {
                let from = self.pick(&[
                    PickupFrom::Address("b".into()),
                    PickupFrom::Group(String::new()),
                    PickupFrom::Waiting,
                ]);
                Operation::Pickup { line, address, from }
            }
            30 => {
                let call = self.call_in(&[S::Busy, S::Ringback, S::Proceeding]);
                let mode = self.pick(&[CompletionMode::CallBack, CompletionMode::CampOn]);
                Operation::CompleteCall { call, mode }
            }
            31 => {
                let completion = self.completions.last().copied().unwrap_or(CompletionId(1));
                Operation::UncompleteCall { line, completion }
            }
            32 if self.chance.chance(1, 5) => Operation::SecureCall { call },
            32 | 33 => Operation::SendUserInfo { call, data: UserInfo(vec![1, 2, 3]) },
            34 => Operation::ReleaseUserInfo { call },
            35 => Operation::SendDigits { call: up, digits: DigitOptions::new("12,#") },
            36 => Operation::SendTone { call: up, tone: ToneOptions::Busy(Duration::from_millis(300)) },
            37 => Operation::GatherDigits {
                call: up,
                gather: GatherOptions {
                    count: 2,
                    terminators: "#".into(),
                    first_after: Some(Duration::from_millis(200)),
                    next_after: None,
                },
            },
            38 => Operation::MonitorDigits { call, digits: DigitMonitoring::BeginningAndEnd },
            39 => Operation::SetTreatment { call, treatment: CallTreatment::Music },
            40 => Operation::Extension { line: A, call: Some(call), command: ExtensionCommand::Headers },
            41 => Operation::SetMediaType { call, media: MediaTypes::VOICE },
            42 => {
                let codec = self.pick(&["PCMU", "PCMA", "L16/16000"]).to_owned();
                let (packet_time, digits) = (20, DigitTransport::EventsOrAudio);
                let audio = DeviceConfig { codecs: vec![codec], packet_time, digits };
                Operation::SetCallParameters { call: up, audio }
            }
            43 => {
                let controls = MediaControl::at_any_digit(&MediaAction::Start(AudioSource::Music));
                Operation::SetMediaControl { call, controls }
            }
            _ => Operation::Play { call, source: AudioSource::Music },
        }
    }

    fn step(&mut self) {
        let call = self.call();
        match self.chance.below(100) {
            0..60 => {
                let operation = self.operation();
                let status = operation.call().and_then(|call| self.wired.exchange.call_status(call));
                let feature = hookswitch_spi::Feature::of(&operation);
                match self.wired.submit(operation.clone()) {
                    Ok((request, _)) => {
                        self.asked.insert(request, feature);
                        let possible = status.is_none_or(|status| status.possible.contains(feature));
                        assert!(possible, "{operation:?} was taken and is not possible");
                    }
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
            60..68 => {
                let line = self.pick(&[A, B, C]);
                let _ = self.wired.exchange.call_in(line, AddressId(0), "sip:ann@outside", MediaTypes::VOICE);
            }
            68..71 => self.wired.exchange.hang_up(call),
            71..73 => {
                let on = self.chance.chance(1, 2);
                self.wired.exchange.holds_us(call, on);
            }
            73 => self.wired.exchange.press(call, '5'),
            74 => self.wired.exchange.tells(call, *b"octets"),
            75..78 => {
                let now = self.wired.now;
                self.wired.exchange.close_call(now, call);
                self.wired.states.remove(&call);
            }
            78 if self.chance.chance(1, 10) => {
                let (line, now) = (self.pick(&[B, C]), self.wired.now);
                self.wired.exchange.close_line(now, line);
                self.wired.drain();
                let version = hookswitch_spi::InterfaceVersion::V1;
                self.wired.exchange.open_line(now, line, version).unwrap();
            }
            _ => {
                let wait = self.chance.below(200);
                self.wired.run(Duration::from_millis(wait));
            }
        }
        self.wired.drain();
        let known: Vec<_> = self.wired.states.keys().copied().collect();
        self.calls.extend(known.into_iter().filter(|call| !self.calls.contains(call)).collect::<Vec<_>>());
        for result in self.wired.results.values().flatten() {
            if let Outcome::Completion(completion) = result {
                self.completions.push(*completion);
            }
        }
    }

    /// What was carried out, and which states were seen.
    fn finish(mut self) -> (Features, Set<StateKind>) {
        self.wired.run(Duration::from_secs(60));
        for (call, states) in &self.wired.states {
            for pair in states.windows(2) {
                let [from, to] = pair else { continue };
                let fits = from == to && *to != StateKind::Idle || may_follow(*from, *to);
                assert!(fits, "{call}: {to} follows {from} in {states:?}");
            }
        }
        let open = self.wired.exchange.outstanding();
        assert_eq!(self.wired.results.len() + open, self.asked.len(), "exactly one result each");
        let now = self.wired.now;
        self.wired.exchange.shutdown(now);
        self.wired.drain();
        assert_eq!(self.wired.results.len(), self.asked.len(), "exactly one result each");
        assert_eq!(self.wired.exchange.alive(), "");
        assert!(self.wired.exchange.next_timeout().is_none());
        let done = self.wired.results.iter().filter(|(_, result)| result.is_ok());
        let done = done.map(|(request, _)| self.asked[request]).collect();
        (done, self.wired.states.values().flatten().copied().collect())
    }
}

#[test]
fn whatever_is_asked_the_exchange_keeps_its_contract() {
    let (mut done, mut seen) = (Features::NONE, Set::<StateKind>::NONE);
    for seed in 0..60 {
        let run = std::panic::catch_unwind(|| {
            let mut sequence = Sequence::new(seed);
            for _ in 0..1_000 {
                sequence.step();
            }
            sequence.finish()
        });
        let Ok((features, states)) = run else { panic!("seed {seed} failed; see above") };
        (done, seen) = (done.union(features), seen.union(states));
    }
    let never = Features::ALL.minus(done);
    let asked_elsewhere = Features::of(&[
        Feature::SetCallData,
        Feature::SetAppSpecific,
        Feature::SetService,
        Feature::StopSending,
        Feature::StopGathering,
        Feature::MonitorTones,
        Feature::MonitorMedia,
        Feature::Record,
        Feature::Statistics,
    ]);
    assert_eq!(never.minus(asked_elsewhere), Features::NONE, "never carried out");
    assert_eq!(Set::ALL.minus(seen), Set::of(&[StateKind::Unknown]), "never seen");
}
