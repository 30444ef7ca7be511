//! How conferences begin, grow and wait.

use super::*;

#[test]
fn everything_is_told_after_the_completion_and_the_conference_before_its_member() {
    let mut r = Rig::new();
    let caller = r.talking();
    let (request, conference) = r.ask(setup(Some(caller.call), "600"));
    let conference = conference.unwrap();
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
            State(consult, Dialing),
            State(consult, Proceeding),
        ]
    );
    let counts = r.p.line_status(LINE).unwrap().calls;
    assert_eq!((counts.active, counts.pending), (2, 1));
    assert_eq!(r.p.call_state(caller.call), Some(CallState::Conferenced(conference)));
    let info = r.p.call_info(conference).unwrap();
    assert_eq!((info.origin, &*info.sip_call_id), (Origin::Conference, ""));
    assert_eq!(r.p.call_info(consult).unwrap().related, Some(info.physical));
    assert_mix(&r, conference, &[(caller.call, AWAY), (conference, AWAY)]);
    let music = Command::Send { stream: StreamId(caller.call.0), source: Source::Music };
    assert!(r.commands.contains(&music), "the only member is on hold: {:?}", r.commands);
}

#[test]
fn a_consultation_call_is_dialled_step_by_step() {
    let mut r = Rig::new();
    let caller = r.talking();
    let (request, conference) = r.ask(setup(Some(caller.call), ""));
    let Ok(Outcome::Conference { consult: Some(consult), .. }) = r.result(request) else {
        panic!("{:?}", r.events)
    };
    assert_eq!(r.state(consult), Dialtone);
    assert_eq!(r.last("INVITE").map(|_| ()), None);
    r.done(Operation::Dial { call: consult, digits: "600".into() });
    r.reply("INVITE", "200 OK", SDP);
    r.done(add(conference.unwrap(), consult));
}

#[test]
fn when_the_consultation_call_comes_to_nothing_the_conference_comes_back_where_the_profile_says_so() {
    for reconnect in [false, true] {
        let mut r = Rig::with(|profile| profile.reconnect = reconnect);
        let caller = r.talking();
        let (_, conference) = r.ask(setup(Some(caller.call), "600"));
        let conference = conference.unwrap();
        r.reply("INVITE", "486 Busy Here", "");
        let expected = if reconnect { Connected } else { Waiting };
        assert_eq!((r.state(conference), r.state(caller.call)), (expected, Conferenced));
        if !reconnect {
            r.done(Operation::Retrieve { call: conference });
        }
        assert_mix(&r, conference, &[(caller.call, TALKS), (conference, TALKS)]);
    }
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
    assert_mix(&r, conference, &[(caller.call, TALKS), (consult, TALKS), (conference, TALKS)]);
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
    assert_eq!(r.result(request), Ok(Outcome::Call(third)));
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(
        r.told(),
        [
            Completed(request),
            State(conference, Waiting),
            State(third, Dialing),
            State(third, Proceeding),
            State(third, Connected)
        ]
    );
    assert_mix(&r, conference, &[(caller.call, TALKS), (consult, TALKS), (conference, AWAY)]);
    r.done(add(conference, third));
    assert_eq!(r.mix(conference).iter().filter(|(_, part)| *part == TALKS).count(), 4);
    r.done(Operation::RemoveFromConference { member: third });
    assert_eq!((r.state(third), r.state(conference)), (Connected, Connected), "two are left");
}

#[test]
fn a_prepared_party_that_does_not_answer_leaves_the_conference_waiting_until_it_is_retrieved() {
    let Set { mut r, conference, consult, .. } = set_up(Rig::with(|profile| profile.reconnect = false));
    r.done(add(conference, consult));
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
    r.reply("BYE", "200 OK", "");
    assert_eq!((r.state(conference), r.state(consult), r.state(caller.call)), (Connected, Idle, Conferenced));
    assert!(r.last("BYE").is_some());
    assert_mix(&r, conference, &[(caller.call, TALKS), (conference, TALKS)]);
    r.done(Operation::drop(conference));
    assert_eq!(r.state(caller.call), Idle);
}

#[test]
fn a_held_conference_goes_on_without_us() {
    let Set { mut r, caller, conference, consult } = of_two();
    r.sent.clear();
    r.done(Operation::Hold { call: conference });
    assert_eq!(r.state(conference), OnHold);
    assert_mix(&r, conference, &[(caller.call, TALKS), (consult, TALKS), (conference, AWAY)]);
    r.done(Operation::Retrieve { call: conference });
    assert_eq!(r.state(conference), Connected);
    assert_eq!(r.sent, Vec::<String>::new(), "nobody is held in SIP");
    assert!(r.mix(conference).contains(&(conference, TALKS)));
}
