//! Part A: the sessions of a provider (checklist 6 to 10).

use super::item;
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Incoming, Setup};
use crate::conformance::{Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    AddressId, CallOptions, ExtensionVersion, ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules,
    InterfaceVersion, LineError, LineId, Operation, ProviderEvent, StateKind, VersionRange,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        6,
        "version negotiation is answered before a session begins, and with no line at all",
        without_lines,
    ),
    item(7, "as many devices as are told exist after the start, numbered from the base", enumeration),
    item(8, "beginning a session a second time succeeds and disturbs nothing", second_start),
    item(
        9,
        "a shutdown completes everything, tells nothing afterwards, and is bounded whatever the network does",
        shutdown,
    ),
    item(10, "nothing of one session is seen in the next but permanent names", two_sessions),
];

const LINE: LineId = LineId(0);

fn without_lines(suite: &Suite<'_>) -> Verdict {
    for setup in [Setup::lines(&[]), Setup::one()] {
        let mut bench = suite.closed(&setup);
        let any = VersionRange { low: InterfaceVersion(1), high: InterfaceVersion(u32::MAX) };
        same!(
            bench.provider().negotiate(None, any),
            Ok(InterfaceVersion::V1),
            "negotiating before the start"
        );
        let now = bench.now();
        if !setup.lines.is_empty() {
            let early = bench.provider().open_line(now, LINE, InterfaceVersion::V1);
            same!(early, Err(LineError::NotInitialised), "opening a line before the start");
        }
        bench.initialise();
        bench.finish()?;
    }
    Ok(())
}

fn enumeration(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.closed(&Setup::lines(&["desk", "door", "attic"]));
    let devices = bench.provider().devices();
    same!(devices.lines, 3, "lines told before the start");
    bench.initialise();
    let lines = bench.provider().lines();
    same!(lines.len(), devices.lines as usize, "lines after the start");
    for (n, line) in lines.iter().enumerate() {
        same!(line.line, LineId(n as u32), "the number of line {n}");
        ensure!(bench.provider().capabilities(line.line).is_some(), "{} has no capabilities", line.line);
        bench.open_line(line.line);
    }
    ensure!(bench.provider().capabilities(LineId(3)).is_none(), "a line beyond those told");
    bench.finish()
}

fn second_start(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, _) = bench.answered(LINE, "ann")?;
    let now = bench.now();
    same!(bench.provider().initialise(now, InterfaceVersion::V1), Ok(()), "starting again");
    bench.run(Duration::from_secs(1));
    same!(bench.kind(call), Some(StateKind::Connected), "the call");
    let open = bench.provider().line_status(LINE).map(|status| status.open);
    same!(open, Some(true), "whether the line is open");
    bench.finish()
}

fn shutdown(suite: &Suite<'_>) -> Verdict {
    for reachable in [true, false] {
        let mut bench = suite.open(&Setup::one().with(|line| line.max_calls = 20));
        bench.arrange("ben", Behaviour::Silent);
        let mut calls = Vec::new();
        for n in 0..10 {
            let (call, party) = bench.answered(LINE, &format!("ann{n}"))?;
            calls.push(call);
            if n < 3 {
                bench.act(party, Act::FallSilent);
            }
        }
        let mut requests = Vec::new();
        for call in calls.iter().take(3) {
            requests.push(bench.ask(Operation::drop(*call)).map_err(|error| Finding(error.to_string()))?);
        }
        for _ in 0..2 {
            let make = Operation::MakeCall {
                line: LINE,
                address: AddressId(0),
                destination: "ben".into(),
                options: CallOptions::default(),
            };
            requests.push(bench.ask(make).map_err(|error| Finding(error.to_string()))?);
        }
        bench.subject.reachable(reachable);
        let now = bench.now();
        bench.provider().shutdown(now);
        bench.drain();
        for request in requests {
            ensure!(
                bench.result(request).is_some(),
                "{request} had not completed when the shutdown returned"
            );
        }
        let told = bench.log.len();
        bench.run(Duration::from_secs(70));
        let after = bench.log.get(told);
        ensure!(after.is_none(), "after the shutdown: {after:?}");
        same!(bench.provider().call_state(calls[9]), None, "a call after the shutdown");
        let leaks = bench.subject.leaks();
        ensure!(
            leaks.is_empty(),
            "left over with the network {}: {leaks}",
            if reachable { "up" } else { "down" }
        );
        bench.contract()?;
    }
    Ok(())
}

fn two_sessions(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let names: Vec<String> = bench.provider().lines().into_iter().map(|line| line.name).collect();
    let (call, _) = bench.offered(Incoming::new(LINE, "ann"))?;
    let rule = ForwardRule {
        when: ForwardCondition::Unconditional,
        from: None,
        origin: None,
        to: ForwardTarget::Address("cora".into()),
    };
    let rules = ForwardingRules { rules: vec![rule], no_answer_after: None };
    let forward = Operation::Forward { line: LINE, address: AddressId(0), rules };
    bench.perform(forward).map_err(|error| Finding(error.to_string()))?;
    let all = (ExtensionVersion(1), ExtensionVersion(u32::MAX));
    let highest = bench.provider().negotiate_extension(LINE, all);
    let low = bench.able(LINE).extension.map(|extension| extension.low);
    if let Some(low) = low {
        same!(bench.provider().select_extension(LINE, low), Ok(()), "selecting the extension");
    }
    bench.restart();
    let now = bench.now();
    let early = bench.provider().open_line(now, LINE, InterfaceVersion::V1);
    same!(early, Err(LineError::NotInitialised), "opening a line between the sessions");
    bench.initialise();
    let again: Vec<String> = bench.provider().lines().into_iter().map(|line| line.name).collect();
    same!(again, names, "permanent names");
    let open = bench.provider().line_status(LINE).map(|status| status.open);
    same!(open, Some(false), "whether the line is open in the new session");
    ensure!(bench.provider().call_state(call).is_none(), "a call of the last session is there");
    let rules = bench.provider().forwarding(LINE, AddressId(0)).cloned();
    same!(rules, Some(ForwardingRules::default()), "forwarding rules of the last session");
    bench.open_line(LINE);
    same!(bench.provider().negotiate_extension(LINE, all), highest, "the extension's versions");
    bench.run(Duration::from_secs(3));
    bench.answered(LINE, "amy")?;
    same!(bench.count(|event| matches!(event, ProviderEvent::Reinitialise { .. })), 0, "restarts wanted");
    bench.finish()
}
