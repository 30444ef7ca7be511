//! Two services call each other over loopback sockets through the public API: no other program is needed.

mod common;

use common::*;
use hookswitch::{
    Audio, CallState, ConnectedMode, DisconnectMode, EndedBy, HandOffTarget, Interest, MediaTypes,
    RejectReason, StateKind, TransferOutcome,
};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_answered_held_retrieved_and_ended() {
    let (mut alice, mut bob) = pair().await;
    let (call, incoming) = connected(&mut alice, &mut bob, "bob").await;
    assert_eq!(incoming.first_info().map(|info| info.caller.address.contains("alice")), Some(true));

    in_time(call.hold()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(call.wait_for(|state| *state == CallState::OnHold).await, CallState::OnHold);
    let held = CallState::Connected(ConnectedMode::ActiveHeld);
    assert_eq!(in_time(incoming.wait_for(|state| *state == held)).await, held);
    in_time(call.retrieve()).await.unwrap_or_else(|error| panic!("{error}"));
    let active = CallState::Connected(ConnectedMode::Active);
    assert_eq!(in_time(incoming.wait_for(|state| *state == active)).await, active);

    in_time(call.send_digits("47#")).await.unwrap_or_else(|error| panic!("{error}"));
    for digit in "47#".chars() {
        assert_eq!(in_time(incoming.next_digit()).await, Some(digit));
    }

    in_time(call.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    let end = in_time(incoming.ended()).await;
    assert_eq!(end.map(|end| (end.mode, end.by)), Some((DisconnectMode::Normal, EndedBy::Peer)));
    assert_eq!(call.state(), CallState::Idle);
    let figures = in_time(incoming.statistics()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(figures.packets_received > 0 && figures.packets_sent > 0, "{figures:?}");
    drop((call, incoming));
    let left = in_time(bob.service.figures()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((left.alive.sessions, left.sessions), (0, 1));
    in_time(alice.service.shutdown(Duration::from_secs(4))).await;
    in_time(bob.service.shutdown(Duration::from_secs(4))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_says_why() {
    let (alice, mut bob) = pair().await;
    for (reason, mode, status) in [
        (RejectReason::Default, DisconnectMode::Busy, 486),
        (RejectReason::Decline, DisconnectMode::Reject, 603),
    ] {
        let (call, incoming) = tokio::join!(alice.line.call("bob", Audio::silence()), offered(&mut bob.app));
        let call = call.unwrap_or_else(|error| panic!("{error}"));
        in_time(incoming.drop_call(reason)).await.unwrap_or_else(|error| panic!("{error}"));
        let end = in_time(call.ended()).await;
        assert_eq!(end.map(|end| (end.mode, end.status)), Some((mode, Some(status))));
        assert_eq!(incoming.state().kind(), StateKind::Idle);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offered_call_is_handed_to_another_application_without_any_sip() {
    let (alice, mut bob) = pair().await;
    let mut second = bob.service.attach("second").await.unwrap_or_else(|error| panic!("{error}"));
    let interest = Interest::owner(MediaTypes::VOICE);
    second.open("trunk", interest).await.unwrap_or_else(|error| panic!("{error}"));
    let (call, incoming) = tokio::join!(alice.line.call("bob", Audio::silence()), offered(&mut bob.app));
    let call = call.unwrap_or_else(|error| panic!("{error}"));
    let messages = |entries: &[hookswitch::TimelineEntry]| {
        entries
            .iter()
            .filter(|entry| {
                matches!(
                    entry.fact,
                    hookswitch::TimelineFact::Request { .. } | hookswitch::TimelineFact::Response { .. }
                )
            })
            .count()
    };
    let before = messages(&incoming.timeline().await.unwrap_or_default());
    in_time(incoming.hand_off(HandOffTarget::Application("second".into())))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let theirs = offered(&mut second).await;
    let after = messages(&incoming.timeline().await.unwrap_or_default());
    assert_eq!(before, after);
    in_time(theirs.answer(Audio::echo())).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_moves_the_other_side_and_its_outcome_is_the_real_one() {
    let (mut alice, mut bob) = pair().await;
    let (call, incoming) = connected(&mut alice, &mut bob, "bob").await;

    // Bob is sent to another number of Alice's line; there the call is answered.
    let (outcome, referred) = tokio::join!(in_time(call.transfer("900", Duration::from_secs(8))), async {
        let referred = offered(&mut alice.app).await;
        in_time(referred.answer(Audio::tone(660))).await.unwrap_or_else(|error| panic!("{error}"));
        referred
    });
    assert_eq!(outcome, Ok(TransferOutcome::Succeeded));
    assert_eq!(call.wait_for(|_| false).await, CallState::Idle);
    // For Bob it is the same call.
    assert_eq!(incoming.state(), CallState::Connected(ConnectedMode::Active));
    let info = in_time(incoming.info()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(info.connected.address.contains("900"), "{:?}", info.connected);

    in_time(incoming.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(in_time(referred.ended()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let (mut alice, mut bob) = pair().await;
    let (call, incoming) = connected(&mut alice, &mut bob, "bob").await;
    let (outcome, ()) = tokio::join!(in_time(call.transfer("901", Duration::from_secs(8))), async {
        let referred = offered(&mut alice.app).await;
        in_time(referred.drop_call(RejectReason::Busy)).await.unwrap_or_else(|error| panic!("{error}"));
    });
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(call.state(), CallState::Connected(ConnectedMode::Active));
    assert_eq!(incoming.state(), CallState::Connected(ConnectedMode::Active));
    in_time(call.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(in_time(incoming.ended()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_over_ipv6_and_over_tcp() {
    for path in [Path::Udp6, Path::Tcp4] {
        let (mut alice, mut bob) = pair_over(path).await;
        let (call, incoming) = connected(&mut alice, &mut bob, "bob").await;
        in_time(call.send_digits("1")).await.unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!(in_time(incoming.next_digit()).await, Some('1'), "{path:?}");
        in_time(incoming.hang_up()).await.unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(in_time(call.ended()).await.is_some(), "{path:?}");
    }
}
