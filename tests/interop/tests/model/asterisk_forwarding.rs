//! What becomes of our 302 and 480 behind Asterisk.

use crate::{answered, end, forward, hang_up, lines, record, record_for, rule, with_asterisk};
use hookswitch::{Audio, DisconnectMode, ForwardCondition, ForwardRule, ForwardTarget, Reason};
use hookswitch_interop::sound::carries;
use hookswitch_interop::{asterisk, soon};
use std::time::Duration;

/// Checklist 46, 55. Asterisk follows a 302 (`redirect_method=user`) as a number of its dialplan: the caller talks to the target, which
/// learns who forwarded and why.
#[tokio::test]
async fn asterisk_follows_and_tells_the_target_why() {
    with_asterisk!();
    let mut rig = lines(&["1001", "1002"]).await;
    forward(&rig, vec![rule(ForwardCondition::NoAnswer, "1002")], Some(Duration::from_secs(1))).await;
    asterisk::caller(1_200, 71, "1001").await;
    let forwarded = rig.offered().await;
    let target = rig.offered().await;
    let over = soon("the end", forwarded.ended()).await.expect("the call is diverted");
    assert_eq!(over.mode, DisconnectMode::Forwarded, "{over}");
    let info = target.first_info().expect("information");
    println!("Asterisk tells the target: {:?} by {:?}", info.reason, info.redirecting);
    assert_eq!(info.reason, Reason::ForwardedNoAnswer);
    assert!(info.redirecting.address.contains("1001"), "{:?}", info.redirecting);
    soon("the answer", target.answer(Audio::tone(1_500))).await.expect("the target answers");
    let path = record(&target, "forwarded-target").await;
    record_for(2.0).await;
    soon("the end of the recording", target.stop_recording()).await.expect("the recording is complete");
    hang_up(target).await;
    drop(forwarded);
    carries(&asterisk::complete(&path).await, Some(0), 1_200, 1.5);
    carries(&asterisk::complete(&asterisk::heard(71)).await, None, 1_500, 1.5);
    end(rig).await;
}

/// Checklist 55. Do not disturb, and what Asterisk tells the caller then.
#[tokio::test]
async fn a_caller_through_asterisk_does_not_disturb() {
    with_asterisk!();
    let mut rig = lines(&["1001", "1002"]).await;
    let quiet = ForwardRule { to: ForwardTarget::DoNotDisturb, ..rule(ForwardCondition::Unconditional, "") };
    forward(&rig, vec![quiet], None).await;
    let second = rig.lines.get(1).expect("a line");
    let call = soon("the call", second.call("1001", Audio::silence())).await.expect("the call is made");
    let over = soon("the end", call.ended()).await.expect("nobody is disturbed");
    println!("do not disturb reaches the caller through Asterisk as: {over}");
    assert!(over.status.is_some(), "{over}");
    rig.nothing_offered().await;
    drop(call);
    // Without the rule it rings again.
    forward(&rig, Vec::new(), None).await;
    let number = asterisk::party(1_200, 72);
    hang_up(answered(&rig, &number, Audio::silence()).await).await;
    end(rig).await;
}
