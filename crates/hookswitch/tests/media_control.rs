//! Media control over loopback sockets: a prompt stops when the caller presses a digit, whoever owns the call.

mod common;

use common::*;
use hookswitch::{
    Audio, Event, HandOffTarget, Interest, MediaAction, MediaControl, MediaTrigger, MediaTypes, TonePattern,
};
use std::path::PathBuf;
use std::time::Duration;

/// What the prompt sounds like, and what is played in its place.
const PROMPT: u16 = 700;
const OTHER: u16 = 1_200;
/// The tag of silence.
const SILENCE: u32 = 0;

/// A second of a tone.
fn prompt() -> PathBuf {
    let samples = (0..8_000).map(|n| {
        let phase = f64::from(n) * f64::from(PROMPT) * std::f64::consts::TAU / 8_000.0;
        (phase.sin() * 8_000.0) as i16
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = data.len() as u32;
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(length + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&data);
    let path = std::env::temp_dir().join(format!("hookswitch-prompt-{}.wav", std::process::id()));
    std::fs::write(&path, file).unwrap_or_else(|error| panic!("{error}"));
    path
}

/// What the caller hears next.
async fn heard(caller: &mut Side) -> u32 {
    loop {
        if let Event::Tone { tag, .. } = next(&mut caller.app).await {
            return tag;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_stops_at_a_digit_whoever_owns_the_call_and_the_digit_is_still_told() {
    let (mut alice, mut bob) = pair().await;
    let mut second = bob.service.attach("second").await.unwrap_or_else(|error| panic!("{error}"));
    let interest = Interest { monitor: false, ..Interest::owner(MediaTypes::VOICE) };
    second.open("trunk", interest).await.unwrap_or_else(|error| panic!("{error}"));
    let (call, incoming) = tokio::join!(alice.line.call("bob", Audio::silence()), offered(&mut bob.app));
    let call = call.unwrap_or_else(|error| panic!("{error}"));
    in_time(incoming.answer(Audio::silence())).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
    let pattern = |hertz: u16| TonePattern {
        tag: hertz.into(),
        frequencies: [hertz, 0],
        duration: Duration::from_millis(200),
    };
    let patterns = [pattern(0), pattern(PROMPT), pattern(OTHER)];
    in_time(call.monitor_tones(&patterns)).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(heard(&mut alice).await, SILENCE);

    // Whoever set this and plays the prompt hands the call on before anything happens.
    let path = prompt();
    let on = |digit, then| MediaControl { when: MediaTrigger::Digit(digit), then };
    let controls = [
        on('5', MediaAction::Stop),
        on('*', MediaAction::Start(Audio::tone(OTHER).into())),
        on('7', MediaAction::Pause),
        on('8', MediaAction::Resume),
    ];
    in_time(incoming.control_media(&controls)).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(incoming.play(Audio::repeat(&path))).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(heard(&mut alice).await, u32::from(PROMPT));
    let target = HandOffTarget::Application("second".into());
    in_time(incoming.hand_off(target)).await.unwrap_or_else(|error| panic!("{error}"));
    let theirs = loop {
        match next(&mut second).await {
            Event::Appeared { call, .. } | Event::Offered(call) => break call,
            _ => {}
        }
    };
    in_time(incoming.step_back()).await.unwrap_or_else(|error| panic!("{error}"));
    let refused = in_time(incoming.control_media(&[])).await;
    assert!(refused.is_err(), "who only watches changes nothing: {refused:?}");

    for (digit, expected) in
        [('5', SILENCE), ('*', OTHER.into()), ('7', SILENCE), ('8', OTHER.into()), ('5', SILENCE)]
    {
        in_time(call.send_digits(&digit.to_string())).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(in_time(theirs.next_digit()).await, Some(digit));
        assert_eq!(heard(&mut alice).await, expected, "after {digit}");
    }
    in_time(theirs.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(in_time(call.ended()).await.is_some());
    let _ = std::fs::remove_file(path);
}
