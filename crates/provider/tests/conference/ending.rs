//! How conferences shrink and end.

use super::*;

#[test]
fn the_last_party_is_an_ordinary_call_again() {
    let Set { mut r, mut caller, conference, consult } = of_two();
    r.commands.retain(|command| !matches!(command, Command::Configure { .. }));
    r.hangs_up(&mut caller);
    assert_eq!(
        r.told(),
        [State(caller.call, Disconnected), State(consult, Connected), State(conference, Idle)]
    );
    assert_mix(&r, conference, &[]);
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
    assert_mix(&r, conference, &[(consult, AWAY), (conference, AWAY)]);
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
