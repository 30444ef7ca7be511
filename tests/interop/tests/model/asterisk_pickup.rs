//! Pickup and parking where Asterisk does them.

use crate::{OURS, answered, end, hang_up, lines, record, record_for, with_asterisk};
use hookswitch::{Audio, Call, DisconnectMode, EndedBy, ParkAt, PickupFrom, Reason, StateKind};
use hookswitch_interop::sound::{carries, seconds_of};
use hookswitch_interop::{Rig, asterisk, reached, soon};

const CALLER: u16 = 1_200;

/// Our first line picks up what rings at the second one; caller and we talk, and the phone that rang is told who has the call.
async fn picked_up(mut rig: Rig, from: PickupFrom, name: u16) {
    asterisk::caller(CALLER, name, "1002").await;
    let rings = rig.offered().await;
    let call = soon("the pickup", rig.line().pick_up(from)).await.expect("the call is picked up");
    reached(&call, StateKind::Connected).await;
    let info = soon("information", call.info()).await.expect("information");
    assert_eq!(info.reason, Reason::PickedUp, "{info:?}");
    let over = soon("the end", rings.ended()).await.expect("the phone stops ringing");
    assert_eq!((over.mode, over.by), (DisconnectMode::Pickup, EndedBy::Peer), "{over}");
    soon("our tone", call.play(Audio::tone(OURS))).await.expect("we say a tone");
    talks(call, name).await;
    drop(rings);
    end(rig).await;
}

/// The party hears us and is heard.
async fn talks(call: Call, name: u16) {
    let path = record(&call, &format!("talks-{name}")).await;
    record_for(2.5).await;
    soon("the end of the recording", call.stop_recording()).await.expect("the recording is complete");
    hang_up(call).await;
    asterisk::hang_up_all().await;
    carries(&asterisk::complete(&path).await, Some(0), CALLER, 2.0);
    assert!(seconds_of(&asterisk::complete(&asterisk::heard(name)).await, None, OURS) >= 2.3);
}

/// Checklist 41, 46, 60. What rings in our own group, by Asterisk's feature code.
#[tokio::test]
async fn a_call_is_picked_up_from_the_group() {
    with_asterisk!();
    let rig = lines(&["1001", "1002"]).await;
    picked_up(rig, PickupFrom::Group(String::new()), 61).await;
}

/// Checklist 41, 46, 60. What rings at one number, by a code of the dialplan.
#[tokio::test]
async fn a_call_is_picked_up_from_an_address() {
    with_asterisk!();
    let keys = asterisk::profile("directed-pickup", "pickup-prefix = '**'");
    let lines = [asterisk::line_with("1001", &keys), asterisk::line("1002")];
    let mut rig = Rig::with(&lines).await;
    rig.in_service(0).await;
    rig.in_service(1).await;
    picked_up(rig, PickupFrom::Address("1002".into()), 62).await;
}

/// Checklist 46, 60. A party is parked at an orbit of Asterisk's, hears its music, and is retrieved.
#[tokio::test]
async fn a_call_is_parked_in_asterisk_and_retrieved() {
    with_asterisk!();
    let keys = asterisk::profile("parking", "park = true\npark-code = '*88'");
    let mut rig = Rig::with(&[asterisk::line_with("1001", &keys)]).await;
    rig.in_service(0).await;
    let call = answered(&rig, &asterisk::bridged_party(CALLER, 63), Audio::tone(900)).await;
    asterisk::bridged().await;
    let orbit = soon("parking", call.park(ParkAt::Orbit("705".into()))).await.expect("the call is parked");
    assert_eq!(orbit, "705");
    reached(&call, StateKind::Idle).await;
    drop(call);
    record_for(1.5).await;
    let back = soon("the parked call", rig.line().unpark("705")).await.expect("the call is retrieved");
    reached(&back, StateKind::Connected).await;
    let info = soon("information", back.info()).await.expect("information");
    assert_eq!(info.reason, Reason::Unparked, "{info:?}");
    soon("our tone", back.play(Audio::tone(OURS))).await.expect("we say a tone");
    talks(back, 63).await;
    let heard = asterisk::heard(63);
    let music: f32 = [523, 659, 784].iter().map(|hertz| seconds_of(&heard, None, *hertz)).sum();
    assert!(music >= 1.0, "music for {music} s while it was parked");
    end(rig).await;
}
