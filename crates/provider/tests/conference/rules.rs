//! What is possible in a conference and with its members, and what comes between.

use super::*;

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
fn a_conference_and_its_consultation_call_are_swapped() {
    let Set { mut r, caller, conference, consult } = set_up(Rig::new());
    r.events.clear();
    let swap = |active, held| Operation::SwapHold { active, held };
    let (request, _) = r.ask(swap(consult, conference));
    r.reply("INVITE", "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    assert_eq!(r.told(), [State(consult, OnHold), State(conference, Connected), Completed(request)]);
    assert_mix(&r, conference, &[(caller.call, TALKS), (conference, TALKS)]);
    let (request, _) = r.ask(swap(conference, consult));
    assert_eq!(r.told(), [State(conference, Waiting)]);
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.told(), [State(consult, Connected), Completed(request)]);
    r.done(add(conference, consult));
}

#[test]
fn a_swap_that_fails_leaves_the_conference_as_it_was() {
    let Set { mut r, conference, consult, .. } = set_up(Rig::new());
    r.ask(Operation::SwapHold { active: consult, held: conference });
    r.reply("INVITE", "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    let (request, _) = r.ask(Operation::SwapHold { active: conference, held: consult });
    r.reply("INVITE", "500 Out of Order", "");
    assert!(matches!(r.result(request), Err(OperationError::Refused { status: 500, .. })));
    assert_eq!((r.state(conference), r.state(consult)), (Connected, OnHold));
}

/// A held call and its consultation call, connected.
fn transfer(r: &mut Rig) -> (CallId, CallId) {
    let held = r.talking().call;
    let (_, consult) = r.ask(Operation::SetupTransfer { call: held, consult: ConsultOptions::to("600") });
    r.reply("INVITE sip:c1", "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    r.reply("INVITE sip:600", "200 OK", SDP);
    r.events.clear();
    (held, consult.unwrap())
}

const fn complete(call: CallId, consult: CallId) -> Operation {
    Operation::CompleteTransfer {
        call,
        consult,
        mode: TransferMode::Conference,
        deadline: Duration::from_secs(30),
    }
}

#[test]
fn a_transfer_is_completed_as_a_conference() {
    let mut r = Rig::new();
    let (held, consult) = transfer(&mut r);
    let before = r.p.line_status(LINE).unwrap().calls;
    let (request, conference) = r.ask(complete(held, consult));
    let conference = conference.unwrap();
    assert_eq!((r.told(), r.p.line_status(LINE).unwrap().calls), (vec![], before));
    assert_eq!(r.refused(Operation::drop(conference)), OperationError::NoSuchCall(conference));
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.result(request), Ok(Outcome::Conference { conference, consult: None }));
    assert_eq!(
        r.told(),
        [
            Completed(request),
            State(conference, Waiting),
            State(held, Conferenced),
            State(consult, Conferenced),
            State(conference, Connected),
        ]
    );
    assert_mix(&r, conference, &[(held, TALKS), (consult, TALKS), (conference, TALKS)]);
    // One leaves, and the other is an ordinary call.
    r.done(Operation::RemoveFromConference { member: held });
    assert_eq!((r.state(held), r.state(consult), r.state(conference)), (Connected, Connected, Idle));
    let possible = r.p.call_status(consult).unwrap().possible;
    assert!(possible.contains(Feature::SetupTransfer), "they are no partners any more: {possible:?}");
}

#[test]
fn a_transfer_whose_held_call_cannot_be_retrieved_becomes_no_conference() {
    let mut r = Rig::new();
    let (held, consult) = transfer(&mut r);
    let (request, conference) = r.ask(complete(held, consult));
    r.reply("INVITE", "488 Not Acceptable Here", "");
    assert!(matches!(r.result(request), Err(OperationError::Refused { status: 488, .. })));
    assert_eq!((r.state(held), r.state(consult)), (OnHoldPendingTransfer, Connected));
    assert_eq!(r.p.call_state(conference.unwrap()), None);
    let (request, _) = r.ask(complete(held, consult));
    r.reply("INVITE", "200 OK", SDP);
    assert!(r.result(request).is_ok(), "and can be tried again");
}

#[test]
fn a_consultation_that_ends_while_its_conference_is_made() {
    let mut r = Rig::new();
    let (held, consult) = transfer(&mut r);
    let (request, conference) = r.ask(complete(held, consult));
    r.p.close_call(r.now, consult);
    r.drain();
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.result(request), Err(OperationError::CallEnded));
    assert_eq!((r.state(held), r.p.call_state(conference.unwrap())), (Connected, None));
    assert_eq!(r.p.alive().calls, 1);
}

#[test]
fn a_line_that_wants_to_be_closed_forgets_a_conference_that_is_being_made() {
    let mut r = Rig::new();
    let (held, consult) = transfer(&mut r);
    let (request, _) = r.ask(complete(held, consult));
    r.p.request_close(r.now, LINE, "maintenance");
    r.drain();
    assert_eq!(r.result(request), Err(OperationError::Closed));
    assert_eq!(r.p.alive().calls, 2);
    r.ask(Operation::drop(held));
    r.reply("BYE", "200 OK", "");
    assert_eq!(r.state(held), Idle);
}

#[test]
fn answering_another_call_holds_or_drops_a_conference() {
    for (mode, state) in [(AnswerMode::Hold, OnHold), (AnswerMode::Drop, Idle)] {
        let mut s = set_up(Rig::with(|profile| profile.answer_mode = mode));
        s.r.done(add(s.conference, s.consult));
        let mut other = s.r.ring(SDP);
        s.r.answer(&mut other);
        assert_eq!((s.r.state(other.call), s.r.state(s.conference)), (Connected, state), "{mode:?}");
        // They are told why, and idle with the answer to their BYE.
        let members = if mode == AnswerMode::Hold { Conferenced } else { Disconnected };
        assert_eq!((s.r.state(s.caller.call), s.r.state(s.consult)), (members, members));
    }
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

#[test]
fn a_member_that_leaves_with_its_finger_on_a_digit_holds_up_nobody() {
    let mut s = set_up(Rig::new());
    s.r.done(add(s.conference, s.consult));
    let third = call_out(&mut s.r);
    let add = add_held(&mut s.r, s.conference, third);
    s.r.done(add);
    let gather = GatherOptions {
        count: 1,
        terminators: String::new(),
        first_after: Some(Duration::from_secs(3)),
        next_after: None,
    };
    let (request, _) = s.r.ask(Operation::GatherDigits { call: s.conference, gather });
    s.r.hears(MediaEvent::DigitBegun { stream: StreamId(s.caller.call.0), digit: '1' });
    s.r.hangs_up(&mut s.caller);
    s.r.run(Duration::from_secs(4));
    let ended = GatherEnd::FirstTimeout;
    assert_eq!(s.r.result(request), Ok(Outcome::Gathered { digits: String::new(), ended }));
}

#[test]
fn a_member_that_is_transferred_by_the_other_side_stays_a_member() {
    let mut s = of_two();
    s.r.refers(&mut s.caller, "sip:t@pbx.test");
    s.r.reply("INVITE sip:t@", "200 OK", &SDP.replace("30000", "40000"));
    assert_eq!(s.r.state(s.caller.call), Conferenced);
    let moved = |c: &Command| matches!(c, Command::Configure { parameters, .. } if parameters.remote_rtp.port() == 40_000);
    assert!(s.r.commands.iter().any(moved), "its audio is the new party's: {:?}", s.r.commands);
    s.r.done(Operation::RemoveFromConference { member: s.caller.call });
    assert_eq!(s.r.state(s.caller.call), Connected);
}
