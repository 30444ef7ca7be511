//! Random sequences of what concerns several calls and their audio, against a switch that answers as it likes: every request
//! completes once, no command goes to a stream that does not run, members and conferences agree, and nothing is left.

mod scripted;

use hookswitch_machine::Entropy;
use hookswitch_media::control::{Command, Event as MediaEvent, StreamId};
use hookswitch_spi::*;
use scripted::{Caller, LINE, Rig, SDP};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

struct Chance(Entropy);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        if list.is_empty() { None } else { list.get(self.below(list.len())).cloned() }
    }
}

struct Trial {
    r: Rig,
    chance: Chance,
    callers: Vec<Caller>,
    calls: Vec<CallId>,
    accepted: BTreeSet<RequestId>,
    completed: BTreeSet<RequestId>,
    /// What was asked, for the report.
    log: Vec<String>,
    states: BTreeMap<CallId, CallState>,
    streams: BTreeSet<StreamId>,
    sending: Vec<(StreamId, u64)>,
    looked_at: usize,
    bridged: bool,
    drops: BTreeMap<RequestId, CallId>,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(Entropy::from_number(seed));
        let (music, early, refer, reconnect) =
            (chance.below(2) == 0, chance.below(2) == 0, chance.below(2) == 0, chance.below(2) == 0);
        let info = chance.below(2) == 0;
        let mode = chance.of(&[AnswerMode::None, AnswerMode::Hold, AnswerMode::Drop]).unwrap_or_default();
        let r = Rig::with(|profile| {
            (profile.hold_music, profile.early_treatment) = (music, early);
            (profile.refer, profile.reconnect, profile.answer_mode) = (refer, reconnect, mode);
            profile.max_conference = 3;
            profile.info_digits = info;
        });
        Self {
            r,
            chance,
            callers: Vec::new(),
            calls: Vec::new(),
            accepted: BTreeSet::new(),
            completed: BTreeSet::new(),
            log: Vec::new(),
            states: BTreeMap::new(),
            streams: BTreeSet::new(),
            sending: Vec::new(),
            looked_at: 0,
            bridged: false,
            drops: BTreeMap::new(),
        }
    }

    #[track_caller]
    fn ensure(&self, fine: bool, what: impl FnOnce() -> String) {
        assert!(fine, "{:#?}\n{}", self.log, what());
    }

    fn operation(&mut self) -> Option<Operation> {
        let chance = &mut self.chance;
        let call = chance.of(&self.calls)?;
        let other = chance.of(&self.calls)?;
        let to = chance.of(&["600", "", "700;", "http://x"]).unwrap_or_default();
        let consult = ConsultOptions::to(to);
        let (line, address) = (LINE, AddressId(0));
        let some = Duration::from_secs(1 + chance.below(4) as u64);
        let gather = GatherOptions {
            count: 1 + chance.below(3) as u16,
            terminators: chance.of(&["", "#"]).unwrap_or_default().into(),
            first_after: chance.of(&[None, Some(some)]).flatten(),
            next_after: chance.of(&[None, Some(some)]).flatten(),
        };
        let mode = chance.of(&[TransferMode::Transfer, TransferMode::Conference]).unwrap_or_default();
        let treatments =
            [CallTreatment::Silence, CallTreatment::Ringback, CallTreatment::Busy, CallTreatment::Music];
        let treatment = chance.of(&treatments)?;
        let digits =
            chance.of(&[DigitMonitoring::Off, DigitMonitoring::Digits, DigitMonitoring::BeginningAndEnd])?;
        let states = [StateKind::Connected, StateKind::OnHold, StateKind::OnHoldPendingConference];
        let triggers = [
            MediaTrigger::Digit('1'),
            MediaTrigger::Tone { frequencies: [425, 0], duration: some },
            MediaTrigger::Media(MediaType::Voice),
            MediaTrigger::State(chance.of(&states)?),
        ];
        let actions = [
            MediaAction::Start(AudioSource::Music),
            MediaAction::Stop,
            MediaAction::Pause,
            MediaAction::Resume,
            MediaAction::VolumeUp,
            MediaAction::VolumeNormal,
        ];
        let controls = (0..chance.below(4))
            .map_while(|_| Some(MediaControl { when: chance.of(&triggers)?, then: chance.of(&actions)? }))
            .collect();
        let lists: [&[&str]; 3] = [&["PCMU"], &["PCMA", "PCMU"], &["L16/8000"]];
        let audio = DeviceConfig {
            codecs: chance.of(&lists)?.iter().map(|name| (*name).to_owned()).collect(),
            packet_time: chance.of(&[20, 40])?,
            digits: chance.of(DigitTransport::ALL)?,
        };
        let tone = TonePattern { tag: 1, frequencies: [425, 0], duration: some };
        Some(match chance.below(39) {
            0 | 1 => Operation::SetupConference { line, address, call: Some(call), consult },
            2 => Operation::SetupConference { line, address, call: None, consult },
            3 | 4 => Operation::PrepareAddToConference { conference: call, consult },
            5..=8 => Operation::AddToConference { conference: call, member: other },
            9 => Operation::RemoveFromConference { member: call },
            10 | 11 => Operation::Hold { call },
            12 | 13 => Operation::Retrieve { call },
            14 | 15 => Operation::SwapHold { active: call, held: other },
            16 | 17 => Operation::SetupTransfer { call, consult },
            18 | 19 => Operation::CompleteTransfer { call, consult: other, mode, deadline: some },
            20 if chance.below(3) == 0 => Operation::drop(call),
            21 => Operation::SendDigits { call, digits: DigitOptions::new("12") },
            22 => Operation::SendTone { call, tone: ToneOptions::Ringback(some) },
            23 => Operation::StopSending { call },
            24 | 25 => Operation::GatherDigits { call, gather },
            26 => Operation::StopGathering { call },
            27 => Operation::MonitorDigits { call, digits },
            28 => Operation::MonitorTones { call, tones: vec![tone] },
            29 => Operation::MonitorMedia { call, media: MediaTypes::VOICE },
            30 => Operation::SetTreatment { call, treatment },
            31 => Operation::Dial { call, digits: "1".into() },
            32 => Operation::Play { call, source: AudioSource::Echo },
            33 | 34 => Operation::SetMediaControl { call, controls },
            35..=37 => Operation::SetCallParameters { call, audio },
            _ => Operation::answer(call),
        })
    }

    /// Whether both calls of an operation are in states that it fits.
    fn fits(&self, operation: &Operation) -> bool {
        let feature = Feature::of(operation);
        let other = operation.other_call().and_then(|call| self.r.p.call_state(call));
        let possible = operation.call().and_then(|call| self.r.p.call_status(call)).map(|s| s.possible);
        possible.is_none_or(|possible| possible.contains(feature))
            && other.is_none_or(|state| feature.other_states().contains(&state.kind()))
            && operation.call() != operation.other_call()
    }

    fn ask(&mut self, operation: Operation) {
        let number = RequestId(1_000 + self.accepted.len() as u64 + self.log.len() as u64);
        let possible = operation
            .call()
            .and_then(|call| self.r.p.call_status(call))
            .map(|status| status.possible.contains(Feature::of(&operation)));
        let fits = self.fits(&operation) && possible == Some(true);
        let result = self.r.p.submit(self.r.now, number, operation.clone());
        self.log.push(format!("{number} {operation:?}: {result:?}"));
        let impossible = matches!(result, Err(OperationError::InvalidCallState { .. }));
        let busy = matches!(operation, Operation::CompleteTransfer { .. });
        self.ensure(!fits || !impossible || busy, || "what is possible was refused as impossible".into());
        self.ensure(result.is_err() || possible != Some(false), || {
            "what is not possible was accepted".into()
        });
        if let (Ok(_), Operation::Drop { call, .. }) = (&result, &operation) {
            self.drops.insert(number, *call);
        }
        if let Ok(created) = result {
            self.accepted.insert(number);
            self.calls.extend(created);
        }
        self.look();
    }

    /// The switch answers something of ours.
    fn reply(&mut self) {
        let open = self.r.open_requests();
        let Some((text, method)) = self.chance.of(&open) else { return };
        let direction = self.chance.of(&["", "a=recvonly\r\n", "a=inactive\r\n"]).unwrap_or_default();
        let (status, sdp) = match (&*method, self.chance.below(8)) {
            ("INVITE", 0) => ("180 Ringing", String::new()),
            ("INVITE", 1) => ("486 Busy Here", String::new()),
            ("INVITE", 2) => ("488 Not Acceptable Here", String::new()),
            ("INVITE", 3) => ("491 Request Pending", String::new()),
            ("INVITE", _) => ("200 OK", SDP.to_owned() + direction),
            ("REFER", 0) => ("603 Decline", String::new()),
            ("REFER", _) => ("202 Accepted", String::new()),
            (_, 0) => ("481 Gone", String::new()),
            (_, _) => ("200 OK", String::new()),
        };
        self.log.push(format!("{method} {status}: {}", text.lines().next().unwrap_or_default()));
        self.r.reply_to(&text, status, &sdp);
        self.look();
    }

    fn step(&mut self) {
        // Applications close what has ended.
        let ended =
            self.calls.iter().copied().find(|call| self.r.p.call_state(*call) == Some(CallState::Idle));
        if let (Some(call), true) = (ended, self.chance.below(3) == 0) {
            self.close(call);
        }
        match self.chance.below(20) {
            0 if self.calls.len() < 8 => {
                let events = self.chance.below(2) == 0;
                let plain = SDP.replace(" 101", "");
                let mut caller = self.r.ring(if events { SDP } else { &plain });
                self.log.push(format!("{} comes in", caller.call));
                self.calls.push(caller.call);
                self.look();
                if self.chance.below(4) > 0 {
                    let number = RequestId(100_000 + self.log.len() as u64);
                    let answered = self.r.p.submit(self.r.now, number, Operation::answer(caller.call));
                    self.log.push(format!("{number} answer {}: {answered:?}", caller.call));
                    self.accepted.insert(number);
                    self.r.drain();
                    self.r.acknowledge(&mut caller);
                    self.look();
                }
                self.callers.push(caller);
            }
            1 => {
                let leaves = self.chance.below(2) == 0;
                if let Some(mut caller) = self.chance.of(&self.callers).filter(|_| leaves) {
                    self.log.push(format!("{} hangs up", caller.call));
                    self.r.hangs_up(&mut caller);
                    self.callers.retain(|other| other.call != caller.call);
                }
            }
            2 => {
                if let Some(call) = self.chance.of(&self.calls) {
                    self.log.push(format!("{call} presses"));
                    self.r.presses(call, "1#");
                }
            }
            3 => {
                let span = Duration::from_millis(self.chance.below(3_000) as u64);
                self.log.push(format!("{span:?} pass"));
                self.r.run(span);
            }
            4 => {
                if let Some((stream, tag)) = self.sending.pop() {
                    self.r.hears(MediaEvent::DigitsSent { stream, tag, cancelled: false });
                }
            }
            5 if self.chance.below(6) == 0 => {
                if let Some(call) = self.chance.of(&self.calls) {
                    self.log.push(format!("{call} is closed"));
                    self.close(call);
                }
            }
            5..=9 => self.reply(),
            _ => {
                // Mostly what could be done, sometimes anything.
                let anything = self.chance.below(5) == 0;
                for _ in 0..30 {
                    let Some(operation) = self.operation() else { break };
                    if anything || self.fits(&operation) {
                        self.ask(operation);
                        break;
                    }
                }
            }
        }
        self.look();
    }

    fn close(&mut self, call: CallId) {
        self.r.p.close_call(self.r.now, call);
        self.calls.retain(|other| *other != call);
        self.look();
        self.states.remove(&call);
    }

    /// Takes what was told and commanded, and checks it.
    fn look(&mut self) {
        self.r.drain();
        for event in std::mem::take(&mut self.r.events) {
            match event {
                ProviderEvent::Completed { request, result } => {
                    if let Ok(Outcome::Conference { consult, .. }) = &result {
                        self.calls.extend(consult);
                    }
                    self.bridged |= result == Ok(Outcome::Transferred(TransferOutcome::Bridged));
                    self.log.push(format!("    {request}: {result:?}"));
                    let dropped = self.drops.get(&request).filter(|call| self.calls.contains(call));
                    self.ensure(dropped.is_none() || result.is_ok(), || {
                        format!("{request}, a drop, failed: {result:?}")
                    });
                    let known = self.accepted.contains(&request);
                    let first = self.completed.insert(request);
                    self.ensure(known && first, || {
                        format!("{request} completed, known {known}, first {first}")
                    });
                }
                ProviderEvent::CallState { call, state, .. } => {
                    self.log.push(format!("    {call} {state:?}"));
                    let before = self.states.insert(call, state.clone());
                    self.ensure(before != Some(CallState::Idle), || format!("{call} was idle"));
                    self.ensure(before.as_ref() != Some(&state), || format!("{call} is {state} again"));
                    if let CallState::Conferenced(of) = state {
                        let known = self.states.contains_key(&of);
                        self.ensure(known, || format!("{call} is a member of {of}, which is not known"));
                    }
                }
                _ => {}
            }
        }
        let commands = self.r.commands[self.looked_at..].to_vec();
        self.looked_at = self.r.commands.len();
        for command in commands {
            let stream = match &command {
                Command::Start { stream, .. } | Command::StartLocal { stream, .. } => {
                    let fresh = self.streams.insert(*stream);
                    self.ensure(fresh, || format!("{stream:?} started twice"));
                    continue;
                }
                Command::Return { .. } => continue,
                Command::Stop { stream } => {
                    let ran = self.streams.remove(stream);
                    self.ensure(ran, || format!("{stream:?} stopped twice"));
                    self.sending.retain(|(of, _)| of != stream);
                    continue;
                }
                Command::SendDigits { stream, tag, .. } | Command::SendTone { stream, tag, .. } => {
                    self.sending.push((*stream, *tag));
                    *stream
                }
                Command::Configure { stream, .. }
                | Command::Send { stream, .. }
                | Command::Pause { stream, .. }
                | Command::Gain { stream, .. }
                | Command::Mix { stream, .. }
                | Command::Record { stream, .. }
                | Command::StopGenerating { stream }
                | Command::MonitorTones { stream, .. }
                | Command::MonitorFax { stream, .. }
                | Command::MonitorInBandDigits { stream, .. }
                | Command::Report { stream } => *stream,
            };
            self.ensure(self.streams.contains(&stream), || format!("{command:?}, which does not run"));
        }
        let conferenced: Vec<(CallId, CallId)> = self
            .calls
            .iter()
            .filter_map(|call| match self.r.p.call_state(*call) {
                Some(CallState::Conferenced(of)) => Some((*call, of)),
                _ => None,
            })
            .collect();
        for (member, of) in conferenced {
            let kind = self.r.p.call_state(of).map(|state| state.kind());
            let alive = matches!(
                kind,
                Some(StateKind::Connected | StateKind::OnHold | StateKind::OnHoldPendingConference)
            );
            self.ensure(alive, || format!("{member} is a member of {of}, which is {kind:?}"));
        }
        let counts = self.r.p.line_status(LINE).map(|status| status.calls.all());
        let alive = self.calls.iter().filter(|call| {
            self.states.contains_key(call)
                && self.r.p.call_state(**call).is_some_and(|state| {
                    !matches!(state, CallState::Idle | CallState::Disconnected(_) | CallState::Unknown)
                })
        });
        let alive = alive.count() as u32;
        self.ensure(counts == Some(alive), || format!("{counts:?} calls are counted, {alive} are alive"));
    }

    fn finish(&mut self) {
        for call in self.calls.clone() {
            self.close(call);
        }
        if self.bridged {
            // Bridged calls live on unseen until one side ends.
            self.r.p.close_line(self.r.now, LINE);
        }
        self.r.run(Duration::from_secs(80));
        self.look();
        let lost: Vec<_> = self.accepted.difference(&self.completed).collect();
        self.ensure(lost.is_empty(), || format!("{lost:?} never completed"));
        let alive = self.r.p.alive();
        self.ensure((alive.calls, alive.sessions, self.streams.len()) == (0, 0, 0), || {
            format!("left: {alive:?}, streams {:?}", self.streams)
        });
        self.ensure(alive.timers <= 1, || format!("timers are left: {alive:?}"));
    }
}

fn trials(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let result = std::panic::catch_unwind(|| {
            let mut trial = Trial::new(seed);
            for _ in 0..150 {
                trial.step();
            }
            trial.finish();
        });
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn whatever_happens_in_conferences_the_contract_is_kept() {
    trials(0..80);
}

#[test]
#[ignore = "takes minutes"]
fn whatever_happens_in_conferences_for_long() {
    trials(80..4_000);
}
