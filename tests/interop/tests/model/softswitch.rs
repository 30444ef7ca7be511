//! Pickup, parking and camping on by lines of ours at our own softswitch, with a softphone on the other side.

use crate::{OURS, hang_up, record, record_for};
use hookswitch::{
    Audio, Call, CompletionMode, DisconnectMode, EndedBy, ParkAt, PickupFrom, Reason, StateKind,
};
use hookswitch_interop::{Rig, Softphone, Switchboard, needs, reached, recorded, soon, sound};

/// What the softphone says.
const CALLER: u16 = 1_200;
/// What it logs when sound of the softswitch arrives, and when a stream comes from another source than before.
const MUSIC: &str = "receiving from 127.0.0.1:1";

async fn phone(board: &Switchboard, name: &str) -> Softphone {
    phone_with(board, name, 8).await
}

/// One that takes so many calls at a time.
async fn phone_with(board: &Switchboard, name: &str, calls: u8) -> Softphone {
    let settings = [
        format!("REGISTRAR={}", board.address()),
        "USER=1001".into(),
        format!("TONE={CALLER}"),
        format!("CALLS={calls}"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    Softphone::start(name, &settings).await.unwrap_or_else(|said| panic!("{}", said.errors))
}

async fn lines(board: &Switchboard, users: &[&str]) -> Rig {
    let lines: Vec<_> = users.iter().map(|user| board.line(user, "profile = 'hookswitch'")).collect();
    let mut rig = Rig::over("udp tcp", &lines).await;
    for line in 0..users.len() {
        rig.in_service(line).await;
    }
    rig
}

/// The phone is heard; it hangs up with us.
async fn talks(call: Call, phone: &mut Softphone, name: &str) {
    let path = record(&call, name).await;
    record_for(2.4).await;
    soon("the end of the recording", call.stop_recording()).await.expect("the recording is complete");
    hang_up(call).await;
    phone.event("CALL_CLOSED").await;
    recorded(&path).await;
    sound::carries(&path, Some(0), CALLER, 2.0);
}

/// Checklist 41, 46, 60. What rings at one of our lines is picked up by another: by its number, and from the group (`*8`).
#[tokio::test]
async fn a_call_is_picked_up_from_an_address_and_from_the_group() {
    if !needs(&["baresip"]) {
        return;
    }
    for (name, from) in [
        ("pickup-address", PickupFrom::Address("1002".into())),
        ("pickup-group", PickupFrom::Group(String::new())),
    ] {
        let board = Switchboard::start();
        let mut phone = phone(&board, name).await;
        let mut rig = lines(&board, &["1003", "1002"]).await;
        phone.tell("dial", &board.uri("1002")).await;
        let rings = rig.offered().await;
        let call = soon("the pickup", rig.line().pick_up(from)).await.expect("the call is picked up");
        reached(&call, StateKind::Connected).await;
        phone.event("CALL_ESTABLISHED").await;
        let info = soon("information", call.info()).await.expect("information");
        assert_eq!(info.reason, Reason::PickedUp, "{info:?}");
        let over = soon("the end", rings.ended()).await.expect("the phone stops ringing");
        assert_eq!((over.mode, over.by), (DisconnectMode::Pickup, EndedBy::Peer), "{over}");
        soon("our tone", call.play(Audio::tone(OURS))).await.expect("we say a tone");
        talks(call, &mut phone, name).await;
        assert!(phone.heard().await.iter().any(|path| sound::seconds_of(path, None, OURS) >= 2.0));
        drop(rings);
        rig.end().await;
        phone.end().await;
        board.end().await;
    }
}

/// Checklist 46, 60. A phone is parked, at an orbit that is named and at one that the switch chooses, hears music, and is retrieved.
#[tokio::test]
async fn a_call_is_parked_and_retrieved() {
    if !needs(&["baresip"]) {
        return;
    }
    for (name, at) in [("park-orbit", ParkAt::Orbit("703".into())), ("park-anywhere", ParkAt::Anywhere)] {
        let board = Switchboard::start();
        let mut phone = phone(&board, name).await;
        let mut rig = lines(&board, &["1002"]).await;
        let call =
            soon("the call", rig.line().call("1001", Audio::tone(OURS))).await.expect("the call is made");
        soon("the answer", call.connected()).await.expect("the phone answers");
        phone.event("CALL_ESTABLISHED").await;
        phone.hears_for(1.5).await;
        let orbit = soon("parking", call.park(at.clone())).await.expect("the call is parked");
        println!("parked at {orbit}");
        match &at {
            ParkAt::Orbit(wanted) => assert_eq!(&orbit, wanted),
            ParkAt::Anywhere => assert!(orbit.starts_with('7'), "{orbit}"),
        }
        reached(&call, StateKind::Idle).await;
        drop(call);
        phone.logs(MUSIC).await;
        let back = soon("the parked call", rig.line().unpark(&orbit)).await.expect("the call is retrieved");
        reached(&back, StateKind::Connected).await;
        let info = soon("information", back.info()).await.expect("information");
        assert_eq!(info.reason, Reason::Unparked, "{info:?}");
        soon("our tone", back.play(Audio::tone(OURS))).await.expect("we say a tone");
        talks(back, &mut phone, name).await;
        rig.nothing_offered().await;
        rig.end().await;
        phone.end().await;
        board.end().await;
    }
}

/// Checklist 60. A softphone that takes one call at a time is busy. Two calls camp on; when the softphone is free, they go out by
/// themselves, the one that waited first as the first one.
#[tokio::test]
async fn calls_camp_on_until_a_softphone_is_free() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut phone = phone_with(&board, "camp-on", 1).await;
    let mut rig = lines(&board, &["1002", "1003"]).await;
    let in_the_way = soon("the call", rig.line().call("1001", Audio::silence())).await.expect("it is made");
    soon("the answer", in_the_way.connected()).await.expect("the phone answers");
    phone.event("CALL_ESTABLISHED").await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let line = &rig.lines[1];
        let call = soon("the call", line.call("1001", Audio::tone(OURS))).await.expect("the call is made");
        reached(&call, StateKind::Busy).await;
        let camped = soon("camping on", call.complete_later(CompletionMode::CampOn)).await;
        println!("waits: {:?}", camped.expect("the call waits"));
        reached(&call, StateKind::Proceeding).await;
        waiting.push(call);
    }
    record_for(2.0).await;
    assert!(waiting.iter().all(|call| call.state().kind() == StateKind::Proceeding), "the phone is busy");
    // What rang in vain is over for the phone as well.
    phone.events();
    hang_up(in_the_way).await;
    let second = waiting.pop().expect("two calls wait");
    let first = waiting.pop().expect("two calls wait");
    reached(&first, StateKind::Connected).await;
    assert_eq!(second.state().kind(), StateKind::Proceeding);
    phone.event("CALL_ESTABLISHED").await;
    phone.events();
    talks(first, &mut phone, "camp-on-first").await;
    reached(&second, StateKind::Connected).await;
    talks(second, &mut phone, "camp-on-second").await;
    let long = |path: &std::path::PathBuf| sound::seconds_of(path, None, OURS) >= 2.0;
    assert_eq!(phone.heard().await.iter().filter(|path| long(path)).count(), 2, "it hears both");
    rig.nothing_offered().await;
    rig.end().await;
    phone.end().await;
    board.end().await;
}
