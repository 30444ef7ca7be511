//! A conference over loopback sockets: each member hears the other and not itself.

mod common;

use common::*;
use hookswitch::{Audio, Call, Event, StateKind, TonePattern};
use std::time::Duration;

/// The tones of the two members.
const TONES: [u16; 2] = [600, 1_000];

async fn listens(call: &Call) {
    let pattern = |hertz: u16| TonePattern {
        tag: hertz.into(),
        frequencies: [hertz, 0],
        duration: Duration::from_millis(200),
    };
    in_time(call.monitor_tones(&TONES.map(pattern))).await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_member_hears_the_other_and_not_itself() {
    let (alice, mut bob) = pair().await;
    let (first, one) = tokio::join!(alice.line.call("900", Audio::silence()), offered(&mut bob.app));
    let first = first.unwrap_or_else(|error| panic!("{error}"));
    in_time(one.answer(Audio::tone(TONES[0]))).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(first.connected()).await.unwrap_or_else(|end| panic!("{end}"));

    let set_up = alice.line.set_up_conference(Some(&first), "901", Audio::silence());
    let (conference, two) = tokio::join!(set_up, offered(&mut bob.app));
    let conference = conference.unwrap_or_else(|error| panic!("{error}"));
    let second = conference.next.unwrap_or_else(|| panic!("a consultation call"));
    in_time(two.answer(Audio::tone(TONES[1]))).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(second.connected()).await.unwrap_or_else(|end| panic!("{end}"));
    in_time(conference.call.add_member(&second)).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(first.state().kind(), StateKind::Conferenced);
    assert_eq!(conference.call.state().kind(), StateKind::Connected);

    listens(&one).await;
    listens(&two).await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        if let Event::Tone { call, tag } = next(&mut bob.app).await {
            heard.push((call, tag));
        }
    }
    heard.sort();
    let mut expected = vec![(one.id(), TONES[1].into()), (two.id(), TONES[0].into())];
    expected.sort();
    assert_eq!(heard, expected);

    in_time(second.leave_conference()).await.unwrap_or_else(|error| panic!("{error}"));
    let connected = |state: &hookswitch::CallState| state.kind() == StateKind::Connected;
    in_time(first.wait_for(connected)).await;
    assert_eq!(conference.call.state().kind(), StateKind::Idle, "the last party is an ordinary call");
    in_time(first.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(second.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(in_time(one.ended()).await.is_some() && in_time(two.ended()).await.is_some());
}
