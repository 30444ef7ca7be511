//! An INVITE that is answered more than once.

use super::*;

#[test]
fn a_second_answer_of_another_fork_gets_ack_and_one_bye() {
    let mut net = Net::new();
    let (a, invite) = net.call_raw(None);
    for _ in 0..3 {
        net.reply(&invite, 200, "other", ANSWER);
    }
    assert_eq!((net.count(A, "ACK"), net.count(A, "BYE")), (4, 1));
    let bye = net.latest(RAW, "BYE");
    assert_eq!(bye.to_tag(), Some("other"));
    assert_eq!(bye.cseq().number, invite.cseq().number + 1);
    net.reply(&bye, 200, "other", b"");
    assert_eq!(net.told(A), [Indication::Answered(a)], "the first session goes on");
    net.hang_up(A, a).unwrap();
    assert_eq!(net.latest(RAW, "BYE").to_tag(), Some("raw"));
    net.drain();
}

#[test]
fn a_retransmitted_answer_after_the_end_is_acknowledged_but_not_ended_again() {
    let mut net = Net::new();
    let (a, invite) = net.call_raw(None);
    net.hang_up(A, a).unwrap();
    let bye = net.latest(RAW, "BYE");
    net.reply(&bye, 200, "raw", b"");
    net.run(100);
    let byes = net.count(A, "BYE");
    net.reply(&invite, 200, "raw", ANSWER);
    assert_eq!((net.count(A, "ACK"), net.count(A, "BYE")), (2, byes));
    net.drain();
}

#[test]
fn a_stray_answer_to_an_invite_of_ours_gets_ack_and_bye() {
    let mut net = Net::new();
    let (a, invite) = net.call_raw(None);
    net.hang_up(A, a).unwrap();
    let bye = net.latest(RAW, "BYE");
    net.reply(&bye, 200, "raw", b"");
    net.drain();
    net.reply(&invite, 200, "late", ANSWER);
    assert_eq!((net.count(A, "ACK"), net.count(A, "BYE")), (2, 2));
    let bye = net.latest(RAW, "BYE");
    assert_eq!(bye.to_tag(), Some("late"));
    net.drain();
}

#[test]
fn an_answer_to_an_invite_that_was_never_ours_is_ignored() {
    let mut net = Net::new();
    let (a, invite) = net.call_raw(None);
    let tag = invite.from_tag().unwrap().to_owned();
    let before = net.seen.len();
    for forged in ["h1-0-0-1".to_owned(), "someone".into(), format!("{tag}0")] {
        let text = String::from_utf8(Response::to(&invite, 200).to_tag("evil").finish().to_vec()).unwrap();
        let text = text.replace(&tag, &forged).replace("branch=z9hG4bK", "branch=z9hG4bKother");
        let text = text.replace("\r\nContent-Length", "\r\nContact: <sip:victim@10.0.0.7>\r\nContent-Length");
        net.inject(A, text.as_bytes());
    }
    assert_eq!(net.seen.len(), before);
    net.hang_up(A, a).unwrap();
    net.drain();
}
