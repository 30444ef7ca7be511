//! Several applications do whatever comes into their heads; what they hear is checked after every step.

mod common;

use common::*;
use hookswitch_machine::Entropy;
use hookswitch_spi::{
    AddressId, CallId, ConsultOptions, DigitMonitoring, DigitOptions, LineId, MediaType, MediaTypes,
    Operation, ParkAt, PickupFrom, RejectReason, StateKind, TransferMode,
};
use hookswitch_telephony::{
    AppRequestId, CallRequest, Config, Event, HandOffTarget, Interest, Limits, OpenId, Privilege, Reply,
    Request, SessionId, SnapshotPart, Unowned,
};
use hookswitch_testkit::loopback::{Outside, may_follow};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const LINES: [LineId; 2] = [LINE, OTHER_LINE];

/// What the answer to a request means for the model.
#[derive(Clone, Copy)]
enum Meaning {
    Open(LineId, Interest),
    Close(LineId),
    CloseOpen(LineId, OpenId),
    Release(CallId),
    LetGo(CallId),
    Other,
}

/// What one application believes.
#[derive(Default)]
struct Believes {
    outstanding: BTreeMap<AppRequestId, Meaning>,
    open: BTreeMap<LineId, Vec<(OpenId, Interest)>>,
    held: BTreeMap<CallId, (LineId, Option<StateKind>)>,
    /// Handles dropped without a word: something may still be heard of these calls.
    dropped: BTreeSet<CallId>,
    /// The calls of a picture that is being told.
    picture: Option<BTreeMap<CallId, StateKind>>,
}

impl Believes {
    /// What was told is what is.
    fn compare(&self, picture: &BTreeMap<CallId, StateKind>) {
        for (call, (_, state)) in &self.held {
            let told = picture.get(call);
            assert!(
                told.is_some() && (state.is_none() || *state == told.copied()),
                "{call}: {state:?} {told:?}"
            );
        }
        for call in picture.keys() {
            assert!(self.held.contains_key(call) || self.dropped.contains(call), "{call} was never told");
        }
    }
}

struct World {
    bench: Bench,
    chance: Entropy,
    present: BTreeMap<SessionId, Believes>,
    lost: BTreeMap<SessionId, Believes>,
    names: BTreeMap<SessionId, String>,
    calls: Vec<CallId>,
    sessions: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Entropy::from_number(seed);
        let unowned = match chance.below(3) {
            0 => Unowned::Leave,
            1 => Unowned::Reject(RejectReason::Decline),
            _ => Unowned::Forward("sip:answers@outside".into()),
        };
        let limits = Limits { ended_calls_per_session: 8, requests_per_session: 6, ..Limits::default() };
        let mut bench = Bench::with(Config { unowned, limits, timeline_entries: 500, ..Config::default() });
        bench.exchange.outside("sip:answers@outside", Outside::Answers(Duration::from_millis(50)));
        bench.exchange.outside("sip:refuses@outside", Outside::Refuses(486, Duration::from_millis(50)));
        bench.exchange.outside("sip:rings@outside", Outside::Rings);
        let (present, lost, names) = Default::default();
        Self { bench, chance, present, lost, names, calls: Vec::new(), sessions: 0 }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.chance.below(from.len() as u64) as usize).copied()
    }

    fn someone(&mut self) -> Option<SessionId> {
        let all: Vec<_> = self.present.keys().copied().collect();
        self.pick(&all)
    }

    fn some_call(&mut self) -> CallId {
        let recent = self.calls.len().saturating_sub(12);
        let recent = self.calls[recent..].to_vec();
        self.pick(&recent).unwrap_or(CallId(999_999))
    }

    fn some_address(&mut self) -> String {
        let known = [
            "sip:answers@outside",
            "sip:refuses@outside",
            "sip:rings@outside",
            "sip:desk@loop",
            "sip:shop@loop",
            "sip:nobody@outside",
            "no address",
        ];
        self.pick(&known).unwrap_or_default().into()
    }

    fn ask(&mut self, session: SessionId, what: Request, meaning: Meaning) {
        let next = self.bench.next_request();
        if let Some(believes) = self.present.get_mut(&session) {
            believes.outstanding.insert(next, meaning);
        }
        assert_eq!(self.bench.ask(session, what), next);
        self.check();
    }

    fn attach(&mut self) {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let all: Vec<_> = self.lost.keys().copied().collect();
        let resume = if self.chance.chance(2, 3) { self.pick(&all) } else { None };
        let name = match resume {
            Some(lost) => self.names[&lost].clone(),
            None => format!("app {}", self.chance.below(4)),
        };
        let believes = resume.and_then(|lost| self.lost.remove(&lost)).unwrap_or_default();
        self.present.insert(session, believes);
        self.names.insert(session, name.clone());
        let grace = Duration::from_secs(self.chance.below(4));
        let mut versions = hookswitch_telephony::SPOKEN;
        if self.chance.chance(1, 4) {
            versions.high = hookswitch_telephony::OLDEST;
        }
        self.ask(session, Request::Attach { name: name.into(), grace, versions, resume }, Meaning::Other);
        // Too late to come back: then it starts anew.
        if resume.is_some() && !self.attached(session) {
            self.present.remove(&session);
        }
    }

    fn attached(&mut self, session: SessionId) -> bool {
        let request = self.bench.ask(session, Request::Lines);
        let answer = self.bench.take_answer(session, request);
        self.check();
        matches!(answer, Some(Ok(Reply::Lines(_))))
    }

    fn operation(&mut self) -> Operation {
        let call = self.some_call();
        let destination = self.some_address();
        match self.chance.below(30) {
            0 | 1 => Operation::MakeCall {
                line: self.pick(&LINES).unwrap_or(LINE),
                address: AddressId(0),
                destination,
                options: Default::default(),
            },
            2 => Operation::accept(call),
            3 | 4 => Operation::answer(call),
            5 => Operation::Redirect { call, destination },
            6 => Operation::Drop { call, reason: RejectReason::Busy, user_info: None },
            7 => Operation::Hold { call },
            8 => Operation::Retrieve { call },
            9 => Operation::BlindTransfer { call, destination, deadline: Duration::from_millis(400) },
            10 => Operation::SendDigits { call, digits: DigitOptions::new("12#") },
            11 => Operation::Play { call, source: Default::default() },
            12 => Operation::SwapHold { active: call, held: self.some_call() },
            13 | 14 => Operation::SetupTransfer { call, consult: ConsultOptions::to(destination) },
            15 | 16 => {
                let conference = self.chance.chance(1, 2);
                let mode = if conference { TransferMode::Conference } else { TransferMode::Transfer };
                let deadline = Duration::from_millis(400);
                Operation::CompleteTransfer { call, consult: self.some_call(), mode, deadline }
            }
            17 | 18 => Operation::SetupConference {
                line: self.bench.line_of(call).unwrap_or(LINE),
                address: AddressId(0),
                call: self.chance.chance(2, 3).then_some(call),
                consult: ConsultOptions::to(destination),
            },
            19 => Operation::PrepareAddToConference {
                conference: call,
                consult: ConsultOptions::to(destination),
            },
            20 => Operation::AddToConference { conference: call, member: self.some_call() },
            21 => Operation::RemoveFromConference { member: call },
            22 => Operation::Park { call, at: ParkAt::Anywhere },
            23 => {
                let line = self.pick(&LINES).unwrap_or(LINE);
                let from = PickupFrom::Address(destination);
                Operation::Pickup { line, address: AddressId(0), from }
            }
            24 => Operation::MonitorDigits { call, digits: DigitMonitoring::BeginningAndEnd },
            25 => Operation::MonitorMedia { call, media: FAX },
            26 => Operation::SetMediaType { call, media: FAX },
            27 => Operation::SetCallData { call, data: vec![7; 9] },
            28 => Operation::SecureCall { call },
            _ => Operation::Statistics { call },
        }
    }

    fn step(&mut self) {
        let what = self.chance.below(100);
        if what < 4 || self.present.is_empty() {
            if self.present.len() < 5 {
                self.attach();
            }
            return;
        }
        let Some(session) = self.someone() else { return };
        let line = self.pick(&LINES).unwrap_or(LINE);
        let call = self.some_call();
        match what {
            4 => {
                self.ask(session, Request::Detach, Meaning::Other);
                let believes = self.present.remove(&session).expect("it was there");
                assert!(believes.outstanding.is_empty(), "{session} detached with requests outstanding");
            }
            5 | 6 => {
                self.bench.ask(session, Request::Lost);
                let believes = self.present.remove(&session).expect("it was there");
                self.lost.insert(session, believes);
                self.check();
            }
            7..15 => {
                let owner =
                    [MediaTypes::NONE, MediaTypes::VOICE, FAX, MediaTypes::VOICE.with(MediaType::Unknown)];
                let owner = self.pick(&owner).unwrap_or_default();
                let interest = Interest { owner, monitor: self.chance.chance(1, 3), ..Interest::NONE };
                self.ask(session, Request::OpenLine { line, interest }, Meaning::Open(line, interest));
            }
            15 if self.chance.chance(1, 2) => self.close_one(session, line),
            15 => self.ask(session, Request::CloseLine { line }, Meaning::Close(line)),
            16..46 => {
                let operation = self.operation();
                self.ask(session, Request::Operate(operation), Meaning::Other);
            }
            46..54 => {
                let to = match self.chance.below(3) {
                    0 => HandOffTarget::Application(format!("app {}", self.chance.below(4)).into()),
                    1 => HandOffTarget::Media(MediaType::Voice),
                    _ => HandOffTarget::Address(self.some_address()),
                };
                self.ask(session, Request::HandOff { call, to }, Meaning::Other);
            }
            54..58 => self.ask(session, Request::TakeOwnership { call }, Meaning::Other),
            58..60 => self.ask(session, Request::Monitor { call }, Meaning::Other),
            60..66 => self.ask(session, Request::Release { call }, Meaning::Release(call)),
            66 => self.ask(session, Request::LetGo { call }, Meaning::LetGo(call)),
            67 => self.ask(session, Request::Snapshot, Meaning::Other),
            68 => self.ask(session, Request::ExistingCalls { line, address: None }, Meaning::Other),
            69..80 => self.somebody_calls(line),
            80..84 => {
                self.bench.exchange.hang_up(call);
                self.bench.drain();
                self.check();
            }
            84..86 => {
                self.bench.exchange.press(call, '7');
                self.bench.drain();
                self.check();
            }
            86 => {
                let wanted = self.chance.chance(2, 3);
                self.ask(session, Request::RegisterRecipient { wanted }, Meaning::Other);
            }
            87 => {
                let what = CallRequest::to("tel:1");
                self.ask(session, Request::RequestCall { what, hold: false }, Meaning::Other);
            }
            88 => self.ask(session, Request::TakeRequest, Meaning::Other),
            _ => {
                let wait = self.chance.below(300);
                self.bench.pass(Duration::from_millis(wait));
                self.check();
            }
        }
    }

    /// Takes one opening of a line back; the last one closes the line.
    fn close_one(&mut self, session: SessionId, line: LineId) {
        let opens = self.present[&session].open.get(&line).cloned().unwrap_or_default();
        let ids: Vec<OpenId> = opens.iter().map(|(open, _)| *open).collect();
        let Some(open) = self.pick(&ids) else { return };
        let meaning = if ids.len() > 1 { Meaning::CloseOpen(line, open) } else { Meaning::Close(line) };
        self.ask(session, Request::CloseOpen { line, open }, meaning);
    }

    fn somebody_calls(&mut self, line: LineId) {
        let Some(call) =
            self.bench.exchange.call_in(line, AddressId(0), "sip:ann@outside", MediaTypes::VOICE)
        else {
            return;
        };
        self.bench.drain();
        let owners = self.bench.heard.iter().filter(|(_, event)| {
            matches!(event, Event::NewCall { call: new, privilege: Privilege::Owner, .. } if *new == call)
        });
        let wanted = self.present.values().any(|believes| {
            let interests = believes.open.get(&line).into_iter().flatten();
            interests.into_iter().any(|(_, interest)| interest.owner.contains(MediaType::Voice))
        });
        assert_eq!(owners.count(), usize::from(wanted), "exactly one owner if anybody wants it");
        self.check();
    }

    fn check(&mut self) {
        for (session, event) in self.bench.take() {
            if event == Event::GivenUp {
                assert!(self.lost.remove(&session).is_some(), "{session} was not lost");
                continue;
            }
            let Some(believes) = self.present.get_mut(&session).or(self.lost.get_mut(&session)) else {
                panic!("{session} is gone and hears {event:?}");
            };
            let held = |call: &CallId, believes: &Believes| {
                let known = believes.held.contains_key(call) || believes.dropped.contains(call);
                assert!(known, "{session} has no handle to {call}: {event:?}");
            };
            match &event {
                Event::Refused { request, .. } => {
                    assert!(believes.outstanding.remove(request).is_some(), "answered twice: {event:?}");
                }
                Event::Completed { request, result } => {
                    let meaning = believes.outstanding.remove(request);
                    let meaning = meaning.unwrap_or_else(|| panic!("answered twice: {event:?}"));
                    let Ok(reply) = result else { continue };
                    match meaning {
                        Meaning::Open(line, interest) => {
                            let Reply::Opened(open) = reply else { panic!("{reply:?}") };
                            believes.open.entry(line).or_default().push((*open, interest));
                        }
                        Meaning::CloseOpen(line, open) => {
                            let opens = believes.open.entry(line).or_default();
                            opens.retain(|(known, _)| *known != open);
                            assert!(!opens.is_empty(), "it was not the last");
                        }
                        Meaning::Close(line) => {
                            believes.open.remove(&line);
                            believes.held.retain(|_, (of, _)| *of != line);
                        }
                        Meaning::Release(call) => {
                            believes.held.remove(&call);
                            believes.dropped.remove(&call);
                        }
                        Meaning::LetGo(call) => {
                            believes.held.remove(&call);
                            believes.dropped.insert(call);
                        }
                        Meaning::Other => {}
                    }
                    match reply {
                        Reply::Created(call) => {
                            self.calls.push(*call);
                            let line = self.bench.line_of(*call).unwrap_or(LINE);
                            believes.held.insert(*call, (line, None));
                        }
                        Reply::Conference { conference, consult } => {
                            for call in std::iter::once(conference).chain(consult) {
                                self.calls.push(*call);
                                let line = self.bench.line_of(*call).unwrap_or(LINE);
                                believes.held.insert(*call, (line, None));
                            }
                        }
                        Reply::Calls(calls) => {
                            for found in calls {
                                let line = found.info.as_ref().map_or(LINE, |info| info.line);
                                let new = believes.held.insert(found.call, (line, Some(found.state.kind())));
                                assert!(new.is_none(), "found twice: {}", found.call);
                            }
                        }
                        Reply::Attached { lines, calls, .. } => {
                            let interests = |open: &hookswitch_telephony::OpenLine| {
                                (open.line, (open.open, open.interest))
                            };
                            let believed = believes.open.iter();
                            let believed =
                                believed.flat_map(|(line, all)| all.iter().map(|one| (*line, *one)));
                            assert!(lines.iter().map(interests).eq(believed), "{lines:?}");
                            believes
                                .compare(&calls.iter().map(|call| (call.call, call.state.kind())).collect());
                            for found in calls {
                                let line = found.info.as_ref().map_or(LINE, |info| info.line);
                                believes.held.insert(found.call, (line, Some(found.state.kind())));
                                believes.dropped.remove(&found.call);
                            }
                        }
                        _ => {}
                    }
                }
                Event::NewCall { line, call, .. } => {
                    self.calls.push(*call);
                    believes.dropped.remove(call);
                    assert!(believes.held.insert(*call, (*line, None)).is_none(), "new twice: {call}");
                }
                Event::CallState { call, state, .. } => {
                    held(call, believes);
                    let Some((_, last)) = believes.held.get_mut(call) else { continue };
                    let kind = state.kind();
                    if let Some(last) = last {
                        let legal = *last == kind || may_follow(*last, kind);
                        assert!(legal, "{session}: {kind} follows {last} on {call}");
                    }
                    *last = Some(kind);
                }
                Event::CallInfo { call, .. }
                | Event::Owners { call, .. }
                | Event::Digit { call, .. }
                | Event::Played { call }
                | Event::MediaFailed { call, .. } => held(call, believes),
                Event::CallForgotten { call } => {
                    held(call, believes);
                    believes.held.remove(call);
                    believes.dropped.remove(call);
                }
                Event::Snapshot(SnapshotPart::Begin { .. }) => believes.picture = Some(BTreeMap::new()),
                Event::Snapshot(SnapshotPart::Call(call)) => {
                    let picture = believes.picture.as_mut().expect("it has begun");
                    assert!(picture.insert(call.call, call.state.kind()).is_none());
                }
                Event::Snapshot(SnapshotPart::End { .. }) => {
                    let picture = believes.picture.take().expect("it has begun");
                    believes.compare(&picture);
                }
                _ => {}
            }
        }
    }

    fn finish(mut self) {
        let all: Vec<_> = self.present.keys().copied().collect();
        for session in all {
            self.ask(session, Request::Detach, Meaning::Other);
            let believes = self.present.remove(&session).expect("it was there");
            assert!(
                believes.outstanding.is_empty(),
                "{session} never heard of {}",
                believes.outstanding.len()
            );
        }
        self.bench.pass(Duration::from_secs(600));
        self.check();
        let telephony = &self.bench.telephony;
        assert_eq!((telephony.calls(), telephony.sessions(), telephony.outstanding()), (0, 0, 0));
        let exchange = &self.bench.exchange;
        assert_eq!((exchange.calls(), exchange.outstanding()), (0, 0));
        let open: BTreeSet<_> = LINES.into_iter().filter(|line| exchange.is_open(*line)).collect();
        assert!(open.is_empty(), "still open: {open:?}");
        assert!(telephony.timeline().len() <= 500);
    }
}

#[test]
fn whatever_applications_do_the_contract_is_kept() {
    for seed in 0..40 {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..1_500 {
                world.step();
            }
            world.finish();
        });
        assert!(run.is_ok(), "seed {seed} failed; see above");
    }
}
