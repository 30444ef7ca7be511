//! What a call's audio does by itself: media control.

mod scripted;

use hookswitch_media::control::{Command, Event as MediaEvent, FaxTone, Source, StreamId};
use hookswitch_spi::*;
use scripted::{Rig, SDP};
use std::time::Duration;

fn prompt() -> AudioSource {
    AudioSource::File { path: "/prompts/menu.wav".into(), repeat: true }
}

fn at(when: MediaTrigger, then: MediaAction) -> MediaControl {
    MediaControl { when, then }
}

const fn digit(digit: char) -> MediaTrigger {
    MediaTrigger::Digit(digit)
}

/// What became of the audio, as the media threads are told.
fn audio(r: &mut Rig) -> Vec<String> {
    let of = |command| match command {
        Command::Send { source: Source::File { .. }, .. } => Some("prompt".into()),
        Command::Send { source, .. } => Some(format!("{source:?}").to_lowercase()),
        Command::Pause { on, .. } => Some(if on { "pause" } else { "resume" }.into()),
        Command::Gain { decibels, .. } => Some(format!("{decibels} dB")),
        _ => None,
    };
    std::mem::take(&mut r.commands).into_iter().filter_map(of).collect()
}

#[test]
fn a_prompt_stops_at_the_first_digit_and_everybody_still_gets_the_digit() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let stream = StreamId(call.0);
    r.done(Operation::SetMediaControl { call, controls: MediaControl::at_any_digit(&MediaAction::Stop) });
    r.done(Operation::Play { call, source: prompt() });
    let gather = GatherOptions { count: 2, terminators: String::new(), first_after: None, next_after: None };
    let (request, _) = r.ask(Operation::GatherDigits { call, gather });
    assert_eq!(audio(&mut r), ["prompt"]);
    r.events.clear();
    r.hears(MediaEvent::DigitBegun { stream, digit: '5' });
    assert_eq!(audio(&mut r), ["silence"], "when it begins, not when it is over");
    r.hears(MediaEvent::Digit { stream, digit: '5', duration: Duration::from_millis(80) });
    assert!(r.events.iter().any(|event| matches!(event, ProviderEvent::Digit { digit: '5', .. })));
    r.presses(call, "6");
    let gathered = Outcome::Gathered { digits: "56".into(), ended: GatherEnd::Full };
    assert_eq!(r.result(request), Ok(gathered));
}

#[test]
fn it_works_whether_or_not_anybody_wants_to_hear_of_digits() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let stream = StreamId(call.0);
    r.done(Operation::MonitorDigits { call, digits: DigitMonitoring::Off });
    r.commands.clear();
    let controls = vec![at(digit('d'), MediaAction::Start(prompt()))];
    r.done(Operation::SetMediaControl { call, controls });
    assert_eq!(r.commands, [Command::MonitorInBandDigits { stream, on: true }]);
    r.events.clear();
    r.presses(call, "1D");
    assert_eq!(audio(&mut r), ["prompt"]);
    assert!(!r.events.iter().any(|event| matches!(event, ProviderEvent::Digit { .. })), "{:?}", r.events);
    r.done(Operation::SetMediaControl { call, controls: vec![] });
    assert_eq!(r.commands, [Command::MonitorInBandDigits { stream, on: false }]);
    r.presses(call, "D");
    assert_eq!(audio(&mut r), [""; 0]);
}

#[test]
fn a_digit_by_info_sets_it_off_once() {
    let mut r = Rig::new();
    let mut caller = r.talking();
    let controls = vec![at(digit('3'), MediaAction::VolumeUp)];
    r.done(Operation::SetMediaControl { call: caller.call, controls });
    r.info(&mut caller, "Signal=3\r\nDuration=100\r\n");
    assert_eq!(audio(&mut r), ["3 dB"]);
}

#[test]
fn a_new_list_takes_the_place_of_the_old_one_and_a_wrong_one_changes_nothing() {
    let mut r = Rig::new();
    let call = r.talking().call;
    r.done(Operation::SetMediaControl { call, controls: vec![at(digit('1'), MediaAction::Pause)] });
    let wrong = vec![at(digit('2'), MediaAction::Stop), at(digit('x'), MediaAction::Stop)];
    let error = r.refused(Operation::SetMediaControl { call, controls: wrong });
    assert!(matches!(error, OperationError::InvalidParameter(_)), "{error}");
    let many = vec![at(digit('2'), MediaAction::Stop); 33];
    let error = r.refused(Operation::SetMediaControl { call, controls: many });
    assert!(error.to_string().contains("32"), "{error}");
    r.presses(call, "12");
    assert_eq!(audio(&mut r), ["pause"]);
    r.done(Operation::SetMediaControl { call, controls: vec![at(digit('2'), MediaAction::Resume)] });
    r.presses(call, "12");
    assert_eq!(audio(&mut r), ["resume"]);
}

#[test]
fn entries_for_one_thing_are_carried_out_in_their_order_and_the_volume_is_bounded() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let controls = vec![
        at(digit('1'), MediaAction::Start(prompt())),
        at(digit('1'), MediaAction::VolumeUp),
        at(digit('2'), MediaAction::VolumeDown),
        at(digit('0'), MediaAction::VolumeNormal),
    ];
    r.done(Operation::SetMediaControl { call, controls });
    r.presses(call, "111112200");
    let expected = [
        "prompt", "3 dB", "prompt", "6 dB", "prompt", "9 dB", "prompt", "12 dB", "prompt", "9 dB", "6 dB",
        "0 dB",
    ];
    assert_eq!(audio(&mut r), expected);
}

#[test]
fn tones_media_types_and_states_set_it_off_too() {
    let mut r = Rig::with_fax();
    let mut caller = r.ring(SDP);
    let call = caller.call;
    let stream = StreamId(call.0);
    let sit = MediaTrigger::Tone { frequencies: [950, 0], duration: Duration::from_millis(300) };
    let controls = vec![
        at(MediaTrigger::State(StateKind::Connected), MediaAction::Start(prompt())),
        at(sit, MediaAction::Pause),
        at(MediaTrigger::Media(MediaType::Fax), MediaAction::Stop),
        at(MediaTrigger::State(StateKind::OnHold), MediaAction::VolumeDown),
    ];
    r.done(Operation::SetMediaControl { call, controls });
    assert_eq!(r.commands, [], "nothing to listen to yet");
    r.answer(&mut caller);
    let watched = r.commands.iter().find_map(|command| match command {
        Command::MonitorTones { tones, .. } => tones.first().copied(),
        _ => None,
    });
    let watched = watched.expect("its tone is watched for");
    assert!(r.commands.contains(&Command::MonitorFax { stream, on: true }));
    assert_eq!(audio(&mut r), ["prompt"]);
    // An application listens for the same tone with a tag of its own.
    let pattern = TonePattern { tag: 1, frequencies: [950, 0], duration: Duration::from_millis(300) };
    r.done(Operation::MonitorTones { call, tones: vec![pattern] });
    r.events.clear();
    r.hears(MediaEvent::ToneHeard { stream, tag: watched.tag });
    r.hears(MediaEvent::ToneHeard { stream, tag: 1 });
    assert_eq!(audio(&mut r), ["pause"]);
    let tones = r.events.iter().filter(|event| matches!(event, ProviderEvent::Tone { .. }));
    assert_eq!(tones.count(), 1, "the application's own");
    r.hears(MediaEvent::FaxHeard { stream, tone: FaxTone::Calling });
    assert_eq!(audio(&mut r), ["silence"]);
    let (_, _) = r.ask(Operation::Hold { call });
    r.reply("INVITE", "200 OK", &SDP.replace("sendrecv", "recvonly"));
    assert_eq!(r.state(call), StateKind::OnHold);
    assert_eq!(audio(&mut r), ["music", "-3 dB"]);
}

#[test]
fn it_ends_with_the_call() {
    let mut r = Rig::new();
    let mut caller = r.talking();
    let call = caller.call;
    r.done(Operation::SetMediaControl { call, controls: MediaControl::at_any_digit(&MediaAction::Stop) });
    r.hangs_up(&mut caller);
    r.commands.clear();
    r.presses(call, "1");
    assert_eq!(audio(&mut r), [""; 0]);
    let error = r.refused(Operation::SetMediaControl { call, controls: vec![] });
    assert!(matches!(error, OperationError::InvalidCallState { .. }), "{error}");
}
