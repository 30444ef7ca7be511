//! Calls that line 1002 does not answer: redirected, forwarded by a standing rule, rejected.

use super::ear;
use super::scene::Scene;
use super::stage::{Difference, Done, Stage, expect};
use super::talk::in_state;
use crate::failure::Failure;
use hookswitch::{
    Audio, Call, DisconnectMode, ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules, RejectReason,
    StateKind, TimelineFact, Way,
};
use std::time::Duration;

/// What the caller says: not what the softswitch's tone extension says.
const CALLER: u16 = 1_000;
/// What the softswitch's tone extension says.
const EXTENSION: u16 = 440;
const SHORT: Duration = Duration::from_millis(700);

pub(crate) async fn play(stage: &Stage<'_>, scene: &mut Scene) -> Result<(), Failure> {
    stage.step("redirect", redirect(scene)).await?;
    stage.step("forward", forward(scene)).await?;
    stage.step("reject", reject(scene)).await
}

async fn redirect(scene: &mut Scene) -> Done<()> {
    let caller = scene.caller.line.call("1002", Audio::tone(CALLER)).await?;
    let called = scene.reception.offered().await?;
    called.redirect("600").await?;
    in_state(&called, StateKind::Idle).await?;
    let to = called.info().await?.redirection.address;
    expect(to.contains("600"), "a redirection to 600", to.to_string())?;
    in_state(&caller, StateKind::Connected).await?;
    let (_, tone) = ear::hear(&caller, scene.file("echo.wav"), SHORT, "1001", CALLER).await?;
    expect(saw(&called, Way::Sent, 302).await?, "a 302 from line 1002", "none in its timeline")?;
    let by = if saw(&caller, Way::Received, 302).await? { "line 1001" } else { "the softswitch" };
    finish(caller).await?;
    Ok(((), format!("to the echo, its 302 followed by {by}; 1001 hears itself: {}", tone.words())))
}

async fn forward(scene: &mut Scene) -> Done<()> {
    let rule = ForwardRule {
        when: ForwardCondition::Unconditional,
        from: None,
        origin: None,
        to: ForwardTarget::Address("601".into()),
    };
    let line = scene.reception.line.clone();
    line.forward(ForwardingRules { rules: vec![rule], no_answer_after: None }).await?;
    let caller = scene.caller.line.call("1002", Audio::tone(CALLER)).await?;
    in_state(&caller, StateKind::Connected).await?;
    let (_, tone) = ear::hear(&caller, scene.file("tone.wav"), SHORT, "1001", EXTENSION).await?;
    let offered = scene.reception.was_offered().await || scene.support.was_offered().await;
    expect(!offered, "no offer while a rule forwards every call", "an offered call")?;
    finish(caller).await?;
    line.forward(ForwardingRules::default()).await?;
    Ok(((), format!("every call to 601 by a standing rule, offered to nobody; 1001 hears {}", tone.words())))
}

async fn reject(scene: &mut Scene) -> Done<()> {
    let caller = scene.caller.line.call("1002", Audio::silence()).await?;
    // The rule is gone: calls are offered again.
    let called = scene.reception.offered().await?;
    called.drop_call(RejectReason::Busy).await?;
    in_state(&called, StateKind::Idle).await?;
    let Some(end) = caller.ended().await else {
        return Err(Difference::new("the caller to learn that 1002 is busy", "an end of its own"));
    };
    let busy = end.mode == DisconnectMode::Busy && end.status == Some(486);
    expect(busy, "busy, 486", end.to_string())?;
    caller.hang_up().await?;
    Ok(((), format!("as busy; 1001 sees: {end}")))
}

/// Hangs up and lets go.
async fn finish(call: Call) -> Result<(), Difference> {
    call.hang_up().await?;
    in_state(&call, StateKind::Idle).await
}

/// Whether this status went that way in the call.
async fn saw(call: &Call, wanted_way: Way, wanted: u16) -> Result<bool, Difference> {
    let entries = call.timeline().await?;
    let is = |fact: &TimelineFact| matches!(fact, TimelineFact::Response { way, status, .. } if *way == wanted_way && *status == wanted);
    Ok(entries.iter().any(|entry| is(&entry.fact)))
}
