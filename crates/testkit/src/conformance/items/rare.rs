//! What the other items do not come across and lines may advertise: exercised so that everything advertised is (checklist 16).
//!
//! Nothing is judged here but that the contract is kept: what happens is noted by the bench, and compared with what was advertised.

use crate::conformance::bench::Bench;
use crate::conformance::subject::{Act, Behaviour, Diverted, Incoming, Setup};
use crate::conformance::{Suite, Verdict};
use hookswitch_spi::{
    AddressId, CallId, CallState, CompletionMode, ConsultOptions, ForwardCondition, ForwardRule,
    ForwardTarget, ForwardingRules, LineId, Operation, Outcome, ParkAt, ProviderEvent, StateKind,
};
use std::time::Duration;

const LINE: LineId = LineId(0);
const OTHER: LineId = LineId(1);
const ADDRESS: AddressId = AddressId(0);

/// Exercises it.
///
/// # Errors
/// A breach of the contract on the way.
pub(super) fn exercise(suite: &Suite<'_>) -> Verdict {
    for part in [ends, redirected, intrusion, parked, completed, conference] {
        let mut bench = suite.open(&Setup::lines(&["desk", "door"]));
        // What a subject cannot do is not advertised, and missed by nobody.
        let _ = part(&mut bench);
        bench.finish()?;
    }
    // Off-hook while the switch is silent.
    let mut bench = suite.open(&Setup { reachable: false, ..Setup::one() });
    if let Ok(call) = bench.make_call(LINE, "") {
        bench.reaches(call, StateKind::Disconnected);
    }
    bench.finish()
}

/// Notes why the calls announced so far are here.
fn note(bench: &mut Bench) {
    let calls: Vec<CallId> = bench
        .log
        .iter()
        .filter_map(|(_, event)| match event {
            ProviderEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        })
        .collect();
    for call in calls {
        note_call(bench, call);
    }
}

fn note_call(bench: &mut Bench, call: CallId) {
    if let Ok(info) = bench.info(call) {
        bench.observed.borrow_mut().info(info.reason, info.origin);
    }
}

/// Ends for which no cause is ever known, and a party that is not to be disturbed.
fn ends(bench: &mut Bench) -> Verdict {
    for (status, fields) in [(480, "Reason: Q.850;cause=127\r\n"), (499, "")] {
        let refuses = Behaviour::RingsThenRefuses(Duration::from_millis(100), status, fields.to_owned());
        bench.arrange("ben", refuses);
        if let Ok(call) = bench.make_call(LINE, "ben") {
            bench.reaches(call, StateKind::Disconnected);
        }
    }
    let rule = |when| ForwardRule { when, from: None, origin: None, to: ForwardTarget::DoNotDisturb };
    // Somebody who is told so only after nobody answered.
    let least = bench.able(LINE).no_answer_after.least;
    let rules =
        ForwardingRules { rules: vec![rule(ForwardCondition::NoAnswer)], no_answer_after: Some(least) };
    let _ = bench.perform(Operation::Forward { line: LINE, address: ADDRESS, rules });
    bench.subject.call_in(Incoming::new(LINE, "ann"));
    bench.run(least + Duration::from_secs(2));
    let rule = rule(ForwardCondition::Unconditional);
    let rules = ForwardingRules { rules: vec![rule], no_answer_after: None };
    let _ = bench.perform(Operation::Forward { line: OTHER, address: ADDRESS, rules });
    if let Ok(call) = bench.make_call(LINE, "door") {
        bench.until(Duration::from_secs(5), |bench| {
            matches!(bench.state(call), Some(CallState::Disconnected(_)))
        });
    }
    Ok(())
}

/// One line sends a call on to another.
fn redirected(bench: &mut Bench) -> Verdict {
    let (call, _) = bench.offered(Incoming::new(OTHER, "ann"))?;
    let _ = bench.perform(Operation::Redirect { call, destination: "desk".into() });
    let diverted = Some(("boss".to_owned(), Diverted::Once));
    bench.subject.call_in(Incoming { diverted, ..Incoming::new(LINE, "amy") });
    bench.run(Duration::from_secs(1));
    note(bench);
    Ok(())
}

/// Somebody breaks into a call.
fn intrusion(bench: &mut Bench) -> Verdict {
    let (_, ann) = bench.answered(LINE, "ann")?;
    bench.subject.call_in(Incoming { joins: Some(ann), ..Incoming::new(LINE, "eve") });
    bench.drain();
    bench.run(Duration::from_secs(1));
    note(bench);
    Ok(())
}

/// A parked call that nobody fetches comes back.
fn parked(bench: &mut Bench) -> Verdict {
    let (call, _) = bench.answered(LINE, "ann")?;
    let _ = bench.perform(Operation::Park { call, at: ParkAt::Anywhere });
    bench.run(Duration::from_secs(600));
    note(bench);
    Ok(())
}

/// A party that was busy becomes free; another never does.
fn completed(bench: &mut Bench) -> Verdict {
    for frees in [true, false] {
        let busy = Behaviour::RingsThenRefuses(Duration::from_millis(100), 486, String::new());
        bench.arrange("bob", busy);
        let Ok(call) = bench.make_call(LINE, "bob") else { continue };
        bench.reaches(call, StateKind::Busy);
        let asked = bench.perform(Operation::CompleteCall { call, mode: CompletionMode::CallBack });
        let Ok(Outcome::Completion(_)) = asked else { continue };
        if frees {
            bench.arrange("bob", Behaviour::Answers(Duration::from_millis(100)));
        }
        bench.run(Duration::from_secs(if frees { 10 } else { 7_200 }));
        note(bench);
        if let Some(party) = bench.subject.party_at("bob") {
            bench.act(party, Act::HangUp(String::new()));
        }
    }
    Ok(())
}

/// A conference is a call of its own.
fn conference(bench: &mut Bench) -> Verdict {
    bench.arrange("ben", Behaviour::Answers(Duration::from_millis(100)));
    let (call, _) = bench.answered(LINE, "ann")?;
    let consult = ConsultOptions::to("ben");
    let set_up = Operation::SetupConference { line: LINE, address: ADDRESS, call: Some(call), consult };
    if let Ok(Outcome::Conference { conference, .. }) = bench.perform(set_up) {
        note_call(bench, conference);
    }
    Ok(())
}
