//! What is sent to and heard from the other side: digits, tones, media types, treatments.

mod scripted;

use hookswitch_media::control::{Command, Event as MediaEvent, FaxTone, GeneratedTone, Source, StreamId};
use hookswitch_spi::*;
use scripted::{Rig, SDP};
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn gather(count: u16, terminators: &str) -> GatherOptions {
    GatherOptions {
        count,
        terminators: terminators.into(),
        first_after: Some(secs(5)),
        next_after: Some(secs(2)),
    }
}

fn gathered(digits: &str, ended: GatherEnd) -> Result<Outcome, OperationError> {
    Ok(Outcome::Gathered { digits: digits.into(), ended })
}

#[test]
fn digits_are_gathered_until_there_are_enough_or_a_terminator_comes() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let (request, _) = r.ask(Operation::GatherDigits { call, gather: gather(3, "#") });
    r.presses(call, "12");
    assert_eq!(r.results(request), []);
    r.presses(call, "34");
    assert_eq!(r.result(request), gathered("123", GatherEnd::Full));
    let (request, _) = r.ask(Operation::GatherDigits { call, gather: gather(3, "#") });
    r.presses(call, "7#");
    assert_eq!(r.result(request), gathered("7#", GatherEnd::Terminator));
    r.run(secs(60));
    assert_eq!(r.results(request).len(), 1);
    assert_eq!(r.p.alive().timers, 1, "the line's keep-alive");
}

#[test]
fn a_first_or_a_next_digit_that_does_not_come_ends_gathering() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let (request, _) = r.ask(Operation::GatherDigits { call, gather: gather(3, "") });
    r.run(Duration::from_millis(4_990));
    assert_eq!(r.results(request), []);
    r.run(Duration::from_millis(20));
    assert_eq!(r.result(request), gathered("", GatherEnd::FirstTimeout));
    let (request, _) = r.ask(Operation::GatherDigits { call, gather: gather(3, "") });
    r.run(secs(4));
    r.presses(call, "1");
    r.run(Duration::from_millis(1_990));
    assert_eq!(r.results(request), []);
    r.run(Duration::from_millis(20));
    assert_eq!(r.result(request), gathered("1", GatherEnd::NextTimeout));
}

#[test]
fn a_digit_that_is_being_pressed_is_not_late() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let (request, _) = r.ask(Operation::GatherDigits { call, gather: gather(1, "") });
    r.run(secs(4));
    let stream = StreamId(call.0);
    r.hears(MediaEvent::DigitBegun { stream, digit: '5' });
    r.run(secs(8));
    r.hears(MediaEvent::Digit { stream, digit: '5', duration: secs(8) });
    assert_eq!(r.result(request), gathered("5", GatherEnd::Full));
}

#[test]
fn gathering_is_replaced_stopped_and_ended_with_what_was_collected() {
    let mut r = Rig::new();
    let mut caller = r.talking();
    let call = caller.call;
    let (first, _) = r.ask(Operation::GatherDigits { call, gather: gather(9, "") });
    r.presses(call, "12");
    let (second, _) = r.ask(Operation::GatherDigits { call, gather: gather(9, "") });
    assert_eq!(r.result(first), gathered("12", GatherEnd::Cancelled));
    r.presses(call, "3");
    r.done(Operation::StopGathering { call });
    assert_eq!(r.result(second), gathered("3", GatherEnd::Cancelled));
    r.done(Operation::StopGathering { call });
    let (third, _) = r.ask(Operation::GatherDigits { call, gather: gather(9, "") });
    r.presses(call, "45");
    r.hangs_up(&mut caller);
    assert_eq!(r.result(third), gathered("45", GatherEnd::Cancelled));
    assert_eq!(r.state(call), StateKind::Disconnected);
    r.run(secs(60));
    assert_eq!(r.p.alive().timers, 1, "the line's keep-alive");
}

#[test]
fn closing_a_call_or_its_line_ends_gathering_before_it_returns() {
    let mut r = Rig::new();
    let (one, two) = (r.talking().call, r.talking().call);
    let (first, _) = r.ask(Operation::GatherDigits { call: one, gather: gather(9, "") });
    let (second, _) = r.ask(Operation::GatherDigits { call: two, gather: gather(9, "") });
    r.presses(one, "1");
    r.p.close_call(r.now, one);
    r.drain();
    assert_eq!(r.result(first), gathered("1", GatherEnd::Cancelled));
    r.p.close_line(r.now, scripted::LINE);
    r.drain();
    assert_eq!(r.result(second), gathered("", GatherEnd::Cancelled));
}

#[test]
fn gathering_wants_sensible_arguments() {
    let mut r = Rig::new();
    let call = r.talking().call;
    for wrong in [
        gather(0, ""),
        gather(257, ""),
        gather(3, "x"),
        GatherOptions { first_after: Some(Duration::from_millis(1)), ..gather(3, "") },
        GatherOptions { next_after: Some(secs(3_600)), ..gather(3, "") },
    ] {
        let error = r.refused(Operation::GatherDigits { call, gather: wrong.clone() });
        assert!(matches!(error, OperationError::InvalidParameter(_)), "{wrong:?}: {error}");
    }
}

#[test]
fn digits_are_told_as_they_are_monitored() {
    let mut r = Rig::new();
    let mut caller = r.talking();
    let call = caller.call;
    let begun = |digit| ProviderEvent::DigitBegun { call, digit };
    let ended = |digit| ProviderEvent::Digit { call, digit, duration: Duration::from_millis(100) };
    r.presses(call, "1");
    assert_eq!(std::mem::take(&mut r.events), [ended('1')]);
    r.done(Operation::MonitorDigits { call, digits: DigitMonitoring::BeginningAndEnd });
    r.events.clear();
    r.presses(call, "2");
    assert_eq!(std::mem::take(&mut r.events), [begun('2'), ended('2')]);
    r.info(&mut caller, "Signal=3\r\nDuration=100\r\n");
    assert_eq!(std::mem::take(&mut r.events), [ended('3')]);
    r.done(Operation::MonitorDigits { call, digits: DigitMonitoring::Off });
    r.events.clear();
    r.presses(call, "4");
    assert_eq!(r.events, []);
}

#[test]
fn audio_is_searched_for_digits_only_while_somebody_wants_them() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let searched = |r: &mut Rig| {
        let commands = std::mem::take(&mut r.commands);
        let of = |command| match command {
            Command::MonitorInBandDigits { on, .. } => Some(on),
            _ => None,
        };
        commands.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    r.presses(call, "1");
    assert_eq!(searched(&mut r), []);
    r.ask(Operation::GatherDigits { call, gather: gather(1, "") });
    assert_eq!(searched(&mut r), [true]);
    r.presses(call, "1");
    r.ask(Operation::GatherDigits { call, gather: gather(1, "") });
    assert_eq!(searched(&mut r), []);
    r.presses(call, "1");
    r.done(Operation::MonitorDigits { call, digits: DigitMonitoring::Off });
    assert_eq!(searched(&mut r), [false]);
}

#[test]
fn digits_and_tones_share_one_turn() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let stream = StreamId(call.0);
    let tag = |r: &Rig| match r.commands.last() {
        Some(Command::SendDigits { tag, .. } | Command::SendTone { tag, .. }) => *tag,
        other => panic!("{other:?}"),
    };
    let (first, _) = r.ask(Operation::SendDigits { call, digits: DigitOptions::new("1,2b") });
    let Some(Command::SendDigits { digits, .. }) = r.commands.last() else { panic!("{:?}", r.commands) };
    assert_eq!(digits, "1,2B", "commas pause");
    let stale = tag(&r);
    let (second, _) = r.ask(Operation::SendTone { call, tone: ToneOptions::Ringback(secs(3)) });
    assert_eq!(r.result(first), Err(OperationError::Replaced));
    let tone = tag(&r);
    r.hears(MediaEvent::DigitsSent { stream, tag: stale, cancelled: true });
    assert_eq!(r.results(second), []);
    r.hears(MediaEvent::ToneSent { stream, tag: tone, cancelled: false });
    assert_eq!(r.result(second), Ok(Outcome::Done));
    let (third, _) = r.ask(Operation::SendTone { call, tone: ToneOptions::Beep });
    r.done(Operation::StopSending { call });
    assert_eq!(r.result(third), Err(OperationError::Replaced));
    assert_eq!(r.commands.last(), Some(&Command::StopGenerating { stream }));
    r.commands.clear();
    r.done(Operation::StopSending { call });
    assert_eq!(r.commands, [], "nothing was being sent");
}

#[test]
fn what_is_sent_when_the_call_ends_completes_with_it() {
    let mut r = Rig::new();
    let mut caller = r.talking();
    let (request, _) = r.ask(Operation::SendTone { call: caller.call, tone: ToneOptions::Busy(secs(600)) });
    r.hangs_up(&mut caller);
    assert_eq!(r.result(request), Err(OperationError::CallEnded));
}

#[test]
fn tones_that_are_watched_for_are_told() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let stream = StreamId(call.0);
    let pattern = TonePattern { tag: 7, frequencies: [425, 0], duration: Duration::from_millis(200) };
    r.done(Operation::MonitorTones { call, tones: vec![pattern] });
    assert!(
        matches!(&r.commands[..], [Command::MonitorTones { tones, .. }] if tones[0].frequencies == [425, 0, 0])
    );
    r.events.clear();
    r.hears(MediaEvent::ToneHeard { stream, tag: 7 });
    r.hears(MediaEvent::ToneHeard { stream, tag: 8 });
    assert_eq!(std::mem::take(&mut r.events), [ProviderEvent::Tone { call, tag: 7 }]);
    r.done(Operation::MonitorTones { call, tones: vec![] });
    r.events.clear();
    r.hears(MediaEvent::ToneHeard { stream, tag: 7 });
    assert_eq!(r.events, []);
    let error = r.refused(Operation::MonitorTones { call, tones: vec![pattern; 17] });
    assert!(matches!(error, OperationError::InvalidParameter(_)), "{error}");
    let shrill = TonePattern { frequencies: [9_000, 0], ..pattern };
    let error = r.refused(Operation::MonitorTones { call, tones: vec![shrill] });
    assert!(matches!(error, OperationError::InvalidParameter(_)), "{error}");
}

#[test]
fn what_is_watched_before_the_answer_is_watched_after_it() {
    let mut r = Rig::new();
    let mut caller = r.ring(SDP);
    let call = caller.call;
    let pattern = TonePattern { tag: 1, frequencies: [0, 0], duration: secs(1) };
    r.done(Operation::MonitorTones { call, tones: vec![pattern] });
    r.done(Operation::MonitorMedia { call, media: MediaType::Voice.into() });
    r.done(Operation::MonitorDigits { call, digits: DigitMonitoring::Digits });
    assert_eq!(r.commands, []);
    r.answer(&mut caller);
    assert!(r.commands.iter().any(|c| matches!(c, Command::MonitorTones { .. })), "{:?}", r.commands);
    assert!(r.commands.iter().any(|c| matches!(c, Command::MonitorInBandDigits { on: true, .. })));
}

#[test]
fn a_fax_machine_is_told_and_the_recorded_media_types_stay() {
    let mut r = Rig::with_fax();
    let call = r.talking().call;
    let stream = StreamId(call.0);
    let heard = MediaEvent::FaxHeard { stream, tone: FaxTone::Calling };
    r.hears(heard.clone());
    assert_eq!(r.events, [], "nobody asked");
    r.done(Operation::MonitorMedia { call, media: MediaType::Fax.into() });
    assert_eq!(r.commands, [Command::MonitorFax { stream, on: true }]);
    r.events.clear();
    r.hears(heard);
    assert_eq!(std::mem::take(&mut r.events), [ProviderEvent::Media { call, media: MediaType::Fax }]);
    assert_eq!(r.p.call_info(call).unwrap().media, MediaTypes::VOICE);
    r.done(Operation::MonitorMedia { call, media: MediaTypes::NONE });
    assert_eq!(r.commands.last(), Some(&Command::MonitorFax { stream, on: false }));
}

#[test]
fn a_new_description_tells_new_media_types_once_and_records_none() {
    let mut r = Rig::with_fax();
    let mut caller = r.talking();
    let call = caller.call;
    r.done(Operation::MonitorMedia { call, media: MediaType::Fax.into() });
    r.events.clear();
    let told = |r: &mut Rig| std::mem::take(&mut r.events);
    let fax = "m=audio 0 RTP/AVP 0\r\nm=image 30002 udptl t38\r\n";
    let fax = SDP.replace("m=audio 30000 RTP/AVP 0 101\r\n", fax).replace("1 1 IN", "1 2 IN");
    let switches = ProviderEvent::Media { call, media: MediaType::Fax };
    r.reinvites(&mut caller, &fax);
    assert!(r.last("SIP/2.0 488").is_some(), "{:?}", r.sent);
    assert_eq!(told(&mut r), std::slice::from_ref(&switches), "even if it is refused");
    r.reinvites(&mut caller, &fax.replace("1 2 IN", "1 3 IN"));
    assert_eq!(told(&mut r), []);
    r.reinvites(&mut caller, &SDP.replace("1 1 IN", "1 4 IN"));
    r.reinvites(&mut caller, &fax.replace("1 2 IN", "1 5 IN"));
    assert_eq!(told(&mut r), [switches]);
    assert_eq!(r.p.call_info(call).unwrap().media, MediaTypes::VOICE);
    let error = r.refused(Operation::MonitorMedia { call, media: MediaType::Video.into() });
    assert!(matches!(error, OperationError::InvalidParameter(_)), "the line carries no video: {error}");
}

#[test]
fn a_held_party_hears_music_and_then_its_source_again() {
    let mut r = Rig::new();
    let call = r.talking().call;
    let heard = |r: &mut Rig| {
        let commands = std::mem::take(&mut r.commands);
        let of = |command| match command {
            Command::Send { source, .. } => Some(source),
            _ => None,
        };
        commands.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    r.done(Operation::Play { call, source: AudioSource::Echo });
    assert_eq!(heard(&mut r), [Source::Echo]);
    let held = |r: &mut Rig, operation, answer: &str| {
        let (request, _) = r.ask(operation);
        r.reply("INVITE", "200 OK", &(SDP.to_owned() + answer));
        assert_eq!(r.result(request), Ok(Outcome::Done));
    };
    held(&mut r, Operation::Hold { call }, "a=recvonly\r\n");
    assert_eq!(heard(&mut r), [Source::Music]);
    r.events.clear();
    r.done(Operation::SetTreatment { call, treatment: CallTreatment::Ringback });
    assert!(r.events.contains(&ProviderEvent::CallInfo { call, changed: InfoParts::TREATMENT }));
    assert_eq!(r.p.call_info(call).unwrap().treatment, Some(CallTreatment::Ringback));
    assert_eq!(heard(&mut r), [Source::Generated(GeneratedTone::Ringback)]);
    held(&mut r, Operation::Retrieve { call }, "a=sendrecv\r\n");
    assert_eq!(heard(&mut r), [Source::Echo]);
    held(&mut r, Operation::Hold { call }, "a=recvonly\r\n");
    assert_eq!(heard(&mut r), [Source::Generated(GeneratedTone::Ringback)], "what was chosen stays");
}

#[test]
fn without_hold_music_a_held_party_hears_the_source() {
    let mut r = Rig::with(|profile| profile.hold_music = false);
    let call = r.talking().call;
    r.ask(Operation::Hold { call });
    r.reply("INVITE", "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    assert_eq!(r.state(call), StateKind::OnHold);
    assert!(!r.commands.iter().any(|c| matches!(c, Command::Send { .. })), "{:?}", r.commands);
}

#[test]
fn an_offered_caller_hears_its_treatment_only_where_the_profile_allows() {
    for allowed in [false, true] {
        let mut r = Rig::with(|profile| profile.early_treatment = allowed);
        let mut caller = r.ring(SDP);
        let call = caller.call;
        r.done(Operation::SetTreatment { call, treatment: CallTreatment::Music });
        let early = r.last("SIP/2.0 183");
        assert_eq!(early.is_some(), allowed, "{:?}", r.sent);
        let music = Command::Send { stream: StreamId(call.0), source: Source::Music };
        assert_eq!(r.commands.contains(&music), allowed);
        assert_eq!(r.state(call), StateKind::Offering);
        r.answer(&mut caller);
        let ok = r.last("SIP/2.0 200").unwrap();
        assert!(!ok.body().is_empty());
        if let Some(early) = early {
            assert_eq!(ok.body(), early.body(), "the answer of the 183 is that of the 200");
            let silence = Command::Send { stream: StreamId(call.0), source: Source::Silence };
            assert_eq!(r.commands.last(), Some(&silence));
        }
        let starts = r.commands.iter().filter(|c| matches!(c, Command::Start { .. })).count();
        let configured = r.commands.iter().filter(|c| matches!(c, Command::Configure { .. })).count();
        assert_eq!((starts, configured), (1, 1), "{:?}", r.commands);
    }
}

#[test]
fn an_offered_caller_that_was_treated_and_gives_up_leaves_nothing() {
    let mut r = Rig::with(|profile| profile.early_treatment = true);
    let caller = r.ring(SDP);
    r.done(Operation::SetTreatment { call: caller.call, treatment: CallTreatment::Ringback });
    r.done(Operation::drop(caller.call));
    assert_eq!(r.state(caller.call), StateKind::Idle);
    assert!(r.commands.iter().any(|c| matches!(c, Command::Stop { .. })));
}

/// An SDP of a party that takes no digits as events.
fn without_events() -> String {
    SDP.replace(" 101", "").replace("a=rtpmap:101 telephone-event/8000\r\n", "")
}

fn infos(r: &Rig) -> Vec<String> {
    let mut infos: Vec<&String> = r.sent.iter().filter(|text| text.starts_with("INFO")).collect();
    // Those sent again are the same.
    infos.dedup();
    infos
        .iter()
        .filter_map(|text| text.split("Signal=").nth(1).map(|rest| rest.replace("\r\n", " ")))
        .collect()
}

#[test]
fn digits_go_by_info_to_a_party_that_takes_no_events_where_the_profile_says_so() {
    for (by_info, sdp) in [(true, SDP.to_owned()), (false, without_events()), (true, without_events())] {
        let mut r = Rig::with(|profile| profile.info_digits = by_info);
        let mut caller = r.ring(&sdp);
        r.answer(&mut caller);
        let call = caller.call;
        r.commands.clear();
        let (request, _) = r.ask(Operation::SendDigits { call, digits: DigitOptions::new("1,2") });
        let dictated = by_info && sdp != SDP;
        assert_eq!(r.commands.iter().any(|c| matches!(c, Command::SendDigits { .. })), !dictated);
        assert_eq!(infos(&r).len(), usize::from(dictated));
        r.done(Operation::MonitorDigits { call, digits: DigitMonitoring::Digits });
        assert_eq!(r.commands.iter().any(|c| matches!(c, Command::MonitorInBandDigits { .. })), !dictated);
        if dictated {
            r.reply("INFO", "200 OK", "");
            r.run(Duration::from_millis(2_300));
            assert_eq!(infos(&r), ["1 Duration=100 ", "2 Duration=100 "]);
            r.reply("INFO", "200 OK", "");
            r.run(Duration::from_millis(200));
            assert_eq!(r.result(request), Ok(Outcome::Done));
        }
    }
}

/// A call whose digits go by INFO.
fn dictating() -> (Rig, CallId) {
    let mut r = Rig::with(|profile| profile.info_digits = true);
    let mut caller = r.ring(&without_events());
    r.answer(&mut caller);
    r.commands.clear();
    (r, caller.call)
}

#[test]
fn an_info_that_is_refused_ends_the_sending() {
    let (mut r, call) = dictating();
    let (request, _) = r.ask(Operation::SendDigits { call, digits: DigitOptions::new("123") });
    r.reply("INFO", "415 Unsupported Media Type", "");
    assert!(matches!(r.result(request), Err(OperationError::Refused { status: 415, .. })));
    r.run(secs(5));
    assert_eq!((infos(&r).len(), r.p.alive().timers), (1, 1));
}

#[test]
fn digits_by_info_share_their_turn() {
    let (mut r, call) = dictating();
    let (first, _) = r.ask(Operation::SendDigits { call, digits: DigitOptions::new("123") });
    let (second, _) = r.ask(Operation::SendTone { call, tone: ToneOptions::Busy(secs(9)) });
    assert_eq!(r.result(first), Err(OperationError::Replaced));
    let (third, _) = r.ask(Operation::SendDigits { call, digits: DigitOptions::new("9") });
    assert_eq!(r.result(second), Err(OperationError::Replaced));
    assert_eq!(r.commands.last(), Some(&Command::StopGenerating { stream: StreamId(call.0) }));
    r.done(Operation::StopSending { call });
    assert_eq!(r.result(third), Err(OperationError::Replaced));
    let (fourth, _) = r.ask(Operation::SendDigits { call, digits: DigitOptions::new("88") });
    r.p.close_call(r.now, call);
    r.drain();
    assert_eq!(r.result(fourth), Err(OperationError::CallEnded));
    assert_eq!(infos(&r).len(), 3);
    r.run(secs(40));
    assert_eq!(r.p.alive().timers, 1, "the line's keep-alive");
}
