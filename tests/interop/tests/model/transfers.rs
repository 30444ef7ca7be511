//! Consultation and completed transfers through Asterisk.

use crate::{OURS, answered, end, hang_up, lines, record, record_for, with_asterisk};
use hookswitch::{Audio, StateKind, TransferOutcome};
use hookswitch_interop::sound::{carries, seconds_of};
use hookswitch_interop::{Rig, TestLine, asterisk, reached, soon};
use std::time::Duration;

/// What the first party says, and the second.
const FIRST: u16 = 900;
const SECOND: u16 = 1_200;
const WITHIN: Duration = Duration::from_secs(30);

/// Somebody whom Asterisk calls at a port of this machine.
async fn neighbour() -> Rig {
    let keys = "register = false".into();
    Rig::with(&[TestLine { user: "peer".into(), registrar: asterisk::registrar(), keys }]).await
}

/// Checklist 56, 57. Asterisk joins the party and the target, and says so; our two calls are idle.
#[tokio::test]
async fn a_consulted_transfer_joins_the_two_others() {
    with_asterisk!();
    let rig = lines(&["1001"]).await;
    let (mut first, mut second) = (neighbour().await, lines(&["1002"]).await);
    let number = format!("9{}", first.address().port());
    let call = soon("the call", rig.line().call(&number, Audio::tone(OURS))).await.expect("the call is made");
    let party = first.offered().await;
    soon("the answer", party.answer(Audio::tone(FIRST))).await.expect("the party answers");
    soon("the answer", call.connected()).await.expect("the party answers");
    asterisk::bridged().await;
    let consult = soon("the consultation", call.consult("1002", Audio::tone(OURS))).await.expect("consulted");
    reached(&call, StateKind::OnHoldPendingTransfer).await;
    let target = second.offered().await;
    soon("the answer", target.answer(Audio::tone(SECOND))).await.expect("the target answers");
    soon("the answer", consult.connected()).await.expect("the target answers");
    asterisk::bridges(2).await;
    let at_first = record(&party, "transfer-party").await;
    let at_second = record(&target, "transfer-target").await;
    let outcome = soon("the outcome", call.complete_transfer(&consult, WITHIN)).await;
    assert_eq!(outcome, Ok(TransferOutcome::Succeeded));
    reached(&call, StateKind::Idle).await;
    reached(&consult, StateKind::Idle).await;
    drop((call, consult));
    record_for(4.0).await;
    soon("the end of the recording", party.stop_recording()).await.expect("the recording is complete");
    soon("the end of the recording", target.stop_recording()).await.expect("the recording is complete");
    hang_up(target).await;
    soon("the end", party.ended()).await.expect("the other of the two hangs up");
    drop(party);
    carries(&asterisk::complete(&at_first).await, Some(0), SECOND, 3.0);
    carries(&asterisk::complete(&at_second).await, Some(0), FIRST, 3.0);
    first.end().await;
    second.end().await;
    end(rig).await;
}

/// Checklist 57. The target hangs up before the transfer is completed, or is busy: nothing is transferred, the request says so, and the
/// party is talked to again.
#[tokio::test]
async fn a_transfer_to_a_target_that_is_gone_leaves_the_call() {
    with_asterisk!();
    let rig = lines(&["1001"]).await;
    let mut third = lines(&["1002"]).await;
    let call = answered(&rig, &asterisk::party(FIRST, 42), Audio::tone(OURS)).await;
    let consult = soon("the consultation", call.consult("1002", Audio::silence())).await.expect("consulted");
    let target = third.offered().await;
    soon("the answer", target.answer(Audio::tone(SECOND))).await.expect("the target answers");
    soon("the answer", consult.connected()).await.expect("the target answers");
    hang_up(target).await;
    soon("the end", consult.ended()).await.expect("the target hangs up");
    let outcome = soon("the outcome", call.complete_transfer(&consult, WITHIN)).await;
    println!("a transfer to somebody who is gone: {outcome:?}");
    assert!(outcome.is_err(), "{outcome:?}");
    reached(&call, StateKind::Connected).await;
    drop(consult);

    let consult = soon("the consultation", call.consult("604", Audio::silence())).await.expect("consulted");
    reached(&call, StateKind::OnHoldPendingTransfer).await;
    soon("the end", consult.ended()).await.expect("the target is busy");
    let outcome = soon("the outcome", call.complete_transfer(&consult, WITHIN)).await;
    println!("a transfer to somebody who is busy: {outcome:?}");
    assert!(outcome.is_err(), "{outcome:?}");
    reached(&call, StateKind::Connected).await;
    record_for(2.5).await;
    hang_up(call).await;
    drop(consult);
    let heard = asterisk::complete(&asterisk::heard(42)).await;
    assert!(seconds_of(&heard, None, OURS) >= 2.3, "{} carries {OURS} Hz again", heard.display());
    assert!(seconds_of(&heard, None, SECOND) < 0.1, "{} has nothing of the target", heard.display());
    third.end().await;
    end(rig).await;
}

/// Checklist 57. A switch that cannot transfer by REFER: the two others talk through us. Nobody is told that we have left; for our
/// application both calls are idle, and it may let go of them.
#[tokio::test]
async fn where_the_switch_cannot_transfer_the_two_others_are_bridged() {
    with_asterisk!();
    let keys = asterisk::profile("no-refer", "refer = false");
    let mut rig = Rig::with(&[asterisk::line_with("1001", &keys)]).await;
    rig.in_service(0).await;
    let call = answered(&rig, &asterisk::party(FIRST, 43), Audio::tone(OURS)).await;
    let number = asterisk::party(SECOND, 44);
    let consult =
        soon("the consultation", call.consult(&number, Audio::tone(OURS))).await.expect("consulted");
    soon("the answer", consult.connected()).await.expect("the target answers");
    let outcome = soon("the outcome", call.complete_transfer(&consult, WITHIN)).await;
    assert_eq!(outcome, Ok(TransferOutcome::Bridged));
    reached(&call, StateKind::Idle).await;
    reached(&consult, StateKind::Idle).await;
    drop((call, consult));
    record_for(4.0).await;
    asterisk::hang_up_all().await;
    carries(&asterisk::complete(&asterisk::heard(43)).await, None, SECOND, 3.0);
    carries(&asterisk::complete(&asterisk::heard(44)).await, None, FIRST, 3.0);
    end(rig).await;
}
