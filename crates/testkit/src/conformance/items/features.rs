//! Part F, second half: transfer, conference, park, dialling, information, digits, security (checklist 57 to 65).

use super::operations::{ADDRESS, LINE, able, created, hung_up, ok};
use super::{audio, item};
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Incoming, Party, Saw, Setup};
use crate::conformance::{Bench, Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    CallId, CallOptions, CallState, CompletionMode, ConsultOptions, DigitMonitoring, DigitOptions,
    DisconnectMode, Feature, GatherEnd, GatherOptions, InfoParts, Operation, OperationError, Origin, Outcome,
    ParkAt, ParkKind, PickupFrom, PickupKind, ProviderEvent, Reason, RejectReason, StateKind, ToneOptions,
    TonePattern, TransferMode, TransferOutcome, UserInfo,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        57,
        "consulting and completing a transfer, as transfer and as conference; a consultation that ends reconnects as the line says",
        transferring,
    ),
    item(
        58,
        "a transfer in one step: done when the other side says so, undone when it refuses",
        blind_transfer,
    ),
    item(
        59,
        "a conference: known before its members, everybody hears everybody, members come and go, dropping ends all",
        conference,
    ),
    item(
        60,
        "parking at an orbit or anywhere, fetching, picking up, being called back, camping on: calls with their reasons",
        parking,
    ),
    item(
        61,
        "dial strings: special characters are refused before anything is sent, a trailing ';' waits for more",
        dialling,
    ),
    item(
        62,
        "user information travels in the right messages, has its limits, and is shown one at a time",
        user_information,
    ),
    item(
        63,
        "digits are sent with pauses, a newer request replaces the older, the completion says which is done",
        sending_digits,
    ),
    item(
        64,
        "digits are gathered by number, terminator and times, stopped and restarted, with exactly one end each",
        gathering_digits,
    ),
    item(
        65,
        "a secured call is not interrupted: a further call is refused, nobody joins; it ends with the call",
        securing,
    ),
];

fn transferring(suite: &Suite<'_>) -> Verdict {
    let deadline = Duration::from_secs(30);
    let start = |bench: &mut Bench| -> Result<(CallId, Party, CallId, Party), Finding> {
        let (call, ann) = bench.answered(LINE, "ann")?;
        bench.arrange("ben", Behaviour::Answers(Duration::from_millis(200)));
        let consult = ConsultOptions::to("ben");
        let consult = created(ok(bench, Operation::SetupTransfer { call, consult })?)?;
        same!(bench.kind(call), Some(StateKind::OnHoldPendingTransfer), "the call to be transferred");
        ensure!(
            bench.reaches(consult, StateKind::Connected),
            "the consultation is {:?}",
            bench.kind(consult)
        );
        let ben = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
        ensure!(bench.saw(ann).contains(&Saw::Held), "the held party saw {:?}", bench.saw(ann));
        Ok((call, ann, consult, ben))
    };
    // Completed: the two others talk, we are out.
    let mut bench = suite.open(&Setup::one());
    let (call, ann, consult, ben) = start(&mut bench)?;
    let mode = TransferMode::Transfer;
    let outcome = ok(&mut bench, Operation::CompleteTransfer { call, consult, mode, deadline })?;
    ensure!(matches!(outcome, Outcome::Transferred(_)), "completing brings {outcome:?}");
    bench.run(Duration::from_secs(2));
    same!(
        (bench.kind(call), bench.kind(consult)),
        (Some(StateKind::Idle), Some(StateKind::Idle)),
        "both calls"
    );
    ensure!(bench.subject.hears(ann, ben) && bench.subject.hears(ben, ann), "the two do not hear each other");
    bench.finish()?;
    // Refused by the held party: both calls are as they were.
    let mut bench = suite.open(&Setup::one());
    let (call, ann, consult, _) = start(&mut bench)?;
    bench.act(ann, Act::WhenTransferred(0));
    let refused = bench.perform(Operation::CompleteTransfer { call, consult, mode, deadline });
    ensure!(
        refused.is_err() || matches!(refused, Ok(Outcome::Transferred(TransferOutcome::Bridged))),
        "the held party refuses, and completing brings {refused:?}"
    );
    if refused.is_err() {
        same!(bench.kind(call), Some(StateKind::OnHoldPendingTransfer), "the held call after the refusal");
        same!(bench.kind(consult), Some(StateKind::Connected), "the consultation after the refusal");
    }
    bench.finish()?;
    // A consultation that is dropped reconnects the held call where the line says so.
    for reconnects in [true, false] {
        let mut bench = suite.open(&Setup::one().with(|line| line.reconnects = reconnects));
        same!(bench.able(LINE).flags.reconnects, reconnects, "what is advertised of reconnecting");
        let (call, _, consult, _) = start(&mut bench)?;
        ok(&mut bench, Operation::drop(consult))?;
        bench.run(Duration::from_secs(1));
        let expected = if reconnects { StateKind::Connected } else { StateKind::OnHoldPendingTransfer };
        same!(bench.kind(call), Some(expected), "the held call after the consultation was dropped");
        bench.finish()?;
    }
    // Taken back by hand: the consultation ends.
    let mut bench = suite.open(&Setup::one());
    let (call, _, consult, ben) = start(&mut bench)?;
    ok(&mut bench, Operation::Retrieve { call })?;
    bench.run(Duration::from_secs(1));
    same!(
        (bench.kind(call), bench.kind(consult)),
        (Some(StateKind::Connected), Some(StateKind::Idle)),
        "after taking back"
    );
    ensure!(hung_up(&bench, ben), "ben is not let go: {:?}", bench.saw(ben));
    let wrong = bench.ask(Operation::CompleteTransfer { call, consult, mode, deadline });
    ensure!(
        matches!(wrong, Err(OperationError::InvalidCallState { .. })),
        "completing nothing brings {wrong:?}"
    );
    bench.finish()?;
    let mut bench = suite.open(&Setup::one());
    if bench.able(LINE).transfer_modes.contains(TransferMode::Conference) {
        let (call, ann, consult, ben) = start(&mut bench)?;
        let mode = TransferMode::Conference;
        let outcome = ok(&mut bench, Operation::CompleteTransfer { call, consult, mode, deadline })?;
        let (Outcome::Call(conference) | Outcome::Conference { conference, .. }) = outcome else {
            return Err(Finding(format!("completing as a conference brings {outcome:?}")));
        };
        bench.run(Duration::from_secs(1));
        same!(bench.kind(conference), Some(StateKind::Connected), "the conference");
        for member in [call, consult] {
            same!(bench.state(member), Some(CallState::Conferenced(conference)), "a member");
        }
        ensure!(
            bench.subject.hears(ann, ben) && bench.subject.hears(ben, ann),
            "the members do not hear each other"
        );
    }
    bench.finish()
}

fn blind_transfer(suite: &Suite<'_>) -> Verdict {
    let deadline = Duration::from_secs(20);
    let mut bench = suite.open(&Setup::one());
    let (call, ann) = bench.answered(LINE, "ann")?;
    let outcome = ok(&mut bench, Operation::BlindTransfer { call, destination: "cora".into(), deadline })?;
    same!(outcome, Outcome::Transferred(TransferOutcome::Succeeded), "what became of it");
    bench.run(Duration::from_secs(1));
    same!(bench.kind(call), Some(StateKind::Idle), "the transferred call");
    let asked = bench.saw(ann).iter().any(|saw| matches!(saw, Saw::Transferred(to, None) if to == "cora"));
    ensure!(asked, "ann saw {:?}", bench.saw(ann));
    bench.finish()?;
    // Refused by the party, or by the target: an error, and the call goes on.
    for (status, what) in [(0, "the party refuses"), (486, "the target is busy")] {
        let mut bench = suite.open(&Setup::one());
        let (call, ann) = bench.answered(LINE, "ann")?;
        bench.act(ann, Act::WhenTransferred(status));
        let refused = bench.perform(Operation::BlindTransfer { call, destination: "cora".into(), deadline });
        ensure!(refused.is_err(), "{what}, and it brings {refused:?}");
        same!(bench.kind(call), Some(StateKind::Connected), "the call when {what}");
        bench.finish()?;
    }
    let mut bench = suite.open(&Setup::one());
    let (call, _) = bench.answered(LINE, "ann")?;
    let bad = bench.perform(Operation::BlindTransfer { call, destination: "< >".into(), deadline });
    ensure!(matches!(bad, Err(OperationError::InvalidAddress { .. })), "a bad address brings {bad:?}");
    same!(bench.kind(call), Some(StateKind::Connected), "the call after a bad address");
    bench.finish()
}

/// A conference of two calls: the conference, and its members with their parties.
fn meet(bench: &mut Bench) -> Result<(CallId, [(CallId, Party); 2]), Finding> {
    let (one, ann) = bench.answered(LINE, "ann")?;
    bench.arrange("ben", Behaviour::Answers(Duration::from_millis(200)));
    let consult = ConsultOptions::to("ben");
    let (line, address) = (LINE, ADDRESS);
    let outcome = ok(bench, Operation::SetupConference { line, address, call: Some(one), consult })?;
    let Outcome::Conference { conference, consult: Some(two) } = outcome else {
        return Err(Finding(format!("setting up a conference brings {outcome:?}")));
    };
    same!(bench.kind(conference), Some(StateKind::OnHoldPendingConference), "a new conference");
    same!(bench.info(conference)?.origin, Origin::Conference, "where a conference call comes from");
    same!(bench.state(one), Some(CallState::Conferenced(conference)), "its first member");
    ensure!(bench.reaches(two, StateKind::Connected), "the consultation is {:?}", bench.kind(two));
    ok(bench, Operation::AddToConference { conference, member: two })?;
    bench.run(Duration::from_millis(500));
    let ben = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    Ok((conference, [(one, ann), (two, ben)]))
}

fn conference(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (conference, [(_, ann), (two, ben)]) = meet(&mut bench)?;
    same!(bench.kind(conference), Some(StateKind::Connected), "the conference with two members");
    same!(bench.state(two), Some(CallState::Conferenced(conference)), "the added member");
    let known =
        bench.position(|event| matches!(event, ProviderEvent::CallState { call, .. } if *call == conference));
    let member = bench.position(|event| matches!(event, ProviderEvent::CallState { state: CallState::Conferenced(of), .. } if *of == conference));
    ensure!(known.is_some() && known < member, "a member was told before the conference");
    ensure!(
        bench.subject.hears(ann, ben) && bench.subject.hears(ben, ann),
        "the members do not hear each other"
    );
    ensure!(!bench.subject.hears(ann, ann), "a member hears itself");
    // A third comes in.
    bench.arrange("cora", Behaviour::Answers(Duration::from_millis(200)));
    let consult = ConsultOptions::to("cora");
    let three = created(ok(&mut bench, Operation::PrepareAddToConference { conference, consult })?)?;
    same!(bench.kind(conference), Some(StateKind::OnHoldPendingConference), "the conference, prepared");
    ensure!(bench.reaches(three, StateKind::Connected), "the next party is {:?}", bench.kind(three));
    ok(&mut bench, Operation::AddToConference { conference, member: three })?;
    bench.run(Duration::from_millis(500));
    let cora = bench.subject.party_at("cora").ok_or_else(|| Finding("cora was not called".into()))?;
    for (a, b) in [(ann, ben), (ben, ann), (ann, cora), (cora, ann), (ben, cora), (cora, ben)] {
        ensure!(bench.subject.hears(a, b), "{a:?} is not heard by {b:?} in a conference of three");
    }
    // One is taken out, another leaves by itself.
    let removed = bench.able(LINE).removed_member;
    ok(&mut bench, Operation::RemoveFromConference { member: three })?;
    bench.run(Duration::from_millis(500));
    same!(bench.kind(three), Some(removed), "the member taken out");
    ensure!(!bench.subject.hears(ann, cora), "the member taken out still hears");
    let wrong = bench.ask(Operation::RemoveFromConference { member: three });
    ensure!(wrong.is_err(), "a call is taken out of a conference that it is not in");
    bench.act(ben, Act::HangUp(String::new()));
    bench.run(Duration::from_secs(1));
    same!(bench.kind(two), Some(StateKind::Disconnected), "the member that hung up");
    // With one member left, the conference is over or goes on; either way everything ends when it is dropped.
    let left = bench.kind(conference);
    ensure!(
        matches!(left, Some(StateKind::Connected | StateKind::Idle | StateKind::Disconnected)),
        "the conference with one member is {left:?}"
    );
    bench.finish()?;
    let mut bench = suite.open(&Setup::one());
    let (conference, [(one_, ann), (two, ben)]) = meet(&mut bench)?;
    ok(&mut bench, Operation::drop(conference))?;
    bench.run(Duration::from_secs(2));
    same!(bench.kind(conference), Some(StateKind::Idle), "the dropped conference");
    for (member, party) in [(one_, ann), (two, ben)] {
        let kind = bench.kind(member);
        ensure!(
            matches!(kind, Some(StateKind::Idle | StateKind::Disconnected)),
            "a member of it is {kind:?}"
        );
        ensure!(hung_up(&bench, party), "{party:?} was not let go");
    }
    bench.finish()?;
    // No more members than there is room for.
    let mut bench = suite.open(&Setup::one());
    let (call, _) = bench.answered(LINE, "ann")?;
    let none = bench.ask(Operation::RemoveFromConference { member: call });
    ensure!(
        matches!(none, Err(OperationError::InvalidCallState { .. } | OperationError::NoConference(_))),
        "a call in no conference is taken out of one: {none:?}"
    );
    bench.finish()
}

fn parking(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let able = bench.able(LINE);
    let (line, address) = (LINE, ADDRESS);
    if able.park_modes.contains(ParkKind::Orbit) {
        bench.arrange("701", Behaviour::Answers(Duration::from_millis(50)));
        let (call, _) = bench.answered(LINE, "ann")?;
        let outcome = ok(&mut bench, Operation::Park { call, at: ParkAt::Orbit("701".into()) })?;
        ensure!(
            matches!(&outcome, Outcome::Parked(at) if at.contains("701")),
            "parking at 701 brings {outcome:?}"
        );
        bench.run(Duration::from_secs(1));
        same!(bench.kind(call), Some(StateKind::Idle), "a parked call");
        let fetched = created(ok(&mut bench, Operation::Unpark { line, address, orbit: "701".into() })?)?;
        ensure!(fetched != call, "the parked call is fetched as the same call");
        ensure!(
            bench.reaches(fetched, StateKind::Connected),
            "the fetched call is {:?}",
            bench.kind(fetched)
        );
        let info = bench.info(fetched)?;
        bench.observed.borrow_mut().info(info.reason, info.origin);
        same!(info.reason, Reason::Unparked, "the reason of a fetched call");
        bench.close_call(fetched);
    }
    if able.park_modes.contains(ParkKind::Anywhere) {
        let (call, _) = bench.answered(LINE, "amy")?;
        let outcome = ok(&mut bench, Operation::Park { call, at: ParkAt::Anywhere })?;
        let Outcome::Parked(orbit) = outcome else {
            return Err(Finding(format!("parking brings {outcome:?}")));
        };
        ensure!(!orbit.is_empty(), "nobody says where the call is parked");
        bench.run(Duration::from_secs(1));
        same!(bench.kind(call), Some(StateKind::Idle), "a call parked anywhere");
        let fetched = created(ok(&mut bench, Operation::Unpark { line, address, orbit })?)?;
        ensure!(
            bench.reaches(fetched, StateKind::Connected),
            "the fetched call is {:?}",
            bench.kind(fetched)
        );
        bench.close_call(fetched);
    }
    if able.reasons.contains(Reason::Reminder) && able.park_modes.contains(ParkKind::Orbit) {
        let (call, _) = bench.answered(LINE, "art")?;
        ok(&mut bench, Operation::Park { call, at: ParkAt::Orbit("705".into()) })?;
        let before = bench.announcements();
        bench.until(Duration::from_secs(600), |bench| bench.announcements() > before);
        let back = bench.last_announced().ok_or_else(|| Finding("nobody is called back".into()))?;
        ensure!(bench.announcements() > before, "a parked call that nobody fetches does not come back");
        let info = bench.info(back)?;
        bench.observed.borrow_mut().info(info.reason, info.origin);
        same!(info.reason, Reason::Reminder, "the reason of a parked call that comes back");
        bench.close_call(back);
        bench.close_call(call);
    }
    if able.features.contains(Feature::Unpark) {
        let nothing = bench.perform(Operation::Unpark { line, address, orbit: "777".into() });
        ensure!(nothing.is_err(), "a call is fetched from where none is parked: {nothing:?}");
    }
    if able.pickup_from.contains(PickupKind::Address) {
        let dan = bench.subject.alerting_elsewhere("door", "dan");
        bench.run(Duration::from_secs(1));
        let from = PickupFrom::Address("door".into());
        let picked = created(ok(&mut bench, Operation::Pickup { line, address, from })?)?;
        ensure!(
            bench.reaches(picked, StateKind::Connected),
            "the picked up call is {:?}",
            bench.kind(picked)
        );
        let info = bench.info(picked)?;
        bench.observed.borrow_mut().info(info.reason, info.origin);
        same!(info.reason, Reason::PickedUp, "the reason of a picked up call");
        ensure!(
            bench.saw(dan).iter().any(|saw| matches!(saw, Saw::Answered(_))),
            "the caller who alerted elsewhere saw {:?}",
            bench.saw(dan)
        );
        let nothing =
            bench.perform(Operation::Pickup { line, address, from: PickupFrom::Address("attic".into()) });
        ensure!(nothing.is_err(), "a call is picked up where none alerts: {nothing:?}");
    }
    if able.completion_modes.contains(CompletionMode::CallBack) {
        bench.arrange("bob", Behaviour::RingsThenRefuses(Duration::from_millis(100), 486, String::new()));
        let call = bench.make_call(LINE, "bob").map_err(|error| Finding(error.to_string()))?;
        bench.until(Duration::from_secs(2), |bench| {
            matches!(bench.kind(call), Some(StateKind::Ringback | StateKind::Busy))
        });
        let outcome = ok(&mut bench, Operation::CompleteCall { call, mode: CompletionMode::CallBack })?;
        let Outcome::Completion(completion) = outcome else {
            return Err(Finding(format!("arranging a call completion brings {outcome:?}")));
        };
        let completions = bench.provider().line_status(LINE).map(|status| status.completions);
        same!(completions, Some(1), "call completions arranged");
        ok(&mut bench, Operation::UncompleteCall { line, completion })?;
        let completions = bench.provider().line_status(LINE).map(|status| status.completions);
        same!(completions, Some(0), "call completions after it was cancelled");
        let again = bench.perform(Operation::UncompleteCall { line, completion });
        ensure!(
            matches!(again, Err(OperationError::NoSuchCompletion(_))),
            "cancelling twice brings {again:?}"
        );
        bench.close_call(call);
        completing(&mut bench)?;
    }
    if able.completion_modes.contains(CompletionMode::CampOn) {
        super::camping::camping(&mut bench)?;
    }
    bench.finish()
}

/// A call completion from its arrangement to the call that it brings.
fn completing(bench: &mut Bench) -> Verdict {
    bench.arrange("bob", Behaviour::RingsThenRefuses(Duration::from_millis(100), 486, String::new()));
    let call = bench.make_call(LINE, "bob").map_err(|error| Finding(error.to_string()))?;
    bench.until(Duration::from_secs(2), |bench| {
        matches!(bench.kind(call), Some(StateKind::Busy | StateKind::Disconnected))
    });
    let attempt = bench.info(call)?;
    let outcome = ok(bench, Operation::CompleteCall { call, mode: CompletionMode::CallBack })?;
    let Outcome::Completion(completion) = outcome else {
        return Err(Finding(format!("arranging a call completion brings {outcome:?}")));
    };
    same!(bench.kind(call), Some(StateKind::Idle), "the attempt, once its completion is arranged");
    let before = bench.announcements();
    bench.run(Duration::from_secs(5));
    same!(bench.announcements(), before, "calls offered while the called party is busy");
    bench.arrange("bob", Behaviour::Answers(Duration::from_millis(100)));
    bench.until(Duration::from_secs(20), |bench| bench.announcements() > before);
    let back = bench.last_announced().filter(|_| bench.announcements() > before);
    let back = back.ok_or_else(|| Finding("the called party is free, and nothing is offered".into()))?;
    bench.run(Duration::from_millis(10));
    let info = bench.info(back)?;
    bench.observed.borrow_mut().info(info.reason, info.origin);
    same!(info.reason, Reason::CallCompletion, "the reason of a completed call");
    same!(info.completion, Some(completion), "the completion that it is of");
    same!(info.related, Some(attempt.physical), "the attempt that it comes of");
    let completions = bench.provider().line_status(LINE).map(|status| status.completions);
    same!(completions, Some(0), "call completions once it is offered");
    ok(bench, Operation::answer(back))?;
    ensure!(bench.reaches(back, StateKind::Connected), "the completed call is {:?}", bench.kind(back));
    ok(bench, Operation::drop(back))?;
    // One that brings nothing ends some day, or stays; in no case it brings a call.
    bench.arrange("bob", Behaviour::RingsThenRefuses(Duration::from_millis(100), 486, String::new()));
    let call = bench.make_call(LINE, "bob").map_err(|error| Finding(error.to_string()))?;
    bench.until(Duration::from_secs(2), |bench| {
        matches!(bench.kind(call), Some(StateKind::Busy | StateKind::Disconnected))
    });
    ok(bench, Operation::CompleteCall { call, mode: CompletionMode::CallBack })?;
    let before = bench.announcements();
    bench.run(Duration::from_secs(2 * 3_600));
    same!(bench.announcements(), before, "calls offered for a party that stays busy");
    let ended = bench.count(|event| matches!(event, ProviderEvent::CompletionEnded { line: LINE, .. }));
    let left = bench.provider().line_status(LINE).map_or(0, |status| status.completions);
    same!(ended + left as usize, 1, "completions told to have ended, and those left");
    Ok(())
}

fn dialling(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let make = |destination: &str| Operation::MakeCall {
        line: LINE,
        address: ADDRESS,
        destination: destination.into(),
        options: CallOptions::default(),
    };
    for c in ['W', 'w', '@', '$', '?'] {
        for text in [format!("{c}123"), format!("12{c}3"), format!("123{c}")] {
            let refused = bench.ask(make(&text));
            ensure!(
                matches!(&refused, Err(OperationError::UnsupportedDialCharacter(wrong)) if wrong.eq_ignore_ascii_case(&c)),
                "dialling '{text}' brings {refused:?}"
            );
        }
    }
    bench.run(Duration::from_secs(1));
    for user in ["123", "W123", "12", "3"] {
        ensure!(bench.subject.party_at(user).is_none(), "'{user}' was called all the same");
    }
    if bench.able(LINE).flags.partial_dialing {
        bench.arrange("1234", Behaviour::Answers(Duration::from_millis(100)));
        let outcome = ok(&mut bench, make("12;"))?;
        let call = created(outcome)?;
        bench.run(Duration::from_secs(1));
        same!(bench.kind(call), Some(StateKind::Dialing), "a call dialled in part");
        ok(&mut bench, Operation::Dial { call, digits: "3;".into() })?;
        ensure!(bench.subject.party_at("123").is_none(), "it was sent before the address was complete");
        ok(&mut bench, Operation::Dial { call, digits: "4".into() })?;
        ensure!(bench.reaches(call, StateKind::Connected), "dialled to the end it is {:?}", bench.kind(call));
        ensure!(bench.subject.party_at("1234").is_some(), "1234 was not called");
        let late = bench.ask(Operation::Dial { call, digits: "5".into() });
        ensure!(matches!(late, Err(OperationError::InvalidCallState { .. })), "dialling on brings {late:?}");
        let call = created(ok(&mut bench, make(""))?)?;
        same!(bench.kind(call), Some(StateKind::Dialtone), "a call without an address");
        ok(&mut bench, Operation::Dial { call, digits: "1234".into() })?;
        ensure!(
            bench.reaches(call, StateKind::Connected),
            "dialled after the tone it is {:?}",
            bench.kind(call)
        );
        let call = created(ok(&mut bench, make("12;"))?)?;
        ok(&mut bench, Operation::drop(call))?;
        same!(bench.kind(call), Some(StateKind::Idle), "a call dialled in part, dropped");
    }
    if able(&mut bench, Feature::SetService) {
        // Without service there is no dialtone.
        ok(&mut bench, Operation::SetService { line: LINE, on: false })?;
        bench.run(Duration::from_secs(2));
        match bench.perform(make("")) {
            Ok(Outcome::Call(call)) => {
                ensure!(
                    matches!(bench.state(call), Some(CallState::Disconnected(end)) if end.mode == DisconnectMode::NoDialtone),
                    "off-hook on a line out of service is {:?}",
                    bench.state(call)
                );
                ok(&mut bench, Operation::drop(call))?;
            }
            other => ensure!(
                matches!(other, Err(OperationError::OutOfService(_))),
                "off-hook on a line out of service brings {other:?}"
            ),
        }
        ok(&mut bench, Operation::SetService { line: LINE, on: true })?;
        bench.run(Duration::from_secs(2));
    }
    bench.finish()
}

fn user_information(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let sizes = bench.able(LINE).user_info;
    let info = |text: &str| Some(UserInfo(text.as_bytes().to_vec()));
    ensure!(
        sizes.make_call > 0 && sizes.received > 0,
        "no user information can be sent or received: {sizes:?}"
    );
    bench.arrange("ben", Behaviour::Answers(Duration::from_millis(100)));
    let make = |user_info| Operation::MakeCall {
        line: LINE,
        address: ADDRESS,
        destination: "ben".into(),
        options: CallOptions { user_info, ..CallOptions::default() },
    };
    let call = created(ok(&mut bench, make(info("with the call")))?)?;
    ensure!(bench.reaches(call, StateKind::Connected), "ben does not answer");
    let ben = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    same!(
        bench.saw(ben).first().cloned(),
        Some(Saw::Called(b"with the call".to_vec())),
        "what came with the call"
    );
    let long = Some(UserInfo(vec![7; usize::from(sizes.make_call) + 1]));
    let refused = bench.ask(make(long));
    ensure!(matches!(refused, Err(OperationError::UserInfoTooBig { .. })), "too much brings {refused:?}");
    let (offered, ann) =
        bench.offered(Incoming { user_info: b"first".to_vec(), ..Incoming::new(LINE, "ann") })?;
    same!(bench.info(offered)?.user_info, info("first"), "what the caller sent");
    ok(&mut bench, Operation::Accept { call: offered, user_info: info("accepted") })?;
    ok(
        &mut bench,
        Operation::Answer { call: offered, source: Default::default(), user_info: info("answered") },
    )?;
    bench.run(Duration::from_millis(300));
    let saw = bench.saw(ann);
    if sizes.accept > 0 {
        ensure!(saw.contains(&Saw::Alerted(b"accepted".to_vec())), "with the acceptance: {saw:?}");
    }
    ensure!(saw.contains(&Saw::Answered(b"answered".to_vec())), "with the answer: {saw:?}");
    // Two come before the first was read: the second waits.
    bench.act(ann, Act::UserInfo(b"second".to_vec()));
    bench.act(ann, Act::UserInfo(b"third".to_vec()));
    same!(bench.info(offered)?.user_info, info("first"), "what is shown before it was read");
    let changes = bench.changes(offered).iter().filter(|parts| parts.contains(InfoParts::USER_INFO)).count();
    same!(changes, 0, "changes told while the first is unread");
    for text in ["second", "third"] {
        ok(&mut bench, Operation::ReleaseUserInfo { call: offered })?;
        same!(bench.info(offered)?.user_info, info(text), "what is shown next");
    }
    ok(&mut bench, Operation::ReleaseUserInfo { call: offered })?;
    same!(bench.info(offered)?.user_info, None, "what is shown when all was read");
    same!(ok(&mut bench, Operation::ReleaseUserInfo { call: offered })?, Outcome::Done, "releasing nothing");
    if able(&mut bench, Feature::SendUserInfo) {
        let data = UserInfo(b"by itself".to_vec());
        ok(&mut bench, Operation::SendUserInfo { call: offered, data })?;
        bench.run(Duration::from_millis(300));
        ensure!(
            bench.saw(ann).contains(&Saw::UserInfo(b"by itself".to_vec())),
            "by itself: {:?}",
            bench.saw(ann)
        );
    }
    ok(&mut bench, Operation::Drop { call: offered, reason: RejectReason::Default, user_info: info("bye") })?;
    bench.run(Duration::from_millis(300));
    ensure!(bench.saw(ann).contains(&Saw::HungUp(b"bye".to_vec())), "with the end: {:?}", bench.saw(ann));
    bench.close_call(offered);
    ensure!(bench.provider().call_info(offered).is_none(), "it is kept after the close");
    bench.finish()
}

fn sending_digits(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, ann) = bench.answered(LINE, "ann")?;
    let send = |digits: &str| Operation::SendDigits { call, digits: DigitOptions::new(digits) };
    let begun = bench.now();
    same!(ok(&mut bench, send("1,2#"))?, Outcome::Done, "sending digits");
    ensure!(
        bench.now() - begun >= Duration::from_secs(2),
        "the comma was no pause: {:?}",
        bench.now() - begun
    );
    let digits: Vec<Saw> = bench.saw(ann).into_iter().filter(|saw| matches!(saw, Saw::Digit(_))).collect();
    same!(digits, vec![Saw::Digit('1'), Saw::Digit('2'), Saw::Digit('#')], "what the other side heard");
    let first = bench.ask(send("1234567890")).map_err(|error| Finding(error.to_string()))?;
    bench.run(Duration::from_millis(200));
    let second = bench.ask(send("9")).map_err(|error| Finding(error.to_string()))?;
    bench.run(Duration::from_secs(3));
    same!(bench.result(first), Some(&Err(OperationError::Replaced)), "the older request");
    same!(bench.result(second), Some(&Ok(Outcome::Done)), "the newer request");
    let order: Vec<_> = bench
        .log
        .iter()
        .filter_map(|(_, event)| match event {
            ProviderEvent::Completed { request, .. } if *request == first || *request == second => {
                Some(*request)
            }
            _ => None,
        })
        .collect();
    same!(order, vec![first, second], "the order of the completions");
    for wrong in ["", "12x"] {
        ensure!(bench.ask(send(wrong)).is_err(), "sending '{wrong}' is accepted");
    }
    if able(&mut bench, Feature::StopSending) {
        let third = bench.ask(send("123456")).map_err(|error| Finding(error.to_string()))?;
        ok(&mut bench, Operation::StopSending { call })?;
        bench.run(Duration::from_secs(1));
        same!(bench.result(third), Some(&Err(OperationError::Replaced)), "the stopped request");
    }
    if able(&mut bench, Feature::SendTone) {
        let fourth = bench.ask(send("123456")).map_err(|error| Finding(error.to_string()))?;
        let tone = ToneOptions::Busy(Duration::from_secs(1));
        same!(ok(&mut bench, Operation::SendTone { call, tone })?, Outcome::Done, "sending a tone");
        same!(bench.result(fourth), Some(&Err(OperationError::Replaced)), "digits that a tone replaced");
    }
    same!(bench.kind(call), Some(StateKind::Connected), "sending digits never dials");
    let last = bench.ask(send("123456")).map_err(|error| Finding(error.to_string()))?;
    bench.act(ann, Act::HangUp(String::new()));
    ensure!(matches!(bench.result(last), Some(Err(_))), "digits after the end: {:?}", bench.result(last));
    bench.finish()
}

fn gathering_digits(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, ann) = bench.answered(LINE, "ann")?;
    let gather = |count, terminators: &str, first, next| Operation::GatherDigits {
        call,
        gather: GatherOptions {
            count,
            terminators: terminators.into(),
            first_after: first,
            next_after: next,
        },
    };
    let (two, five) = (Some(Duration::from_secs(2)), Some(Duration::from_secs(5)));
    let press = |bench: &mut Bench, digits: &str| {
        for digit in digits.chars() {
            bench.act(ann, Act::Press(digit, Duration::from_millis(80)));
            bench.run(Duration::from_millis(100));
        }
    };
    let ended = |digits: &str, ended| Some(Ok(Outcome::Gathered { digits: digits.into(), ended }));
    for (asked, pressed, wait, expected) in [
        (gather(3, "", None, None), "123", 0, ended("123", GatherEnd::Full)),
        (gather(9, "#*", None, None), "12#", 0, ended("12#", GatherEnd::Terminator)),
        (gather(3, "", two, None), "", 3, ended("", GatherEnd::FirstTimeout)),
        (gather(3, "", five, two), "4", 3, ended("4", GatherEnd::NextTimeout)),
    ] {
        let request = bench.ask(asked).map_err(|error| Finding(error.to_string()))?;
        press(&mut bench, pressed);
        bench.run(Duration::from_secs(wait));
        same!(bench.result(request).cloned(), expected, "gathering after '{pressed}'");
    }
    let first = bench.ask(gather(3, "", None, None)).map_err(|error| Finding(error.to_string()))?;
    press(&mut bench, "7");
    let second = bench.ask(gather(2, "", None, None)).map_err(|error| Finding(error.to_string()))?;
    bench.run(Duration::from_millis(100));
    same!(bench.result(first).cloned(), ended("7", GatherEnd::Cancelled), "the restarted gathering");
    press(&mut bench, "89");
    same!(bench.result(second).cloned(), ended("89", GatherEnd::Full), "the one that restarted it");
    let third = bench.ask(gather(3, "", None, None)).map_err(|error| Finding(error.to_string()))?;
    press(&mut bench, "5");
    ok(&mut bench, Operation::StopGathering { call })?;
    same!(bench.result(third).cloned(), ended("5", GatherEnd::Cancelled), "the stopped gathering");
    for wrong in [gather(0, "", None, None), gather(3, "x", None, None)] {
        let refused = bench.ask(wrong);
        ensure!(matches!(refused, Err(OperationError::InvalidParameter(_))), "nonsense brings {refused:?}");
    }
    // Digits are told one by one besides, as asked.
    ok(&mut bench, Operation::MonitorDigits { call, digits: DigitMonitoring::Off })?;
    let told = |bench: &Bench| bench.count(|event| matches!(event, ProviderEvent::Digit { .. }));
    let before = told(&bench);
    press(&mut bench, "1");
    same!(told(&bench), before, "digits told while none is wanted");
    ok(&mut bench, Operation::MonitorDigits { call, digits: DigitMonitoring::BeginningAndEnd })?;
    press(&mut bench, "2");
    same!(told(&bench), before + 1, "digits told");
    same!(
        bench.count(|event| matches!(event, ProviderEvent::DigitBegun { digit: '2', .. })),
        1,
        "beginnings told"
    );
    if able(&mut bench, Feature::MonitorTones) {
        let pattern = TonePattern { tag: 77, frequencies: [440, 0], duration: Duration::from_millis(200) };
        ok(&mut bench, Operation::MonitorTones { call, tones: vec![pattern] })?;
        bench.act(ann, Act::Tone([440, 0], Duration::from_secs(1)));
        bench.run(Duration::from_secs(2));
        same!(
            bench.count(|event| matches!(event, ProviderEvent::Tone { tag: 77, .. })),
            1,
            "times a tone was told"
        );
        ok(&mut bench, Operation::MonitorTones { call, tones: Vec::new() })?;
        bench.act(ann, Act::Tone([440, 0], Duration::from_secs(1)));
        bench.run(Duration::from_secs(2));
        same!(
            bench.count(|event| matches!(event, ProviderEvent::Tone { .. })),
            1,
            "tones told after it was ended"
        );
    }
    let last = bench.ask(gather(3, "", None, None)).map_err(|error| Finding(error.to_string()))?;
    press(&mut bench, "6");
    bench.act(ann, Act::HangUp(String::new()));
    same!(bench.result(last).cloned(), ended("6", GatherEnd::Cancelled), "gathering when the call ends");
    bench.finish()?;
    audio::controlled(suite)
}

fn securing(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, ann) = bench.answered(LINE, "ann")?;
    same!(ok(&mut bench, Operation::SecureCall { call })?, Outcome::Done, "securing");
    ensure!(bench.info(call)?.secure, "the call is not told to be secure");
    let before = bench.announcements();
    let party = bench.subject.call_in(Incoming::new(LINE, "amy"));
    bench.run(Duration::from_secs(1));
    same!(bench.announcements(), before, "calls announced while one is secured");
    let saw = bench.saw(party);
    ensure!(saw.contains(&Saw::Refused(486)), "a further caller saw {saw:?}");
    ensure!(!saw.iter().any(|saw| matches!(saw, Saw::Alerted(_))), "a further caller was alerted: {saw:?}");
    let intruder = bench.subject.call_in(Incoming { joins: Some(ann), ..Incoming::new(LINE, "eve") });
    bench.run(Duration::from_secs(1));
    ensure!(
        bench.saw(intruder).iter().any(|saw| matches!(saw, Saw::Refused(_))),
        "who breaks in saw {:?}",
        bench.saw(intruder)
    );
    same!(bench.kind(call), Some(StateKind::Connected), "the secured call");
    ok(&mut bench, Operation::drop(call))?;
    bench.close_call(call);
    let (next, _) = bench.offered(Incoming::new(LINE, "amy"))?;
    ensure!(!bench.info(next)?.secure, "the next call is secure by itself");
    bench.finish()
}
