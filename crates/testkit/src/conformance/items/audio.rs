//! What a call's audio does by itself, and how it is sent: parts of the items about refusals, media, hold and digits (checklist 17,
//! 20, 56, 64).

use super::operations::{LINE, able, created, ok};
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Party, Setup};
use crate::conformance::{Bench, Finding, Suite, Verdict};
use crate::loopback::Playing;
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallOptions, DeviceConfig, DigitMonitoring, DigitTransport, Feature,
    GatherEnd, GatherOptions, InfoParts, LineError, LineId, MediaAction, MediaControl, MediaTrigger,
    MediaType, MediaTypes, Operation, OperationError, Outcome, ProviderEvent, StateKind,
};
use std::time::Duration;

fn prompt() -> AudioSource {
    AudioSource::File { path: "/prompts/menu.wav".into(), repeat: true }
}

fn at(when: MediaTrigger, then: MediaAction) -> MediaControl {
    MediaControl { when, then }
}

fn set(bench: &mut Bench, call: CallId, controls: Vec<MediaControl>) -> Verdict {
    same!(ok(bench, Operation::SetMediaControl { call, controls })?, Outcome::Done, "setting media controls");
    Ok(())
}

fn play(bench: &mut Bench, call: CallId, source: AudioSource) -> Verdict {
    same!(ok(bench, Operation::Play { call, source })?, Outcome::Done, "playing");
    Ok(())
}

fn press(bench: &mut Bench, party: Party, digit: char) {
    bench.act(party, Act::Press(digit, Duration::from_millis(80)));
    bench.run(Duration::from_millis(100));
}

fn plays(bench: &Bench, party: Party, source: AudioSource, what: &str) -> Verdict {
    let playing = bench.subject.playing(party);
    same!(playing.map(|playing| playing.source), Some(source), "{what}");
    Ok(())
}

/// Part of item 17: a list is taken whole or refused whole, and what was set before stays.
pub(super) fn controls_refused(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    if !able(&mut bench, Feature::SetMediaControl) {
        return bench.finish();
    }
    let (call, ann) = bench.answered(LINE, "ann")?;
    set(&mut bench, call, vec![at(MediaTrigger::Digit('1'), MediaAction::Start(prompt()))])?;
    let sizes = bench.able(LINE).media_control;
    let digit = |digit| at(MediaTrigger::Digit(digit), MediaAction::Stop);
    let too_many = vec![digit('2'); usize::from(sizes.digits) + 1];
    let shrill = MediaTrigger::Tone { frequencies: [9_000, 0], duration: Duration::ZERO };
    for wrong in [
        too_many,
        vec![digit('2'), digit('x')],
        vec![at(shrill, MediaAction::Stop)],
        vec![at(MediaTrigger::Media(MediaType::Data), MediaAction::Stop)],
        vec![at(MediaTrigger::State(StateKind::Idle), MediaAction::Stop)],
    ] {
        let refused = bench.ask(Operation::SetMediaControl { call, controls: wrong.clone() });
        ensure!(matches!(refused, Err(OperationError::InvalidParameter(_))), "{wrong:?} brings {refused:?}");
    }
    press(&mut bench, ann, '1');
    plays(&bench, ann, prompt(), "what a digit starts after wrong lists were refused")?;
    ok(&mut bench, Operation::drop(call))?;
    let over = bench.ask(Operation::SetMediaControl { call, controls: vec![digit('2')] });
    ensure!(matches!(over, Err(OperationError::InvalidCallState { .. })), "at the end: {over:?}");
    bench.finish()
}

/// Part of item 20: a media type that appears sets it off, whether or not it is told.
pub(super) fn controlled_by_media(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    if !able(&mut bench, Feature::SetMediaControl) {
        return bench.finish();
    }
    let (call, ann) = bench.answered(LINE, "ann")?;
    play(&mut bench, call, prompt())?;
    set(&mut bench, call, vec![at(MediaTrigger::Media(MediaType::Video), MediaAction::Stop)])?;
    bench.act(ann, Act::Media(MediaTypes::VOICE.with(MediaType::Video)));
    bench.run(Duration::from_secs(1));
    plays(&bench, ann, AudioSource::Silence, "what is played after video appeared")?;
    same!(bench.count(|event| matches!(event, ProviderEvent::Media { .. })), 0, "media told to nobody");
    bench.finish()
}

/// Part of item 64: a prompt stops at a digit that is collected all the same; and everything else that sets off.
pub(super) fn controlled(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    if !able(&mut bench, Feature::SetMediaControl) {
        return bench.finish();
    }
    let (call, ann) = bench.answered(LINE, "ann")?;
    play(&mut bench, call, prompt())?;
    set(&mut bench, call, MediaControl::at_any_digit(&MediaAction::Stop))?;
    let gather = GatherOptions { count: 2, terminators: String::new(), first_after: None, next_after: None };
    let request =
        bench.ask(Operation::GatherDigits { call, gather }).map_err(|error| Finding(error.to_string()))?;
    plays(&bench, ann, prompt(), "the prompt before a digit")?;
    press(&mut bench, ann, '4');
    plays(&bench, ann, AudioSource::Silence, "the prompt after a digit")?;
    press(&mut bench, ann, '2');
    let gathered = Outcome::Gathered { digits: "42".into(), ended: GatherEnd::Full };
    same!(bench.result(request).cloned(), Some(Ok(gathered)), "digits that stopped the prompt");
    // Nobody hears of digits, and the list before is no more.
    let monitoring = |digits| Operation::MonitorDigits { call, digits };
    ok(&mut bench, monitoring(DigitMonitoring::Off))?;
    let controls = vec![
        at(MediaTrigger::Digit('5'), MediaAction::Pause),
        at(MediaTrigger::Digit('6'), MediaAction::Resume),
        at(MediaTrigger::Digit('7'), MediaAction::VolumeDown),
        at(MediaTrigger::Digit('8'), MediaAction::VolumeUp),
        at(MediaTrigger::Digit('0'), MediaAction::VolumeNormal),
        at(MediaTrigger::Digit('9'), MediaAction::Start(AudioSource::Music)),
    ];
    set(&mut bench, call, controls)?;
    play(&mut bench, call, prompt())?;
    for (digit, paused, gain) in [
        ('1', false, 0),
        ('5', true, 0),
        ('6', false, 0),
        ('7', false, -MediaAction::STEP),
        ('8', false, 0),
        ('8', false, MediaAction::STEP),
        ('5', true, MediaAction::STEP),
        ('0', true, 0),
    ] {
        press(&mut bench, ann, digit);
        let expected = Playing { source: prompt(), paused, gain };
        same!(bench.subject.playing(ann), Some(expected), "what is played after the digit {digit}");
    }
    press(&mut bench, ann, '9');
    plays(&bench, ann, AudioSource::Music, "what a digit starts")?;
    same!(
        bench.subject.playing(ann).map(|playing| playing.paused),
        Some(false),
        "what was just started stands still"
    );
    // A tone, and a state.
    let tone = MediaTrigger::Tone { frequencies: [950, 0], duration: Duration::from_millis(200) };
    let controls = vec![
        at(tone, MediaAction::Stop),
        at(MediaTrigger::State(StateKind::Connected), MediaAction::Start(prompt())),
    ];
    set(&mut bench, call, controls)?;
    bench.act(ann, Act::Tone([950, 0], Duration::from_secs(1)));
    bench.run(Duration::from_secs(1));
    plays(&bench, ann, AudioSource::Silence, "what is played after a tone")?;
    same!(bench.count(|event| matches!(event, ProviderEvent::Tone { .. })), 0, "tones told to nobody");
    ok(&mut bench, Operation::Hold { call })?;
    ok(&mut bench, Operation::Retrieve { call })?;
    plays(&bench, ann, prompt(), "what is played once the call is connected again")?;
    set(&mut bench, call, Vec::new())?;
    press(&mut bench, ann, '9');
    plays(&bench, ann, prompt(), "after the list was emptied")?;
    bench.finish()
}

fn config(codecs: &[&str]) -> DeviceConfig {
    DeviceConfig {
        codecs: codecs.iter().map(|name| (*name).to_owned()).collect(),
        packet_time: 40,
        digits: DigitTransport::EventsOrAudio,
    }
}

/// The codec that a call uses.
fn codec(bench: &mut Bench, call: CallId) -> Result<&'static str, Finding> {
    match ok(bench, Operation::Statistics { call })? {
        Outcome::Statistics(figures) => Ok(figures.codec),
        other => Err(Finding(format!("statistics are answered with {other:?}"))),
    }
}

/// Part of item 20: a line's device configuration is taken whole or refused, and is that of later calls.
pub(super) fn device_config(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let first = bench.provider().device_config(LINE);
    let first = first.ok_or_else(|| Finding("the line has no device configuration".into()))?;
    let choices = bench.able(LINE).device;
    same!(choices.check(&first), Ok(()), "the configuration of a line that nobody changed");
    let (old, _) = bench.talking(LINE, "ann")?;
    same!(codec(&mut bench, old)?, "PCMU", "the codec of a call");
    for wrong in
        [config(&[]), config(&["PCMA", "nonsense"]), DeviceConfig { packet_time: 13, ..config(&["PCMA"]) }]
    {
        let refused = bench.provider().set_device_config(LINE, wrong.clone());
        ensure!(matches!(refused, Err(LineError::InvalidParameter(_))), "{wrong:?} brings {refused:?}");
        same!(bench.provider().device_config(LINE), Some(first.clone()), "after {wrong:?} was refused");
    }
    let wanted = config(&["PCMA"]);
    same!(bench.provider().set_device_config(LINE, wanted.clone()), Ok(()), "setting it");
    same!(bench.provider().device_config(LINE), Some(wanted), "what was set");
    same!(codec(&mut bench, old)?, "PCMU", "the codec of a call that was there before");
    let (new, _) = bench.talking(LINE, "amy")?;
    same!(codec(&mut bench, new)?, "PCMA", "the codec of a later call");
    // One call alone.
    bench.arrange("zoe", Behaviour::Answers(Duration::from_millis(100)));
    let options = CallOptions { audio: Some(Box::new(config(&["PCMU"]))), ..CallOptions::default() };
    let made = Operation::MakeCall { line: LINE, address: AddressId(0), destination: "zoe".into(), options };
    let one = created(ok(&mut bench, made)?)?;
    ensure!(bench.reaches(one, StateKind::Connected), "a call with a configuration of its own");
    same!(codec(&mut bench, one)?, "PCMU", "the codec of a call with a configuration of its own");
    let missing = bench.provider().set_device_config(LineId(99), config(&["PCMA"]));
    same!(missing, Err(LineError::NoSuchLine(LineId(99))), "a line that does not exist");
    bench.finish()
}

/// Part of item 56: a connected call changes how its audio is sent if the other side agrees; else it is as it was.
pub(super) fn call_parameters(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    if !able(&mut bench, Feature::SetCallParameters) {
        return bench.finish();
    }
    let (call, ann) = bench.answered(LINE, "ann")?;
    same!(codec(&mut bench, call)?, "PCMU", "the codec of a call");
    let change = |codecs: &[&str]| Operation::SetCallParameters { call, audio: config(codecs) };
    bench.act(ann, Act::RefuseWithin(488));
    let refused = bench.perform(change(&["PCMA"]));
    ensure!(
        matches!(refused, Err(OperationError::Refused { status: 488, .. })),
        "a change that is refused brings {refused:?}"
    );
    same!(bench.kind(call), Some(StateKind::Connected), "the call whose change was refused");
    same!(codec(&mut bench, call)?, "PCMU", "its codec");
    bench.act(ann, Act::RefuseWithin(0));
    let refused = bench.perform(change(&["L16/16000"]));
    ensure!(
        matches!(refused, Err(OperationError::Refused { status: 488, .. })),
        "a codec that the other side does not know brings {refused:?}"
    );
    same!(ok(&mut bench, change(&["PCMA", "PCMU"]))?, Outcome::Done, "a change");
    same!(codec(&mut bench, call)?, "PCMA", "the codec after it");
    ensure!(bench.changes(call).contains(&InfoParts::STREAM), "that it changed is not told");
    ok(&mut bench, Operation::Hold { call })?;
    let held = bench.ask(change(&["PCMU"]));
    ensure!(matches!(held, Err(OperationError::InvalidCallState { .. })), "while it is held: {held:?}");
    ok(&mut bench, Operation::Retrieve { call })?;
    same!(codec(&mut bench, call)?, "PCMA", "the codec after it was held");
    let nonsense = bench.ask(change(&["nonsense"]));
    ensure!(matches!(nonsense, Err(OperationError::InvalidParameter(_))), "nonsense brings {nonsense:?}");
    bench.finish()
}
