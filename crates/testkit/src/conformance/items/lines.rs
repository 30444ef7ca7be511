//! Part C: opening and closing lines, and capabilities (checklist 14 to 23).

use super::{audio, item};
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Can, Incoming, LineSetup, Setup};
use crate::conformance::{Check, Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    AddressId, CallOptions, CallState, DisconnectMode, Feature, ForwardCondition, ForwardRule, ForwardTarget,
    ForwardingRules, LineError, LineId, LineState, MediaType, MediaTypes, Operation, OperationError, Outcome,
    ProviderEvent, Set, StateKind,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        14,
        "a line opens although its switch is silent, is out of service until it answers, and refuses calls meanwhile",
        unreachable,
    ),
    Item {
        number: 15,
        title: "structure sizes",
        check: Check::NotApplicable(
            "there are no caller-sized structures; what is known is returned whole (see 48)",
        ),
    },
    item(
        16,
        "everything observed in the suite was advertised, everything advertised was exercised",
        observed,
    ),
    item(
        17,
        "what is not advertised is refused as unavailable, what is not possible now as a wrong state",
        two_errors,
    ),
    item(
        18,
        "closing a line completes everything outstanding first, is silent afterwards, and the line opens anew",
        close_line,
    ),
    item(
        19,
        "a provider that wants a line closed completes everything first, and the line works until it is closed",
        wants_closed,
    ),
    item(
        20,
        "media nobody wants is not announced or by policy; unsupported media are refused; asking changes nothing",
        media_detection,
    ),
    item(
        21,
        "every kind of status can be asked for, and none; states, re-initialise and close flow anyway",
        status_messages,
    ),
    item(22, "a line added at run time appears, works, and changes no number of another", line_added),
    item(23, "a removed line is gone: its calls end, its number is never used again", line_removed),
];

const LINE: LineId = LineId(0);

fn unreachable(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup { reachable: false, ..Setup::one() });
    bench.run(Duration::from_secs(40));
    let status = bench.provider().line_status(LINE);
    ensure!(status.as_ref().is_some_and(|status| status.open), "the line is not open: {status:?}");
    ensure!(
        status.as_ref().is_some_and(|status| matches!(status.state, LineState::OutOfService(_))),
        "the switch is silent and the line is {:?}",
        status.map(|status| status.state)
    );
    let made = Operation::MakeCall {
        line: LINE,
        address: AddressId(0),
        destination: "ben".into(),
        options: CallOptions::default(),
    };
    let refused = bench.ask(made);
    ensure!(
        matches!(refused, Err(OperationError::OutOfService(_))),
        "a call out of service brings {refused:?}"
    );
    // Going off-hook is refused, or brings a call without a dialtone.
    let off_hook = Operation::MakeCall {
        line: LINE,
        address: AddressId(0),
        destination: String::new(),
        options: CallOptions::default(),
    };
    match bench.perform(off_hook) {
        Ok(Outcome::Call(call)) => {
            ensure!(
                bench.reaches(call, StateKind::Disconnected),
                "off-hook out of service: {:?}",
                bench.kind(call)
            );
            let end = bench.state(call);
            ensure!(
                matches!(&end, Some(CallState::Disconnected(end)) if end.mode == DisconnectMode::NoDialtone),
                "off-hook out of service ends as {end:?}"
            );
            bench.close_call(call);
        }
        other => ensure!(
            matches!(other, Err(OperationError::OutOfService(_) | OperationError::Unavailable(_))),
            "off-hook out of service brings {other:?}"
        ),
    }
    bench.subject.reachable(true);
    let served = bench.until(Duration::from_secs(1_900), |bench| {
        bench.provider().line_status(LINE).is_some_and(|status| status.state == LineState::InService)
    });
    ensure!(served, "the switch answers again, and the line stays out of service");
    let told: Vec<_> = bench
        .log
        .iter()
        .filter_map(|(_, event)| match event {
            ProviderEvent::LineState { line: LINE, state } => Some(*state == LineState::InService),
            _ => None,
        })
        .collect();
    ensure!(
        told.first() == Some(&false) && told.last() == Some(&true),
        "the line's states were told as {told:?}"
    );
    bench.talking(LINE, "ben")?;
    bench.finish()
}

fn observed(suite: &Suite<'_>) -> Verdict {
    super::rare::exercise(suite)?;
    let differences = suite.observed().differences();
    ensure!(differences.is_empty(), "{}", differences.join("; "));
    Ok(())
}

fn two_errors(suite: &Suite<'_>) -> Verdict {
    // A switch that understands neither 302 nor REFER, nor has features of its own.
    let setup = Setup::one().with(|line| {
        line.redirect = false;
        line.refer = false;
        line.switch_features = false;
    });
    let mut bench = suite.open(&setup);
    let able = bench.able(LINE);
    ensure!(
        !able.features.contains(Feature::Redirect),
        "a switch that does not understand 302, and the line advertises redirection"
    );
    let (call, _) = bench.offered(Incoming::new(LINE, "ann"))?;
    for operation in super::requests::all_operations(call, call) {
        let feature = Feature::of(&operation);
        if able.features.contains(feature) {
            continue;
        }
        let refused = bench.ask(operation);
        ensure!(
            matches!(refused, Err(OperationError::Unavailable(_))),
            "{} is not advertised, and brings {refused:?}",
            feature.name()
        );
    }
    for feature in able.features.iter() {
        let possible = bench.provider().call_status(call).map_or(Set::NONE, |status| status.possible);
        ensure!(
            !possible.contains(feature) || feature.states().contains(&StateKind::Offering),
            "{} is told to be possible while the call is offered",
            feature.name()
        );
    }
    for operation in [
        Operation::Hold { call },
        Operation::Retrieve { call },
        Operation::SendDigits { call, digits: hookswitch_spi::DigitOptions::new("1") },
    ] {
        let refused = bench.ask(operation.clone());
        ensure!(
            matches!(refused, Err(OperationError::InvalidCallState { state: StateKind::Offering, .. })),
            "{} while the call is offered brings {refused:?}",
            operation.name()
        );
    }
    bench.finish()?;
    audio::controls_refused(suite)
}

fn close_line(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    bench.arrange("ben", Behaviour::Silent);
    let (first, ann) = bench.answered(LINE, "ann")?;
    let (second, _) = bench.offered(Incoming::new(LINE, "amy"))?;
    bench.act(ann, Act::FallSilent);
    let make = Operation::MakeCall {
        line: LINE,
        address: AddressId(0),
        destination: "ben".into(),
        options: CallOptions::default(),
    };
    let making = bench.ask(make).map_err(|error| Finding(error.to_string()))?;
    let dropping = bench.ask(Operation::drop(first)).map_err(|error| Finding(error.to_string()))?;
    let rules = ForwardingRules::default();
    let forwarding = bench.ask(Operation::Forward { line: LINE, address: AddressId(0), rules });
    let forwarding = forwarding.map_err(|error| Finding(error.to_string()))?;
    bench.close_line(LINE);
    for (request, what) in [(making, "make call"), (dropping, "drop"), (forwarding, "forward")] {
        ensure!(bench.result(request).is_some(), "closing the line returns before '{what}' has completed");
    }
    ensure!(matches!(bench.result(making), Some(Err(_))), "the call being made: {:?}", bench.result(making));
    let told = bench.log.len();
    let party = bench.subject.party_at("ben");
    if let Some(party) = party {
        bench.act(party, Act::Answer);
    }
    bench.run(Duration::from_secs(60));
    let about =
        bench.log.iter().skip(told).find(|(_, event)| !matches!(event, ProviderEvent::LineState { .. }));
    ensure!(about.is_none(), "after the line was closed: {about:?}");
    for call in [first, second] {
        ensure!(
            matches!(
                bench.ask(Operation::drop(call)),
                Err(OperationError::NoSuchCall(_) | OperationError::NoSuchLine(_))
            ),
            "a call of the closed line can be used"
        );
    }
    bench.open_line(LINE);
    bench.run(Duration::from_secs(2));
    let (third, _) = bench.answered(LINE, "ann")?;
    ensure!(third != first && third != second, "a stale call id is used again");
    bench.finish()
}

fn wants_closed(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    if !bench.subject.can(Can::WantClosed) {
        // This provider never wants a line closed; that none is asked for is all there is to see.
        let (call, _) = bench.answered(LINE, "ann")?;
        bench.run(Duration::from_secs(5));
        same!(
            bench.count(|event| matches!(event, ProviderEvent::CloseRequested { .. })),
            0,
            "closings asked for"
        );
        ensure!(bench.kind(call) == Some(StateKind::Connected), "the call did not stay");
        return bench.finish();
    }
    let (call, party) = bench.answered(LINE, "ann")?;
    bench.act(party, Act::FallSilent);
    let dropping = bench.ask(Operation::drop(call)).map_err(|error| Finding(error.to_string()))?;
    bench.subject.want_closed(LINE);
    bench.drain();
    let asked = bench.position(|event| matches!(event, ProviderEvent::CloseRequested { line: LINE, .. }));
    ensure!(asked.is_some(), "no closing is asked for");
    let done = bench
        .position(|event| matches!(event, ProviderEvent::Completed { request, .. } if *request == dropping));
    ensure!(done.is_some() && done < asked, "a request was still outstanding when the closing was asked for");
    let (other, _) = bench.answered(LINE, "amy")?;
    ensure!(bench.kind(other) == Some(StateKind::Connected), "the line does not work until it is closed");
    bench.close_line(LINE);
    bench.finish()
}

fn media_detection(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one().with(|line| line.media = MediaTypes::VOICE));
    let unsupported = bench.provider().detect_media(LINE, MediaTypes::VOICE.with(MediaType::Data));
    ensure!(
        matches!(unsupported, Err(LineError::UnsupportedMedia(_))),
        "a line without data is told to detect it, and says {unsupported:?}"
    );
    // Only a question: nothing changes by it, and it agrees with what happens.
    let could = bench.provider().could_detect(LINE, MediaTypes::VOICE, &CallOptions::default());
    same!(could, Ok(()), "whether voice could be detected");
    let could_not =
        bench.provider().could_detect(LINE, MediaTypes::from(MediaType::Data), &CallOptions::default());
    ensure!(could_not.is_err(), "data could be detected on a line without it");
    same!(bench.provider().detect_media(LINE, MediaTypes::NONE), Ok(()), "detecting nothing");
    let could = bench.provider().could_detect(LINE, MediaTypes::VOICE, &CallOptions::default());
    same!(could, Ok(()), "asking again");
    let before = bench.announcements();
    let party = bench.subject.call_in(Incoming::new(LINE, "ann"));
    bench.run(Duration::from_secs(2));
    let announced = bench.announcements() - before;
    ensure!(announced <= 1, "one call was announced {announced} times");
    if announced == 0 {
        ensure!(!bench.saw(party).is_empty(), "a call that nobody wants is neither announced nor refused");
    }
    bench.talking(LINE, "ben")?;
    bench.finish()?;
    audio::controlled_by_media(suite)?;
    audio::device_config(suite)
}

fn status_messages(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    same!(bench.provider().detect_status(LINE, Set::ALL), Ok(()), "asking for every kind");
    same!(bench.provider().detect_status(LINE, Set::NONE), Ok(()), "asking for none");
    let rule = ForwardRule {
        when: ForwardCondition::Unconditional,
        from: None,
        origin: None,
        to: ForwardTarget::Address("cora".into()),
    };
    let (call, party) = bench.answered(LINE, "ann")?;
    bench.act(party, Act::HangUp(String::new()));
    ensure!(
        bench.states(call).iter().any(|state| matches!(state, CallState::Disconnected(_))),
        "with no status wanted, call states do not flow: {:?}",
        bench.states(call)
    );
    bench.subject.configure(vec![LineSetup::new("desk"), LineSetup::new("attic")]);
    bench.run(Duration::from_secs(15));
    let again = bench.count(|event| matches!(event, ProviderEvent::Reinitialise { .. }));
    let appeared = bench.count(|event| matches!(event, ProviderEvent::LineCreated { .. }));
    ensure!(again + appeared <= 1, "a stored change was told {again} and {appeared} times");
    same!(bench.provider().detect_status(LINE, Set::ALL), Ok(()), "asking for every kind again");
    let rules = ForwardingRules { rules: vec![rule], no_answer_after: None };
    let done = bench.perform(Operation::Forward { line: LINE, address: AddressId(0), rules });
    same!(done, Ok(Outcome::Done), "forwarding");
    bench.run(Duration::from_secs(1));
    ensure!(
        bench.count(|event| matches!(event, ProviderEvent::Forwarding { line: LINE, .. })) == 1,
        "forwarding was wanted and not told once"
    );
    bench.finish()
}

fn line_added(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, _) = bench.answered(LINE, "ann")?;
    let before = bench.provider().lines();
    let line = bench.subject.add_line(LineSetup::new("door"));
    bench.drain();
    let told =
        bench.count(|event| matches!(event, ProviderEvent::LineCreated { line: told } if *told == line));
    same!(told, 1, "times that the new line was told");
    let after = bench.provider().lines();
    ensure!(
        before.iter().all(|known| after.iter().any(|now| now.line == known.line && now.name == known.name)),
        "an existing line changed its number: {before:?}, then {after:?}"
    );
    ensure!(
        after.iter().any(|now| now.line == line && now.name == "door"),
        "the new line is not there: {after:?}"
    );
    bench.open_line(line);
    bench.run(Duration::from_secs(2));
    let (other, _) = bench.answered(line, "amy")?;
    same!(bench.kind(other), Some(StateKind::Connected), "a call on the new line");
    same!(bench.kind(call), Some(StateKind::Connected), "the call on the old line");
    bench.finish()
}

fn line_removed(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::lines(&["desk", "door"]));
    let gone = LineId(1);
    let (call, party) = bench.answered(gone, "ann")?;
    let (stays, _) = bench.answered(LINE, "amy")?;
    bench.subject.remove_line(gone);
    bench.drain();
    let told = bench.count(|event| matches!(event, ProviderEvent::LineRemoved { line } if *line == gone));
    same!(told, 1, "times that the removal was told");
    bench.close_call(call);
    bench.close_line(gone);
    bench.run(Duration::from_secs(2));
    let saw = bench.saw(party);
    ensure!(
        saw.iter().any(|saw| matches!(saw, crate::conformance::subject::Saw::HungUp(_))),
        "the removed line's call goes on: {saw:?}"
    );
    let version = bench.version();
    let now = bench.now();
    let again = bench.provider().open_line(now, gone, version);
    same!(again, Err(LineError::NoSuchLine(gone)), "opening the removed line");
    ensure!(bench.provider().capabilities(gone).is_none(), "a removed line has capabilities");
    let made = Operation::MakeCall {
        line: gone,
        address: AddressId(0),
        destination: "ben".into(),
        options: CallOptions::default(),
    };
    let refused = bench.ask(made);
    ensure!(
        matches!(refused, Err(OperationError::NoSuchLine(_))),
        "a call on the removed line brings {refused:?}"
    );
    let line = bench.subject.add_line(LineSetup::new("door"));
    bench.drain();
    ensure!(line != gone, "the number of a removed line is used again");
    same!(bench.kind(stays), Some(StateKind::Connected), "the call on the other line");
    bench.finish()
}
