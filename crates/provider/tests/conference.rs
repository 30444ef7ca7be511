//! Conferences: how they begin, grow, wait, shrink and end, in calls, states and mixes.

mod scripted;

use hookswitch_media::control::{Command, MixPart, Source, StreamId};
use hookswitch_spi::StateKind::{
    Conferenced, Connected, Disconnected, Idle, OnHold, OnHoldPendingConference as Waiting, Proceeding,
    Ringback,
};
use hookswitch_spi::*;
use scripted::Told::{Completed, State};
use scripted::{Caller, LINE, Rig, SDP};
use std::time::Duration;

const TALKS: MixPart = MixPart::Talks;
const AWAY: MixPart = MixPart::Away;

fn setup(call: Option<CallId>, destination: &str) -> Operation {
    let consult = ConsultOptions::to(destination);
    Operation::SetupConference { line: LINE, address: AddressId(0), call, consult }
}

fn prepare(conference: CallId) -> Operation {
    Operation::PrepareAddToConference { conference, consult: ConsultOptions::to("700") }
}

const fn add(conference: CallId, member: CallId) -> Operation {
    Operation::AddToConference { conference, member }
}

/// A conference of a caller that waits for the consultation call, which is answered.
struct Set {
    r: Rig,
    caller: Caller,
    conference: CallId,
    consult: CallId,
}

fn set_up(mut r: Rig) -> Set {
    let caller = r.talking();
    let (request, conference) = r.ask(setup(Some(caller.call), "600"));
    r.reply("INVITE", "200 OK", SDP);
    let Ok(Outcome::Conference { conference: of, consult: Some(consult) }) = r.result(request) else {
        panic!("{:?}", r.results(request))
    };
    assert_eq!(conference, Some(of));
    Set { r, caller, conference: of, consult }
}

/// A connected conference of two others and us.
fn of_two() -> Set {
    let mut s = set_up(Rig::new());
    s.r.done(add(s.conference, s.consult));
    s.r.events.clear();
    s
}

/// A third call of ours that is up.
fn call_out(r: &mut Rig) -> CallId {
    let make = Operation::MakeCall {
        line: LINE,
        address: AddressId(0),
        destination: "800".into(),
        options: CallOptions::default(),
    };
    let (_, call) = r.ask(make);
    r.reply("INVITE", "200 OK", SDP);
    r.events.clear();
    call.unwrap()
}

fn settled(r: &mut Rig) {
    r.run(Duration::from_secs(40));
    assert_eq!(r.p.alive().sessions, 0, "sessions are left");
}

#[test]
fn nothing_is_told_or_counted_before_the_request_completes() {
    let mut r = Rig::new();
    let caller = r.talking();
    let before = r.p.line_status(LINE).unwrap().calls;
    let (request, conference) = r.ask(setup(Some(caller.call), "600"));
    let conference = conference.unwrap();
    assert_eq!(r.told(), []);
    assert_eq!(r.p.line_status(LINE).unwrap().calls, before);
    assert_eq!(r.refused(Operation::drop(conference)), OperationError::NoSuchCall(conference));
    assert!(matches!(
        r.refused(Operation::Hold { call: caller.call }),
        OperationError::InvalidCallState { .. }
    ));
    r.reply("INVITE", "180 Ringing", "");
    let Ok(Outcome::Conference { conference: of, consult: Some(consult) }) = r.result(request) else {
        panic!("{:?}", r.events)
    };
    assert_eq!(of, conference);
    assert_eq!(
        r.told(),
        [
            Completed(request),
            State(conference, Waiting),
            State(caller.call, Conferenced),
            State(consult, Proceeding),
            State(consult, Ringback),
        ]
    );
    let counts = r.p.line_status(LINE).unwrap().calls;
    assert_eq!((counts.active, counts.pending), (2, 1));
    assert_eq!(r.p.call_state(caller.call), Some(CallState::Conferenced(conference)));
    let info = r.p.call_info(conference).unwrap();
    assert_eq!((info.origin, &*info.sip_call_id), (Origin::Conference, ""));
    assert_eq!(r.p.call_info(consult).unwrap().related, Some(info.physical));
    assert_eq!(r.mix(conference), [(caller.call, AWAY), (conference, AWAY)]);
    let music = Command::Send { stream: StreamId(caller.call.0), source: Source::Music };
    assert!(r.commands.contains(&music), "the only member is on hold: {:?}", r.commands);
}

#[test]
fn a_conference_whose_consultation_call_is_not_under_way_never_was() {
    let mut r = Rig::new();
    let caller = r.talking();
    let (request, conference) = r.ask(setup(Some(caller.call), "600"));
    r.run(Duration::from_secs(200));
    assert!(r.result(request).is_err());
    assert_eq!(r.told(), [Completed(request)]);
    assert_eq!(r.p.call_state(conference.unwrap()), None);
    assert_eq!((r.state(caller.call), r.p.alive().calls), (Connected, 1));
    r.done(Operation::SetCallData { call: caller.call, data: vec![1] });
    let (request, _) = r.ask(Operation::Hold { call: caller.call });
    assert_eq!(r.results(request), [], "it can be held again");
}

#[test]
fn a_bad_address_sets_up_nothing() {
    let mut r = Rig::new();
    let caller = r.talking();
    assert!(matches!(r.refused(setup(Some(caller.call), "http://x")), OperationError::InvalidAddress { .. }));
    assert_eq!((r.p.alive().calls, r.state(caller.call)), (1, Connected));
    assert_eq!(r.told(), []);
}

#[test]
fn the_consultation_call_is_added_and_the_conference_is_connected() {
    let Set { mut r, caller, conference, consult } = set_up(Rig::new());
    r.events.clear();
    let (request, _) = r.ask(add(conference, consult));
    assert_eq!(r.told(), [State(consult, Conferenced), State(conference, Connected), Completed(request)]);
    assert_eq!(r.mix(conference), [(caller.call, TALKS), (consult, TALKS), (conference, TALKS)]);
    assert!(!r.sent.iter().any(|text| text.starts_with("INVITE") && text.contains("c1")), "no SIP");
}

#[test]
fn a_conference_from_nothing_takes_its_first_member_later() {
    let mut r = Rig::new();
    let (request, conference) = r.ask(setup(None, "600"));
    let conference = conference.unwrap();
    r.reply("INVITE", "200 OK", SDP);
    let Ok(Outcome::Conference { consult: Some(consult), .. }) = r.result(request) else {
        panic!("{:?}", r.events)
    };
    assert!(matches!(
        r.refused(Operation::Retrieve { call: conference }),
        OperationError::InvalidCallState { .. }
    ));
    r.done(add(conference, consult));
    assert_eq!((r.state(conference), r.state(consult)), (Connected, Conferenced));
}

#[test]
fn a_held_call_is_retrieved_before_it_is_a_member() {
    let Set { mut r, caller, conference, consult } = set_up(Rig::new());
    r.ask(Operation::Hold { call: consult });
    r.reply("INVITE", "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    assert_eq!(r.state(consult), OnHold);
    r.events.clear();
    let (request, _) = r.ask(add(conference, consult));
    assert_eq!(r.told(), []);
    assert!(matches!(
        r.refused(Operation::Retrieve { call: consult }),
        OperationError::InvalidCallState { .. }
    ));
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.told(), [State(consult, Conferenced), State(conference, Connected), Completed(request)]);
    assert_eq!(r.mix(conference).len(), 3);
    // Outside it talks.
    r.done(Operation::RemoveFromConference { member: consult });
    assert_eq!((r.state(consult), r.state(caller.call), r.state(conference)), (Connected, Connected, Idle));
}

#[test]
fn a_held_call_that_cannot_be_retrieved_stays_outside() {
    let Set { mut r, conference, consult, .. } = set_up(Rig::new());
    r.ask(Operation::Hold { call: consult });
    r.reply("INVITE", "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    let (request, _) = r.ask(add(conference, consult));
    r.reply("INVITE", "488 Not Acceptable Here", "");
    assert!(matches!(r.result(request), Err(OperationError::Refused { status: 488, .. })));
    assert_eq!((r.state(consult), r.state(conference)), (OnHold, Waiting));
    let (request, _) = r.ask(add(conference, consult));
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.result(request), Ok(Outcome::Done), "and can be tried again");
}

#[test]
fn a_conference_that_ends_while_a_call_is_retrieved_for_it() {
    let Set { mut r, conference, consult, .. } = set_up(Rig::new());
    r.ask(Operation::Hold { call: consult });
    r.reply("INVITE", "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    let (request, _) = r.ask(add(conference, consult));
    r.done(Operation::drop(conference));
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.result(request), Err(OperationError::CallEnded));
    assert_eq!(r.state(consult), Connected);
}

#[test]
fn a_ringing_call_can_be_added_and_is_where_it_has_come_to_when_it_leaves() {
    let mut r = Rig::new();
    let caller = r.talking();
    let (request, conference) = r.ask(setup(Some(caller.call), "600"));
    r.reply("INVITE", "180 Ringing", "");
    let conference = conference.unwrap();
    let Ok(Outcome::Conference { consult: Some(consult), .. }) = r.result(request) else { panic!() };
    r.done(add(conference, consult));
    r.events.clear();
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.told(), [], "a member is conferenced, whatever it does outside");
    assert_eq!(r.state(consult), Conferenced);
    r.done(Operation::RemoveFromConference { member: consult });
    assert_eq!(r.state(consult), Connected);
}

#[test]
fn preparing_lets_the_members_go_on_talking() {
    let Set { mut r, caller, conference, consult } = of_two();
    let (request, third) = r.ask(prepare(conference));
    let third = third.unwrap();
    assert_eq!((r.told(), r.state(conference)), (vec![], Connected));
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.result(request), Ok(Outcome::Call(third)));
    assert_eq!(
        r.told(),
        [Completed(request), State(conference, Waiting), State(third, Proceeding), State(third, Connected)]
    );
    assert_eq!(r.mix(conference), [(caller.call, TALKS), (consult, TALKS), (conference, AWAY)]);
    r.done(add(conference, third));
    assert_eq!(r.mix(conference).iter().filter(|(_, part)| *part == TALKS).count(), 4);
    r.done(Operation::RemoveFromConference { member: third });
    assert_eq!((r.state(third), r.state(conference)), (Connected, Connected), "two are left");
}

#[test]
fn a_prepared_party_that_does_not_answer_leaves_the_conference_waiting_until_it_is_retrieved() {
    let Set { mut r, conference, .. } = of_two();
    let (_, third) = r.ask(prepare(conference));
    r.reply("INVITE", "180 Ringing", "");
    r.reply("INVITE", "486 Busy Here", "");
    assert_eq!((r.state(third.unwrap()), r.state(conference)), (Disconnected, Waiting));
    r.done(Operation::Retrieve { call: conference });
    assert_eq!(r.state(conference), Connected);
}

#[test]
fn retrieving_ends_the_consultation_call() {
    let Set { mut r, caller, conference, consult } = set_up(Rig::new());
    r.done(Operation::Retrieve { call: conference });
    assert_eq!((r.state(conference), r.state(consult), r.state(caller.call)), (Connected, Idle, Conferenced));
    assert!(r.last("BYE").is_some());
    assert_eq!(r.mix(conference), [(caller.call, TALKS), (conference, TALKS)]);
    r.done(Operation::drop(conference));
    assert_eq!(r.state(caller.call), Idle);
}

#[test]
fn a_held_conference_goes_on_without_us() {
    let Set { mut r, caller, conference, consult } = of_two();
    r.sent.clear();
    r.done(Operation::Hold { call: conference });
    assert_eq!(r.state(conference), OnHold);
    assert_eq!(r.mix(conference), [(caller.call, TALKS), (consult, TALKS), (conference, AWAY)]);
    r.done(Operation::Retrieve { call: conference });
    assert_eq!(r.state(conference), Connected);
    assert_eq!(r.sent, Vec::<String>::new(), "nobody is held in SIP");
    assert!(r.mix(conference).contains(&(conference, TALKS)));
}

#[test]
fn the_last_party_is_an_ordinary_call_again() {
    let Set { mut r, mut caller, conference, consult } = of_two();
    r.commands.retain(|command| !matches!(command, Command::Configure { .. }));
    r.hangs_up(&mut caller);
    assert_eq!(
        r.told(),
        [State(caller.call, Disconnected), State(consult, Connected), State(conference, Idle)]
    );
    assert_eq!(r.mix(conference), []);
    r.done(Operation::drop(caller.call));
    let (request, _) = r.ask(Operation::Hold { call: consult });
    r.reply("INVITE", "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    assert_eq!(r.result(request), Ok(Outcome::Done));
}

#[test]
fn a_conference_that_shrank_while_it_waited_dissolves_when_it_is_taken_back() {
    let Set { mut r, mut caller, conference, consult } = of_two();
    r.done(Operation::Hold { call: conference });
    r.hangs_up(&mut caller);
    assert_eq!((r.state(conference), r.state(consult)), (OnHold, Conferenced));
    assert_eq!(r.mix(conference), [(consult, AWAY), (conference, AWAY)]);
    r.events.clear();
    r.done(Operation::Retrieve { call: conference });
    assert_eq!((r.state(conference), r.state(consult)), (Idle, Connected));
    let restored = Command::Send { stream: StreamId(consult.0), source: Source::Silence };
    assert!(r.commands.contains(&restored), "{:?}", r.commands);
}

#[test]
fn a_conference_that_shrank_grows_again() {
    let Set { mut r, mut caller, conference, consult } = of_two();
    let (_, third) = r.ask(prepare(conference));
    r.reply("INVITE", "200 OK", SDP);
    r.hangs_up(&mut caller);
    assert_eq!(r.state(conference), Waiting);
    r.done(add(conference, third.unwrap()));
    assert_eq!(r.state(conference), Connected);
    assert_eq!(r.mix(conference).len(), 3, "{:?}", (consult, third));
}

#[test]
fn when_nobody_is_left_the_conference_has_disconnected() {
    let Set { mut r, mut caller, conference, consult } = set_up(Rig::new());
    r.hangs_up(&mut caller);
    assert_eq!(r.state(conference), Waiting, "its next member is on the way");
    r.done(Operation::drop(caller.call));
    r.ask(Operation::drop(consult));
    r.reply("BYE", "200 OK", "");
    assert_eq!((r.state(consult), r.state(conference)), (Idle, Disconnected));
    r.done(Operation::drop(conference));
    assert_eq!(r.state(conference), Idle);
}

#[test]
fn dropping_a_conference_drops_its_members() {
    let Set { mut r, caller, conference, consult } = of_two();
    r.sent.clear();
    let (request, _) = r.ask(Operation::drop(conference));
    assert_eq!(
        r.told(),
        [State(caller.call, Idle), State(consult, Idle), State(conference, Idle), Completed(request)]
    );
    let ended = |r: &Rig| r.sent.iter().filter(|text| text.starts_with("BYE")).count();
    assert_eq!(ended(&r), 2);
    settled(&mut r);
    for call in [caller.call, consult, conference] {
        r.p.close_call(r.now, call);
    }
    r.drain();
    assert_eq!((r.p.alive().calls, r.told()), (0, vec![]));
}

#[test]
fn dropping_a_member_leaves_the_others() {
    let Set { mut r, caller, conference, consult } = of_two();
    let third = call_out(&mut r);
    let add = add_held(&mut r, conference, third);
    r.done(add);
    r.events.clear();
    let (request, _) = r.ask(Operation::drop(consult));
    r.reply("BYE", "200 OK", "");
    assert_eq!(r.result(request), Ok(Outcome::Done));
    assert_eq!((r.state(consult), r.state(conference)), (Idle, Connected));
    assert_eq!(r.mix(conference).len(), 3);
    r.done(Operation::RemoveFromConference { member: caller.call });
    assert_eq!((r.state(conference), r.state(third)), (Idle, Connected));
}

/// The conference is held so that it can take a call that nobody prepared for it.
fn add_held(r: &mut Rig, conference: CallId, member: CallId) -> Operation {
    r.done(Operation::Hold { call: conference });
    add(conference, member)
}

#[test]
fn a_full_conference_takes_no_more() {
    let Set { mut r, conference, consult, .. } = set_up(Rig::with(|profile| profile.max_conference = 2));
    r.done(add(conference, consult));
    assert_eq!(r.refused(prepare(conference)), OperationError::ConferenceFull(2));
    let third = call_out(&mut r);
    let add = add_held(&mut r, conference, third);
    assert_eq!(r.refused(add), OperationError::ConferenceFull(2));
    let possible = r.p.call_status(conference).unwrap().possible;
    assert!(possible.contains(Feature::Retrieve) && !possible.contains(Feature::AddToConference));
}

#[test]
fn a_line_that_has_no_conferences_says_so() {
    let mut r = Rig::with(|profile| profile.max_conference = 0);
    let caller = r.talking();
    let able = r.p.capabilities(LINE).unwrap();
    assert!(!able.features.contains(Feature::SetupConference) && !able.origins.contains(Origin::Conference));
    assert!(matches!(r.refused(setup(Some(caller.call), "600")), OperationError::Unavailable(_)));
}

#[test]
fn a_conference_and_its_consultation_call_need_room_for_two() {
    let mut r = Rig::for_calls(2);
    let caller = r.talking();
    assert_eq!(r.refused(setup(Some(caller.call), "600")), OperationError::TooManyCalls(2));
    assert_eq!(r.p.alive().calls, 1);
}

#[test]
fn what_is_no_conference_is_told_apart_from_what_cannot_be_added() {
    let Set { mut r, caller, conference, consult } = of_two();
    let third = call_out(&mut r);
    assert_eq!(r.refused(prepare(third)), OperationError::NoConference(third));
    r.done(Operation::Hold { call: conference });
    assert_eq!(r.refused(add(conference, conference)), OperationError::NotConsultation(conference));
    assert!(matches!(
        r.refused(add(conference, caller.call)),
        OperationError::InvalidCallState { state: Conferenced, .. }
    ));
    assert!(matches!(
        r.refused(Operation::RemoveFromConference { member: third }),
        OperationError::InvalidCallState { state: Connected, .. }
    ));
    let _ = consult;
}

#[test]
fn what_is_possible_follows_the_part_in_the_conference() {
    let Set { mut r, caller, conference, .. } = of_two();
    let possible = |r: &Rig, call| r.p.call_status(call).unwrap().possible;
    let of = possible(&r, conference);
    for feature in [Feature::Hold, Feature::PrepareAddToConference, Feature::Drop, Feature::GatherDigits] {
        assert!(of.contains(feature), "{feature:?}");
    }
    for feature in [Feature::BlindTransfer, Feature::SetupConference, Feature::RemoveFromConference] {
        assert!(!of.contains(feature), "{feature:?}");
    }
    let member = possible(&r, caller.call);
    assert!(member.contains(Feature::RemoveFromConference) && member.contains(Feature::Drop));
    assert!(!member.contains(Feature::GatherDigits) && !member.contains(Feature::Hold));
    let ordinary = call_out(&mut r);
    let of = possible(&r, ordinary);
    assert!(of.contains(Feature::SetupConference) && !of.contains(Feature::PrepareAddToConference));
}

#[test]
fn digits_of_members_are_the_conferences() {
    let Set { mut r, caller, conference, consult } = of_two();
    let all = GatherOptions { count: 2, terminators: String::new(), first_after: None, next_after: None };
    assert!(matches!(
        r.refused(Operation::GatherDigits { call: caller.call, gather: all.clone() }),
        OperationError::InvalidCallState { .. }
    ));
    let (request, _) = r.ask(Operation::GatherDigits { call: conference, gather: all });
    let searched =
        r.commands.iter().filter(|c| matches!(c, Command::MonitorInBandDigits { on: true, .. })).count();
    assert_eq!(searched, 2, "both members are listened to");
    r.presses(caller.call, "1");
    r.presses(consult, "2");
    assert_eq!(r.result(request), Ok(Outcome::Gathered { digits: "12".into(), ended: GatherEnd::Full }));
    let digits = r
        .events
        .iter()
        .filter(|event| matches!(event, ProviderEvent::Digit { call, .. } if *call == conference));
    assert_eq!(digits.count(), 2);
    r.done(Operation::RemoveFromConference { member: caller.call });
    r.presses(caller.call, "3");
    let own =
        |event: &ProviderEvent| matches!(event, ProviderEvent::Digit { call, .. } if *call == caller.call);
    assert!(r.events.iter().any(own));
}

#[test]
fn gathering_ends_when_the_call_becomes_a_member_and_when_the_conference_ends() {
    let Set { mut r, conference, consult, .. } = set_up(Rig::new());
    let all = GatherOptions { count: 9, terminators: String::new(), first_after: None, next_after: None };
    let (own, _) = r.ask(Operation::GatherDigits { call: consult, gather: all.clone() });
    r.presses(consult, "1");
    r.done(add(conference, consult));
    let cancelled =
        |digits: &str| Ok(Outcome::Gathered { digits: digits.into(), ended: GatherEnd::Cancelled });
    assert_eq!(r.result(own), cancelled("1"));
    let (shared, _) = r.ask(Operation::GatherDigits { call: conference, gather: all });
    r.presses(consult, "2");
    r.done(Operation::RemoveFromConference { member: consult });
    assert_eq!(r.result(shared), cancelled("2"));
}

#[test]
fn digits_tones_and_recordings_of_a_conference_are_of_its_mix() {
    let Set { mut r, conference, .. } = of_two();
    r.commands.clear();
    let stream = StreamId(conference.0);
    r.ask(Operation::SendDigits { call: conference, digits: DigitOptions::new("5") });
    r.done(Operation::Play { call: conference, source: AudioSource::Music });
    r.done(Operation::Record { call: conference, path: Some("all.wav".into()) });
    let streams: Vec<StreamId> = r
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::SendDigits { stream, .. }
            | Command::Send { stream, .. }
            | Command::Record { stream, .. } => Some(*stream),
            _ => None,
        })
        .collect();
    assert_eq!(streams, [stream; 3]);
}

#[test]
fn closing_the_conference_while_it_is_set_up_ends_everything_of_it() {
    let mut r = Rig::new();
    let caller = r.talking();
    let (request, conference) = r.ask(setup(Some(caller.call), "600"));
    r.p.close_call(r.now, conference.unwrap());
    r.drain();
    assert!(r.result(request).is_err());
    assert_eq!((r.p.alive().calls, r.state(caller.call)), (1, Connected));
    r.told();
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.told(), []);
    assert!(r.last("BYE").is_some(), "the late answer is hung up");
}

#[test]
fn closing_a_member_takes_it_out() {
    let Set { mut r, caller, conference, consult } = of_two();
    r.p.close_call(r.now, caller.call);
    r.drain();
    assert_eq!(r.told(), [State(consult, Connected), State(conference, Idle)]);
    r.p.close_call(r.now, consult);
    r.p.close_call(r.now, conference);
    r.drain();
    assert_eq!(r.p.alive().calls, 0);
    settled(&mut r);
}

#[test]
fn closing_a_conference_hangs_up_its_members() {
    let Set { mut r, caller, conference, consult } = of_two();
    r.p.close_call(r.now, conference);
    r.drain();
    assert_eq!((r.state(caller.call), r.state(consult)), (Idle, Idle));
    assert!(!r.told().iter().any(|told| matches!(told, State(call, _) if *call == conference)));
}

#[test]
fn closing_the_line_tells_nothing_of_its_conferences() {
    for waiting in [false, true] {
        let Set { mut r, conference, .. } = of_two();
        if waiting {
            r.ask(prepare(conference));
        }
        r.told();
        r.p.close_line(r.now, LINE);
        r.drain();
        assert!(r.told().iter().all(|told| matches!(told, Completed(_))));
        assert_eq!(r.p.alive().calls, 0);
        let stopped = r.commands.iter().filter(|c| matches!(c, Command::Stop { .. })).count();
        assert_eq!(stopped, if waiting { 4 } else { 3 });
    }
}
