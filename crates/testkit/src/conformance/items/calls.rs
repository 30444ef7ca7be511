//! Part E: calls, events and states (checklist 35 to 50).

use super::item;
use crate::conformance::bench::{ensure, same};
use crate::conformance::subject::{Act, Behaviour, Diverted, Incoming, Saw, Setup};
use crate::conformance::{Bench, Finding, Item, Suite, Verdict};
use hookswitch_spi::{
    AddressId, CallOptions, CallState, ConnectedMode, ConsultOptions, DisconnectMode, InfoParts, LineId,
    MediaType, MediaTypes, Operation, Origin, Outcome, Presentation, ProviderEvent, Reason, StateKind,
};
use std::time::Duration;

pub(super) const ITEMS: &[Item] = &[
    item(
        35,
        "a call from outside is announced first, offered with its media second, and nothing comes before",
        announced_first,
    ),
    item(
        36,
        "an announcement that is turned down comes again or the caller is refused; nothing else is told before",
        turned_down,
    ),
    item(37, "a call that exists already is announced with the state it has", already_there),
    item(
        38,
        "hung up by the other side a call is disconnected and stays so until dropped or closed; its information stays",
        stays_disconnected,
    ),
    item(
        39,
        "100, 180, 200 are proceeding, ringback, connected, after the request has completed",
        outbound_states,
    ),
    item(40, "every failure of the network is told as the end it is, with and without a Reason", failures),
    item(41, "given up, answered elsewhere, forwarded: three different ends of an offered call", abandoned),
    item(42, "held by the other side a call stays connected, in another mode, and comes back", held_by_peer),
    item(
        43,
        "an offered call rings once a cycle with growing count, and stops; waiting messages are told once a change",
        ringing,
    ),
    item(
        44,
        "no information is told after idle; a late identity is told once; owners are never the provider's to tell",
        late_information,
    ),
    item(
        45,
        "caller, called, diverting and connected parties are what the signalling says, with the right presentation",
        parties,
    ),
    item(
        46,
        "the reason of a call: direct, forwarded three ways, transferred, picked up, retrieved, completed; what a consultation relates to",
        reasons,
    ),
    item(
        47,
        "legs of one physical call share its number, through hold and transfer; other calls have others",
        physical_calls,
    ),
    item(
        48,
        "the state's time is that of the transition, and nothing the application side knows is told by the provider",
        entry_times,
    ),
    item(
        49,
        "re-INVITE, early media, session refresh and replacement never make a second call of one",
        one_object,
    ),
    item(50, "numbers of calls equal the live calls, and their changes are told", counts),
];

const LINE: LineId = LineId(0);

fn announced_first(suite: &Suite<'_>) -> Verdict {
    for (media, expected) in [
        (MediaTypes::VOICE, MediaType::Voice),
        (MediaTypes::from(MediaType::Fax), MediaType::Fax),
        (MediaTypes::NONE, MediaType::Unknown),
    ] {
        let mut bench = suite.open(&Setup::one());
        let before = bench.log.len();
        let (call, _) = bench.offered(Incoming { media, ..Incoming::new(LINE, "ann") })?;
        let told: Vec<&ProviderEvent> = bench
            .log
            .iter()
            .skip(before)
            .map(|(_, event)| event)
            .filter(|event| !matches!(event, ProviderEvent::Ringing { .. } | ProviderEvent::CallCount { .. }))
            .collect();
        ensure!(
            matches!(told.first(), Some(ProviderEvent::NewCall { call: new, line: LINE, .. }) if *new == call),
            "the first event is {:?}",
            told.first()
        );
        ensure!(
            matches!(told.get(1), Some(ProviderEvent::CallState { call: about, state: CallState::Offering(_), media })
                if *about == call && media.contains(expected)),
            "the second event is {:?}, with {expected} expected",
            told.get(1)
        );
        bench.finish()?;
    }
    Ok(())
}

fn turned_down(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    bench.turn_down(5);
    let before = bench.log.len();
    let party = bench.subject.call_in(Incoming::new(LINE, "ann"));
    bench.drain();
    let taken = bench.until(Duration::from_secs(60), |bench| bench.announcements() == 1);
    let news =
        bench.log.iter().skip(before).filter(|(_, event)| matches!(event, ProviderEvent::NewCall { .. }));
    let news = news.count();
    if taken {
        same!(news, 6, "announcements, five of them turned down");
        bench.run(Duration::from_millis(200));
        let call = bench.log.iter().rev().find_map(|(_, event)| match event {
            ProviderEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        });
        let call = call.ok_or_else(|| Finding("no call was announced".into()))?;
        same!(bench.kind(call), Some(StateKind::Offering), "the call that was taken at last");
        let first = bench.position(
            |event| matches!(event, ProviderEvent::CallState { call: about, .. } if *about == call),
        );
        let last = bench.log.iter().rposition(|(_, event)| matches!(event, ProviderEvent::NewCall { .. }));
        ensure!(first > last, "a state was told before the call was taken");
    } else {
        let refused = bench.saw(party).iter().any(|saw| matches!(saw, Saw::Refused(480 | 486 | 503)));
        ensure!(refused, "neither taken nor refused: the caller saw {:?}", bench.saw(party));
        ensure!(news <= 6, "announced {news} times");
    }
    bench.contract()?;
    // One that is never taken is refused in the end, and nothing is left of it.
    bench.turn_down(1_000);
    let party = bench.subject.call_in(Incoming::new(LINE, "amy"));
    bench.run(Duration::from_secs(120));
    let refused = bench.saw(party).iter().any(|saw| matches!(saw, Saw::Refused(480 | 486 | 503)));
    ensure!(refused, "a call that nobody takes is not refused: {:?}", bench.saw(party));
    bench.turn_down(0);
    bench.finish()
}

fn already_there(suite: &Suite<'_>) -> Verdict {
    // What began before the application side could take it: answered meanwhile it cannot be, but it may have ended, or wait.
    let mut bench = suite.open(&Setup::one());
    bench.turn_down(1);
    let party = bench.subject.call_in(Incoming::new(LINE, "ann"));
    bench.run(Duration::from_millis(100));
    bench.act(party, Act::HangUp(String::new()));
    let taken = bench.until(Duration::from_secs(30), |bench| bench.announcements() == 1);
    if taken {
        let call = bench.log.iter().rev().find_map(|(_, event)| match event {
            ProviderEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        });
        let call = call.ok_or_else(|| Finding("no call was announced".into()))?;
        bench.run(Duration::from_millis(100));
        let first = bench.states(call).into_iter().next();
        ensure!(
            matches!(first, Some(CallState::Disconnected(_))),
            "a call that ended before it was taken starts as {first:?}"
        );
    } else {
        let stray = bench.count(|event| matches!(event, ProviderEvent::CallState { .. }));
        same!(stray, 0, "states of a call that was never taken");
    }
    // A call whose other side is retrieved, parked or being replaced is announced like any other.
    let (call, _) = bench.offered(Incoming::new(LINE, "amy"))?;
    same!(bench.states(call).first().map(CallState::kind), Some(StateKind::Offering), "the first state");
    bench.finish()
}

fn stays_disconnected(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, party) = bench.answered(LINE, "ann")?;
    bench.act(party, Act::HangUp(String::new()));
    bench.run(Duration::from_secs(120));
    same!(
        bench.kinds(call),
        vec![StateKind::Offering, StateKind::Connected, StateKind::Disconnected],
        "the states of a call hung up by the other side"
    );
    let Some(CallState::Disconnected(end)) = bench.state(call) else {
        return Err(Finding("the end is not told".into()));
    };
    same!(end.mode, DisconnectMode::Normal, "the end");
    same!(end.by, hookswitch_spi::EndedBy::Peer, "who ended it");
    let info = bench.info(call)?;
    same!(info.caller.presentation, Presentation::Known, "the caller after the end");
    same!(bench.perform(Operation::drop(call)), Ok(Outcome::Done), "dropping");
    same!(bench.kind(call), Some(StateKind::Idle), "after the drop");
    bench.info(call)?;
    bench.finish()
}

fn outbound_states(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    bench.arrange("ben", Behaviour::Proceeds);
    let made = Operation::MakeCall {
        line: LINE,
        address: AddressId(0),
        destination: "ben".into(),
        options: CallOptions::default(),
    };
    let (request, created) = bench.ask_for(made).map_err(|error| Finding(error.to_string()))?;
    let result = bench.wait(request, Duration::from_secs(10));
    let Ok(Outcome::Call(call)) = result else { return Err(Finding(format!("a 100 brings {result:?}"))) };
    same!(Some(call), created, "the call named first");
    bench.run(Duration::from_millis(100));
    same!(bench.kind(call), Some(StateKind::Proceeding), "after 100");
    let party = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    bench.act(party, Act::Ring);
    same!(bench.kind(call), Some(StateKind::Ringback), "after 180");
    bench.act(party, Act::Answer);
    same!(bench.kind(call), Some(StateKind::Connected), "after 200");
    bench.run(Duration::from_secs(1));
    let kinds: Vec<_> = bench.kinds(call).into_iter().filter(|kind| *kind != StateKind::Dialing).collect();
    same!(
        kinds,
        vec![StateKind::Proceeding, StateKind::Ringback, StateKind::Connected],
        "the states of a made call"
    );
    let done = bench.position(
        |event| matches!(event, ProviderEvent::Completed { request: done, .. } if *done == request),
    );
    let first = bench
        .position(|event| matches!(event, ProviderEvent::CallState { call: about, .. } if *about == call));
    ensure!(done < first, "the first state was told before the request completed");
    ensure!(bench.saw(party).contains(&Saw::Confirmed), "the answer was not acknowledged");
    bench.finish()
}

/// The table of spec 2.6: the final status, what it ends as.
const STATUSES: &[(u16, DisconnectMode)] = &[
    (603, DisconnectMode::Reject),
    (607, DisconnectMode::Reject),
    (486, DisconnectMode::Busy),
    (600, DisconnectMode::Busy),
    (480, DisconnectMode::NoAnswer),
    (408, DisconnectMode::NoAnswer),
    (404, DisconnectMode::BadAddress),
    (416, DisconnectMode::BadAddress),
    (484, DisconnectMode::BadAddress),
    (485, DisconnectMode::BadAddress),
    (604, DisconnectMode::BadAddress),
    (430, DisconnectMode::Unreachable),
    (482, DisconnectMode::Unreachable),
    (483, DisconnectMode::Unreachable),
    (504, DisconnectMode::Unreachable),
    (503, DisconnectMode::Congestion),
    (406, DisconnectMode::Incompatible),
    (415, DisconnectMode::Incompatible),
    (420, DisconnectMode::Incompatible),
    (488, DisconnectMode::Incompatible),
    (493, DisconnectMode::Incompatible),
    (501, DisconnectMode::Incompatible),
    (505, DisconnectMode::Incompatible),
    (513, DisconnectMode::Incompatible),
    (606, DisconnectMode::Incompatible),
    (410, DisconnectMode::NumberChanged),
    (502, DisconnectMode::OutOfOrder),
    (500, DisconnectMode::TemporaryFailure),
    (580, DisconnectMode::QosUnavailable),
    (402, DisconnectMode::Blocked),
    (403, DisconnectMode::Blocked),
    (433, DisconnectMode::Blocked),
    (608, DisconnectMode::Blocked),
];

/// The same by Q.850 cause in a Reason, which goes before the status.
const CAUSES: &[(u8, DisconnectMode)] = &[
    (1, DisconnectMode::BadAddress),
    (2, DisconnectMode::Unreachable),
    (3, DisconnectMode::Unreachable),
    (16, DisconnectMode::Normal),
    (17, DisconnectMode::Busy),
    (18, DisconnectMode::NoAnswer),
    (19, DisconnectMode::NoAnswer),
    (20, DisconnectMode::Unreachable),
    (21, DisconnectMode::Reject),
    (22, DisconnectMode::NumberChanged),
    (27, DisconnectMode::OutOfOrder),
    (28, DisconnectMode::BadAddress),
    (34, DisconnectMode::Congestion),
    (41, DisconnectMode::TemporaryFailure),
    (49, DisconnectMode::QosUnavailable),
    (52, DisconnectMode::Blocked),
    (57, DisconnectMode::Incompatible),
    (88, DisconnectMode::Incompatible),
    (102, DisconnectMode::TemporaryFailure),
];

fn end_of(bench: &mut Bench, status: u16, fields: String) -> Result<hookswitch_spi::Disconnect, Finding> {
    bench.arrange("ben", Behaviour::RingsThenRefuses(Duration::from_millis(300), status, fields));
    let call = bench.make_call(LINE, "ben").map_err(|error| Finding(format!("{status}: {error}")))?;
    ensure!(
        bench.reaches(call, StateKind::Disconnected),
        "refused with {status} the call is {:?}",
        bench.kind(call)
    );
    let Some(CallState::Disconnected(end)) = bench.state(call) else {
        return Err(Finding(format!("{status}: no end")));
    };
    let busy = bench.kinds(call).contains(&StateKind::Busy);
    ensure!(busy || !matches!(status, 486 | 600) || end.q850.is_some(), "{status} without *busy*");
    bench.close_call(call);
    Ok(end)
}

fn failures(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    for (status, mode) in STATUSES {
        let end = end_of(&mut bench, *status, String::new())?;
        same!(end.mode, *mode, "the end by {status}");
        same!(end.status, Some(*status), "the status told for {status}");
    }
    for (cause, mode) in CAUSES {
        let fields = format!("Reason: Q.850;cause={cause};text=\"because\"\r\n");
        let end = end_of(&mut bench, 480, fields)?;
        same!(end.mode, *mode, "the end by 480 with Q.850 cause {cause}");
        same!(end.q850, Some(*cause), "the cause told for {cause}");
    }
    // A SIP cause in a Reason goes before the status as well, and after a Q.850 cause.
    let end = end_of(&mut bench, 500, "Reason: SIP;cause=603\r\n".into())?;
    same!(end.mode, DisconnectMode::Reject, "500 with SIP;cause=603");
    let end = end_of(&mut bench, 500, "Reason: SIP;cause=603\r\nReason: Q.850;cause=17\r\n".into())?;
    same!(end.mode, DisconnectMode::Busy, "500 with SIP;cause=603 and Q.850;cause=17");
    // Nobody answers in the time we give.
    bench.arrange("ben", Behaviour::Rings);
    let options = CallOptions { no_answer_after: Some(Duration::from_secs(5)), ..CallOptions::default() };
    let made = Operation::MakeCall { line: LINE, address: AddressId(0), destination: "ben".into(), options };
    let Ok(Outcome::Call(call)) = bench.perform(made) else { return Err(Finding("no call to ben".into())) };
    ensure!(bench.reaches(call, StateKind::Disconnected), "it rings for ever");
    let end = bench.state(call);
    ensure!(
        matches!(&end, Some(CallState::Disconnected(end)) if end.mode == DisconnectMode::NoAnswer),
        "nobody answered in time: {end:?}"
    );
    let party = bench.subject.party_at("ben").ok_or_else(|| Finding("ben was not called".into()))?;
    ensure!(bench.saw(party).contains(&Saw::Cancelled), "it rings on at ben");
    bench.finish()
}

fn abandoned(suite: &Suite<'_>) -> Verdict {
    for (fields, mode) in [
        ("", DisconnectMode::Cancelled),
        ("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n", DisconnectMode::Pickup),
        ("Reason: SIP;cause=302\r\n", DisconnectMode::Forwarded),
        ("Reason: Q.850;cause=26\r\n", DisconnectMode::Pickup),
    ] {
        let mut bench = suite.open(&Setup::one());
        let (call, party) = bench.offered(Incoming::new(LINE, "ann"))?;
        bench.act(party, Act::HangUp(fields.into()));
        let end = bench.states(call).into_iter().find_map(|state| match state {
            CallState::Disconnected(end) => Some(end),
            _ => None,
        });
        same!(
            end.map(|end| end.mode),
            Some(mode),
            "the end of an offered call given up with '{}'",
            fields.trim()
        );
        bench.finish()?;
    }
    Ok(())
}

fn held_by_peer(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, party) = bench.answered(LINE, "ann")?;
    let announced = bench.announcements();
    bench.act(party, Act::Hold);
    same!(bench.state(call), Some(CallState::Connected(ConnectedMode::ActiveHeld)), "held by the other side");
    bench.act(party, Act::Resume);
    same!(bench.state(call), Some(CallState::Connected(ConnectedMode::Active)), "taken back");
    let connected = bench.states(call).iter().filter(|state| state.kind() == StateKind::Connected).count();
    same!(connected, 3, "times that *connected* was told, in its modes");
    same!(bench.announcements(), announced, "announcements");
    bench.finish()
}

fn ringing(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let rings = |bench: &Bench| -> Vec<u32> {
        let counts = bench.log.iter().filter_map(|(_, event)| match event {
            ProviderEvent::Ringing { line: LINE, count, .. } => Some(*count),
            _ => None,
        });
        counts.collect()
    };
    let (call, _) = bench.offered(Incoming::new(LINE, "ann"))?;
    bench.run(Duration::from_secs(20));
    let counts = rings(&bench);
    ensure!(counts.len() >= 3, "in 20 seconds it rang as {counts:?}");
    let expected: Vec<u32> = (0..counts.len() as u32).collect();
    same!(counts, expected, "the counts of the ring cycles");
    bench.perform(Operation::answer(call)).map_err(|error| Finding(error.to_string()))?;
    let rang = rings(&bench).len();
    bench.run(Duration::from_secs(20));
    same!(rings(&bench).len(), rang, "rings after the answer");
    let (_, party) = bench.offered(Incoming::new(LINE, "amy"))?;
    bench.run(Duration::from_secs(1));
    bench.act(party, Act::HangUp(String::new()));
    let rang = rings(&bench).len();
    bench.run(Duration::from_secs(20));
    same!(rings(&bench).len(), rang, "rings after the caller gave up");
    let waiting = |bench: &Bench| -> Vec<bool> {
        let told = bench.log.iter().filter_map(|(_, event)| match event {
            ProviderEvent::MessageWaiting { line: LINE, waiting, .. } => Some(*waiting),
            _ => None,
        });
        told.collect()
    };
    for (new, old) in [(1, 0), (1, 0), (0, 1), (0, 1)] {
        bench.subject.messages(LINE, new, old);
        bench.run(Duration::from_secs(2));
    }
    same!(waiting(&bench), vec![true, false], "changes of waiting messages");
    let status = bench.provider().line_status(LINE).map(|status| status.message_waiting);
    same!(status, Some(false), "whether messages wait");
    bench.finish()
}

fn late_information(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, party) = bench.talking(LINE, "ben")?;
    let before = bench.changes(call).len();
    bench.act(party, Act::Becomes("bea".into()));
    bench.run(Duration::from_secs(1));
    let changes: Vec<InfoParts> = bench.changes(call).into_iter().skip(before).collect();
    let identity = changes
        .iter()
        .filter(|parts| parts.contains(InfoParts::CONNECTED) || parts.contains(InfoParts::CALLER));
    same!(identity.count(), 1, "times that the new identity was told");
    let info = bench.info(call)?;
    ensure!(info.connected.address.contains("bea"), "connected with {:?}", info.connected);
    bench.perform(Operation::drop(call)).map_err(|error| Finding(error.to_string()))?;
    let told = bench.changes(call).len();
    let _ = bench.perform(Operation::SetAppSpecific { call, value: 3 });
    bench.run(Duration::from_secs(5));
    same!(bench.changes(call).len(), told, "changes of information told after *idle*");
    bench.finish()
}

fn parties(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one().with(|line| line.numbers = vec!["sales".into()]));
    let plain = Incoming { name: "Ann Other".into(), ..Incoming::new(LINE, "ann") };
    let (call, _) = bench.offered(plain.clone())?;
    let info = bench.info(call)?;
    ensure!(info.caller.address.contains("ann"), "the caller is {:?}", info.caller);
    same!(&*info.caller.name, "Ann Other", "the caller's name");
    same!(info.caller.presentation, Presentation::Known, "the caller's presentation");
    ensure!(info.called.address.contains("desk"), "called was {:?}", info.called);
    same!(info.redirecting.presentation, Presentation::Unavailable, "a diverter where none is");
    same!(info.address, AddressId(0), "the address");
    bench.close_call(call);
    let (call, _) = bench.offered(Incoming { private: true, ..plain.clone() })?;
    let info = bench.info(call)?;
    same!(info.caller.presentation, Presentation::Blocked, "a caller that wants to be anonymous");
    ensure!(
        info.caller.address.is_empty() && info.caller.name.is_empty(),
        "told all the same: {:?}",
        info.caller
    );
    bench.close_call(call);
    let diverted = Some(("boss".to_owned(), Diverted::Busy));
    let (call, _) = bench.offered(Incoming { diverted, ..plain.clone() })?;
    let info = bench.info(call)?;
    ensure!(info.redirecting.address.contains("boss"), "the diverter is {:?}", info.redirecting);
    bench.close_call(call);
    let (call, _) = bench.offered(Incoming { to: (LINE, 1), ..plain })?;
    let info = bench.info(call)?;
    same!(info.address, AddressId(1), "the second address");
    ensure!(info.called.address.contains("sales"), "called was {:?}", info.called);
    bench.close_call(call);
    let (call, _) = bench.talking(LINE, "ben")?;
    let info = bench.info(call)?;
    ensure!(info.called.address.contains("ben"), "we called {:?}", info.called);
    ensure!(info.connected.address.contains("ben"), "connected with {:?}", info.connected);
    ensure!(info.caller.address.contains("desk"), "the caller is {:?}", info.caller);
    bench.finish()
}

fn reasons(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let plain = Incoming::new(LINE, "ann");
    let diverted = |why| Incoming { diverted: Some(("boss".to_owned(), why)), ..plain.clone() };
    for (incoming, reason, origin) in [
        (plain.clone(), Reason::Direct, Origin::Internal),
        (Incoming { external: true, ..plain.clone() }, Reason::Direct, Origin::External),
        (diverted(Diverted::Unconditionally), Reason::ForwardedUnconditional, Origin::Internal),
        (diverted(Diverted::Busy), Reason::ForwardedBusy, Origin::Internal),
        (diverted(Diverted::NoAnswer), Reason::ForwardedNoAnswer, Origin::Internal),
        (diverted(Diverted::Once), Reason::Redirected, Origin::Internal),
        (Incoming { transferred: true, ..plain.clone() }, Reason::Transferred, Origin::Internal),
    ] {
        let (call, _) = bench.offered(incoming)?;
        let info = bench.info(call)?;
        bench.observed.borrow_mut().info(info.reason, info.origin);
        same!(info.reason, reason, "the reason");
        ensure!(info.origin == origin || info.origin == Origin::Inbound, "the origin is {:?}", info.origin);
        bench.close_call(call);
    }
    let (call, _) = bench.talking(LINE, "ben")?;
    let info = bench.info(call)?;
    bench.observed.borrow_mut().info(info.reason, info.origin);
    same!((info.reason, info.origin), (Reason::Direct, Origin::Outbound), "a made call");
    if bench.able(LINE).features.contains(hookswitch_spi::Feature::SetupTransfer) {
        bench.arrange("cora", Behaviour::Answers(Duration::from_millis(100)));
        let consult = ConsultOptions::to("cora");
        let outcome = bench.perform(Operation::SetupTransfer { call, consult });
        let Ok(Outcome::Call(consult)) = outcome else {
            return Err(Finding(format!("consulting: {outcome:?}")));
        };
        let (held, other) = (bench.info(call)?, bench.info(consult)?);
        same!(other.related, Some(held.physical), "what the consultation relates to");
    }
    bench.finish()
}

fn physical_calls(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::lines(&["desk", "door"]));
    let same_call = |line| Incoming { physical: 0x1234_5678_9abc, ..Incoming::new(line, "ann") };
    let (one, party) = bench.offered(same_call(LINE))?;
    let (two, _) = bench.offered(same_call(LineId(1)))?;
    let (three, _) = bench.offered(Incoming::new(LINE, "amy"))?;
    let (one_info, two_info, three_info) = (bench.info(one)?, bench.info(two)?, bench.info(three)?);
    same!(one_info.physical, two_info.physical, "legs of one physical call");
    ensure!(one_info.physical != three_info.physical, "two physical calls share a number");
    bench.perform(Operation::answer(one)).map_err(|error| Finding(error.to_string()))?;
    bench.run(Duration::from_millis(200));
    bench.act(party, Act::Hold);
    bench.act(party, Act::Resume);
    bench.perform(Operation::Hold { call: one }).map_err(|error| Finding(error.to_string()))?;
    same!(bench.info(one)?.physical, one_info.physical, "the physical call after holds");
    bench.finish()
}

fn entry_times(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, party) = bench.answered(LINE, "ann")?;
    let connected = bench.log.iter().find_map(|(at, event)| match event {
        ProviderEvent::CallState { call: about, state: CallState::Connected(_), .. } if *about == call => {
            Some(*at)
        }
        _ => None,
    });
    bench.run(Duration::from_secs(17));
    let status = bench.provider().call_status(call).ok_or_else(|| Finding("no status".into()))?;
    same!(Some(status.since), connected, "since when it is connected");
    bench.act(party, Act::HangUp(String::new()));
    let told = bench.log.iter().rev().find_map(|(at, event)| match event {
        ProviderEvent::CallState { call: about, .. } if *about == call => Some(*at),
        _ => None,
    });
    bench.run(Duration::from_secs(9));
    let status = bench.provider().call_status(call).ok_or_else(|| Finding("no status".into()))?;
    same!(Some(status.since), told, "since when it is disconnected");
    // What the application side keeps is empty until it sets it, and nobody but it changes it.
    let info = bench.info(call)?;
    ensure!(info.call_data.is_empty() && info.app_specific == 0, "data out of nowhere: {info:?}");
    bench.finish()
}

fn one_object(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let (call, party) = bench.answered(LINE, "ann")?;
    let announced = bench.announcements();
    bench.act(party, Act::Hold);
    bench.act(party, Act::Resume);
    bench.act(party, Act::Refresh);
    bench.act(party, Act::Media(MediaTypes::VOICE.with(MediaType::Video)));
    bench.run(Duration::from_secs(1));
    same!(bench.announcements(), announced, "announcements after re-INVITEs and a refresh");
    same!(bench.kind(call), Some(StateKind::Connected), "the call");
    // Taken over by another dialog it stays the same call, with another party.
    let other = bench.subject.call_in(Incoming { replaces: Some(party), ..Incoming::new(LINE, "dan") });
    bench.run(Duration::from_secs(2));
    same!(bench.announcements(), announced, "announcements after a replacement");
    same!(bench.kind(call), Some(StateKind::Connected), "the replaced call");
    ensure!(
        bench.saw(other).iter().any(|saw| matches!(saw, Saw::Answered(_))),
        "who replaces is not answered: {:?}",
        bench.saw(other)
    );
    ensure!(
        bench.saw(party).iter().any(|saw| matches!(saw, Saw::HungUp(_))),
        "who was replaced is not let go: {:?}",
        bench.saw(party)
    );
    ensure!(
        bench.info(call)?.connected.address.contains("dan"),
        "connected with {:?}",
        bench.info(call)?.connected
    );
    bench.finish()
}

fn counts(suite: &Suite<'_>) -> Verdict {
    let mut bench = suite.open(&Setup::one());
    let numbers = |bench: &mut Bench| {
        let status = bench.provider().address_status(LINE, AddressId(0)).map(|status| status.calls);
        status.map(|calls| (calls.active, calls.held, calls.pending))
    };
    same!(numbers(&mut bench), Some((0, 0, 0)), "before any call");
    let (one, _) = bench.answered(LINE, "ann")?;
    same!(numbers(&mut bench), Some((1, 0, 0)), "with one call");
    bench.perform(Operation::Hold { call: one }).map_err(|error| Finding(error.to_string()))?;
    same!(numbers(&mut bench), Some((0, 1, 0)), "with one held");
    let (two, party) = bench.offered(Incoming::new(LINE, "amy"))?;
    same!(numbers(&mut bench), Some((1, 1, 0)), "with one held and one offered");
    bench.act(party, Act::HangUp(String::new()));
    same!(numbers(&mut bench), Some((0, 1, 0)), "after the caller gave up");
    bench.close_call(two);
    bench.perform(Operation::drop(one)).map_err(|error| Finding(error.to_string()))?;
    same!(numbers(&mut bench), Some((0, 0, 0)), "after the drop");
    let told: Vec<u32> = bench
        .log
        .iter()
        .filter_map(|(_, event)| match event {
            ProviderEvent::CallCount { line: LINE, calls, .. } => Some(calls.all()),
            _ => None,
        })
        .collect();
    ensure!(told.first() == Some(&1) && told.last() == Some(&0), "the numbers told were {told:?}");
    bench.finish()
}
