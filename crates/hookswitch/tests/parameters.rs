//! How audio is sent, changed over loopback sockets: the codec of a call in the middle of it, and that of a line's later calls.

mod common;

use common::*;
use hookswitch::{
    Audio, DeviceConfig, DigitTransport, Error, Event, OperationError, RequestError, StateKind, TonePattern,
};
use std::time::Duration;

fn config(codecs: &[&str]) -> DeviceConfig {
    DeviceConfig {
        codecs: codecs.iter().map(|name| (*name).to_owned()).collect(),
        packet_time: 30,
        digits: DigitTransport::EventsOrAudio,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_changes_its_codec_and_goes_on_being_heard() {
    let (mut alice, mut bob) = pair().await;
    let (call, incoming) = connected(&mut alice, &mut bob, "bob").await;
    let before = in_time(incoming.statistics()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(before.codec, "PCMU");

    in_time(call.set_parameters(config(&["PCMA"]))).await.unwrap_or_else(|error| panic!("{error}"));
    for side in [&call, &incoming] {
        let figures = in_time(side.statistics()).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(figures.codec, "PCMA");
        assert_eq!(side.state().kind(), StateKind::Connected);
    }
    // Bob's tone is heard in the new codec, and digits pass.
    let pattern = TonePattern { tag: 8, frequencies: [880, 0], duration: Duration::from_millis(200) };
    in_time(call.monitor_tones(&[pattern])).await.unwrap_or_else(|error| panic!("{error}"));
    while !matches!(next(&mut alice.app).await, Event::Tone { tag: 8, .. }) {}
    in_time(call.send_digits("4")).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(in_time(incoming.next_digit()).await, Some('4'));

    // Bob's line knows no such codec: the call is as it was.
    let refused = in_time(call.set_parameters(config(&["L16/16000"]))).await;
    let status = match &refused {
        Err(Error::Failed(RequestError::Operation(OperationError::Refused { status, .. }))) => Some(*status),
        _ => None,
    };
    assert_eq!(status, Some(488), "{refused:?}");
    let figures = in_time(call.statistics()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(figures.codec, "PCMA");

    // Bob's later calls do, and Alice's.
    let wide = config(&["L16/16000", "PCMU"]);
    for line in [&alice.line, &bob.line] {
        in_time(line.set_device_config(&wide)).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(in_time(line.device_config()).await, Ok(wide.clone()));
    }
    let wrong = in_time(alice.line.set_device_config(&config(&["G729"]))).await;
    assert!(wrong.is_err(), "{wrong:?}");
    let (second, theirs) = tokio::join!(alice.line.call("900", Audio::silence()), offered(&mut bob.app));
    let second = second.unwrap_or_else(|error| panic!("{error}"));
    in_time(theirs.answer(Audio::silence())).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(second.connected()).await.unwrap_or_else(|end| panic!("{end}"));
    let figures = in_time(second.statistics()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(figures.codec, "L16");
    let figures = in_time(call.statistics()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(figures.codec, "PCMA", "the call that was there keeps what it has");
    in_time(second.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
}
