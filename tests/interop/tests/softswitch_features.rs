//! Parking, retrieving, ringing back and picking up at our own softswitch, by real softphones that know nothing of these: they
//! dial, answer, transfer. Who hears whom is measured in what they recorded.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch_interop::{Softphone, Switchboard, needs, sound};
use std::path::PathBuf;

const SHORT: f32 = 2.0;
const SHORT_RECORDED: f32 = 2.4;
/// What the phones say.
const TONES: [u16; 3] = [1_000, 700, 620];

async fn phone(board: &Switchboard, number: usize, settings: &[&str]) -> Softphone {
    let mut all = vec![
        format!("REGISTRAR={}", board.address()),
        format!("USER=100{number}"),
        format!("TONE={}", TONES[number - 1]),
    ];
    all.extend(settings.iter().map(|setting| (*setting).to_owned()));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let name = format!("feature-{number}");
    Softphone::start(&name, &all).await.unwrap_or_else(|said| panic!("{}", said.errors))
}

async fn dials(board: &Switchboard, phone: &mut Softphone, user: &str) {
    phone.tell("dial", &board.uri(user)).await;
}

fn hears(heard: &[PathBuf], tone: u16) {
    assert!(heard.iter().any(|path| sound::contains(path, None, tone, SHORT)), "{tone} Hz in {heard:?}");
}

/// Phone 1 calls phone 2, and parks it at 701.
async fn parked(board: &Switchboard, one: &mut Softphone, two: &mut Softphone) {
    dials(board, one, "1002").await;
    one.event("CALL_ESTABLISHED").await;
    two.event("CALL_ESTABLISHED").await;
    // Recordings are named after the second in which they begin.
    two.hears_for(1.5).await;
    one.tell("transfer", &board.uri("701")).await;
    two.event("TRANSFER").await;
    two.event("CALL_ESTABLISHED").await;
    one.event("CALL_CLOSED").await;
}

/// Both talk for a while and hear one another; the first hangs up.
async fn talk(one: (&mut Softphone, u16), other: (&mut Softphone, u16)) {
    let ((one, ones), (other, others)) = (one, other);
    one.hears_for(SHORT_RECORDED).await;
    other.hears_for(SHORT_RECORDED).await;
    one.tell("hangup", "").await;
    other.event("CALL_CLOSED").await;
    hears(&one.heard().await, others);
    hears(&other.heard().await, ones);
}

#[tokio::test]
async fn a_parked_phone_is_retrieved_by_another() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start();
    let mut one = phone(&board, 1, &[]).await;
    let mut two = phone(&board, 2, &["TRANSPORT=tcp"]).await;
    let mut three = phone(&board, 3, &[]).await;
    parked(&board, &mut one, &mut two).await;
    dials(&board, &mut three, "701").await;
    three.event("CALL_ESTABLISHED").await;
    talk((&mut three, TONES[2]), (&mut two, TONES[1])).await;
    for phone in [one, two, three] {
        phone.end().await;
    }
    board.end().await;
}

#[tokio::test]
async fn a_parked_phone_rings_its_parker_back() {
    if !needs(&["baresip"]) {
        return;
    }
    let board = Switchboard::start_with("recall-seconds = 2");
    let mut one = phone(&board, 1, &[]).await;
    let mut two = phone(&board, 2, &[]).await;
    parked(&board, &mut one, &mut two).await;
    one.event("CALL_INCOMING").await;
    one.event("CALL_ESTABLISHED").await;
    talk((&mut one, TONES[0]), (&mut two, TONES[1])).await;
    one.end().await;
    two.end().await;
    board.end().await;
}

#[tokio::test]
async fn what_rings_at_a_phone_is_picked_up_by_another() {
    if !needs(&["baresip"]) {
        return;
    }
    for code in ["*81002", "*8"] {
        let board = Switchboard::start();
        let mut one = phone(&board, 1, &[]).await;
        let mut two = phone(&board, 2, &["ANSWER=manual"]).await;
        let mut three = phone(&board, 3, &["TRANSPORT=tcp"]).await;
        dials(&board, &mut one, "1002").await;
        two.event("CALL_INCOMING").await;
        dials(&board, &mut three, code).await;
        two.event("CALL_CLOSED").await;
        one.event("CALL_ESTABLISHED").await;
        three.event("CALL_ESTABLISHED").await;
        talk((&mut one, TONES[0]), (&mut three, TONES[2])).await;
        for phone in [one, two, three] {
            phone.end().await;
        }
        board.end().await;
    }
}
