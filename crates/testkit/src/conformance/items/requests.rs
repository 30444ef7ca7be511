//! Part D: handles and asynchronous requests (checklist 24 to 34).

use super::item;
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Incoming, Saw, Setup};
use crate::conformance::{Bench, Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    AddressId, CallId, CallOptions, CallState, CallTreatment, CompletionId, CompletionMode, ConsultOptions,
    DigitMonitoring, DigitOptions, Feature, ForwardingRules, GatherOptions, LineId, MediaTypes, Member,
    Operation, OperationError, Outcome, ParkAt, PickupFrom, ProviderEvent, RejectReason, StateKind,
    ToneOptions, TransferMode, UserInfo,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        24,
        "every request is refused and never completes, or accepted and completes exactly once: all operations in all states",
        fuzz,
    ),
    item(25, "what the caller does with its buffers after asking changes nothing of what is sent", buffers),
    item(
        26,
        "a hundred overlapping requests, answered in any order, complete once each with their own results",
        overlapping,
    ),
    item(
        27,
        "no event and no count of a call before the request that creates it has completed; unusable before",
        creation_gate,
    ),
    item(
        28,
        "a call refused at once fails its request, and there is no call, no event, no leak",
        refused_at_once,
    ),
    item(
        29,
        "closing a call that is being set up completes its request first and abandons it properly",
        closed_while_set_up,
    ),
    item(
        30,
        "drop followed at once by close: both are fine, the drop completes, nothing is told after",
        drop_and_close,
    ),
    item(
        31,
        "a dropped call is idle exactly once and in bounded time, even if the other side never answers",
        drop_unanswered,
    ),
    item(32, "closing a live call hangs up if and only if that is advertised", close_hangs_up),
    item(
        33,
        "after a close, late answers of the network cause no event, and a late answer is ended",
        late_answers,
    ),
    item(
        34,
        "nothing is told from within a request: events and completions come by polling only, in order",
        no_nesting,
    ),
];

const LINE: LineId = LineId(0);

/// Every operation, with arguments that are plausible for a call and another.
pub(super) fn all_operations(call: CallId, other: CallId) -> Vec<Operation> {
    let (line, address) = (LINE, AddressId(0));
    let deadline = Duration::from_secs(5);
    let consult = ConsultOptions::to("ben");
    vec![
        Operation::MakeCall { line, address, destination: "ben".into(), options: CallOptions::default() },
        Operation::Dial { call, digits: "1".into() },
        Operation::accept(call),
        Operation::answer(call),
        Operation::Redirect { call, destination: "cora".into() },
        Operation::Forward { line, address, rules: ForwardingRules::default() },
        Operation::Hold { call },
        Operation::Retrieve { call },
        Operation::SwapHold { active: call, held: other },
        Operation::SetupTransfer { call, consult: consult.clone() },
        Operation::CompleteTransfer { call, consult: other, mode: TransferMode::Transfer, deadline },
        Operation::CompleteTransfer { call, consult: other, mode: TransferMode::Conference, deadline },
        Operation::BlindTransfer { call, destination: "cora".into(), deadline },
        Operation::SetupConference { line, address, call: Some(call), consult: consult.clone() },
        Operation::PrepareAddToConference { conference: call, consult },
        Operation::AddToConference { conference: call, member: other },
        Operation::RemoveFromConference { member: call },
        Operation::Park { call, at: ParkAt::Orbit("701".into()) },
        Operation::Park { call, at: ParkAt::Anywhere },
        Operation::Unpark { line, address, orbit: "701".into() },
        Operation::Pickup { line, address, from: PickupFrom::Address("door".into()) },
        Operation::CompleteCall { call, mode: CompletionMode::CallBack },
        Operation::UncompleteCall { line, completion: CompletionId(1) },
        Operation::SecureCall { call },
        Operation::SendUserInfo { call, data: UserInfo(b"hello".to_vec()) },
        Operation::ReleaseUserInfo { call },
        Operation::SetMediaType { call, media: MediaTypes::VOICE },
        Operation::SetCallData { call, data: b"data".to_vec() },
        Operation::SetAppSpecific { call, value: 7 },
        Operation::SetTreatment { call, treatment: CallTreatment::Music },
        Operation::SetService { line, on: true },
        Operation::SendDigits { call, digits: DigitOptions::new("12") },
        Operation::SendTone { call, tone: ToneOptions::Beep },
        Operation::StopSending { call },
        Operation::GatherDigits {
            call,
            gather: GatherOptions {
                count: 2,
                terminators: "#".into(),
                first_after: Some(Duration::from_secs(2)),
                next_after: Some(Duration::from_secs(2)),
            },
        },
        Operation::StopGathering { call },
        Operation::MonitorDigits { call, digits: DigitMonitoring::Digits },
        Operation::MonitorTones { call, tones: Vec::new() },
        Operation::MonitorMedia { call, media: MediaTypes::VOICE },
        Operation::SetCallParameters {
            call,
            audio: hookswitch_spi::DeviceConfig {
                codecs: vec!["PCMA".into(), "PCMU".into()],
                packet_time: 20,
                digits: hookswitch_spi::DigitTransport::EventsOrAudio,
            },
        },
        Operation::SetMediaControl {
            call,
            controls: hookswitch_spi::MediaControl::at_any_digit(&hookswitch_spi::MediaAction::Stop),
        },
        Operation::Play { call, source: hookswitch_spi::AudioSource::Music },
        Operation::Record { call, path: None },
        Operation::Statistics { call },
        Operation::Extension {
            line,
            call: Some(call),
            command: hookswitch_spi::ExtensionCommand::Identifiers,
        },
        Operation::Drop { call, reason: RejectReason::Default, user_info: None },
    ]
}

/// A call in each state that can be reached simply, by name.
fn in_state(bench: &mut Bench, wanted: StateKind) -> Result<Option<CallId>, Finding> {
    let failed = |error: OperationError| Finding(error.to_string());
    Ok(Some(match wanted {
        StateKind::Offering => bench.offered(Incoming::new(LINE, "ann"))?.0,
        StateKind::Accepted => {
            let (call, _) = bench.offered(Incoming::new(LINE, "ann"))?;
            bench.perform(Operation::accept(call)).map_err(failed)?;
            call
        }
        StateKind::Dialtone if bench.able(LINE).states.contains(StateKind::Dialtone) => {
            bench.make_call(LINE, "").map_err(failed)?
        }
        StateKind::Dialing if bench.able(LINE).states.contains(StateKind::Dialing) => {
            bench.make_call(LINE, "12;").map_err(failed)?
        }
        StateKind::Proceeding => {
            bench.arrange("dora", Behaviour::Proceeds);
            bench.make_call(LINE, "dora").map_err(failed)?
        }
        StateKind::Ringback => {
            bench.arrange("dora", Behaviour::Rings);
            let call = bench.make_call(LINE, "dora").map_err(failed)?;
            bench.reaches(call, StateKind::Ringback);
            call
        }
        StateKind::Connected => bench.answered(LINE, "ann")?.0,
        StateKind::OnHold => {
            let (call, _) = bench.answered(LINE, "ann")?;
            bench.perform(Operation::Hold { call }).map_err(failed)?;
            call
        }
        StateKind::Disconnected => {
            let (call, party) = bench.answered(LINE, "ann")?;
            bench.act(party, Act::HangUp(String::new()));
            call
        }
        StateKind::Idle => {
            let (call, _) = bench.answered(LINE, "ann")?;
            bench.perform(Operation::drop(call)).map_err(failed)?;
            call
        }
        StateKind::Dialtone
        | StateKind::Dialing
        | StateKind::Busy
        | StateKind::OnHoldPendingTransfer
        | StateKind::OnHoldPendingConference
        | StateKind::Conferenced
        | StateKind::Unknown => return Ok(None),
    }))
}

fn fuzz(suite: &Suite<'_>) -> Verdict {
    for state in StateKind::ALL {
        let operations = all_operations(CallId(0), CallId(0)).len();
        for n in 0..operations {
            let mut bench = suite.open(&Setup::one());
            bench.arrange("ben", Behaviour::Answers(Duration::from_millis(100)));
            bench.arrange("cora", Behaviour::Answers(Duration::from_millis(100)));
            let Some(call) = in_state(&mut bench, *state)? else { break };
            ensure!(
                bench.kind(call) == Some(*state),
                "a call is to be {state} and is {:?}",
                bench.kind(call)
            );
            let Some(operation) = all_operations(call, CallId(u64::MAX)).into_iter().nth(n) else { break };
            let feature = Feature::of(&operation);
            let able = bench.able(LINE);
            let needs_call = operation.call().is_some();
            match bench.ask(operation) {
                Ok(request) => {
                    let _ = bench.wait(request, Duration::from_secs(90));
                }
                Err(error) => {
                    let advertised = able.features.contains(feature);
                    let right_state = !needs_call || feature.states().contains(state);
                    match &error {
                        OperationError::Unavailable(_) if advertised => {
                            // A mode of it that the line does not have.
                        }
                        OperationError::InvalidCallState { .. } => ensure!(
                            advertised && (!right_state || !feature.other_states().is_empty()),
                            "{} while {state}: {error}",
                            feature.name()
                        ),
                        _ => ensure!(
                            advertised || matches!(error, OperationError::Unavailable(_)),
                            "{} is not advertised and is refused with: {error}",
                            feature.name()
                        ),
                    }
                }
            }
            bench
                .contract()
                .map_err(|Finding(text)| Finding(format!("{} while {state}: {text}", feature.name())))?;
            bench
                .finish()
                .map_err(|Finding(text)| Finding(format!("{} while {state}: {text}", feature.name())))?;
        }
    }
    Ok(())
}

fn buffers(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    bench.arrange("ben", Behaviour::Answers(Duration::from_millis(100)));
    let mut destination = String::from("ben");
    let mut info = b"original".to_vec();
    let options = CallOptions { user_info: Some(UserInfo(info.clone())), ..CallOptions::default() };
    let made =
        Operation::MakeCall { line: LINE, address: AddressId(0), destination: destination.clone(), options };
    let request = bench.ask(made).map_err(|error| Finding(error.to_string()))?;
    // Values are moved into the request; what the caller still holds is its own.
    destination.replace_range(.., "eve");
    info.fill(b'!');
    bench.wait(request, Duration::from_secs(10)).map_err(|error| Finding(error.to_string()))?;
    let party = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    ensure!(bench.subject.party_at("eve").is_none(), "the overwritten address was called");
    same!(bench.saw(party).first().cloned(), Some(Saw::Called(b"original".to_vec())), "what ben was sent");
    bench.finish()
}

fn overlapping(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one().with(|line| line.max_calls = 120));
    let mut requests = Vec::new();
    for n in 0..100_u64 {
        let name = format!("party{n}");
        // Even ones answer, odd ones refuse; the order of the answers is another than that of the requests.
        let after = Duration::from_millis(50 + (n * 7919) % 1_000);
        let behaviour =
            if n % 2 == 0 { Behaviour::Answers(after) } else { Behaviour::Refuses(404, String::new()) };
        bench.arrange(&name, behaviour);
        let options = CallOptions::default();
        let made = Operation::MakeCall { line: LINE, address: AddressId(0), destination: name, options };
        requests.push(bench.ask_for(made).map_err(|error| Finding(error.to_string()))?);
    }
    ensure!(bench.outstanding() > 50, "requests do not overlap: {} outstanding", bench.outstanding());
    bench.run(Duration::from_secs(5));
    for (n, (request, created)) in requests.into_iter().enumerate() {
        match bench.result(request).cloned() {
            Some(Ok(Outcome::Call(call))) => {
                ensure!(n % 2 == 0, "call {n} was refused and its request succeeded");
                same!(Some(call), created, "the call of request {n}");
                same!(bench.kind(call), Some(StateKind::Connected), "call {n}");
            }
            Some(Err(OperationError::Refused { status: 404, .. })) => {
                ensure!(n % 2 == 1, "call {n} was answered and its request failed");
            }
            other => return Err(Finding(format!("request {n} came to {other:?}"))),
        }
    }
    bench.finish()
}

fn creation_gate(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let able = bench.able(LINE);
    bench.arrange("ben", Behaviour::Answers(Duration::from_millis(100)));
    let (call, _) = bench.answered(LINE, "ann")?;
    let (line, address) = (LINE, AddressId(0));
    let consult = ConsultOptions::to("ben");
    let mut creating = vec![(
        Feature::MakeCall,
        Operation::MakeCall { line, address, destination: "ben".into(), options: CallOptions::default() },
    )];
    creating.push((Feature::SetupTransfer, Operation::SetupTransfer { call, consult: consult.clone() }));
    creating.push((
        Feature::SetupConference,
        Operation::SetupConference { line, address, call: Some(call), consult },
    ));
    creating.push((Feature::Unpark, Operation::Unpark { line, address, orbit: "701".into() }));
    creating.push((
        Feature::Pickup,
        Operation::Pickup { line, address, from: PickupFrom::Address("door".into()) },
    ));
    for (feature, operation) in creating {
        if !able.features.contains(feature) {
            continue;
        }
        bench.run(Duration::from_secs(2));
        if bench.kind(call) != Some(StateKind::Connected) {
            let _ = bench.perform(Operation::Retrieve { call });
            bench.run(Duration::from_secs(2));
        }
        let counted =
            |bench: &mut Bench| bench.provider().line_status(LINE).map_or(0, |status| status.calls.all());
        if feature == Feature::Pickup {
            bench.subject.alerting_elsewhere("door", "dan");
            bench.run(Duration::from_millis(200));
        }
        let before = counted(&mut bench);
        let asked = bench.ask_for(operation);
        let Ok((request, created)) = asked else {
            // Nothing there to fetch or to pick up: a refusal is as good.
            ensure!(matches!(feature, Feature::Unpark | Feature::Pickup), "{}: {asked:?}", feature.name());
            continue;
        };
        let Some(created) = created else {
            return Err(Finding(format!("{} names no new call", feature.name())));
        };
        if bench.result(request).is_none() {
            ensure!(counted(&mut bench) <= before, "{}: a call counts before it is created", feature.name());
            let early = bench.ask(Operation::drop(created));
            ensure!(
                matches!(early, Err(OperationError::NoSuchCall(_))),
                "{}: the new call can be used before its creation: {early:?}",
                feature.name()
            );
        }
        let _ = bench.wait(request, Duration::from_secs(40));
        // The bench itself notes every event before the completion.
        bench.contract()?;
        let at = bench.position(
            |event| matches!(event, ProviderEvent::Completed { request: done, .. } if *done == request),
        );
        let state = bench
            .position(|event| matches!(event, ProviderEvent::CallState { call, .. } if *call == created));
        ensure!(
            at.is_some() && state.is_none_or(|state| Some(state) > at),
            "{}: a state before the completion",
            feature.name()
        );
        bench.run(Duration::from_secs(1));
        if bench.result(request).is_some_and(Result::is_ok) {
            let _ = bench.perform(Operation::drop(created));
            bench.close_call(created);
            // A held call may come back by itself.
            bench.run(Duration::from_secs(1));
        }
    }
    bench.finish()
}

fn refused_at_once(suite: &Suite<'_>) -> Verdict {
    // A call that its line can complete later is busy instead (checklist 60).
    for (status, completes) in [(503, true), (486, false), (404, true), (603, true)] {
        let mut bench = suite.open(&Setup::one().with(|line| line.switch_features = completes));
        bench.arrange("ben", Behaviour::Refuses(status, String::new()));
        let options = CallOptions::default();
        let made =
            Operation::MakeCall { line: LINE, address: AddressId(0), destination: "ben".into(), options };
        let before = bench.log.len();
        let (created, result) = match bench.ask_for(made) {
            Ok((request, created)) => (created, bench.wait(request, Duration::from_secs(40))),
            Err(error) => (None, Err(error)),
        };
        ensure!(result.is_err(), "{status} at once, and the request brings {result:?}");
        let call_events = bench.log.get(before..).unwrap_or_default().iter().filter(|(_, event)| {
            matches!(
                event,
                ProviderEvent::CallState { .. }
                    | ProviderEvent::CallInfo { .. }
                    | ProviderEvent::NewCall { .. }
            )
        });
        same!(call_events.count(), 0, "events of a call that never was ({status})");
        if let Some(created) = created {
            // Closing it or not is the same (spec 3.7.9).
            bench.close_call(created);
            ensure!(bench.kind(created).is_none(), "the refused call is still there");
        }
        let calls = bench.provider().line_status(LINE).map_or(0, |status| status.calls.all());
        same!(calls, 0, "calls after a refusal");
        bench.finish()?;
    }
    Ok(())
}

fn closed_while_set_up(suite: &Suite<'_>) -> Verdict {
    let make = |bench: &mut Bench| {
        let options = CallOptions::default();
        let made =
            Operation::MakeCall { line: LINE, address: AddressId(0), destination: "ben".into(), options };
        bench.ask_for(made).map_err(|error| Finding(error.to_string()))
    };
    // Without any response nothing goes out (RFC 3261 9.1), with a first one the CANCEL does, an answer is ended.
    for then in [None, Some(Act::Ring), Some(Act::Answer)] {
        let mut bench = suite.open(&Setup::one());
        bench.arrange("ben", Behaviour::Silent);
        let (request, created) = make(&mut bench)?;
        let Some(created) = created else { return Err(Finding("no call is named".into())) };
        bench.run(Duration::from_millis(100));
        ensure!(bench.result(request).is_none(), "completed without any response");
        bench.close_call(created);
        let result = bench.result(request).cloned();
        ensure!(matches!(result, Some(Err(_))), "closed while being set up, the request came to {result:?}");
        let party = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
        bench.run(Duration::from_secs(1));
        ensure!(!bench.saw(party).contains(&Saw::Cancelled), "a CANCEL before any response");
        if let Some(act) = then {
            let answered = act == Act::Answer;
            bench.act(party, act);
            bench.run(Duration::from_secs(2));
            let saw = bench.saw(party);
            if answered {
                ensure!(
                    saw.iter().any(|saw| matches!(saw, Saw::HungUp(_))),
                    "a late answer is not ended: {saw:?}"
                );
                ensure!(saw.contains(&Saw::Confirmed), "a late answer is not acknowledged: {saw:?}");
            } else {
                ensure!(saw.contains(&Saw::Cancelled), "no CANCEL at the first response: {saw:?}");
            }
        }
        bench.finish()?;
    }
    Ok(())
}

fn drop_and_close(suite: &Suite<'_>) -> Verdict {
    for state in [StateKind::Offering, StateKind::Ringback, StateKind::Connected, StateKind::OnHold] {
        let mut bench = suite.open(&Setup::one());
        let Some(call) = in_state(&mut bench, state)? else { continue };
        let request = bench.ask(Operation::drop(call)).map_err(|error| Finding(error.to_string()))?;
        bench.close_call(call);
        let told = bench.log.len();
        let result = bench.result(request).cloned();
        ensure!(result.is_some(), "the drop of a call {state} has not completed when the close returns");
        bench.run(Duration::from_secs(40));
        ensure!(
            !bench.log.iter().skip(told).any(
                |(_, event)| matches!(event, ProviderEvent::CallState { call: about, .. } if *about == call)
            ),
            "a call closed while {state} goes on telling"
        );
        bench.finish()?;
    }
    Ok(())
}

fn drop_unanswered(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, party) = bench.answered(LINE, "ann")?;
    bench.act(party, Act::FallSilent);
    let request = bench.ask(Operation::drop(call)).map_err(|error| Finding(error.to_string()))?;
    ensure!(
        bench.until(Duration::from_secs(33), |bench| bench.kind(call) == Some(StateKind::Idle)),
        "33 s after the drop the call is {:?}",
        bench.kind(call)
    );
    bench.run(Duration::from_secs(60));
    let idle = bench.states(call).iter().filter(|state| **state == CallState::Idle).count();
    same!(idle, 1, "times it became idle");
    ensure!(bench.result(request).is_some(), "the drop never completed");
    bench.finish()
}

fn close_hangs_up(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let able = bench.able(LINE);
    let (call, party) = bench.answered(LINE, "ann")?;
    bench.close_call(call);
    bench.run(Duration::from_secs(2));
    let hung_up = bench.saw(party).iter().any(|saw| matches!(saw, Saw::HungUp(_)));
    same!(hung_up, able.flags.close_drops, "whether closing a live call hung up");
    ensure!(bench.kind(call).is_none(), "a closed call is still there");
    ensure!(
        matches!(bench.ask(Operation::drop(call)), Err(OperationError::NoSuchCall(_))),
        "a closed call can be used"
    );
    bench.finish()
}

fn late_answers(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    bench.arrange("ben", Behaviour::Rings);
    let call = bench.make_call(LINE, "ben").map_err(|error| Finding(error.to_string()))?;
    ensure!(bench.reaches(call, StateKind::Ringback), "not ringing");
    let party = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    let told = bench.log.len();
    // The answer crosses the close.
    bench.subject.act(party, Act::Answer);
    bench.close_call(call);
    bench.run(Duration::from_secs(5));
    let saw = bench.saw(party);
    ensure!(saw.iter().any(|saw| matches!(saw, Saw::HungUp(_))), "a late answer is not ended: {saw:?}");
    bench.act(party, Act::HangUp(String::new()));
    let about = bench.log.iter().skip(told).filter(|(_, event)| {
        matches!(event, ProviderEvent::CallState { call: about, .. } | ProviderEvent::CallInfo { call: about, .. } if *about == call)
    });
    same!(about.count(), 0, "events after the close");
    bench.finish()
}

fn no_nesting(suite: &Suite<'_>) -> Verdict {
    // There are no callbacks: whoever asks is answered, and hears of everything else by polling. What could nest is order: a
    // completion before its acceptance, or a state between the answers to two requests that belongs after both.
    let mut bench = suite.open(&Setup::one());
    let (call, _) = bench.offered(Incoming::new(LINE, "ann"))?;
    let before = bench.log.len();
    let first = bench.ask(Operation::accept(call)).map_err(|error| Finding(error.to_string()))?;
    let second = bench.ask(Operation::answer(call)).map_err(|error| Finding(error.to_string()))?;
    bench.run(Duration::from_secs(2));
    let completed: Vec<_> = bench
        .log
        .iter()
        .skip(before)
        .filter_map(|(_, event)| match event {
            ProviderEvent::Completed { request, .. } => Some(*request),
            _ => None,
        })
        .collect();
    same!(completed, vec![first, second], "the order of completions of one call");
    let times: Vec<_> = bench.log.iter().map(|(at, _)| *at).collect();
    ensure!(times.is_sorted(), "events are not in the order of their times");
    bench.finish()
}
