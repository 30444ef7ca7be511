//! Conferences on our mixer, of parties behind Asterisk.

use crate::{OURS, answered, end, hang_up, lines, record, record_for, with_asterisk};
use hookswitch::{Audio, Call, Conference, StateKind};
use hookswitch_interop::sound::{Mixture, mixture, seconds_of};
use hookswitch_interop::{Rig, asterisk, reached, soon};

const FIRST: u16 = 900;
const SECOND: u16 = 1_200;
const THIRD: u16 = 1_800;
/// What a member is told that is outside of the conference.
const ALONE: u16 = 2_100;

/// A conference of our application and two others, each saying its tone; the two calls of the others.
async fn of_three(rig: &Rig, names: [u16; 2]) -> (Call, Call, Call) {
    let first = answered(rig, &asterisk::party(FIRST, names[0]), Audio::tone(ALONE)).await;
    let number = asterisk::party(SECOND, names[1]);
    let set_up = rig.line().set_up_conference(Some(&first), &number, Audio::tone(ALONE));
    let Conference { call, next } = soon("the conference", set_up).await.expect("a conference");
    let second = next.expect("a consultation call");
    reached(&first, StateKind::Conferenced).await;
    reached(&call, StateKind::OnHoldPendingConference).await;
    soon("the answer", second.connected()).await.expect("the second party answers");
    soon("the member", call.add_member(&second)).await.expect("the second party is a member");
    reached(&call, StateKind::Connected).await;
    reached(&second, StateKind::Conferenced).await;
    soon("our tone", call.play(Audio::tone(OURS))).await.expect("we say a tone");
    (call, first, second)
}

/// Both others for some seconds, without gaps, and its own voice at least 25 dB below what the two others hear of it.
fn hears_the_others(mixture: &Mixture, own: f32) {
    assert!(mixture.share >= 0.99 && mixture.seconds >= 5.0, "{mixture:?}");
    let suppressed = own - mixture.absent;
    println!("its own voice is {suppressed:.1} dB lower");
    assert!(suppressed >= 25.0, "{suppressed:.1} dB: {mixture:?}");
}

/// Checklist 27, 59, 74. Each hears the two others and not itself.
#[tokio::test]
async fn each_of_three_hears_the_two_others_and_not_itself() {
    with_asterisk!();
    let rig = lines(&["1001"]).await;
    let (conference, first, second) = of_three(&rig, [51, 52]).await;
    let calls = soon("the members", conference.conference_calls()).await.expect("members");
    let ids: Vec<_> = calls.iter().map(Call::id).collect();
    assert_eq!(ids, [conference.id(), first.id(), second.id()]);
    drop(calls);
    let ours = record(&conference, "conference").await;
    record_for(6.0).await;
    soon("the end of the recording", conference.stop_recording()).await.expect("the recording is complete");
    hang_up(conference).await;
    reached(&first, StateKind::Idle).await;
    reached(&second, StateKind::Idle).await;
    drop((first, second));
    let at_first = mixture(&asterisk::complete(&asterisk::heard(51)).await, None, &[OURS, SECOND], FIRST);
    let at_second = mixture(&asterisk::complete(&asterisk::heard(52)).await, None, &[OURS, FIRST], SECOND);
    let at_us = mixture(&asterisk::complete(&ours).await, Some(0), &[FIRST, SECOND], OURS);
    hears_the_others(&at_first, at_second.levels[1].min(at_us.levels[0]));
    hears_the_others(&at_second, at_first.levels[1].min(at_us.levels[1]));
    hears_the_others(&at_us, at_first.levels[0].min(at_second.levels[0]));
    end(rig).await;
}

/// Checklist 59. A third party is called for the conference and added, taken out again, and the last but one takes the conference with
/// it: the calls that are left are ordinary ones.
#[tokio::test]
async fn a_conference_grows_shrinks_and_ends_with_its_last_member_but_one() {
    with_asterisk!();
    let rig = lines(&["1001"]).await;
    let (conference, first, second) = of_three(&rig, [53, 54]).await;
    let number = asterisk::party(THIRD, 55);
    let call = conference.call_next(&number, Audio::tone(ALONE));
    let third = soon("the next party", call).await.expect("the third party is called");
    reached(&conference, StateKind::OnHoldPendingConference).await;
    soon("the answer", third.connected()).await.expect("the third party answers");
    soon("the member", conference.add_member(&third)).await.expect("the third party is a member");
    reached(&conference, StateKind::Connected).await;
    record_for(1.5).await;

    soon("leaving", third.leave_conference()).await.expect("the third party leaves");
    reached(&third, StateKind::Connected).await;
    assert_eq!(conference.state().kind(), StateKind::Connected);
    assert_eq!(second.state().kind(), StateKind::Conferenced);
    record_for(1.5).await;
    hang_up(third).await;

    soon("leaving", second.leave_conference()).await.expect("the second party leaves");
    reached(&second, StateKind::Connected).await;
    reached(&first, StateKind::Connected).await;
    reached(&conference, StateKind::Idle).await;
    record_for(1.5).await;
    hang_up(second).await;
    hang_up(first).await;
    drop(conference);

    let third = asterisk::complete(&asterisk::heard(55)).await;
    for hertz in [OURS, FIRST, SECOND] {
        let heard = seconds_of(&third, None, hertz);
        assert!((1.2..2.5).contains(&heard), "{hertz} Hz for {heard} s while it was a member");
    }
    assert!(seconds_of(&third, None, ALONE) >= 1.3, "then it is talked to alone");
    let first = asterisk::complete(&asterisk::heard(53)).await;
    let heard = seconds_of(&first, None, THIRD);
    assert!((1.2..2.5).contains(&heard), "{THIRD} Hz for {heard} s while it was a member");
    assert!(seconds_of(&first, None, ALONE) >= 1.3, "the last party is talked to alone");
    end(rig).await;
}

/// Checklist 57, 59. A transfer with consultation is completed as a conference: the held party comes back for it.
#[tokio::test]
async fn a_transfer_is_completed_as_a_conference() {
    with_asterisk!();
    let rig = lines(&["1001"]).await;
    let first = answered(&rig, &asterisk::party(FIRST, 56), Audio::tone(ALONE)).await;
    let number = asterisk::party(SECOND, 57);
    let consult =
        soon("the consultation", first.consult(&number, Audio::tone(ALONE))).await.expect("consulted");
    soon("the answer", consult.connected()).await.expect("the second party answers");
    reached(&first, StateKind::OnHoldPendingTransfer).await;
    let conference = soon("the conference", first.join(&consult)).await.expect("a conference");
    for member in [&first, &consult] {
        reached(member, StateKind::Conferenced).await;
    }
    reached(&conference, StateKind::Connected).await;
    soon("our tone", conference.play(Audio::tone(OURS))).await.expect("we say a tone");
    record_for(3.5).await;
    // Who hangs up leaves two, who go on without a conference.
    hang_up(consult).await;
    reached(&conference, StateKind::Idle).await;
    reached(&first, StateKind::Connected).await;
    hang_up(first).await;
    drop(conference);
    for (name, others, own) in [(56, [OURS, SECOND], FIRST), (57, [OURS, FIRST], SECOND)] {
        let heard = asterisk::complete(&asterisk::heard(name)).await;
        let mixture = mixture(&heard, None, &others, own);
        assert!(mixture.share >= 0.99 && mixture.seconds >= 3.0, "{mixture:?}");
        assert!(mixture.levels[0] - mixture.absent >= 25.0, "{mixture:?}");
    }
    end(rig).await;
}
