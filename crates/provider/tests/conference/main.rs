//! Conferences: how they begin, grow, wait, shrink and end, in calls, states and mixes.

#[path = "../scripted/mod.rs"]
mod scripted;

mod beginning;
mod ending;
mod rules;

use hookswitch_media::control::{Command, Event as MediaEvent, MixPart, Source, StreamId};
use hookswitch_spi::StateKind::{
    Conferenced, Connected, Dialing, Dialtone, Disconnected, Idle, OnHold,
    OnHoldPendingConference as Waiting, OnHoldPendingTransfer, Proceeding,
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

#[track_caller]
fn assert_mix(r: &Rig, conference: CallId, expected: &[(CallId, MixPart)]) {
    let mut expected = expected.to_vec();
    expected.sort_by_key(|(call, _)| *call);
    assert_eq!(r.mix(conference), expected);
}

fn settled(r: &mut Rig) {
    r.run(Duration::from_secs(40));
    assert_eq!(r.p.alive().sessions, 0, "sessions are left");
}

/// The conference is held so that it can take a call that nobody prepared for it.
fn add_held(r: &mut Rig, conference: CallId, member: CallId) -> Operation {
    r.done(Operation::Hold { call: conference });
    add(conference, member)
}
