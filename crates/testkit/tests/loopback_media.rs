//! What passes between the two ends of a call of the exchange: digits, tones, user information, media, treatments.

mod exchange;

use exchange::{A, Wired};
use hookswitch_spi::{
    AudioSource, CallTreatment, DigitMonitoring, DigitOptions, GatherEnd, GatherOptions, InfoParts,
    MediaType, MediaTypes, Operation, OperationError, Outcome, Provider, ProviderEvent, ToneOptions,
    TonePattern, UserInfo,
};
use hookswitch_testkit::loopback::{Heard, Noticed};
use std::time::Duration;

const ANN: &str = "sip:ann@outside";
const SECOND: Duration = Duration::from_secs(1);

fn gather(count: u16, terminators: &str, first: Option<u64>, next: Option<u64>) -> GatherOptions {
    let seconds = |after: Option<u64>| after.map(Duration::from_secs);
    GatherOptions {
        count,
        terminators: terminators.into(),
        first_after: seconds(first),
        next_after: seconds(next),
    }
}

#[test]
fn collecting_digits_ends_for_one_reason_each() {
    let rows = [
        (gather(2, "", None, None), "12", GatherEnd::Full, "12"),
        (gather(5, "#*", None, None), "1#", GatherEnd::Terminator, "1#"),
        (gather(1, "#", None, None), "#", GatherEnd::Terminator, "#"),
        (gather(2, "", Some(2), None), "", GatherEnd::FirstTimeout, ""),
        (gather(2, "", Some(2), Some(1)), "1", GatherEnd::NextTimeout, "1"),
    ];
    for (wanted, pressed, ended, digits) in rows {
        let mut wired = Wired::new();
        let call = wired.answered(A, ANN);
        let (request, _) = wired.submit(Operation::GatherDigits { call, gather: wanted.clone() }).unwrap();
        wired.run(Duration::from_millis(100));
        pressed.chars().for_each(|digit| wired.exchange.press(call, digit));
        wired.run(Duration::from_secs(3));
        let expected = Outcome::Gathered { digits: digits.into(), ended };
        assert_eq!(wired.results.get(&request), Some(&Ok(expected)), "{wanted:?}");
    }
}

#[test]
fn collecting_digits_is_stopped_by_a_newer_request_a_stop_or_the_end() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    let ask = |wired: &mut Wired| {
        let gather = gather(9, "", None, None);
        let (request, _) = wired.submit(Operation::GatherDigits { call, gather }).unwrap();
        wired.run(Duration::from_millis(100));
        wired.exchange.press(call, '7');
        request
    };
    let requests = [ask(&mut wired), ask(&mut wired)];
    wired.ask(Operation::StopGathering { call }).unwrap();
    let last = ask(&mut wired);
    wired.exchange.hang_up(call);
    wired.drain();
    for request in requests.into_iter().chain([last]) {
        let expected = Outcome::Gathered { digits: "7".into(), ended: GatherEnd::Cancelled };
        assert_eq!(wired.results.get(&request), Some(&Ok(expected)));
    }
}

#[test]
fn digits_are_told_as_asked() {
    for (digits, begun, over) in [
        (DigitMonitoring::Off, 0, ""),
        (DigitMonitoring::Digits, 0, "5"),
        (DigitMonitoring::BeginningAndEnd, 1, "5"),
    ] {
        let mut wired = Wired::new();
        let call = wired.answered(A, ANN);
        wired.ask(Operation::MonitorDigits { call, digits }).unwrap();
        wired.exchange.presses(call, '5', SECOND);
        wired.drain();
        assert_eq!(wired.digits, "", "not before it is over");
        wired.run(SECOND);
        let told = wired.told.iter().filter(|event| matches!(event, ProviderEvent::DigitBegun { .. }));
        assert_eq!((told.count(), &*wired.digits), (begun, over), "{digits:?}");
    }
}

#[test]
fn one_thing_is_sent_at_a_time() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    let send = |digits: &str| Operation::SendDigits { call, digits: DigitOptions::new(digits) };
    let (digits, _) = wired.submit(send("1,2")).unwrap();
    wired.run(SECOND);
    let (tone, _) = wired.submit(Operation::SendTone { call, tone: ToneOptions::Beep }).unwrap();
    wired.run(Duration::from_millis(50));
    assert_eq!(wired.ask(Operation::StopSending { call }), Ok(Outcome::Done));
    for request in [digits, tone] {
        assert_eq!(wired.results.get(&request), Some(&Err(OperationError::Replaced)));
    }
    assert_eq!(wired.ask(Operation::SendTone { call, tone: ToneOptions::Beep }), Ok(Outcome::Done));
    let party = wired.exchange.party_of(call).unwrap();
    assert!(wired.exchange.noticed(party).contains(&Noticed::Digit('1')));
    let wrong = ToneOptions::Custom {
        frequencies: [4_000, 0],
        level: 0,
        on: SECOND,
        off: Duration::ZERO,
        total: SECOND,
    };
    let wrong = wired.ask(Operation::SendTone { call, tone: wrong });
    assert!(matches!(wrong, Err(OperationError::InvalidParameter(_))), "{wrong:?}");
}

#[test]
fn tones_are_told_by_pattern_and_duration() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    let pattern = |tag, frequencies| TonePattern { tag, frequencies, duration: SECOND };
    let tones = vec![pattern(1, [440, 480]), pattern(2, [1_100, 0])];
    wired.ask(Operation::MonitorTones { call, tones }).unwrap();
    wired.exchange.sound(call, [480, 440], SECOND);
    wired.exchange.sound(call, [1_100, 0], SECOND / 2);
    wired.drain();
    assert_eq!(wired.told.pop(), Some(ProviderEvent::Tone { call, tag: 1 }));
    let most = usize::from(wired.exchange.capabilities(A).unwrap().max_tone_patterns);
    let tones = vec![pattern(1, [440, 480]); most + 1];
    assert!(wired.ask(Operation::MonitorTones { call, tones }).is_err());
}

#[test]
fn user_information_is_shown_one_at_a_time() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    for octets in ["one", "two", "three", "lost"] {
        wired.exchange.tells(call, octets);
    }
    wired.drain();
    assert_eq!(wired.changes(call), [InfoParts::USER_INFO]);
    for expected in ["one", "two", "three"] {
        let shown = wired.exchange.call_info(call).unwrap().user_info;
        assert_eq!(shown, Some(UserInfo(expected.into())));
        wired.ask(Operation::ReleaseUserInfo { call }).unwrap();
    }
    assert_eq!(wired.exchange.call_info(call).unwrap().user_info, None);
    let big = UserInfo(vec![0; 129]);
    let error = wired.ask(Operation::SendUserInfo { call, data: big });
    assert_eq!(error, Err(OperationError::UserInfoTooBig { got: 129, most: 128 }));
}

#[test]
fn user_information_travels_between_lines() {
    let mut wired = Wired::new();
    let (caller, called) = wired.talk();
    wired.ask(Operation::SendUserInfo { call: caller, data: UserInfo(b"hello".to_vec()) }).unwrap();
    assert_eq!(wired.exchange.call_info(called).unwrap().user_info, Some(UserInfo(b"hello".to_vec())));
    let bye = Some(UserInfo(b"bye".to_vec()));
    wired.ask(Operation::ReleaseUserInfo { call: called }).unwrap();
    wired.ask(Operation::Drop { call: caller, reason: Default::default(), user_info: bye.clone() }).unwrap();
    assert_eq!(wired.exchange.call_info(called).unwrap().user_info, bye);
}

#[test]
fn media_are_told_on_request_and_never_change_what_is_noted() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    wired.exchange.sounds_like(call, MediaType::Fax);
    wired.ask(Operation::MonitorMedia { call, media: MediaType::Fax.into() }).unwrap();
    wired.exchange.sounds_like(call, MediaType::Fax);
    wired.drain();
    assert_eq!(wired.told.pop(), Some(ProviderEvent::Media { call, media: MediaType::Fax }));
    wired.exchange.offers_media(call, MediaTypes::VOICE.with(MediaType::Fax));
    wired.drain();
    assert_eq!(wired.told.pop(), Some(ProviderEvent::Media { call, media: MediaType::Fax }));
    assert_eq!(wired.changes(call), [InfoParts::STREAM]);
    assert_eq!(wired.exchange.call_info(call).unwrap().media, MediaTypes::VOICE);
    wired.ask(Operation::SetMediaType { call, media: MediaType::Fax.into() }).unwrap();
    assert_eq!(wired.changes(call), [InfoParts::MEDIA]);
    let several = MediaTypes::VOICE.with(MediaType::Fax);
    assert!(wired.ask(Operation::SetMediaType { call, media: several }).is_err());
    assert!(wired.ask(Operation::SetMediaType { call, media: several.with(MediaType::Unknown) }).is_ok());
}

#[test]
fn a_waiting_party_hears_the_treatment() {
    let mut wired = Wired::new();
    let call = wired.call_in(A, ANN);
    assert_eq!(wired.exchange.party_hears(call), Heard::Treatment(CallTreatment::Ringback));
    wired.ask(Operation::SetTreatment { call, treatment: CallTreatment::Silence }).unwrap();
    assert_eq!(wired.exchange.party_hears(call), Heard::Treatment(CallTreatment::Silence));
    wired.ask(Operation::answer(call)).unwrap();
    assert_eq!(wired.exchange.party_hears(call), Heard::Talk);
    wired.ask(Operation::Play { call, source: AudioSource::Music }).unwrap();
    assert_eq!(wired.exchange.party_hears(call), Heard::Source(AudioSource::Music));
}

#[test]
fn data_stay_with_the_call_and_nothing_is_told_after_idle() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    wired.ask(Operation::SetCallData { call, data: b"data".to_vec() }).unwrap();
    wired.ask(Operation::SetAppSpecific { call, value: 7 }).unwrap();
    assert_eq!(wired.changes(call), [InfoParts::CALL_DATA, InfoParts::APP_SPECIFIC]);
    wired.ask(Operation::drop(call)).unwrap();
    wired.ask(Operation::SetAppSpecific { call, value: 8 }).unwrap();
    let info = wired.exchange.call_info(call).unwrap();
    assert_eq!((&*info.call_data, info.app_specific), (&b"data"[..], 8));
    assert_eq!(wired.changes(call), []);
}
