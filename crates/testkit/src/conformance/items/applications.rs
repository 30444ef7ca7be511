//! Part G: the application side (checklist 66 to 80).

use super::item;
use crate::conformance::bench::{ensure, same};
use crate::conformance::desk::Desk;
use crate::conformance::subject::{Act, Behaviour, Incoming, LineSetup, Saw, Setup};
use crate::conformance::{Check, Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    AddressId, CallId, CallInfo, CallState, Feature, InfoParts, LineId, MediaType, MediaTypes, Operation,
    OperationError, Origin, Reason, Set, StateKind, StatusKind, VersionRange,
};
use hookswitch_telephony::{
    CallRequest, Config, Event, HandOffTarget, Interest, Limits, OLDEST, Privilege, Reply, Request,
    RequestError, SessionId,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        66,
        "who gets which call with which privilege: none, monitor, owner of voice, of fax, both; voice, fax and unknown calls",
        matrix,
    ),
    item(
        67,
        "one owner, the first opener unless priorities say otherwise; a new order counts from the next call on, and is kept",
        priorities,
    ),
    item(68, "a call of unknown media is probed in order; its owner sees what is left of it", unknown_media),
    item(69, "an offered owner cannot decline; when it dies the call passes on", no_declining),
    item(
        70,
        "a call that nobody owns stays offered; a monitor takes it and answers; the caller may give up",
        unowned,
    ),
    item(
        71,
        "hand-off by name and by media: every result, who keeps what, who is told, nothing changed when it fails",
        hand_off,
    ),
    item(
        72,
        "becoming an owner and stepping back: the others are told, not who did it; the last owner cannot step back",
        privileges,
    ),
    item(73, "a monitor controls nothing and may know everything", monitors),
    item(74, "existing calls are found once; a conference tells its members", discovery),
    item(75, "a handle given back by one leaves the call to the others; the last one closes it", letting_go),
    item(
        76,
        "closing a line drops what only its application owns, completes its requests, and the others hear of it",
        closing,
    ),
    Item {
        number: 77,
        title: "event filters of COM interfaces",
        check: Check::NotApplicable("interests and status filters are declared per opening (21, 66)"),
    },
    item(
        78,
        "the owner sets the media type, the others hear of it; several only with unknown; monitoring changes nothing",
        media_types,
    ),
    item(79, "an application of an older version hears only what it knows", older_version),
    item(
        80,
        "requests for calls: a queue, recipients by priority, told once, limits, nobody to take them",
        assisted,
    ),
];

const LINE: LineId = LineId(0);
const FAX: MediaTypes = MediaTypes::NONE.with(MediaType::Fax);
const NOTHING: MediaTypes = MediaTypes::NONE;

fn matrix(suite: &Suite<'_>) -> Verdict {
    use Privilege::{Monitor, Owner};
    let both = Interest { monitor: true, ..Interest::owner(FAX) };
    let interests = [
        ("none", Interest::NONE),
        ("monitor", Interest::monitor()),
        ("voice", Interest::owner(MediaTypes::VOICE)),
        ("fax", Interest::owner(FAX)),
        ("fax and monitor", both),
    ];
    for (media, expected) in [
        (MediaTypes::VOICE, [None, Some(Monitor), Some(Owner), None, Some(Monitor)]),
        (FAX, [None, Some(Monitor), None, Some(Owner), Some(Monitor)]),
        // Nobody wants unknown ones, so it is probed: voice comes first.
        (NOTHING, [None, Some(Monitor), Some(Owner), None, Some(Monitor)]),
    ] {
        let mut desk = suite.desk(&Setup::one(), Config::default());
        let mut apps = Vec::new();
        for (name, interest) in interests {
            apps.push(desk.with_line(name, LINE, interest)?);
        }
        desk.run(Duration::from_secs(2));
        desk.call_in(Incoming { media, ..Incoming::new(LINE, "ann") });
        for ((name, _), (app, expected)) in interests.iter().zip(apps.iter().zip(expected)) {
            let got = desk.calls(*app).first().map(|(_, privilege)| *privilege);
            same!(got, expected, "a call with {media:?}, and '{name}'");
            let first =
                desk.of(*app).find(|event| matches!(event, Event::NewCall { .. } | Event::CallState { .. }));
            ensure!(
                first.is_none() || matches!(first, Some(Event::NewCall { .. })),
                "'{name}' hears {first:?} first"
            );
        }
        desk.finish()?;
    }
    // Only on one address.
    let mut desk =
        suite.desk(&Setup::one().with(|line| line.numbers = vec!["sales".into()]), Config::default());
    let sales = Interest { address: Some(AddressId(1)), ..Interest::owner(MediaTypes::VOICE) };
    let seller = desk.with_line("seller", LINE, sales)?;
    let others = desk.with_line("others", LINE, Interest::owner(MediaTypes::VOICE))?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming::new(LINE, "ann"));
    same!((desk.calls(seller).len(), desk.calls(others).len()), (0, 1), "a call to the first address");
    desk.call_in(Incoming { to: (LINE, 1), ..Incoming::new(LINE, "amy") });
    same!((desk.calls(seller).len(), desk.calls(others).len()), (1, 1), "a call to the second address");
    desk.finish()
}

fn priorities(suite: &Suite<'_>) -> Verdict {
    let voice = Interest::owner(MediaTypes::VOICE);
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let first = desk.with_line("first", LINE, voice)?;
    let second = desk.with_line("second", LINE, voice)?;
    desk.run(Duration::from_secs(2));
    let owned = |desk: &Desk| (desk.calls(first).len(), desk.calls(second).len());
    desk.call_in(Incoming::new(LINE, "ann"));
    same!(owned(&desk), (1, 0), "the first opener's and the other's calls");
    let order = vec!["second".into(), "first".into()];
    let set = desk.ask(first, Request::SetPriority { media: MediaType::Voice, order });
    same!(set, Ok(Reply::Done), "setting an order");
    same!(owned(&desk), (1, 0), "calls that were offered before the new order");
    desk.call_in(Incoming::new(LINE, "amy"));
    same!(owned(&desk), (1, 1), "after the new order");
    // It is kept: a new application side that is given it goes on so.
    let kept = desk.telephony.priorities().clone();
    desk.finish()?;
    let mut desk = suite.desk(&Setup::one(), Config { priorities: kept, ..Config::default() });
    let first = desk.with_line("first", LINE, voice)?;
    let second = desk.with_line("second", LINE, voice)?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming::new(LINE, "ann"));
    same!((desk.calls(first).len(), desk.calls(second).len()), (0, 1), "after a restart");
    desk.finish()
}

fn unknown_media(suite: &Suite<'_>) -> Verdict {
    let seen = |desk: &Desk, app: SessionId| -> Option<MediaTypes> {
        desk.of(app).find_map(|event| match event {
            Event::NewCall { info, .. } => Some(info.media),
            _ => None,
        })
    };
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let fax = desk.with_line("fax", LINE, Interest::owner(FAX))?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming { media: NOTHING, ..Incoming::new(LINE, "ann") });
    if let Some(media) = seen(&desk, fax) {
        ensure!(!media.contains(MediaType::Voice), "nobody takes voice, and the owner sees {media}");
        ensure!(media.contains(MediaType::Fax), "the owner for fax sees {media}");
    }
    desk.finish()?;
    // Who asks for unknown calls gets them as they are.
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let voice = desk.with_line("voice", LINE, Interest::owner(MediaTypes::VOICE))?;
    let prober = desk.with_line("prober", LINE, Interest::owner(MediaTypes::from(MediaType::Unknown)))?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming { media: NOTHING, ..Incoming::new(LINE, "ann") });
    same!((desk.calls(voice).len(), desk.calls(prober).len()), (0, 1), "who gets an unknown call");
    let media = seen(&desk, prober).unwrap_or(NOTHING);
    ensure!(media.contains(MediaType::Unknown), "the prober sees {media}");
    desk.finish()?;
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let voice = desk.with_line("voice", LINE, Interest::owner(MediaTypes::VOICE))?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming { media: NOTHING, ..Incoming::new(LINE, "ann") });
    let media = seen(&desk, voice).ok_or_else(|| Finding("nobody was offered an unknown call".into()))?;
    ensure!(media.contains(MediaType::Voice), "the owner for voice sees {media}");
    ensure!(
        !media.contains(MediaType::Video) && !media.contains(MediaType::Data),
        "what the line cannot carry, or nobody takes, is still in {media}"
    );
    desk.finish()
}

fn no_declining(suite: &Suite<'_>) -> Verdict {
    let voice = Interest::owner(MediaTypes::VOICE);
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let first = desk.with_line("first", LINE, voice)?;
    let second = desk.with_line("second", LINE, voice)?;
    desk.run(Duration::from_secs(2));
    let party = desk.call_in(Incoming::new(LINE, "ann"));
    let call = desk.last_call(first)?;
    // Stepping back is no way out; nobody else is offered it meanwhile.
    let back = desk.ask(first, Request::Monitor { call });
    ensure!(matches!(back, Err(RequestError::SoleOwner(_))), "the only owner steps back: {back:?}");
    same!(desk.calls(second).len(), 0, "calls of the other application");
    desk.lose(first);
    desk.run(Duration::from_secs(1));
    same!(
        desk.calls(second).first().copied(),
        Some((call, Privilege::Owner)),
        "the call of an owner that died"
    );
    ensure!(
        !desk.saw(party).iter().any(|saw| matches!(saw, Saw::Refused(_))),
        "the caller saw {:?}",
        desk.saw(party)
    );
    let answered = desk.ask(second, Request::Operate(Operation::answer(call)));
    same!(answered, Ok(Reply::Done), "the next owner's answer");
    desk.finish()
}

fn unowned(suite: &Suite<'_>) -> Verdict {
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let watcher = desk.with_line("watcher", LINE, Interest::monitor())?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming::new(LINE, "ann"));
    let call = desk.last_call(watcher)?;
    desk.run(Duration::from_secs(20));
    same!(desk.kind(call), Some(StateKind::Offering), "a call that nobody owns");
    let early = desk.ask(watcher, Request::Operate(Operation::answer(call)));
    ensure!(matches!(early, Err(RequestError::NotOwner(_))), "a monitor answers: {early:?}");
    same!(desk.ask(watcher, Request::TakeOwnership { call }), Ok(Reply::Done), "taking it");
    same!(desk.ask(watcher, Request::Operate(Operation::answer(call))), Ok(Reply::Done), "answering it");
    let party = desk.call_in(Incoming::new(LINE, "amy"));
    let call = desk.last_call(watcher)?;
    desk.act(party, Act::HangUp(String::new()));
    let last = desk.states(watcher, call).last().copied();
    ensure!(
        matches!(last, Some(StateKind::Idle | StateKind::Disconnected)),
        "the caller gave up, and the monitor heard {last:?} last"
    );
    desk.finish()
}

fn hand_off(suite: &Suite<'_>) -> Verdict {
    let voice = Interest::owner(MediaTypes::VOICE);
    let mut desk = suite.desk(&Setup::lines(&["desk", "door"]), Config::default());
    let first = desk.with_line("first", LINE, voice)?;
    let second = desk.with_line("second", LINE, Interest::owner(FAX))?;
    let watcher = desk.with_line("watcher", LINE, Interest::monitor())?;
    let away = desk.with_line("away", LineId(1), voice)?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming::new(LINE, "ann"));
    let call = desk.last_call(first)?;
    let media_before = desk.subject.provider().call_info(call).map(|info| info.media);
    let name = |name: &str| HandOffTarget::Application(name.into());
    let refused = |desk: &mut Desk, to: HandOffTarget| desk.hand_off(first, call, to);
    // Directed hand-off needs the line open as owner; its media types do not matter, only that it owns any.
    same!(refused(&mut desk, name("nobody")), Err(RequestError::TargetNotFound), "to nobody");
    same!(refused(&mut desk, name("watcher")), Err(RequestError::TargetNotFound), "to one that only watches");
    same!(refused(&mut desk, name("away")), Err(RequestError::TargetNotFound), "to one without the line");
    same!(refused(&mut desk, name("first")), Err(RequestError::TargetSelf), "to itself");
    same!(
        refused(&mut desk, HandOffTarget::Media(MediaType::Voice)),
        Err(RequestError::TargetSelf),
        "to voice"
    );
    same!(
        refused(&mut desk, HandOffTarget::Media(MediaType::Video)),
        Err(RequestError::TargetNotFound),
        "to video"
    );
    same!(desk.kind(call), Some(StateKind::Offering), "the call after refusals");
    same!(desk.calls(second).len(), 0, "calls of the other before");
    same!(desk.hand_off(first, call, name("second")), Ok(Reply::Done), "to the other by name");
    same!(desk.calls(second), vec![(call, Privilege::Owner)], "the target's call");
    let granted = desk.count(second, |event| {
        matches!(
            event,
            Event::CallState { privilege: Some(Privilege::Owner), state: CallState::Offering(_), .. }
        )
    });
    same!(granted, 1, "states told to the target with ownership");
    ensure!(
        desk.count(watcher, |event| matches!(event, Event::Owners { owners: 2, .. })) > 0,
        "the monitor is not told"
    );
    // Both own it now; the first may still act, and lets go.
    let info = desk.subject.provider().call_info(call).map(|info| info.media);
    same!(info, media_before, "the media types after the hand-off");
    same!(desk.ask(first, Request::Release { call }), Ok(Reply::Done), "the first lets go");
    same!(desk.ask(second, Request::Operate(Operation::answer(call))), Ok(Reply::Done), "the target answers");
    // Back by media, while connected.
    let back = desk.hand_off(second, call, HandOffTarget::Media(MediaType::Voice));
    same!(back, Ok(Reply::Done), "to voice, by the other");
    same!(desk.calls(first).last().copied(), Some((call, Privilege::Owner)), "the first's call again");
    let watching = desk.hand_off(watcher, call, name("first"));
    ensure!(matches!(watching, Err(RequestError::NotOwner(_))), "a monitor hands off: {watching:?}");
    let _ = away;
    desk.finish()
}

fn privileges(suite: &Suite<'_>) -> Verdict {
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let owner = desk.with_line("owner", LINE, Interest::owner(MediaTypes::VOICE))?;
    let one = desk.with_line("one", LINE, Interest::monitor())?;
    let two = desk.with_line("two", LINE, Interest::monitor())?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming::new(LINE, "ann"));
    let call = desk.last_call(owner)?;
    let told = |desk: &Desk, app| desk.count(app, |event| matches!(event, Event::Owners { .. }));
    let before = (told(&desk, owner), told(&desk, one), told(&desk, two));
    same!(desk.ask(one, Request::TakeOwnership { call }), Ok(Reply::Done), "a monitor becomes an owner");
    let after = (told(&desk, owner), told(&desk, one), told(&desk, two));
    same!(after, (before.0 + 1, before.1, before.2 + 1), "who was told of the new owner");
    same!(desk.ask(owner, Request::Monitor { call }), Ok(Reply::Done), "one of two owners steps back");
    let alone = desk.ask(one, Request::Monitor { call });
    ensure!(matches!(alone, Err(RequestError::SoleOwner(_))), "the last owner steps back: {alone:?}");
    same!(desk.ask(one, Request::Operate(Operation::drop(call))), Ok(Reply::Done), "the new owner drops it");
    same!(desk.ask(one, Request::Monitor { call }), Ok(Reply::Done), "stepping back from an idle call");
    desk.finish()
}

fn monitors(suite: &Suite<'_>) -> Verdict {
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let owner = desk.with_line("owner", LINE, Interest::owner(MediaTypes::VOICE))?;
    let watcher = desk.with_line("watcher", LINE, Interest::monitor())?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming::new(LINE, "ann"));
    let call = desk.last_call(owner)?;
    desk.ask(owner, Request::Operate(Operation::answer(call))).map_err(|error| Finding(error.to_string()))?;
    for operation in super::requests::all_operations(call, call) {
        let feature = Feature::of(&operation);
        if operation.call().is_none() {
            continue;
        }
        let answer = desk.ask(watcher, Request::Operate(operation));
        if feature.needs_owner() {
            ensure!(
                matches!(answer, Err(RequestError::NotOwner(_))),
                "a monitor asks to {}: {answer:?}",
                feature.name()
            );
        } else {
            ensure!(
                !matches!(answer, Err(RequestError::NotOwner(_))),
                "a monitor may {} and is refused",
                feature.name()
            );
        }
    }
    same!(desk.kind(call), Some(StateKind::Connected), "the call");
    ensure!(desk.ask(watcher, Request::CallInfo { call }).is_ok(), "a monitor may not know");
    ensure!(desk.ask(watcher, Request::Timeline { call }).is_ok(), "a monitor may not read the timeline");
    desk.finish()
}

fn discovery(suite: &Suite<'_>) -> Verdict {
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let owner = desk.with_line("owner", LINE, Interest::owner(MediaTypes::VOICE))?;
    desk.run(Duration::from_secs(2));
    desk.call_in(Incoming::new(LINE, "ann"));
    desk.call_in(Incoming::new(LINE, "amy"));
    let call = desk.last_call(owner)?;
    let late = desk.with_line("late", LINE, Interest::monitor())?;
    same!(desk.calls(late).len(), 0, "calls announced by opening");
    let found = |desk: &mut Desk| match desk.ask(late, Request::ExistingCalls { line: LINE, address: None }) {
        Ok(Reply::Calls(calls)) => Ok(calls),
        other => Err(Finding(format!("asking for existing calls brings {other:?}"))),
    };
    let calls = found(&mut desk)?;
    same!(calls.len(), 2, "existing calls");
    ensure!(
        calls.iter().all(|call| call.privilege == Privilege::Monitor),
        "the privileges are not those of a monitor: {calls:?}"
    );
    same!(found(&mut desk)?.len(), 0, "existing calls the second time");
    let none = desk.ask(late, Request::ConferenceCalls { call });
    ensure!(matches!(none, Err(RequestError::NoConference(_))), "a call in no conference: {none:?}");
    let able = desk.subject.provider().capabilities(LINE).map_or(Set::NONE, |able| able.features);
    if able.contains(Feature::SetupConference) {
        desk.subject.arrange("ben", Behaviour::Answers(Duration::from_millis(100)));
        desk.ask(owner, Request::Operate(Operation::answer(call)))
            .map_err(|error| Finding(error.to_string()))?;
        let setup = Operation::SetupConference {
            line: LINE,
            address: AddressId(0),
            call: Some(call),
            consult: hookswitch_spi::ConsultOptions::to("ben"),
        };
        let reply = desk.ask(owner, Request::Operate(setup));
        let Ok(Reply::Conference { conference, consult: Some(consult) }) = reply else {
            return Err(Finding(format!("setting up a conference brings {reply:?}")));
        };
        desk.run(Duration::from_secs(1));
        let add = Operation::AddToConference { conference, member: consult };
        desk.ask(owner, Request::Operate(add)).map_err(|error| Finding(error.to_string()))?;
        let later = desk.with_line("later", LINE, Interest::NONE)?;
        let all = desk.ask(later, Request::ExistingCalls { line: LINE, address: None });
        ensure!(matches!(&all, Ok(Reply::Calls(calls)) if calls.len() >= 3), "existing calls: {all:?}");
        let related = desk.ask(later, Request::ConferenceCalls { call });
        let Ok(Reply::Calls(related)) = related else {
            return Err(Finding(format!("its calls: {related:?}")));
        };
        let ids: Vec<CallId> = related.iter().map(|call| call.call).collect();
        same!(ids.first(), Some(&conference), "the first of a conference's calls");
        ensure!(
            ids.contains(&call) && ids.contains(&consult) && ids.len() == 3,
            "a conference's calls are {ids:?}"
        );
    }
    desk.finish()
}

fn letting_go(suite: &Suite<'_>) -> Verdict {
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let owner = desk.with_line("owner", LINE, Interest::owner(MediaTypes::VOICE))?;
    let watcher = desk.with_line("watcher", LINE, Interest::monitor())?;
    desk.run(Duration::from_secs(2));
    let party = desk.call_in(Incoming::new(LINE, "ann"));
    let call = desk.last_call(owner)?;
    desk.ask(owner, Request::Operate(Operation::answer(call))).map_err(|error| Finding(error.to_string()))?;
    same!(desk.ask(watcher, Request::Release { call }), Ok(Reply::Done), "the monitor gives its handle back");
    desk.run(Duration::from_secs(1));
    same!(desk.kind(call), Some(StateKind::Connected), "the call after that");
    let gone = desk.ask(watcher, Request::CallInfo { call });
    ensure!(matches!(gone, Err(RequestError::NoSuchCall(_))), "a handle that was given back: {gone:?}");
    same!(
        desk.ask(owner, Request::Release { call }),
        Ok(Reply::Done),
        "the owner gives the last handle back"
    );
    desk.run(Duration::from_secs(2));
    ensure!(desk.kind(call).is_none(), "the call is not closed when its last handle is gone");
    let able = desk.subject.provider().capabilities(LINE).is_some_and(|able| able.flags.close_drops);
    let hung_up = desk.saw(party).iter().any(|saw| matches!(saw, Saw::HungUp(_)));
    same!(hung_up, able, "whether that hung up");
    // Under the old version the only owner of a live call cannot let go of it (C3).
    let old = VersionRange { low: OLDEST, high: OLDEST };
    let older = desk.app_with("older", Duration::ZERO, old);
    let priority = Request::SetPriority { media: MediaType::Voice, order: vec!["older".into()] };
    desk.ask(owner, priority).map_err(|error| Finding(error.to_string()))?;
    let open = Request::OpenLine { line: LINE, interest: Interest::owner(MediaTypes::VOICE) };
    desk.ask(older, open).map_err(|error| Finding(error.to_string()))?;
    desk.call_in(Incoming::new(LINE, "amy"));
    let call = desk.last_call(older)?;
    desk.ask(older, Request::Operate(Operation::answer(call))).map_err(|error| Finding(error.to_string()))?;
    let kept = desk.ask(older, Request::Release { call });
    ensure!(kept.is_ok() || matches!(kept, Err(RequestError::SoleOwner(_))), "letting go brings {kept:?}");
    ensure!(kept.is_err(), "the only owner of a live call lets go of it under the old version");
    desk.finish()
}

fn closing(suite: &Suite<'_>) -> Verdict {
    let voice = Interest::owner(MediaTypes::VOICE);
    let news = Interest::monitor().hearing(Set::of(&[StatusKind::OtherOpens]));
    let mut desk = suite.desk(
        &Setup::one().with(|line| line.answer_mode = hookswitch_spi::AnswerMode::None),
        Config::default(),
    );
    let first = desk.with_line("first", LINE, voice)?;
    let second = desk.with_line("second", LINE, voice)?;
    let watcher = desk.with_line("watcher", LINE, news)?;
    desk.run(Duration::from_secs(2));
    let shared = desk.call_in(Incoming::new(LINE, "ann"));
    let both = desk.last_call(first)?;
    desk.hand_off(first, both, HandOffTarget::Application("second".into()))
        .map_err(|e| Finding(e.to_string()))?;
    desk.ask(second, Request::Operate(Operation::answer(both)))
        .map_err(|error| Finding(error.to_string()))?;
    let sole = desk.call_in(Incoming::new(LINE, "amy"));
    let own = desk.last_call(first)?;
    desk.ask(first, Request::Operate(Operation::answer(own))).map_err(|error| Finding(error.to_string()))?;
    desk.subject.arrange("ben", Behaviour::Silent);
    let make = Operation::MakeCall {
        line: LINE,
        address: AddressId(0),
        destination: "ben".into(),
        options: hookswitch_spi::CallOptions::default(),
    };
    let making = desk.begin(first, Request::Operate(make));
    same!(desk.ask(first, Request::CloseLine { line: LINE }), Ok(Reply::Done), "closing the line");
    let completed = desk.count(
        first,
        |event| matches!(event, Event::Completed { request, result: Err(_) } if *request == making),
    );
    same!(completed, 1, "completions of the request that was outstanding");
    desk.run(Duration::from_secs(2));
    ensure!(
        desk.saw(sole).iter().any(|saw| matches!(saw, Saw::HungUp(_))),
        "the call that only it owned goes on: {:?}",
        desk.saw(sole)
    );
    ensure!(
        !desk.saw(shared).iter().any(|saw| matches!(saw, Saw::HungUp(_))),
        "the call that another owns too has ended"
    );
    same!(desk.kind(both), Some(StateKind::Connected), "the shared call");
    let told = desk.count(watcher, |event| matches!(event, Event::LineOpens { opened: false, .. }));
    same!(told, 1, "closings told to who asked for them");
    let untold = desk.count(second, |event| matches!(event, Event::LineOpens { .. }));
    same!(untold, 0, "closings told to who did not ask");
    let after = desk.ask(first, Request::Operate(Operation::drop(both)));
    ensure!(after.is_err(), "a handle of a closed line works");
    desk.finish()
}

fn media_types(suite: &Suite<'_>) -> Verdict {
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let owner = desk.with_line("owner", LINE, Interest::owner(MediaTypes::VOICE))?;
    let watcher = desk.with_line("watcher", LINE, Interest::monitor())?;
    desk.run(Duration::from_secs(2));
    let party = desk.call_in(Incoming::new(LINE, "ann"));
    let call = desk.last_call(owner)?;
    desk.ask(owner, Request::Operate(Operation::answer(call))).map_err(|error| Finding(error.to_string()))?;
    let told = |desk: &Desk, app| {
        desk.count(
            app,
            |event| matches!(event, Event::CallInfo { changed, .. } if changed.contains(InfoParts::MEDIA)),
        )
    };
    let set = |media| Request::Operate(Operation::SetMediaType { call, media });
    let several = desk.ask(owner, set(MediaTypes::VOICE.union(FAX)));
    ensure!(
        matches!(several, Err(RequestError::Operation(OperationError::InvalidParameter(_)))),
        "two types without unknown: {several:?}"
    );
    let before = told(&desk, watcher);
    same!(desk.ask(owner, set(FAX)), Ok(Reply::Done), "setting the media type");
    same!(told(&desk, watcher), before + 1, "times that the monitor was told");
    let media = desk.subject.provider().call_info(call).map(|info| info.media);
    same!(media, Some(FAX), "the recorded media type");
    let with_unknown = MediaTypes::VOICE.with(MediaType::Unknown);
    same!(desk.ask(owner, set(with_unknown)), Ok(Reply::Done), "two types with unknown");
    let other = desk.ask(watcher, set(FAX));
    ensure!(matches!(other, Err(RequestError::NotOwner(_))), "a monitor sets it: {other:?}");
    // Watching media reports, and changes nothing.
    let watch = Operation::MonitorMedia { call, media: FAX.with(MediaType::Video) };
    desk.ask(owner, Request::Operate(watch)).map_err(|error| Finding(error.to_string()))?;
    desk.act(party, Act::Media(MediaTypes::VOICE.with(MediaType::Video)));
    let media = desk.subject.provider().call_info(call).map(|info| info.media);
    same!(media, Some(with_unknown), "the recorded media type after the other side offered video");
    desk.finish()
}

fn older_version(suite: &Suite<'_>) -> Verdict {
    let old = VersionRange { low: OLDEST, high: OLDEST };
    let mut desk = suite.desk(&Setup::one(), Config::default());
    let older = desk.app_with("older", Duration::ZERO, old);
    let open = Request::OpenLine { line: LINE, interest: Interest::owner(MediaTypes::VOICE) };
    desk.ask(older, open).map_err(|error| Finding(error.to_string()))?;
    desk.run(Duration::from_secs(2));
    let party = desk.call_in(Incoming::new(LINE, "ann"));
    let call = desk.last_call(older)?;
    desk.ask(older, Request::Operate(Operation::answer(call))).map_err(|error| Finding(error.to_string()))?;
    desk.act(party, Act::Hold);
    desk.act(party, Act::HangUp("Reason: Q.850;cause=41\r\n".into()));
    desk.call_in(Incoming { external: true, ..Incoming::new(LINE, "amy") });
    desk.subject.add_line(LineSetup::new("door"));
    desk.run(Duration::from_secs(1));
    for event in desk.of(older) {
        let (state, info): (Option<&CallState>, Option<&CallInfo>) = match event {
            Event::CallState { state, .. } => (Some(state), None),
            Event::NewCall { info, .. } => (None, Some(info)),
            Event::LineCreated { .. } => {
                return Err(Finding("an old application hears of a new line".into()));
            }
            _ => (None, None),
        };
        use hookswitch_spi::ConnectedMode::{ActiveHeld, InactiveHeld};
        ensure!(
            !matches!(state, Some(CallState::Connected(ActiveHeld | InactiveHeld))),
            "an old application hears {state:?}"
        );
        if let Some(CallState::Disconnected(end)) = state {
            use hookswitch_spi::DisconnectMode as D;
            ensure!(
                !matches!(
                    end.mode,
                    D::TemporaryFailure | D::Cancelled | D::Blocked | D::OutOfOrder | D::DoNotDisturb
                ),
                "an old application hears the end {:?}",
                end.mode
            );
        }
        if let Some(info) = info {
            ensure!(
                !matches!(info.reason, Reason::Parked | Reason::CampedOn | Reason::Intrusion),
                "{:?}",
                info.reason
            );
            ensure!(
                !matches!(info.origin, Origin::Inbound | Origin::Outbound),
                "an old application reads the origin {:?}",
                info.origin
            );
        }
    }
    same!(desk.count(older, |event| matches!(event, Event::Reinitialise { .. })), 1, "told to start over");
    let newer = desk.app("newer");
    desk.subject.add_line(LineSetup::new("attic"));
    desk.run(Duration::from_secs(1));
    same!(
        desk.count(newer, |event| matches!(event, Event::LineCreated { .. })),
        1,
        "lines told to a new application"
    );
    let none = VersionRange { low: hookswitch_spi::InterfaceVersion(u32::MAX), ..old };
    let refused = desk.app_with("impossible", Duration::ZERO, none);
    let refusals = desk.count(refused, |event| matches!(event, Event::Refused { .. }));
    same!(refusals, 1, "an application without a version in common");
    desk.finish()
}

fn assisted(suite: &Suite<'_>) -> Verdict {
    let config = Config { limits: Limits { call_requests: 3, ..Limits::default() }, ..Config::default() };
    let mut desk = suite.desk(&Setup::one(), config);
    let first = desk.app("first");
    let second = desk.app("second");
    let outside = SessionId(9_000);
    let want = |to: &str| Request::RequestCall { what: CallRequest::to(to), hold: false };
    let nobody = desk.ask(outside, want("1"));
    same!(nobody, Err(RequestError::NoRequestRecipient), "with nobody to take it");
    let early = desk.ask(first, Request::TakeRequest);
    same!(early, Err(RequestError::NotRecipient), "taking without having registered");
    for app in [first, second] {
        same!(desk.ask(app, Request::RegisterRecipient { wanted: true }), Ok(Reply::Done), "registering");
    }
    let order = vec!["second".into(), "first".into()];
    same!(desk.ask(first, Request::SetRecipientPriority { order }), Ok(Reply::Done), "setting an order");
    let told = |desk: &Desk, app| desk.count(app, |event| matches!(event, Event::RequestWaiting));
    for number in ["1", "2", "3"] {
        same!(desk.ask(outside, want(number)), Ok(Reply::Done), "queueing {number}");
    }
    same!((told(&desk, first), told(&desk, second)), (0, 1), "who was told, and how often");
    let full = desk.ask(outside, want("4"));
    ensure!(matches!(full, Err(RequestError::RequestQueueFull(3))), "a full queue: {full:?}");
    for number in ["1", "2", "3"] {
        match desk.ask(second, Request::TakeRequest) {
            Ok(Reply::CallRequest(request)) => same!(&*request.destination, number, "the next request"),
            other => return Err(Finding(format!("taking a request brings {other:?}"))),
        }
    }
    same!(desk.ask(second, Request::TakeRequest), Err(RequestError::NoRequest), "an empty queue");
    same!(desk.ask(outside, want("5")), Ok(Reply::Done), "queueing again");
    same!((told(&desk, first), told(&desk, second)), (0, 2), "who was told after the queue was empty");
    // Who was told dies: the next one is told.
    desk.lose(second);
    desk.run(Duration::from_secs(1));
    same!(told(&desk, first), 1, "the next recipient");
    desk.finish()
}
