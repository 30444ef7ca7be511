//! Sessions that are refreshed (RFC 4028): what the other side says in its answer counts.

mod scripted;

use hookswitch_media::control::{Command, StreamId};
use hookswitch_spi::*;
use scripted::{Caller, Rig, SDP};
use std::time::Duration;

/// A call that came in and talks; we refresh it, by re-INVITE because the caller does not say that it takes UPDATE.
fn refreshed_by_us(rig: &mut Rig) -> Caller {
    let mut caller = rig.ring_with("Supported: timer\r\nSession-Expires: 200;refresher=uas\r\n", SDP);
    rig.answer(&mut caller);
    assert_eq!(rig.state(caller.call), StateKind::Connected);
    rig.events.clear();
    rig.commands.clear();
    rig.sent.clear();
    rig.run(Duration::from_secs(101));
    rig.last("INVITE").expect("the session is refreshed");
    caller
}

fn configured(rig: &Rig, call: CallId) -> Vec<(std::net::SocketAddr, bool)> {
    let configured = rig.commands.iter().filter_map(|command| match command {
        Command::Configure { stream: StreamId(stream), parameters } if *stream == call.0 => {
            Some((parameters.remote_rtp, parameters.direction.sends()))
        }
        _ => None,
    });
    configured.collect()
}

#[test]
fn an_answer_that_repeats_itself_changes_nothing() {
    let mut rig = Rig::refreshing(200);
    let caller = refreshed_by_us(&mut rig);
    rig.reply("INVITE", "200 OK", SDP);
    assert_eq!(configured(&rig, caller.call), []);
    assert_eq!(rig.told(), []);
}

#[test]
fn audio_goes_where_the_answer_to_a_refresh_says() {
    let mut rig = Rig::refreshing(200);
    let caller = refreshed_by_us(&mut rig);
    let moved = SDP.replace("m=audio 30000", "m=audio 30400");
    assert_ne!(moved, SDP);
    rig.reply("INVITE", "200 OK", &moved);
    assert_eq!(configured(&rig, caller.call), [(([10, 0, 0, 2], 30_400).into(), true)]);
    assert_eq!(rig.state(caller.call), StateKind::Connected);
    // A hold of ours goes on from there.
    rig.ask(Operation::Hold { call: caller.call });
    assert!(rig.sent.iter().any(|text| text.contains("a=sendonly")));
}

#[test]
fn an_answer_to_a_refresh_may_hold_us() {
    let mut rig = Rig::refreshing(200);
    let caller = refreshed_by_us(&mut rig);
    rig.reply("INVITE", "200 OK", &format!("{SDP}a=sendonly\r\n"));
    assert_eq!(configured(&rig, caller.call).first().map(|(_, sends)| *sends), Some(false));
    let state = rig.p.call_state(caller.call);
    assert_eq!(state, Some(CallState::Connected(ConnectedMode::ActiveHeld)));
}

#[test]
fn an_answer_that_cannot_be_used_leaves_the_call_as_it_is() {
    let mut rig = Rig::refreshing(200);
    let caller = refreshed_by_us(&mut rig);
    for nonsense in ["v=0\r\nnonsense\r\n", &SDP.replace("m=audio 30000", "m=audio 0")] {
        rig.reply("INVITE", "200 OK", nonsense);
        assert_eq!(configured(&rig, caller.call), []);
        assert_eq!(rig.state(caller.call), StateKind::Connected);
        rig.run(Duration::from_secs(100));
    }
}

#[test]
fn a_hold_that_is_asked_during_a_refresh_goes_out_after_it() {
    for status in ["200 OK", "488 Not Acceptable Here", "500 Server Internal Error"] {
        for sdp in [SDP, ""] {
            let mut rig = Rig::refreshing(200);
            let caller = refreshed_by_us(&mut rig);
            let (hold, _) = rig.ask(Operation::Hold { call: caller.call });
            assert!(!rig.sent.iter().any(|text| text.contains("a=sendonly")), "one offer at a time");
            rig.reply("INVITE", status, sdp);
            assert!(rig.sent.iter().any(|text| text.contains("a=sendonly")), "after {status}");
            rig.reply("INVITE", "200 OK", &format!("{SDP}a=recvonly\r\n"));
            assert_eq!(rig.result(hold), Ok(Outcome::Done));
            assert_eq!(rig.state(caller.call), StateKind::OnHold);
        }
    }
}
