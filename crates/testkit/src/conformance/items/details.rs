//! Part F, last third: dialling, information, digits, security (checklist 61 to 65).

use super::operations::{ADDRESS, LINE, able, created, ok};
use super::{audio, item};
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Incoming, Saw, Setup};
use crate::conformance::{Bench, Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    CallOptions, CallState, DigitMonitoring, DigitOptions, DisconnectMode, Feature, GatherEnd, GatherOptions,
    InfoParts, Operation, OperationError, Outcome, ProviderEvent, RejectReason, StateKind, ToneOptions,
    TonePattern, UserInfo,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        61,
        "dial strings: special characters are refused before anything is sent, a trailing ';' waits for more",
        dialling,
    ),
    item(
        62,
        "user information travels in the right messages, has its limits, and is shown one at a time",
        user_information,
    ),
    item(
        63,
        "digits are sent with pauses, a newer request replaces the older, the completion says which is done",
        sending_digits,
    ),
    item(
        64,
        "digits are gathered by number, terminator and times, stopped and restarted, with exactly one end each",
        gathering_digits,
    ),
    item(
        65,
        "a secured call is not interrupted: a further call is refused, nobody joins; it ends with the call",
        securing,
    ),
];

fn dialling(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let make = |destination: &str| Operation::MakeCall {
        line: LINE,
        address: ADDRESS,
        destination: destination.into(),
        options: CallOptions::default(),
    };
    for c in ['W', 'w', '@', '$', '?'] {
        for text in [format!("{c}123"), format!("12{c}3"), format!("123{c}")] {
            let refused = bench.ask(make(&text));
            ensure!(
                matches!(&refused, Err(OperationError::UnsupportedDialCharacter(wrong)) if wrong.eq_ignore_ascii_case(&c)),
                "dialling '{text}' brings {refused:?}"
            );
        }
    }
    bench.run(Duration::from_secs(1));
    for user in ["123", "W123", "12", "3"] {
        ensure!(bench.subject.party_at(user).is_none(), "'{user}' was called all the same");
    }
    if bench.able(LINE).flags.partial_dialing {
        bench.arrange("1234", Behaviour::Answers(Duration::from_millis(100)));
        let outcome = ok(&mut bench, make("12;"))?;
        let call = created(outcome)?;
        bench.run(Duration::from_secs(1));
        same!(bench.kind(call), Some(StateKind::Dialing), "a call dialled in part");
        ok(&mut bench, Operation::Dial { call, digits: "3;".into() })?;
        ensure!(bench.subject.party_at("123").is_none(), "it was sent before the address was complete");
        ok(&mut bench, Operation::Dial { call, digits: "4".into() })?;
        ensure!(bench.reaches(call, StateKind::Connected), "dialled to the end it is {:?}", bench.kind(call));
        ensure!(bench.subject.party_at("1234").is_some(), "1234 was not called");
        let late = bench.ask(Operation::Dial { call, digits: "5".into() });
        ensure!(matches!(late, Err(OperationError::InvalidCallState { .. })), "dialling on brings {late:?}");
        let call = created(ok(&mut bench, make(""))?)?;
        same!(bench.kind(call), Some(StateKind::Dialtone), "a call without an address");
        ok(&mut bench, Operation::Dial { call, digits: "1234".into() })?;
        ensure!(
            bench.reaches(call, StateKind::Connected),
            "dialled after the tone it is {:?}",
            bench.kind(call)
        );
        let call = created(ok(&mut bench, make("12;"))?)?;
        ok(&mut bench, Operation::drop(call))?;
        same!(bench.kind(call), Some(StateKind::Idle), "a call dialled in part, dropped");
    }
    if able(&mut bench, Feature::SetService) {
        // Without service there is no dialtone.
        ok(&mut bench, Operation::SetService { line: LINE, on: false })?;
        bench.run(Duration::from_secs(2));
        match bench.perform(make("")) {
            Ok(Outcome::Call(call)) => {
                ensure!(
                    matches!(bench.state(call), Some(CallState::Disconnected(end)) if end.mode == DisconnectMode::NoDialtone),
                    "off-hook on a line out of service is {:?}",
                    bench.state(call)
                );
                ok(&mut bench, Operation::drop(call))?;
            }
            other => ensure!(
                matches!(other, Err(OperationError::OutOfService(_))),
                "off-hook on a line out of service brings {other:?}"
            ),
        }
        ok(&mut bench, Operation::SetService { line: LINE, on: true })?;
        bench.run(Duration::from_secs(2));
    }
    bench.finish()
}

fn user_information(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let sizes = bench.able(LINE).user_info;
    let info = |text: &str| Some(UserInfo(text.as_bytes().to_vec()));
    ensure!(
        sizes.make_call > 0 && sizes.received > 0,
        "no user information can be sent or received: {sizes:?}"
    );
    bench.arrange("ben", Behaviour::Answers(Duration::from_millis(100)));
    let make = |user_info| Operation::MakeCall {
        line: LINE,
        address: ADDRESS,
        destination: "ben".into(),
        options: CallOptions { user_info, ..CallOptions::default() },
    };
    let call = created(ok(&mut bench, make(info("with the call")))?)?;
    ensure!(bench.reaches(call, StateKind::Connected), "ben does not answer");
    let ben = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    same!(
        bench.saw(ben).first().cloned(),
        Some(Saw::Called(b"with the call".to_vec())),
        "what came with the call"
    );
    let long = Some(UserInfo(vec![7; usize::from(sizes.make_call) + 1]));
    let refused = bench.ask(make(long));
    ensure!(matches!(refused, Err(OperationError::UserInfoTooBig { .. })), "too much brings {refused:?}");
    let (offered, ann) =
        bench.offered(Incoming { user_info: b"first".to_vec(), ..Incoming::new(LINE, "ann") })?;
    same!(bench.info(offered)?.user_info, info("first"), "what the caller sent");
    ok(&mut bench, Operation::Accept { call: offered, user_info: info("accepted") })?;
    ok(
        &mut bench,
        Operation::Answer { call: offered, source: Default::default(), user_info: info("answered") },
    )?;
    bench.run(Duration::from_millis(300));
    let saw = bench.saw(ann);
    if sizes.accept > 0 {
        ensure!(saw.contains(&Saw::Alerted(b"accepted".to_vec())), "with the acceptance: {saw:?}");
    }
    ensure!(saw.contains(&Saw::Answered(b"answered".to_vec())), "with the answer: {saw:?}");
    // Two come before the first was read: the second waits.
    bench.act(ann, Act::UserInfo(b"second".to_vec()));
    bench.act(ann, Act::UserInfo(b"third".to_vec()));
    same!(bench.info(offered)?.user_info, info("first"), "what is shown before it was read");
    let changes = bench.changes(offered).iter().filter(|parts| parts.contains(InfoParts::USER_INFO)).count();
    same!(changes, 0, "changes told while the first is unread");
    for text in ["second", "third"] {
        ok(&mut bench, Operation::ReleaseUserInfo { call: offered })?;
        same!(bench.info(offered)?.user_info, info(text), "what is shown next");
    }
    ok(&mut bench, Operation::ReleaseUserInfo { call: offered })?;
    same!(bench.info(offered)?.user_info, None, "what is shown when all was read");
    same!(ok(&mut bench, Operation::ReleaseUserInfo { call: offered })?, Outcome::Done, "releasing nothing");
    if able(&mut bench, Feature::SendUserInfo) {
        let data = UserInfo(b"by itself".to_vec());
        ok(&mut bench, Operation::SendUserInfo { call: offered, data })?;
        bench.run(Duration::from_millis(300));
        ensure!(
            bench.saw(ann).contains(&Saw::UserInfo(b"by itself".to_vec())),
            "by itself: {:?}",
            bench.saw(ann)
        );
    }
    ok(&mut bench, Operation::Drop { call: offered, reason: RejectReason::Default, user_info: info("bye") })?;
    bench.run(Duration::from_millis(300));
    ensure!(bench.saw(ann).contains(&Saw::HungUp(b"bye".to_vec())), "with the end: {:?}", bench.saw(ann));
    bench.close_call(offered);
    ensure!(bench.provider().call_info(offered).is_none(), "it is kept after the close");
    bench.finish()
}

fn sending_digits(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, ann) = bench.answered(LINE, "ann")?;
    let send = |digits: &str| Operation::SendDigits { call, digits: DigitOptions::new(digits) };
    let begun = bench.now();
    same!(ok(&mut bench, send("1,2#"))?, Outcome::Done, "sending digits");
    ensure!(
        bench.now() - begun >= Duration::from_secs(2),
        "the comma was no pause: {:?}",
        bench.now() - begun
    );
    let digits: Vec<Saw> = bench.saw(ann).into_iter().filter(|saw| matches!(saw, Saw::Digit(_))).collect();
    same!(digits, vec![Saw::Digit('1'), Saw::Digit('2'), Saw::Digit('#')], "what the other side heard");
    let first = bench.ask(send("1234567890")).map_err(|error| Finding(error.to_string()))?;
    bench.run(Duration::from_millis(200));
    let second = bench.ask(send("9")).map_err(|error| Finding(error.to_string()))?;
    bench.run(Duration::from_secs(3));
    same!(bench.result(first), Some(&Err(OperationError::Replaced)), "the older request");
    same!(bench.result(second), Some(&Ok(Outcome::Done)), "the newer request");
    let order: Vec<_> = bench
        .log
        .iter()
        .filter_map(|(_, event)| match event {
            ProviderEvent::Completed { request, .. } if *request == first || *request == second => {
                Some(*request)
            }
            _ => None,
        })
        .collect();
    same!(order, vec![first, second], "the order of the completions");
    for wrong in ["", "12x"] {
        ensure!(bench.ask(send(wrong)).is_err(), "sending '{wrong}' is accepted");
    }
    if able(&mut bench, Feature::StopSending) {
        let third = bench.ask(send("123456")).map_err(|error| Finding(error.to_string()))?;
        ok(&mut bench, Operation::StopSending { call })?;
        bench.run(Duration::from_secs(1));
        same!(bench.result(third), Some(&Err(OperationError::Replaced)), "the stopped request");
    }
    if able(&mut bench, Feature::SendTone) {
        let fourth = bench.ask(send("123456")).map_err(|error| Finding(error.to_string()))?;
        let tone = ToneOptions::Busy(Duration::from_secs(1));
        same!(ok(&mut bench, Operation::SendTone { call, tone })?, Outcome::Done, "sending a tone");
        same!(bench.result(fourth), Some(&Err(OperationError::Replaced)), "digits that a tone replaced");
    }
    same!(bench.kind(call), Some(StateKind::Connected), "sending digits never dials");
    let last = bench.ask(send("123456")).map_err(|error| Finding(error.to_string()))?;
    bench.act(ann, Act::HangUp(String::new()));
    ensure!(matches!(bench.result(last), Some(Err(_))), "digits after the end: {:?}", bench.result(last));
    bench.finish()
}

fn gathering_digits(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, ann) = bench.answered(LINE, "ann")?;
    let gather = |count, terminators: &str, first, next| Operation::GatherDigits {
        call,
        gather: GatherOptions {
            count,
            terminators: terminators.into(),
            first_after: first,
            next_after: next,
        },
    };
    let (two, five) = (Some(Duration::from_secs(2)), Some(Duration::from_secs(5)));
    let press = |bench: &mut Bench, digits: &str| {
        for digit in digits.chars() {
            bench.act(ann, Act::Press(digit, Duration::from_millis(80)));
            bench.run(Duration::from_millis(100));
        }
    };
    let ended = |digits: &str, ended| Some(Ok(Outcome::Gathered { digits: digits.into(), ended }));
    for (asked, pressed, wait, expected) in [
        (gather(3, "", None, None), "123", 0, ended("123", GatherEnd::Full)),
        (gather(9, "#*", None, None), "12#", 0, ended("12#", GatherEnd::Terminator)),
        (gather(3, "", two, None), "", 3, ended("", GatherEnd::FirstTimeout)),
        (gather(3, "", five, two), "4", 3, ended("4", GatherEnd::NextTimeout)),
    ] {
        let request = bench.ask(asked).map_err(|error| Finding(error.to_string()))?;
        press(&mut bench, pressed);
        bench.run(Duration::from_secs(wait));
        same!(bench.result(request).cloned(), expected, "gathering after '{pressed}'");
    }
    let first = bench.ask(gather(3, "", None, None)).map_err(|error| Finding(error.to_string()))?;
    press(&mut bench, "7");
    let second = bench.ask(gather(2, "", None, None)).map_err(|error| Finding(error.to_string()))?;
    bench.run(Duration::from_millis(100));
    same!(bench.result(first).cloned(), ended("7", GatherEnd::Cancelled), "the restarted gathering");
    press(&mut bench, "89");
    same!(bench.result(second).cloned(), ended("89", GatherEnd::Full), "the one that restarted it");
    let third = bench.ask(gather(3, "", None, None)).map_err(|error| Finding(error.to_string()))?;
    press(&mut bench, "5");
    ok(&mut bench, Operation::StopGathering { call })?;
    same!(bench.result(third).cloned(), ended("5", GatherEnd::Cancelled), "the stopped gathering");
    for wrong in [gather(0, "", None, None), gather(3, "x", None, None)] {
        let refused = bench.ask(wrong);
        ensure!(matches!(refused, Err(OperationError::InvalidParameter(_))), "nonsense brings {refused:?}");
    }
    // Digits are told one by one besides, as asked.
    ok(&mut bench, Operation::MonitorDigits { call, digits: DigitMonitoring::Off })?;
    let told = |bench: &Bench| bench.count(|event| matches!(event, ProviderEvent::Digit { .. }));
    let before = told(&bench);
    press(&mut bench, "1");
    same!(told(&bench), before, "digits told while none is wanted");
    ok(&mut bench, Operation::MonitorDigits { call, digits: DigitMonitoring::BeginningAndEnd })?;
    press(&mut bench, "2");
    same!(told(&bench), before + 1, "digits told");
    same!(
        bench.count(|event| matches!(event, ProviderEvent::DigitBegun { digit: '2', .. })),
        1,
        "beginnings told"
    );
    if able(&mut bench, Feature::MonitorTones) {
        let pattern = TonePattern { tag: 77, frequencies: [440, 0], duration: Duration::from_millis(200) };
        ok(&mut bench, Operation::MonitorTones { call, tones: vec![pattern] })?;
        bench.act(ann, Act::Tone([440, 0], Duration::from_secs(1)));
        bench.run(Duration::from_secs(2));
        same!(
            bench.count(|event| matches!(event, ProviderEvent::Tone { tag: 77, .. })),
            1,
            "times a tone was told"
        );
        ok(&mut bench, Operation::MonitorTones { call, tones: Vec::new() })?;
        bench.act(ann, Act::Tone([440, 0], Duration::from_secs(1)));
        bench.run(Duration::from_secs(2));
        same!(
            bench.count(|event| matches!(event, ProviderEvent::Tone { .. })),
            1,
            "tones told after it was ended"
        );
    }
    let last = bench.ask(gather(3, "", None, None)).map_err(|error| Finding(error.to_string()))?;
    press(&mut bench, "6");
    bench.act(ann, Act::HangUp(String::new()));
    same!(bench.result(last).cloned(), ended("6", GatherEnd::Cancelled), "gathering when the call ends");
    bench.finish()?;
    audio::controlled(suite)
}

fn securing(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, ann) = bench.answered(LINE, "ann")?;
    same!(ok(&mut bench, Operation::SecureCall { call })?, Outcome::Done, "securing");
    ensure!(bench.info(call)?.secure, "the call is not told to be secure");
    let before = bench.announcements();
    let party = bench.subject.call_in(Incoming::new(LINE, "amy"));
    bench.run(Duration::from_secs(1));
    same!(bench.announcements(), before, "calls announced while one is secured");
    let saw = bench.saw(party);
    ensure!(saw.contains(&Saw::Refused(486)), "a further caller saw {saw:?}");
    ensure!(!saw.iter().any(|saw| matches!(saw, Saw::Alerted(_))), "a further caller was alerted: {saw:?}");
    let intruder = bench.subject.call_in(Incoming { joins: Some(ann), ..Incoming::new(LINE, "eve") });
    bench.run(Duration::from_secs(1));
    ensure!(
        bench.saw(intruder).iter().any(|saw| matches!(saw, Saw::Refused(_))),
        "who breaks in saw {:?}",
        bench.saw(intruder)
    );
    same!(bench.kind(call), Some(StateKind::Connected), "the secured call");
    ok(&mut bench, Operation::drop(call))?;
    bench.close_call(call);
    let (next, _) = bench.offered(Incoming::new(LINE, "amy"))?;
    ensure!(!bench.info(next)?.secure, "the next call is secure by itself");
    bench.finish()
}
