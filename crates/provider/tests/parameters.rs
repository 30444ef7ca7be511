//! How audio is sent, changed while lines and calls are up: device configurations and call parameters.

mod scripted;

use hookswitch_media::codec::Codec;
use hookswitch_media::control::Command;
use hookswitch_spi::*;
use scripted::{LINE, Rig, SDP};
use std::time::Duration;

fn config(codecs: &[&str]) -> DeviceConfig {
    DeviceConfig {
        codecs: codecs.iter().map(|name| (*name).to_owned()).collect(),
        packet_time: 30,
        digits: DigitTransport::EventsOrAudio,
    }
}

/// A description of theirs with these payloads.
fn answer(payloads: &str) -> String {
    SDP.replace("RTP/AVP 0 101", &format!("RTP/AVP {payloads}"))
}

/// The payloads of our last description.
fn offered(r: &Rig) -> String {
    let text = r.sent.iter().rev().find(|text| text.contains("m=audio")).expect("a description");
    let line = text.lines().find(|line| line.starts_with("m=audio")).unwrap();
    let payloads = line.split("RTP/AVP ").nth(1).unwrap().trim();
    let time = text.lines().find_map(|line| line.strip_prefix("a=ptime:")).unwrap_or("");
    format!("{payloads} of {time} ms")
}

fn codec_in_use(r: &Rig) -> Option<(Codec, Duration)> {
    r.commands.iter().rev().find_map(|command| match command {
        Command::Configure { parameters, .. } => Some((parameters.codec, parameters.packet_time)),
        _ => None,
    })
}

fn calls(r: &mut Rig, audio: Option<DeviceConfig>) {
    let options = CallOptions { audio: audio.map(Box::new), ..CallOptions::default() };
    r.ask(Operation::MakeCall { line: LINE, address: AddressId(0), destination: "ben".into(), options });
}

#[test]
fn a_lines_configuration_is_that_of_its_later_calls() {
    let mut r = Rig::new();
    let first = r.p.device_config(LINE).unwrap();
    let expected = DeviceConfig { packet_time: 20, ..config(&["PCMU", "PCMA"]) };
    assert_eq!(first, expected, "the profile's");
    let mut caller = r.talking();
    assert_eq!(r.p.set_device_config(LINE, config(&["PCMA"])), Ok(()));
    assert_eq!(r.p.device_config(LINE), Some(config(&["PCMA"])));
    calls(&mut r, None);
    assert_eq!(offered(&r), "8 101 of 30 ms");
    // The call that was there keeps what it has, when it is held too.
    r.ask(Operation::Hold { call: caller.call });
    assert_eq!(offered(&r), "0 8 101 of 20 ms");
    r.reply("INVITE", "200 OK", &SDP.replace("sendrecv", "recvonly"));
    assert_eq!(r.state(caller.call), StateKind::OnHold);
    r.hangs_up(&mut caller);
    // Callers are answered by it as well.
    let mut other = r.ring(&answer("0 8 101"));
    r.answer(&mut other);
    assert_eq!(codec_in_use(&r), Some((Codec::Pcma, Duration::from_millis(30))));
    // The next session begins as this one did.
    r.p.shutdown(r.now);
    r.drain();
    assert_eq!(r.p.device_config(LINE), Some(first));
    assert_eq!(r.p.device_config(LineId(9)), None);
}

#[test]
fn a_wrong_configuration_changes_nothing() {
    let mut r = Rig::new();
    let before = r.p.device_config(LINE);
    for wrong in [
        config(&[]),
        config(&["PCMA", "G729"]),
        config(&["PCMA", "PCMA"]),
        DeviceConfig { packet_time: 15, ..config(&["PCMA"]) },
    ] {
        let refused = r.p.set_device_config(LINE, wrong.clone());
        assert!(matches!(refused, Err(LineError::InvalidParameter(_))), "{wrong:?}: {refused:?}");
    }
    assert_eq!(r.p.device_config(LINE), before);
    assert_eq!(r.p.set_device_config(LineId(9), config(&["PCMA"])), Err(LineError::NoSuchLine(LineId(9))));
}

#[test]
fn a_call_can_be_made_with_a_configuration_of_its_own() {
    let mut r = Rig::new();
    calls(&mut r, Some(config(&["PCMA", "PCMU"])));
    assert_eq!(offered(&r), "8 0 101 of 30 ms");
    calls(&mut r, Some(DeviceConfig { digits: DigitTransport::Audio, ..config(&["PCMU"]) }));
    assert_eq!(offered(&r), "0 of 30 ms", "no events");
    calls(&mut r, None);
    assert_eq!(offered(&r), "0 8 101 of 20 ms");
    let options = CallOptions { audio: Some(Box::new(config(&["G729"]))), ..CallOptions::default() };
    let could = r.p.could_detect(LINE, MediaTypes::VOICE, &options);
    assert!(matches!(could, Err(LineError::InvalidParameter(_))), "{could:?}");
    let error = r.refused(Operation::MakeCall {
        line: LINE,
        address: AddressId(0),
        destination: "ben".into(),
        options,
    });
    assert!(matches!(error, OperationError::InvalidParameter(_)), "{error}");
}

#[test]
fn a_connected_call_changes_its_codec_by_an_offer() {
    let mut r = Rig::new();
    let mut caller = r.talking();
    let call = caller.call;
    let (request, _) = r.ask(Operation::SetCallParameters { call, audio: config(&["PCMA", "PCMU"]) });
    assert_eq!(offered(&r), "8 0 101 of 30 ms", "the new order, whatever is in use");
    assert_eq!(r.results(request), []);
    let hold = r.refused(Operation::Hold { call });
    assert!(matches!(hold, OperationError::Failed(_)), "one change at a time: {hold}");
    r.reply("INVITE", "200 OK", &answer("8 101"));
    assert_eq!(r.result(request), Ok(Outcome::Done));
    assert_eq!(codec_in_use(&r), Some((Codec::Pcma, Duration::from_millis(30))));
    assert!(r.events.contains(&ProviderEvent::CallInfo { call, changed: InfoParts::STREAM }));
    // It stays so, when it is held and when they offer.
    for operation in [Operation::Hold { call }, Operation::Retrieve { call }] {
        r.ask(operation);
        assert_eq!(offered(&r), "8 0 101 of 30 ms");
        r.reply("INVITE", "200 OK", &answer("8 101"));
    }
    assert_eq!(r.state(call), StateKind::Connected);
    r.reinvites(&mut caller, &answer("0 8 101").replace("1 1 IN", "1 7 IN"));
    assert_eq!(codec_in_use(&r).map(|(codec, _)| codec), Some(Codec::Pcma));
    // Other calls are as the line says.
    calls(&mut r, None);
    assert_eq!(offered(&r), "0 8 101 of 20 ms");
}

#[test]
fn a_change_that_is_refused_leaves_the_call_as_it_was() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let (request, _) = r.ask(Operation::SetCallParameters { call, audio: config(&["L16/16000"]) });
    r.reply("INVITE", "488 Not Acceptable Here", "");
    let refused = r.result(request);
    assert!(matches!(refused, Err(OperationError::Refused { status: 488, .. })), "{refused:?}");
    assert_eq!(codec_in_use(&r), None, "nothing was told to the media threads");
    assert_eq!(r.state(call), StateKind::Connected);
    r.ask(Operation::Hold { call });
    assert_eq!(offered(&r), "0 8 101 of 20 ms");
}

#[test]
fn a_change_that_crosses_theirs_is_tried_again() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let (request, _) = r.ask(Operation::SetCallParameters { call, audio: config(&["PCMA"]) });
    r.reply("INVITE", "491 Request Pending", "");
    assert_eq!(r.results(request), []);
    r.sent.clear();
    r.run(Duration::from_secs(5));
    assert_eq!(offered(&r), "8 101 of 30 ms");
    r.reply("INVITE", "200 OK", &answer("8 101"));
    assert_eq!(r.result(request), Ok(Outcome::Done));
    assert_eq!(codec_in_use(&r).map(|(codec, _)| codec), Some(Codec::Pcma));
}

#[test]
fn a_call_that_is_not_answered_or_not_dialled_yet_begins_with_it() {
    let mut r = Rig::new();
    let mut caller = r.ring(&answer("0 8 101"));
    let none = Operation::SetCallParameters { call: caller.call, audio: config(&["L16/8000"]) };
    let error = r.refused(none);
    assert!(matches!(error, OperationError::Failed(_)), "the caller offers nothing of it: {error}");
    r.done(Operation::SetCallParameters { call: caller.call, audio: config(&["PCMA"]) });
    r.answer(&mut caller);
    assert_eq!(codec_in_use(&r).map(|(codec, _)| codec), Some(Codec::Pcma));

    let options = CallOptions::default();
    let made = Operation::MakeCall { line: LINE, address: AddressId(0), destination: "1;".into(), options };
    let (_, dialled) = r.ask(made);
    let dialled = dialled.unwrap();
    r.done(Operation::SetCallParameters { call: dialled, audio: config(&["PCMA"]) });
    r.ask(Operation::Dial { call: dialled, digits: "2".into() });
    assert_eq!(offered(&r), "8 101 of 30 ms");
    let error = r.refused(Operation::SetCallParameters { call: dialled, audio: config(&["PCMU"]) });
    assert!(matches!(error, OperationError::InvalidCallState { .. }), "{error}");
}

#[test]
fn a_change_that_is_on_its_way_ends_with_the_call() {
    let mut r = Rig::new();
    let mut caller = r.talking();
    let (request, _) = r.ask(Operation::SetCallParameters { call: caller.call, audio: config(&["PCMA"]) });
    r.hangs_up(&mut caller);
    assert_eq!(r.result(request), Err(OperationError::CallEnded));
}
