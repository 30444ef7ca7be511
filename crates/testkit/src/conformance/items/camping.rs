//! Camping on (checklist 60): a call waits for its party, and goes out by itself.

use crate::conformance::bench::{Bench, Finding, Verdict, ensure, same};
use crate::conformance::subject::{Act, Behaviour, Party, Saw};
use hookswitch_spi::{
    CallId, CallState, CompletionId, CompletionMode, DisconnectMode, GatherOptions, LineId, Operation,
    OperationError, Outcome, ProviderEvent, StateKind,
};
use std::time::Duration;

const LINE: LineId = LineId(0);
const SECOND: Duration = Duration::from_secs(1);
/// Long enough for news of a party, a rest, and a call.
const SOON: Duration = Duration::from_secs(20);

const fn camp_on(call: CallId) -> Operation {
    Operation::CompleteCall { call, mode: CompletionMode::CampOn }
}

/// All of it.
pub(super) fn camping(bench: &mut Bench) -> Verdict {
    waits_and_goes_out(bench)?;
    waits_for_who_does_not_answer(bench)?;
    ends_when_refused(bench)?;
    goes_out_in_turn(bench)?;
    ends_when_it_is_not_wanted(bench)?;
    ends_some_day(bench)?;
    is_busy_from_the_first_word(bench)?;
    wants_a_call_that_has_not_ended(bench)
}

fn is_busy(bench: &mut Bench) {
    bench.arrange("bob", Behaviour::RingsThenRefuses(Duration::from_millis(100), 486, String::new()));
}

/// A call that has found bob busy.
fn busy(bench: &mut Bench) -> Result<CallId, Finding> {
    is_busy(bench);
    let call = bench.make_call(LINE, "bob").map_err(|error| Finding(error.to_string()))?;
    ensure!(bench.reaches(call, StateKind::Busy), "a call to a busy party is {:?}", bench.kind(call));
    Ok(call)
}

/// It waits.
fn camped(bench: &mut Bench, call: CallId) -> Result<CompletionId, Finding> {
    let outcome = bench.perform(camp_on(call));
    let Ok(Outcome::Completion(completion)) = outcome else {
        return Err(Finding(format!("camping on brings {outcome:?}")));
    };
    bench.run(Duration::from_millis(10));
    same!(bench.kind(call), Some(StateKind::Proceeding), "a call that camps on");
    Ok(completion)
}

/// A call that has found bob busy, and waits.
fn waiting(bench: &mut Bench) -> Result<(CallId, CompletionId), Finding> {
    let call = busy(bench)?;
    Ok((call, camped(bench, call)?))
}

fn completions(bench: &mut Bench) -> u32 {
    bench.provider().line_status(LINE).map_or(0, |status| status.completions)
}

fn ended(bench: &Bench) -> usize {
    bench.count(|event| matches!(event, ProviderEvent::CompletionEnded { line: LINE, .. }))
}

fn bob(bench: &Bench) -> Result<Party, Finding> {
    bench.subject.party_at("bob").ok_or_else(|| Finding("bob was never called".into()))
}

/// Whether bob is called once more.
fn called_again(bench: &mut Bench, before: Party, within: Duration) -> bool {
    bench.until(within, |bench| bench.subject.party_at("bob").is_some_and(|party| party != before))
}

fn end(bench: &mut Bench, call: CallId) -> Option<DisconnectMode> {
    match bench.state(call) {
        Some(CallState::Disconnected(end)) => Some(end.mode),
        _ => None,
    }
}

fn dropped(bench: &mut Bench, call: CallId) -> Verdict {
    let done = bench.perform(Operation::drop(call));
    ensure!(done.is_ok(), "dropping {call} brings {done:?}");
    bench.close_call(call);
    Ok(())
}

fn waits_and_goes_out(bench: &mut Bench) -> Verdict {
    let call = busy(bench)?;
    let (attempt, announced) = (bench.info(call)?, bench.announcements());
    let first = bob(bench)?;
    let completion = camped(bench, call)?;
    let told = |event: &ProviderEvent| matches!(event, ProviderEvent::Completed { result: Ok(Outcome::Completion(id)), .. } if *id == completion);
    let queued = |event: &ProviderEvent| matches!(event, ProviderEvent::CallState { call: of, state: CallState::Proceeding, .. } if *of == call);
    let last = bench.log.iter().rposition(|(_, event)| queued(event));
    ensure!(bench.position(told) < last, "a call waits before the request for it has completed");
    same!(bench.info(call)?.completion, Some(completion), "the completion of a call that waits");
    same!(completions(bench), 1, "call completions of a line whose call waits");
    let digits = GatherOptions { count: 1, terminators: String::new(), first_after: None, next_after: None };
    let gather = Operation::GatherDigits { call, gather: digits };
    for (senseless, what) in [(camp_on(call), "camping on twice"), (gather, "collecting digits from nobody")]
    {
        let refused = bench.ask(senseless);
        ensure!(matches!(refused, Err(OperationError::InvalidCallState { .. })), "{what} brings {refused:?}");
    }
    ensure!(!called_again(bench, first, 5 * SECOND), "a busy party is called");
    bench.arrange("bob", Behaviour::Rings);
    ensure!(called_again(bench, first, SOON), "the party is free, and is not called");
    ensure!(bench.reaches(call, StateKind::Ringback), "the call that goes out is {:?}", bench.kind(call));
    // Busy again, although nothing says so.
    let second = bob(bench)?;
    bench.act(second, Act::Refuse(486, String::new()));
    ensure!(bench.reaches(call, StateKind::Proceeding), "busy again, the call is {:?}", bench.kind(call));
    ensure!(!called_again(bench, second, 4 * SECOND), "a party that was busy again is called at once");
    same!(bench.kind(call), Some(StateKind::Proceeding), "a call whose party was busy again");
    ensure!(called_again(bench, second, SOON), "a party that was busy again is never called again");
    let third = bob(bench)?;
    bench.act(third, Act::Answer);
    ensure!(bench.reaches(call, StateKind::Connected), "the party has answered: {:?}", bench.kind(call));
    same!(bench.info(call)?.physical, attempt.physical, "the physical call of one that has waited");
    same!(bench.announcements(), announced, "calls offered by camping on");
    same!(completions(bench), 0, "call completions once the call is answered");
    let over = bench.ask(Operation::UncompleteCall { line: LINE, completion });
    ensure!(matches!(over, Err(OperationError::NoSuchCompletion(_))), "cancelling it then brings {over:?}");
    dropped(bench, call)
}

fn waits_for_who_does_not_answer(bench: &mut Bench) -> Verdict {
    bench.arrange("bob", Behaviour::Rings);
    let call = bench.make_call(LINE, "bob").map_err(|error| Finding(error.to_string()))?;
    ensure!(bench.reaches(call, StateKind::Ringback), "a call that rings is {:?}", bench.kind(call));
    let first = bob(bench)?;
    camped(bench, call)?;
    bench.run(SECOND);
    ensure!(bench.saw(first).contains(&Saw::Cancelled), "who rang saw {:?}", bench.saw(first));
    ensure!(!called_again(bench, first, 5 * SECOND), "a party that has not been busy since is called");
    is_busy(bench);
    bench.run(SECOND);
    bench.arrange("bob", Behaviour::Answers(Duration::from_millis(100)));
    ensure!(bench.reaches(call, StateKind::Connected), "after its next call: {:?}", bench.kind(call));
    dropped(bench, call)
}

fn ends_when_refused(bench: &mut Bench) -> Verdict {
    let (call, _) = waiting(bench)?;
    let before = ended(bench);
    bench.arrange("bob", Behaviour::RingsThenRefuses(Duration::from_millis(100), 603, String::new()));
    ensure!(bench.reaches(call, StateKind::Disconnected), "refused, the call is {:?}", bench.kind(call));
    same!(end(bench, call), Some(DisconnectMode::Reject), "the end of a call that is refused");
    same!(
        (completions(bench), ended(bench)),
        (0, before),
        "call completions of a line, and those told to end"
    );
    dropped(bench, call)
}

fn goes_out_in_turn(bench: &mut Bench) -> Verdict {
    let (first, _) = waiting(bench)?;
    let (second, _) = waiting(bench)?;
    bench.arrange("bob", Behaviour::Rings);
    ensure!(bench.reaches(first, StateKind::Ringback), "who waits first is {:?}", bench.kind(first));
    let party = bob(bench)?;
    ensure!(!called_again(bench, party, 5 * SECOND), "two calls go out at a time");
    same!(bench.kind(second), Some(StateKind::Proceeding), "who waits behind");
    bench.act(party, Act::Answer);
    ensure!(bench.reaches(first, StateKind::Connected), "answered, it is {:?}", bench.kind(first));
    let follows = bench.until(SOON, |bench| bench.kind(second) == Some(StateKind::Ringback));
    ensure!(follows, "who waits behind is {:?}", bench.kind(second));
    dropped(bench, first)?;
    dropped(bench, second)
}

fn ends_when_it_is_not_wanted(bench: &mut Bench) -> Verdict {
    let (call, completion) = waiting(bench)?;
    let party = bob(bench)?;
    let done = bench.perform(Operation::UncompleteCall { line: LINE, completion });
    same!(done, Ok(Outcome::Done), "cancelling a completion");
    bench.run(Duration::from_millis(10));
    same!(end(bench, call), Some(DisconnectMode::Cancelled), "the end of a call that need not wait");
    bench.arrange("bob", Behaviour::Rings);
    ensure!(!called_again(bench, party, SOON), "a completion that was cancelled calls");
    dropped(bench, call)?;
    let (call, _) = waiting(bench)?;
    let (party, before) = (bob(bench)?, ended(bench));
    let done = bench.perform(Operation::drop(call));
    ensure!(done.is_ok(), "dropping a call that waits brings {done:?}");
    same!(completions(bench), 0, "call completions once the call is dropped");
    bench.arrange("bob", Behaviour::Rings);
    ensure!(!called_again(bench, party, SOON), "a call that was dropped goes out");
    same!(ended(bench), before, "completions told to have ended with their calls");
    bench.close_call(call);
    let (call, _) = waiting(bench)?;
    bench.close_call(call);
    same!(completions(bench), 0, "call completions once the call is closed");
    Ok(())
}

fn ends_some_day(bench: &mut Bench) -> Verdict {
    let (call, _) = waiting(bench)?;
    let before = ended(bench);
    bench.run(Duration::from_secs(2 * 3_600));
    same!(end(bench, call), Some(DisconnectMode::Busy), "the end of a call whose party stays busy");
    same!(ended(bench) - before, 1, "completions told to have ended");
    same!(completions(bench), 0, "call completions that are left");
    dropped(bench, call)
}

/// Most phones say at once that they are busy, and nothing else before.
fn is_busy_from_the_first_word(bench: &mut Bench) -> Verdict {
    bench.arrange("bob", Behaviour::Refuses(486, String::new()));
    let call =
        bench.make_call(LINE, "bob").map_err(|error| Finding(format!("a call to a busy party: {error}")))?;
    ensure!(bench.reaches(call, StateKind::Busy), "it is {:?}", bench.kind(call));
    same!(
        bench.kinds(call),
        [StateKind::Proceeding, StateKind::Busy],
        "the states of a call found busy at once"
    );
    camped(bench, call)?;
    bench.arrange("bob", Behaviour::Answers(Duration::from_millis(100)));
    ensure!(bench.reaches(call, StateKind::Connected), "the party is free: {:?}", bench.kind(call));
    dropped(bench, call)
}

fn wants_a_call_that_has_not_ended(bench: &mut Bench) -> Verdict {
    let call = busy(bench)?;
    ensure!(bench.reaches(call, StateKind::Disconnected), "the busy tone never ends");
    let refused = bench.ask(camp_on(call));
    ensure!(
        matches!(refused, Err(OperationError::InvalidCallState { state: StateKind::Disconnected, .. })),
        "a call that has ended camps on: {refused:?}"
    );
    dropped(bench, call)
}
