//! Part F, second third: transfer, conference, park (checklist 57 to 60).

use super::item;
use super::operations::{ADDRESS, LINE, created, hung_up, ok};
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Party, Saw, Setup};
use crate::conformance::{Bench, Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    CallId, CallState, CompletionMode, ConsultOptions, Feature, Operation, OperationError, Origin, Outcome,
    ParkAt, ParkKind, PickupFrom, PickupKind, ProviderEvent, Reason, StateKind, TransferMode,
    TransferOutcome,
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
