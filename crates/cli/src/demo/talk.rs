//! The main call: offered, accepted, answered, talked on, held, handed off, hung up.

use super::ear::{self, Tone};
use super::scene::Scene;
use super::stage::{Difference, Done, Stage, expect};
use crate::failure::Failure;
use crate::show;
use crate::terminal::Terminal;
use hookswitch::{
    Audio, Call, CallState, CallStatistics, ConnectedMode, DisconnectMode, EndedBy, Error, HandOffTarget,
    LadderNames, MediaTypes, StateKind, TimelineFact,
};
use std::time::{Duration, Instant};

/// What the caller, the reception and the support say.
const CALLER: u16 = 440;
const RECEPTION: u16 = 700;
const SUPPORT: u16 = 1_300;

/// How long each conversation is listened to.
const TALK: Duration = Duration::from_millis(1_500);
const SHORT: Duration = Duration::from_millis(700);

/// What the main call is remembered by.
pub(crate) struct Figures {
    ladder: String,
    heard: Vec<(&'static str, Tone)>,
    caller: CallStatistics,
    called: CallStatistics,
}

impl Figures {
    pub(crate) fn show(&self, terminal: &Terminal) {
        terminal.say(terminal.strong("\nThe call as line 1002 saw it"));
        terminal.say(self.ladder.trim_end());
        terminal.say(terminal.strong("\nAudio"));
        for (what, tone) in &self.heard {
            terminal.say(format!("  {what:<28} {}", tone.words()));
        }
        terminal.say(format!("  {:<28} {}", "1001 at the end", show::statistics(&self.caller)));
        terminal.say(format!("  {:<28} {}", "1002 at the end", show::statistics(&self.called)));
    }
}

pub(crate) async fn play(stage: &Stage<'_>, scene: &mut Scene) -> Result<Figures, Failure> {
    let (caller, called) = stage.step("offering", offering(scene)).await?;
    stage.step("accept", accept(&caller, &called)).await?;
    stage.step("answer", answer(&caller, &called)).await?;
    let mut heard = stage.step("audio", audio(scene, &caller, &called)).await?;
    stage.step("digits", digits(&caller, &called)).await?;
    stage.step("hold", hold(scene, &caller, &called)).await?;
    heard.push(stage.step("retrieve", retrieve(scene, &caller, &called)).await?);
    let (called, tone) = stage.step("hand-off", hand_off(scene, &caller, called)).await?;
    heard.push(tone);
    let (ladder, caller, called) = stage.step("hang-up", hang_up(&caller, &called)).await?;
    Ok(Figures { ladder, heard, caller, called })
}

async fn offering(scene: &mut Scene) -> Done<(Call, Call)> {
    let caller = scene.caller.line.call("1002", Audio::tone(CALLER)).await?;
    let called = scene.reception.offered().await?;
    let info = called.info().await?;
    expect(info.caller.address.contains("1001"), "1001 as the caller", show::party(&info.caller))?;
    expect(info.called.address.contains("1002"), "1002 as the called party", show::party(&info.called))?;
    expect(info.media == MediaTypes::VOICE, "voice", info.media.to_string())?;
    in_state(&called, StateKind::Offering).await?;
    Ok(((caller, called), format!("to the application \"reception\": {}", show::offered(&info))))
}

async fn accept(caller: &Call, called: &Call) -> Done<()> {
    called.accept().await?;
    in_state(called, StateKind::Accepted).await?;
    in_state(caller, StateKind::Ringback).await?;
    Ok(((), "1002 has accepted, 1001 hears ringing".into()))
}

async fn answer(caller: &Call, called: &Call) -> Done<()> {
    let begun = Instant::now();
    called.answer(Audio::tone(RECEPTION)).await?;
    in_state(called, StateKind::Connected).await?;
    in_state(caller, StateKind::Connected).await?;
    Ok(((), format!("connected, confirmed after {}", show::milliseconds(begun.elapsed()))))
}

async fn audio(scene: &Scene, caller: &Call, called: &Call) -> Done<Vec<(&'static str, Tone)>> {
    let (at_caller, at_called) = tokio::join!(
        ear::hear(caller, scene.file("caller.wav"), TALK, "1001", RECEPTION),
        ear::hear(called, scene.file("called.wav"), TALK, "1002", CALLER),
    );
    let ((at_caller, from_reception), (at_called, from_caller)) = (at_caller?, at_called?);
    at_caller.lacks("1001", CALLER)?;
    at_called.lacks("1002", RECEPTION)?;
    let words = format!("1001 hears {}\n1002 hears {}", from_reception.words(), from_caller.words());
    Ok((vec![("1001 hears the reception", from_reception), ("1002 hears the caller", from_caller)], words))
}

async fn digits(caller: &Call, called: &Call) -> Done<()> {
    let (to_called, to_caller) = ("159#", "0*D");
    let (sent, sent_back, at_called, at_caller) = tokio::join!(
        caller.send_digits(to_called),
        called.send_digits(to_caller),
        take_digits(called, to_called.len()),
        take_digits(caller, to_caller.len()),
    );
    sent?;
    sent_back?;
    expect(at_called == to_called, format!("{to_called} at 1002"), at_called.as_str())?;
    expect(at_caller == to_caller, format!("{to_caller} at 1001"), at_caller.as_str())?;
    Ok(((), format!("1002 has received {at_called}, 1001 has received {at_caller}")))
}

async fn take_digits(call: &Call, count: usize) -> String {
    let mut digits = String::new();
    while digits.len() < count {
        match call.next_digit().await {
            Some(digit) => digits.push(digit),
            None => break,
        }
    }
    digits
}

async fn hold(scene: &Scene, caller: &Call, called: &Call) -> Done<()> {
    called.hold().await?;
    in_state(called, StateKind::OnHold).await?;
    let held = CallState::Connected(ConnectedMode::ActiveHeld);
    let state = caller.wait_for(|state| *state == held).await;
    expect(state == held, held.to_string(), state.to_string())?;
    let heard = ear::listen(called, scene.file("held.wav"), SHORT).await?;
    heard.lacks("1002", CALLER)?;
    Ok(((), format!("1002 holds and hears nothing of 1001, which is {state}")))
}

async fn retrieve(scene: &Scene, caller: &Call, called: &Call) -> Done<(&'static str, Tone)> {
    called.retrieve().await?;
    in_state(called, StateKind::Connected).await?;
    let active = CallState::Connected(ConnectedMode::Active);
    let state = caller.wait_for(|state| *state == active).await;
    expect(state == active, active.to_string(), state.to_string())?;
    let (at_caller, at_called) = tokio::join!(
        ear::hear(caller, scene.file("back-caller.wav"), SHORT, "1001", RECEPTION),
        ear::hear(called, scene.file("back-called.wav"), SHORT, "1002", CALLER),
    );
    at_caller?;
    let (_, tone) = at_called?;
    Ok((("1002 after the hold", tone), format!("1002 hears {} again", tone.words())))
}

/// SIP messages that the call has seen so far.
async fn messages(call: &Call) -> Result<usize, Error> {
    let facts = call.timeline().await?;
    let sip =
        |fact: &TimelineFact| matches!(fact, TimelineFact::Request { .. } | TimelineFact::Response { .. });
    Ok(facts.iter().filter(|entry| sip(&entry.fact)).count())
}

async fn hand_off(scene: &mut Scene, caller: &Call, called: Call) -> Done<(Call, (&'static str, Tone))> {
    let before = (messages(caller).await?, messages(&called).await?);
    called.hand_off(HandOffTarget::Application("support".into())).await?;
    let (supported, state) = scene.support.handed().await?;
    expect(supported.id() == called.id(), format!("{}", called.id()), format!("{}", supported.id()))?;
    expect(state.kind() == StateKind::Connected, "a connected call", state.to_string())?;
    // The reception lets go of it; the call lives on.
    drop(called);
    supported.play(Audio::tone(SUPPORT)).await?;
    let (heard, tone) = ear::hear(caller, scene.file("support.wav"), SHORT, "1001", SUPPORT).await?;
    heard.lacks("1001", RECEPTION)?;
    let after = (messages(caller).await?, messages(&supported).await?);
    expect(after == before, "no SIP message", format!("{before:?} messages before, {after:?} after"))?;
    let words =
        format!("from \"reception\" to \"support\" without a SIP message; 1001 hears {}", tone.words());
    Ok(((supported, ("1001 hears the support", tone)), words))
}

async fn hang_up(caller: &Call, called: &Call) -> Done<(String, CallStatistics, CallStatistics)> {
    let figures = (caller.statistics().await?, called.statistics().await?);
    for (who, figures) in [("1001", &figures.0), ("1002", &figures.1)] {
        let well = figures.packets_lost == 0 && figures.mos.is_some_and(|mos| mos >= 3.0);
        expect(well, format!("no loss and a MOS of 3 or more at {who}"), show::statistics(figures))?;
    }
    called.hang_up().await?;
    let Some(end) = caller.ended().await else {
        return Err(Difference::new("1001 to be hung up by 1002", "an end of its own"));
    };
    let normal = end.mode == DisconnectMode::Normal && end.by == EndedBy::Peer;
    expect(normal, "a normal end by the other side", end.to_string())?;
    in_state(called, StateKind::Idle).await?;
    caller.hang_up().await?;
    let names = LadderNames { applications: "applications", line: "1002", peer: "softswitch" };
    let ladder = called.ladder_between(names).await?;
    Ok(((ladder, figures.0, figures.1), format!("by 1002; 1001 sees: {end}")))
}

pub(crate) async fn in_state(call: &Call, kind: StateKind) -> Result<(), Difference> {
    let state = call.wait_for(|state| state.kind() == kind).await;
    expect(state.kind() == kind, kind.name(), state.to_string())
}
