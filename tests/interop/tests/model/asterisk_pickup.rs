//! Pickup and parking where Asterisk does them.

use crate::{OURS, end, hang_up, lines, record, record_for, with_asterisk};
use hookswitch::{Audio, DisconnectMode, EndedBy, ParkAt, PickupFrom, Reason, StateKind};
use hookswitch_interop::sound::{carries, seconds_of};
use hookswitch_interop::{Rig, asterisk, reached, soon};

const CALLER: u16 = 1_200;

/// Our first line picks up what rings at the second one; caller and we talk, and the phone that rang stops: it is told so much.
async fn picked_up(mut rig: Rig, from: PickupFrom, name: u16, told: DisconnectMode) {
    asterisk::caller(CALLER, name, "1002").await;
    let rings = rig.offered().await;
    let call = soon("the pickup", rig.line().pick_up(from)).await.expect("the call is picked up");
    reached(&call, StateKind::Connected).await;
    let info = soon("information", call.info()).await.expect("information");
    assert_eq!(info.reason, Reason::PickedUp, "{info:?}");
    let over = soon("the end", rings.ended()).await.expect("the phone stops ringing");
    assert_eq!((over.mode, over.by), (told, EndedBy::Peer), "{over}");
    soon("our tone", call.play(Audio::tone(OURS))).await.expect("we say a tone");
    let path = record(&call, &format!("picked-up-{name}")).await;
    record_for(2.5).await;
    soon("the end of the recording", call.stop_recording()).await.expect("the recording is complete");
    hang_up(call).await;
    carries(&asterisk::complete(&path).await, Some(0), CALLER, 2.0);
    carries(&asterisk::complete(&asterisk::heard(name)).await, None, OURS, 2.0);
    drop(rings);
    end(rig).await;
}

/// Checklist 46, 60. What rings in our own group, by Asterisk's feature code. Its CANCEL gives the cause 16, normal clearing, so that
/// the phone that rang cannot know that the call was answered elsewhere.
#[tokio::test]
async fn a_call_is_picked_up_from_the_group() {
    with_asterisk!();
    let rig = lines(&["1001", "1002"]).await;
    picked_up(rig, PickupFrom::Group(String::new()), 61, DisconnectMode::Cancelled).await;
}

/// Checklist 41, 46, 60. What rings at one number, by a code of the dialplan. The phone that rang is told that the call was answered
/// elsewhere.
#[tokio::test]
async fn a_call_is_picked_up_from_an_address() {
    with_asterisk!();
    let keys = asterisk::profile("directed-pickup", "pickup-prefix = '**'");
    let lines = [asterisk::line_with("1001", &keys), asterisk::line("1002")];
    let mut rig = Rig::with(&lines).await;
    rig.in_service(0).await;
    rig.in_service(1).await;
    picked_up(rig, PickupFrom::Address("1002".into()), 62, DisconnectMode::Pickup).await;
}

/// Checklist 46, 60. A party is parked at an orbit of Asterisk's, hears its music, and is retrieved.
#[tokio::test]
async fn a_call_is_parked_in_asterisk_and_retrieved() {
    with_asterisk!();
    let keys = asterisk::profile("parking", "park = true\npark-code = '*88'");
    let mut rig = Rig::with(&[asterisk::line_with("1001", &keys)]).await;
    rig.in_service(0).await;
    let mut third = lines(&["1002"]).await;
    let call = soon("the call", rig.line().call("1002", Audio::tone(900))).await.expect("the call is made");
    let party = third.offered().await;
    soon("the answer", party.answer(Audio::tone(CALLER))).await.expect("the party answers");
    soon("the answer", call.connected()).await.expect("the party answers");
    asterisk::bridged().await;
    let heard = record(&party, "parked").await;
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
    let ours = record(&back, "retrieved").await;
    record_for(2.5).await;
    soon("the end of the recording", back.stop_recording()).await.expect("the recording is complete");
    hang_up(back).await;
    soon("the end", party.ended()).await.expect("the party is hung up");
    drop(party);
    carries(&asterisk::complete(&ours).await, Some(0), CALLER, 2.0);
    let heard = asterisk::complete(&heard).await;
    carries(&heard, Some(0), OURS, 2.0);
    let music: f32 = [523, 659, 784].iter().map(|hertz| seconds_of(&heard, Some(0), *hertz)).sum();
    assert!(music >= 1.0, "music for {music} s while it was parked");
    third.end().await;
    end(rig).await;
}
