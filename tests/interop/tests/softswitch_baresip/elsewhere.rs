//! Calls that ring in several places, that are given up, refused, redirected.

use crate::{
    LINE, OTHER_PHONE, PHONE, SHORT, SHORT_RECORDED, another, calls, dials, ended, line, one_recording, phone,
};
use hookswitch::{DisconnectMode, EndedBy, RejectReason, StateKind};
use hookswitch_interop::{Switchboard, needs, reached, soon, sound};

#[tokio::test]
async fn of_two_that_ring_one_answers() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut one = another(&board, "one", &["USER=1001", "ANSWER=manual"]).await;
    let mut two = another(&board, "two", &["USER=1001", "ANSWER=manual", "TRANSPORT=tcp", "TONE=700"]).await;
    // A line of ours rings as well and says why it stopped.
    let mut three = line(&board, "1001", "udp").await;
    let rig = line(&board, "1002", "udp").await;
    board.registrations(4).await;
    let call = calls(&board, rig.line(), "1001").await;
    one.event("CALL_INCOMING").await;
    two.event("CALL_INCOMING").await;
    let rings = three.offered().await;
    two.tell("accept", "").await;
    two.event("CALL_ESTABLISHED").await;
    soon("the answer", call.connected()).await.expect("one phone answers");
    one.event("CALL_CLOSED").await;
    let end = ended(&rings).await;
    assert_eq!(end.mode, DisconnectMode::Pickup, "{end}");
    two.hears_for(SHORT_RECORDED).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    two.event("CALL_CLOSED").await;
    sound::carries(&one_recording(&mut two).await, None, LINE, SHORT);
    assert!(one.heard().await.is_empty());
    drop((call, rings));
    rig.end().await;
    three.end().await;
    one.end().await;
    two.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_line_gives_up_and_the_phone_stops_ringing() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = another(&board, "one", &["USER=1001", "ANSWER=manual"]).await;
    let rig = line(&board, "1002", "udp").await;
    let call = calls(&board, rig.line(), "1001").await;
    phone.event("CALL_INCOMING").await;
    reached(&call, StateKind::Ringback).await;
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    reached(&call, StateKind::Idle).await;
    phone.event("CALL_CLOSED").await;
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_phone_gives_up_and_the_line_stops_ringing() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, "udp").await;
    let mut rig = line(&board, "1002", "udp").await;
    dials(&board, &mut phone, "1002").await;
    let call = rig.offered().await;
    soon("accepting", call.accept()).await.expect("the call is accepted");
    phone.event("CALL_RINGING").await;
    phone.tell("hangup", "").await;
    let end = ended(&call).await;
    assert_eq!((end.mode, end.by), (DisconnectMode::Cancelled, EndedBy::Peer), "{end}");
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_busy_phone_and_a_busy_line() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = another(&board, "one", &["USER=1001", "ANSWER=manual"]).await;
    let mut rig = line(&board, "1002", "udp").await;
    let call = calls(&board, rig.line(), "1001").await;
    phone.event("CALL_INCOMING").await;
    phone.tell("hangup", "").await;
    let end = ended(&call).await;
    assert_eq!((end.status, end.mode), (Some(486), DisconnectMode::Busy), "{end}");
    drop(call);

    phone.events();
    dials(&board, &mut phone, "1002").await;
    let call = rig.offered().await;
    soon("refusing", call.drop_call(RejectReason::Busy)).await.expect("the call is refused");
    let closed = phone.event("CALL_CLOSED").await;
    assert!(closed.more.contains("486"), "{closed:?}");
    drop(call);

    for (user, status) in [("1003", "480"), ("9999", "404")] {
        dials(&board, &mut phone, user).await;
        let closed = phone.event("CALL_CLOSED").await;
        assert!(closed.more.contains(status), "{user}: {closed:?}");
    }
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_line_redirects_to_the_echo() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, "udp").await;
    let mut rig = line(&board, "1002", "udp").await;
    dials(&board, &mut phone, "1002").await;
    let call = rig.offered().await;
    soon("redirecting", call.redirect(&board.uri("600"))).await.expect("the call is redirected");
    phone.event("CALL_ESTABLISHED").await;
    phone.hears_for(SHORT_RECORDED).await;
    phone.tell("hangup", "").await;
    phone.event("CALL_CLOSED").await;
    sound::carries(&one_recording(&mut phone).await, None, PHONE, SHORT);
    drop(call);
    rig.end().await;
    phone.end().await;
    board.end().await;
}

#[tokio::test]
async fn a_line_redirects_to_another_phone() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut one = phone(&board, "udp").await;
    let mut three = another(&board, "three", &["USER=1003", "TONE=700", "TRANSPORT=tcp"]).await;
    let mut rig = line(&board, "1002", "udp").await;
    dials(&board, &mut one, "1002").await;
    let call = rig.offered().await;
    soon("redirecting", call.redirect(&board.uri("1003"))).await.expect("the call is redirected");
    one.event("CALL_ESTABLISHED").await;
    one.hears_for(SHORT_RECORDED).await;
    three.hears_for(SHORT_RECORDED).await;
    one.tell("hangup", "").await;
    three.event("CALL_CLOSED").await;
    sound::carries(&one_recording(&mut one).await, None, OTHER_PHONE, SHORT);
    sound::carries(&one_recording(&mut three).await, None, PHONE, SHORT);
    drop(call);
    rig.end().await;
    one.end().await;
    three.end().await;
    board.end().await;
}
