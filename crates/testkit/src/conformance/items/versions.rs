//! Part B: versions of the interface and of extensions (checklist 11 to 13).

use super::item;
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Can, Incoming, Setup};
use crate::conformance::{Item, Suite, Verdict};
use hookswitch_spi::{
    CallState, ConnectedMode, DisconnectMode, ExtensionCommand, ExtensionVersion, InterfaceVersion,
    LineError, LineId, Operation, OperationError, Origin, ProviderEvent, Reason, StateKind, VersionRange,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        11,
        "version negotiation picks the highest in common, refuses without overlap, per line; after opening it changes nothing",
        negotiation,
    ),
    item(
        12,
        "nothing newer than the negotiated version is ever told; it is replaced as documented",
        downgrade,
    ),
    item(
        13,
        "an extension is off until selected; a selected version excludes the others; nothing of it happens while off",
        extension,
    ),
];

const LINE: LineId = LineId(0);

fn negotiation(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.closed(&Setup::lines(&["desk", "door"]));
    let range =
        |low: u32, high: u32| VersionRange { low: InterfaceVersion(low), high: InterfaceVersion(high) };
    let v1 = InterfaceVersion::V1.0;
    bench.initialise();
    for line in [None, Some(LINE), Some(LineId(1))] {
        for (offered, expected) in [
            (range(v1, v1), Some(v1)),
            (range(1, v1), Some(v1)),
            (range(v1, u32::MAX), Some(v1)),
            (range(1, u32::MAX), Some(v1)),
            (range(1, 2), None),
            (range(v1 + 1, u32::MAX), None),
            (range(v1 + 1, v1 - 1), None),
        ] {
            let answer = bench.provider().negotiate(line, offered);
            match expected {
                Some(version) => {
                    same!(answer, Ok(InterfaceVersion(version)), "{offered:?} offered for {line:?}")
                }
                None => ensure!(
                    matches!(answer, Err(LineError::IncompatibleVersion(_))),
                    "{offered:?} offered for {line:?} brings {answer:?}"
                ),
            }
        }
    }
    ensure!(
        matches!(bench.provider().negotiate(Some(LineId(77)), range(v1, v1)), Err(LineError::NoSuchLine(_))),
        "a version is negotiated for a line that does not exist"
    );
    bench.open_line(LINE);
    bench.run(Duration::from_secs(2));
    // An offer made later changes nothing about a line that is open.
    let _ = bench.provider().negotiate(Some(LINE), range(1, 2));
    let (call, _) = bench.answered(LINE, "ann")?;
    ensure!(bench.kind(call) == Some(StateKind::Connected), "negotiating disturbed an open line");
    bench.finish()
}

fn downgrade(suite: &Suite<'_>) -> Verdict {
    let old = InterfaceVersion(0x0000_8000);
    let setup = Setup { version: old, ..Setup::one() };
    let probe = suite.open(&Setup::one());
    if !probe.subject.can(Can::OldVersion) {
        // One version exists, so nothing newer than it does; what is told is checked against it all the same.
        let mut bench = probe;
        let (call, party) = bench.answered(LINE, "ann")?;
        bench.act(party, Act::Hold);
        ensure!(
            bench.state(call) == Some(CallState::Connected(ConnectedMode::ActiveHeld)),
            "held by the other side, but {:?}",
            bench.state(call)
        );
        return bench.finish();
    }
    probe.finish()?;
    let mut bench = suite.open(&setup);
    let (call, party) = bench.answered(LINE, "ann")?;
    bench.act(party, Act::Hold);
    ensure!(
        bench.states(call).iter().all(|state| !matches!(
            state,
            CallState::Connected(ConnectedMode::ActiveHeld | ConnectedMode::InactiveHeld)
        )),
        "an old line hears of being held: {:?}",
        bench.states(call)
    );
    bench.act(party, Act::HangUp(String::new()));
    let newer = [
        DisconnectMode::NoDialtone,
        DisconnectMode::NumberChanged,
        DisconnectMode::OutOfOrder,
        DisconnectMode::TemporaryFailure,
        DisconnectMode::QosUnavailable,
        DisconnectMode::Blocked,
        DisconnectMode::DoNotDisturb,
        DisconnectMode::Cancelled,
    ];
    for status in [301, 410, 502, 500, 580, 403] {
        bench.arrange("ben", Behaviour::RingsThenRefuses(Duration::from_secs(1), status, String::new()));
        let call = bench.make_call(LINE, "ben").map_err(|e| crate::conformance::Finding(e.to_string()))?;
        bench.reaches(call, StateKind::Disconnected);
        if let Some(CallState::Disconnected(end)) = bench.state(call) {
            ensure!(!newer.contains(&end.mode), "an old line is told {:?} for {status}", end.mode);
            ensure!(
                matches!(end.mode, DisconnectMode::Normal | DisconnectMode::Unknown),
                "the substitute for {status} is {:?}",
                end.mode
            );
        }
        bench.close_call(call);
    }
    let (call, party) = bench.offered(Incoming::new(LINE, "ann"))?;
    bench.act(party, Act::HangUp(String::new()));
    let end = bench.states(call).last().cloned();
    ensure!(
        !matches!(&end, Some(CallState::Disconnected(end)) if newer.contains(&end.mode)),
        "an old line is told {end:?}"
    );
    let info = bench.info(call)?;
    ensure!(
        !matches!(info.origin, Origin::Internal | Origin::External),
        "an old line reads {:?}",
        info.origin
    );
    ensure!(
        !matches!(info.reason, Reason::Parked | Reason::CampedOn | Reason::Intrusion),
        "an old line reads {:?}",
        info.reason
    );
    bench.finish()
}

fn extension(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::lines(&["desk", "door"]));
    let able = bench.able(LINE);
    let Some(extension) = able.extension else {
        return Err(crate::conformance::Finding("the line has no extension".into()));
    };
    let all = (ExtensionVersion(1), ExtensionVersion(u32::MAX));
    let (low, high) = (extension.low, extension.high);
    ensure!(low < high, "one version only: {low:?} to {high:?}");
    let (call, party) = bench.answered(LINE, "ann")?;
    let ask = |bench: &mut crate::conformance::Bench| {
        bench.perform(Operation::Extension {
            line: LINE,
            call: Some(call),
            command: ExtensionCommand::Identifiers,
        })
    };
    let events = |bench: &crate::conformance::Bench| {
        bench.count(|event| matches!(event, ProviderEvent::Extension { .. }))
    };
    ensure!(
        matches!(ask(&mut bench), Err(OperationError::ExtensionNotSelected(_))),
        "a command of the extension is carried out although none is selected"
    );
    bench.act(party, Act::UserInfo(b"x".to_vec()));
    same!(events(&bench), 0, "events of the extension while it is not selected");
    same!(bench.provider().negotiate_extension(LINE, all), Ok(high), "the highest version");
    same!(bench.provider().negotiate_extension(LINE, (low, low)), Ok(low), "the lowest version");
    ensure!(
        bench
            .provider()
            .negotiate_extension(LINE, (ExtensionVersion(high.0 + 1), ExtensionVersion(u32::MAX)))
            .is_err(),
        "a version beyond the highest is offered"
    );
    same!(bench.provider().select_extension(LINE, low), Ok(()), "selecting");
    same!(
        bench.provider().negotiate_extension(LINE, all),
        Ok(low),
        "what is offered while {low:?} is selected"
    );
    same!(
        bench.provider().negotiate_extension(LINE, (high, high)),
        Err(LineError::IncompatibleExtension),
        "another version while {low:?} is selected"
    );
    same!(
        bench.provider().select_extension(LINE, high),
        Err(LineError::IncompatibleExtension),
        "selecting another version meanwhile"
    );
    let answer = ask(&mut bench);
    ensure!(answer.is_ok(), "a command of the selected extension brings {answer:?}");
    // A command of a newer version is not had with an older one.
    let newer = ExtensionCommand::Send {
        method: "INFO".into(),
        headers: Vec::new(),
        content_type: "".into(),
        body: Vec::new(),
    };
    let newer = bench.perform(Operation::Extension { line: LINE, call: Some(call), command: newer });
    ensure!(
        matches!(newer, Err(OperationError::ExtensionNotSelected(_))),
        "a command of {high:?} under {low:?} brings {newer:?}"
    );
    same!(bench.provider().negotiate_extension(LineId(1), all), Ok(high), "the other line's versions");
    same!(bench.provider().select_extension(LINE, ExtensionVersion::NONE), Ok(()), "deselecting");
    same!(bench.provider().negotiate_extension(LINE, all), Ok(high), "the highest version after deselecting");
    ensure!(
        matches!(ask(&mut bench), Err(OperationError::ExtensionNotSelected(_))),
        "the extension goes on after it was deselected"
    );
    bench.finish()
}
