//! Forwarding rules in all modes, as SIPp sees them when it calls.

use crate::{forward, rule};
use hookswitch::{DisconnectMode, EndedBy, Event, ForwardCondition, ForwardRule, ForwardTarget, StateKind};
use hookswitch_interop::{Rig, Sipp, needs, reached, soon};
use hookswitch_spi::CallerKind;
use std::time::Duration;

const INTERNAL: &str = "switch.test";
const EXTERNAL: &str = "elsewhere.test";
const TARGET: &str = "sip:target@127.0.0.1";

async fn line(keys: &str) -> Rig {
    Rig::called(&format!("domain = '{INTERNAL}'\n{keys}")).await
}

fn calls(rig: &Rig, caller: &str, domain: &str) -> Sipp {
    Sipp::calls("caller-diverted", rig.address(), &["-key", "caller", caller, "-key", "domain", domain])
}

/// SIPp is told to call `target` instead, and that it was the line that diverted it, for this reason.
async fn diverted(sipp: Sipp, target: &str, reason: &str) {
    let said = sipp.passed_with_messages().await;
    let at = said.find("SIP/2.0 302").expect("a 302");
    let response = said.get(at..).unwrap_or_default().split("\r\n\r\n").next().unwrap_or_default();
    let field = |name: &str| {
        let line = response.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in {response}")).to_owned()
    };
    assert_eq!(field("Contact:"), format!("Contact: <{target}>"));
    let diversion = field("Diversion:");
    assert_eq!(diversion, format!("Diversion: <sip:1001@{INTERNAL}>;reason={reason}"));
    println!("{} | {diversion}", field("Contact:"));
}

/// Checklist 55. One that always applies masks those for other cases; what is in force is told, and when it changed.
#[tokio::test]
async fn an_unconditional_rule_masks_the_others() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = line("max-calls = 1").await;
    let rules = vec![
        rule(ForwardCondition::Busy, "sip:busy@127.0.0.1"),
        rule(ForwardCondition::NoAnswer, "sip:late@127.0.0.1"),
        rule(ForwardCondition::Unconditional, TARGET),
    ];
    let in_force = forward(&rig, rules.clone(), Some(Duration::from_secs(30))).await;
    assert_eq!((in_force.rules, in_force.no_answer_after), (rules, Some(Duration::from_secs(30))));
    let line = rig.line().id();
    rig.event("the news of the rules", |event| match event {
        Event::Forwarding { line: of, .. } if of == line => Some(()),
        _ => None,
    })
    .await;
    diverted(calls(&rig, "anyone", EXTERNAL), TARGET, "unconditional").await;
    rig.nothing_offered().await;
    rig.end().await;
}

/// Checklist 55.
#[tokio::test]
async fn a_busy_line_diverts() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = line("max-calls = 1").await;
    forward(&rig, vec![rule(ForwardCondition::Busy, TARGET)], None).await;
    let first = Sipp::calls("caller-cancel", rig.address(), &["-d", "2000"]);
    let call = rig.offered().await;
    diverted(calls(&rig, "anyone", EXTERNAL), TARGET, "user-busy").await;
    rig.nothing_offered().await;
    first.passed().await;
    drop(call);
    rig.end().await;
}

/// Checklist 55. A time that is too short is the shortest possible.
#[tokio::test]
async fn what_nobody_answers_is_diverted_after_a_time_within_bounds() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = line("").await;
    let rules = vec![rule(ForwardCondition::NoAnswer, TARGET)];
    let in_force = forward(&rig, rules, Some(Duration::ZERO)).await;
    assert_eq!(in_force.no_answer_after, Some(Duration::from_secs(1)));
    let begun = std::time::Instant::now();
    let sipp = calls(&rig, "anyone", EXTERNAL);
    let call = rig.offered().await;
    let over = soon("the end", call.ended()).await.expect("the call is diverted");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(
        (over.mode, over.by, over.status),
        (DisconnectMode::Forwarded, EndedBy::Us, Some(302)),
        "{over}"
    );
    diverted(sipp, TARGET, "no-answer").await;
    drop(call);
    rig.end().await;
}

/// Checklist 55. By who calls, and by where the caller belongs.
#[tokio::test]
async fn callers_are_diverted_by_who_they_are_and_where_they_belong() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = line("").await;
    let of = |origin, to: &str| ForwardRule { origin, ..rule(ForwardCondition::Unconditional, to) };
    let boss = rule(ForwardCondition::Unconditional, "sip:boss@127.0.0.1");
    forward(
        &rig,
        vec![
            ForwardRule { from: Some("chief".into()), ..boss },
            of(Some(CallerKind::Internal), "sip:colleagues@127.0.0.1"),
            of(Some(CallerKind::External), "sip:strangers@127.0.0.1"),
        ],
        None,
    )
    .await;
    for (caller, domain, target) in [
        ("chief", INTERNAL, "sip:boss@127.0.0.1"),
        ("clerk", INTERNAL, "sip:colleagues@127.0.0.1"),
        ("clerk", EXTERNAL, "sip:strangers@127.0.0.1"),
    ] {
        diverted(calls(&rig, caller, domain), target, "unconditional").await;
    }
    rig.nothing_offered().await;
    rig.end().await;
}

/// Checklist 55. Nobody is disturbed, or only by one caller; with an empty list by all.
#[tokio::test]
async fn nobody_is_disturbed_until_the_list_is_emptied() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = line("").await;
    let quiet = ForwardRule { to: ForwardTarget::DoNotDisturb, ..rule(ForwardCondition::Unconditional, "") };
    forward(&rig, vec![quiet.clone()], None).await;
    Sipp::calls("caller-undisturbed", rig.address(), &[]).passed().await;
    rig.nothing_offered().await;

    let in_force = forward(&rig, vec![ForwardRule { from: Some("nobody".into()), ..quiet }], None).await;
    assert_eq!(in_force.rules.len(), 1);
    let sipp = Sipp::calls("caller-cancel", rig.address(), &["-d", "300"]);
    let call = rig.offered().await;
    sipp.passed().await;
    drop(call);

    let in_force = forward(&rig, Vec::new(), None).await;
    assert!(in_force.rules.is_empty(), "{in_force:?}");
    let sipp = Sipp::calls("caller-cancel", rig.address(), &["-d", "300"]);
    let call = rig.offered().await;
    sipp.passed().await;
    reached(&call, StateKind::Disconnected).await;
    drop(call);
    rig.end().await;
}
