//! Part F, first half: responses to offered calls, forwarding and hold (checklist 51 to 56).

use super::{audio, item};
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Incoming, Party, Saw, Setup};
use crate::conformance::{Bench, Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    AddressId, AnswerMode, CallId, CallTreatment, CallerKind, Feature, ForwardCondition, ForwardRule,
    ForwardTarget, ForwardingRules, LineId, Operation, OperationError, Outcome, ProviderEvent, RejectReason,
    StateKind,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        51,
        "answering connects an offered or accepted call, nothing else; the active call is treated as the line says",
        answering,
    ),
    item(
        52,
        "accepting claims the call; the caller is alerted by it only where the line alerts on acceptance",
        accepting,
    ),
    item(
        53,
        "dropping refuses an offered call as configured, gives up a made one, and ends an answer that crosses it",
        dropping,
    ),
    item(
        54,
        "redirecting sends an offered call elsewhere; a bad address changes nothing; other states are refused",
        redirecting,
    ),
    item(
        55,
        "forwarding rules: always, busy, no answer, by caller, by origin, do not disturb; replaced as a whole, told, clamped",
        forwarding,
    ),
    item(56, "hold, retrieve and swap: what the other sides see, and the states of both calls", holding),
];

pub(super) const LINE: LineId = LineId(0);
pub(super) const ADDRESS: AddressId = AddressId(0);

pub(super) fn ok(bench: &mut Bench, operation: Operation) -> Result<Outcome, Finding> {
    let name = operation.name();
    bench.perform(operation).map_err(|error| Finding(format!("{name}: {error}")))
}

pub(super) fn created(outcome: Outcome) -> Result<CallId, Finding> {
    match outcome {
        Outcome::Call(call) => Ok(call),
        other => Err(Finding(format!("no new call, but {other:?}"))),
    }
}

pub(super) fn hung_up(bench: &Bench, party: Party) -> bool {
    bench.saw(party).iter().any(|saw| matches!(saw, Saw::HungUp(_)))
}

pub(super) fn able(bench: &mut Bench, feature: Feature) -> bool {
    bench.able(LINE).features.contains(feature)
}

fn answering(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, party) = bench.offered(Incoming::new(LINE, "ann"))?;
    same!(ok(&mut bench, Operation::answer(call))?, Outcome::Done, "answering an offered call");
    ensure!(
        bench.saw(party).iter().any(|saw| matches!(saw, Saw::Answered(_))),
        "the caller saw {:?}",
        bench.saw(party)
    );
    let twice = bench.ask(Operation::answer(call));
    ensure!(
        matches!(twice, Err(OperationError::InvalidCallState { state: StateKind::Connected, .. })),
        "answering a connected call brings {twice:?}"
    );
    ok(&mut bench, Operation::drop(call))?;
    let idle = bench.ask(Operation::answer(call));
    ensure!(
        matches!(idle, Err(OperationError::InvalidCallState { state: StateKind::Idle, .. })),
        "answering an idle call brings {idle:?}"
    );
    let (call, _) = bench.offered(Incoming::new(LINE, "amy"))?;
    ok(&mut bench, Operation::accept(call))?;
    ok(&mut bench, Operation::answer(call))?;
    same!(bench.kind(call), Some(StateKind::Connected), "an accepted call, answered");
    bench.finish()?;
    for mode in [AnswerMode::None, AnswerMode::Drop, AnswerMode::Hold] {
        let mut bench = suite.open(&Setup::one().with(|line| line.answer_mode = mode));
        same!(bench.able(LINE).answer_mode, mode, "the answer mode advertised");
        let (first, ann) = bench.answered(LINE, "ann")?;
        let (second, _) = bench.answered(LINE, "amy")?;
        bench.run(Duration::from_secs(1));
        same!(bench.kind(second), Some(StateKind::Connected), "the second call");
        let expected = match mode {
            AnswerMode::None => StateKind::Connected,
            AnswerMode::Drop => StateKind::Idle,
            AnswerMode::Hold => StateKind::OnHold,
        };
        same!(bench.kind(first), Some(expected), "the active call, with {mode:?}");
        same!(
            hung_up(&bench, ann),
            mode == AnswerMode::Drop,
            "whether the first caller was let go with {mode:?}"
        );
        same!(bench.kinds(first).last().copied(), Some(expected), "what was told of it");
        bench.finish()?;
    }
    Ok(())
}

fn accepting(suite: &Suite<'_>) -> Verdict {
    for alerts in [false, true] {
        let mut bench = suite.open(&Setup::one().with(|line| line.accept_alerts = alerts));
        same!(bench.able(LINE).flags.accept_alerts, alerts, "what is advertised of alerting");
        let (call, party) = bench.offered(Incoming::new(LINE, "ann"))?;
        bench.run(Duration::from_millis(300));
        let alerted = |bench: &Bench| bench.saw(party).iter().any(|saw| matches!(saw, Saw::Alerted(_)));
        same!(alerted(&bench), !alerts, "whether the caller is alerted before acceptance");
        ok(&mut bench, Operation::accept(call))?;
        bench.run(Duration::from_millis(300));
        same!(bench.kind(call), Some(StateKind::Accepted), "after acceptance");
        ensure!(alerted(&bench), "the caller is not alerted: {:?}", bench.saw(party));
        let twice = bench.ask(Operation::accept(call));
        ensure!(
            matches!(twice, Err(OperationError::InvalidCallState { .. })),
            "accepting twice brings {twice:?}"
        );
        bench.finish()?;
    }
    Ok(())
}

fn dropping(suite: &Suite<'_>) -> Verdict {
    for (reason, status) in [
        (RejectReason::Default, 480),
        (RejectReason::Busy, 486),
        (RejectReason::NoAnswer, 480),
        (RejectReason::Decline, 603),
    ] {
        let mut bench = suite.open(&Setup::one().with(|line| line.reject = RejectReason::NoAnswer));
        let (call, party) = bench.offered(Incoming::new(LINE, "ann"))?;
        ok(&mut bench, Operation::Drop { call, reason, user_info: None })?;
        bench.run(Duration::from_millis(300));
        same!(bench.kind(call), Some(StateKind::Idle), "an offered call, dropped");
        ensure!(
            bench.saw(party).contains(&Saw::Refused(status)),
            "{reason:?}: the caller saw {:?}",
            bench.saw(party)
        );
        ensure!(!bench.kinds(call).contains(&StateKind::Connected), "it was connected on the way");
        bench.finish()?;
    }
    let mut bench = suite.open(&Setup::one());
    bench.arrange("ben", Behaviour::Rings);
    let call = bench.make_call(LINE, "ben").map_err(|error| Finding(error.to_string()))?;
    ensure!(bench.reaches(call, StateKind::Ringback), "ben does not ring");
    ok(&mut bench, Operation::drop(call))?;
    let party = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    ensure!(bench.saw(party).contains(&Saw::Cancelled), "ben saw {:?}", bench.saw(party));
    same!(bench.kind(call), Some(StateKind::Idle), "a made call, given up");
    // The answer crosses the drop.
    let call = bench.make_call(LINE, "ben").map_err(|error| Finding(error.to_string()))?;
    ensure!(bench.reaches(call, StateKind::Ringback), "ben does not ring");
    let party = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    bench.subject.act(party, Act::Answer);
    ok(&mut bench, Operation::drop(call))?;
    bench.run(Duration::from_secs(2));
    let saw = bench.saw(party);
    ensure!(saw.contains(&Saw::Confirmed) && hung_up(&bench, party), "the crossing answer: ben saw {saw:?}");
    same!(bench.kind(call), Some(StateKind::Idle), "the call whose answer crossed");
    bench.finish()
}

fn redirecting(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, party) = bench.offered(Incoming::new(LINE, "ann"))?;
    let bad = bench.perform(Operation::Redirect { call, destination: "not an address <".into() });
    ensure!(matches!(bad, Err(OperationError::InvalidAddress { .. })), "a bad address brings {bad:?}");
    same!(bench.kind(call), Some(StateKind::Offering), "the call after a bad address");
    ok(&mut bench, Operation::Redirect { call, destination: "cora".into() })?;
    bench.run(Duration::from_millis(300));
    same!(bench.kind(call), Some(StateKind::Idle), "a redirected call");
    let sent = bench.saw(party).iter().any(|saw| matches!(saw, Saw::Redirected(to) if to.contains("cora")));
    ensure!(sent, "the caller saw {:?}", bench.saw(party));
    let (call, _) = bench.offered(Incoming::new(LINE, "amy"))?;
    let bad = bench.perform(Operation::Redirect { call, destination: String::new() });
    ensure!(bad.is_err(), "redirecting to nowhere succeeds");
    ok(&mut bench, Operation::answer(call))?;
    let late = bench.ask(Operation::Redirect { call, destination: "cora".into() });
    ensure!(
        matches!(late, Err(OperationError::InvalidCallState { state: StateKind::Connected, .. })),
        "redirecting a connected call brings {late:?}"
    );
    bench.finish()
}

fn rule(when: ForwardCondition, to: &str) -> ForwardRule {
    ForwardRule { when, from: None, origin: None, to: ForwardTarget::Address(to.into()) }
}

fn forward(bench: &mut Bench, rules: Vec<ForwardRule>, after: Option<Duration>) -> Verdict {
    let rules = ForwardingRules { rules, no_answer_after: after };
    same!(
        ok(bench, Operation::Forward { line: LINE, address: ADDRESS, rules })?,
        Outcome::Done,
        "forwarding"
    );
    Ok(())
}

/// Where a call from somebody goes: `Some` of the address, `None` if it is offered.
fn goes(bench: &mut Bench, incoming: Incoming, wait: Duration) -> Option<String> {
    let party = bench.subject.call_in(incoming);
    bench.run(wait);
    let gone = bench.saw(party).iter().find_map(|saw| match saw {
        Saw::Redirected(to) => Some(to.clone()),
        Saw::Refused(status) => Some(status.to_string()),
        _ => None,
    });
    bench.act(party, Act::HangUp(String::new()));
    gone
}

fn forwarding(suite: &Suite<'_>) -> Verdict {
    use ForwardCondition::{Busy, NoAnswer, Unconditional};
    let short = Duration::from_secs(1);
    let mut bench = suite.open(&Setup::one().with(|line| line.max_calls = 2));
    let bounds = bench.able(LINE).no_answer_after;
    let plain = Incoming::new(LINE, "ann");
    let to = |gone: &Option<String>, who: &str| gone.as_deref().is_some_and(|gone| gone.contains(who));
    forward(&mut bench, vec![rule(Busy, "bella"), rule(NoAnswer, "nora")], Some(Duration::from_secs(5)))?;
    let told = bench.count(|event| matches!(event, ProviderEvent::Forwarding { line: LINE, .. }));
    same!(told, 1, "times that the new rules were told");
    let gone = goes(&mut bench, plain.clone(), Duration::from_secs(9));
    ensure!(to(&gone, "nora"), "nobody answered, and the call went to {gone:?}");
    let (one, _) = bench.answered(LINE, "x")?;
    let (two, _) = bench.answered(LINE, "y")?;
    let gone = goes(&mut bench, plain.clone(), short);
    ensure!(to(&gone, "bella"), "busy, and the call went to {gone:?}");
    for call in [one, two] {
        ok(&mut bench, Operation::drop(call))?;
        bench.close_call(call);
    }
    // An unconditional rule masks the others.
    forward(&mut bench, vec![rule(Busy, "bella"), rule(Unconditional, "una")], None)?;
    let gone = goes(&mut bench, plain.clone(), short);
    ensure!(to(&gone, "una"), "always, and the call went to {gone:?}");
    // The list is replaced as a whole.
    let by_caller = ForwardRule { from: Some("boss".into()), ..rule(Unconditional, "bart") };
    forward(&mut bench, vec![by_caller], None)?;
    let gone = goes(&mut bench, Incoming::new(LINE, "boss"), short);
    ensure!(to(&gone, "bart"), "a rule for boss, and boss went to {gone:?}");
    same!(goes(&mut bench, plain.clone(), short), None, "where anybody else goes");
    let internal = ForwardRule { origin: Some(CallerKind::Internal), ..rule(Unconditional, "ines") };
    let external = ForwardRule { origin: Some(CallerKind::External), ..rule(Unconditional, "exa") };
    forward(&mut bench, vec![internal, external], None)?;
    let gone = goes(&mut bench, plain.clone(), short);
    ensure!(to(&gone, "ines"), "an internal caller went to {gone:?}");
    let gone = goes(&mut bench, Incoming { external: true, ..plain.clone() }, short);
    ensure!(to(&gone, "exa"), "an external caller went to {gone:?}");
    let dnd = ForwardRule { to: ForwardTarget::DoNotDisturb, ..rule(Unconditional, "") };
    forward(&mut bench, vec![dnd], None)?;
    let gone = goes(&mut bench, plain.clone(), short);
    ensure!(
        matches!(gone.as_deref(), Some("480" | "486" | "603")),
        "do not disturb, and the caller saw {gone:?}"
    );
    // Times are clamped and told as they are in force.
    forward(&mut bench, vec![rule(NoAnswer, "nora")], Some(bounds.most + Duration::from_secs(1_000)))?;
    let in_force = bench.provider().forwarding(LINE, ADDRESS).cloned();
    same!(in_force.as_ref().and_then(|rules| rules.no_answer_after), Some(bounds.most), "the clamped time");
    let status = bench.provider().address_status(LINE, ADDRESS).map(|status| status.forwarding);
    same!(status, in_force, "the rules of the address's status");
    // A request that has nothing to do with it leaves them alone; a refused list changes nothing.
    let (call, _) = bench.offered(plain.clone())?;
    ok(&mut bench, Operation::drop(call))?;
    let many = vec![rule(Busy, "x"); usize::from(bench.able(LINE).max_forward_rules) + 1];
    let rules = ForwardingRules { rules: many, no_answer_after: None };
    let refused = bench.ask(Operation::Forward { line: LINE, address: ADDRESS, rules });
    ensure!(refused.is_err(), "more rules than the line can take are taken");
    same!(bench.provider().forwarding(LINE, ADDRESS).cloned(), in_force, "the rules after a refusal");
    forward(&mut bench, Vec::new(), None)?;
    same!(goes(&mut bench, plain, Duration::from_secs(10)), None, "where calls go without rules");
    bench.finish()
}

fn holding(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one().with(|line| line.answer_mode = AnswerMode::None));
    let (one, ann) = bench.answered(LINE, "ann")?;
    same!(ok(&mut bench, Operation::Hold { call: one })?, Outcome::Done, "holding");
    same!(bench.kind(one), Some(StateKind::OnHold), "a held call");
    ensure!(bench.saw(ann).contains(&Saw::Held), "the held party saw {:?}", bench.saw(ann));
    let twice = bench.ask(Operation::Hold { call: one });
    ensure!(
        matches!(twice, Err(OperationError::InvalidCallState { .. })),
        "holding a held call brings {twice:?}"
    );
    ok(&mut bench, Operation::Retrieve { call: one })?;
    same!(bench.kind(one), Some(StateKind::Connected), "a retrieved call");
    ensure!(bench.saw(ann).contains(&Saw::Resumed), "the retrieved party saw {:?}", bench.saw(ann));
    // The other side refuses: the call is as it was, and the request says so.
    bench.act(ann, Act::RefuseWithin(488));
    let refused = bench.perform(Operation::Hold { call: one });
    ensure!(refused.is_err(), "the other side refuses to be held, and the request brings {refused:?}");
    same!(bench.kind(one), Some(StateKind::Connected), "the call whose hold was refused");
    bench.act(ann, Act::RefuseWithin(0));
    if able(&mut bench, Feature::SwapHold) {
        ok(&mut bench, Operation::Hold { call: one })?;
        let (two, amy) = bench.answered(LINE, "amy")?;
        same!(ok(&mut bench, Operation::SwapHold { active: two, held: one })?, Outcome::Done, "swapping");
        bench.run(Duration::from_millis(300));
        same!(
            (bench.kind(one), bench.kind(two)),
            (Some(StateKind::Connected), Some(StateKind::OnHold)),
            "after the swap"
        );
        ensure!(bench.saw(amy).contains(&Saw::Held), "the swapped party saw {:?}", bench.saw(amy));
        same!(bench.saw(ann).last().cloned(), Some(Saw::Resumed), "what the other one saw last");
        let wrong = bench.ask(Operation::SwapHold { active: two, held: one });
        ensure!(
            matches!(wrong, Err(OperationError::InvalidCallState { .. })),
            "swapping the wrong way brings {wrong:?}"
        );
    }
    if able(&mut bench, Feature::SetTreatment) {
        let (three, zoe) = bench.answered(LINE, "zoe")?;
        ok(&mut bench, Operation::SetTreatment { call: three, treatment: CallTreatment::Music })?;
        ok(&mut bench, Operation::Hold { call: three })?;
        bench.run(Duration::from_millis(300));
        same!(bench.subject.treatment(zoe), Some(CallTreatment::Music), "what the held party hears");
    }
    bench.finish()?;
    audio::call_parameters(suite)
}
