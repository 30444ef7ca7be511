//! Parking, retrieving, ringing back and picking up at our own softswitch, by real softphones that know nothing of these: they
//! dial, answer, transfer; and a transfer with consultation among lines of ours. Who hears whom is measured in what they recorded.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch::{Audio, HandOffTarget, TransferOutcome};
use hookswitch_interop::{Rig, Softphone, Switchboard, needs, recorded, root, soon, sound};
use std::path::PathBuf;
use std::time::Duration;

const SHORT: f32 = 2.0;
const SHORT_RECORDED: f32 = 2.4;
/// What a phone logs when sound of the softswitch arrives: its ports are 12000 and up.
const MUSIC: &str = "receiving from 127.0.0.1:1";
/// What a phone logs when a stream comes from another source than before.
const ARRIVES: &str = "SSRC changed";
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
    two.logs(MUSIC).await;
}

/// Both talk for a while; the first hears the tone of the other, who was led to it by a re-INVITE, and hangs up.
///
/// What the other hears is not measured: when the source of a stream changes, this softphone's jitter buffer compares the new numbers
/// with the old ones, and drops everything if they are lower. Where it had a stream before, its log says that the new one arrives.
async fn talk(one: &mut Softphone, other: &mut Softphone, others: u16) {
    one.hears_for(SHORT_RECORDED).await;
    one.tell("hangup", "").await;
    other.event("CALL_CLOSED").await;
    hears(&one.heard().await, others);
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
    two.logs(ARRIVES).await;
    talk(&mut three, &mut two, TONES[1]).await;
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
    one.event("CALL_ESTABLISHED").await;
    two.logs(ARRIVES).await;
    talk(&mut one, &mut two, TONES[1]).await;
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
        talk(&mut one, &mut three, TONES[2]).await;
        for phone in [one, two, three] {
            phone.end().await;
        }
        board.end().await;
    }
}

/// What a line of ours says.
const LINE: u16 = 440;

#[tokio::test]
async fn a_line_parks_a_phone_and_retrieves_it_or_is_rung_back() {
    if !needs(&["baresip"]) {
        return;
    }
    for rung_back in [false, true] {
        let board = Switchboard::start_with("recall-seconds = 4");
        let mut phone = phone(&board, 1, &[]).await;
        let mut rig = Rig::over("udp tcp", &[board.line("1002", "")]).await;
        rig.in_service(0).await;
        let call = soon("the call", rig.line().call(&board.uri("1001"), Audio::tone(LINE))).await;
        let call = call.expect("the call is made");
        soon("the answer", call.connected()).await.expect("the phone answers");
        phone.event("CALL_ESTABLISHED").await;
        phone.hears_for(1.5).await;
        let orbit = HandOffTarget::Address(board.uri("701"));
        let outcome = soon("the outcome", call.hand_off(orbit)).await;
        assert_eq!(outcome, Ok(Some(TransferOutcome::Succeeded)));
        drop(call);
        phone.logs(MUSIC).await;
        let back = if rung_back {
            let back = rig.offered().await;
            soon("the answer", back.answer(Audio::tone(LINE))).await.expect("the call is answered");
            back
        } else {
            let back = soon("the call", rig.line().call(&board.uri("701"), Audio::tone(LINE))).await;
            let back = back.expect("the call is made");
            soon("the answer", back.connected()).await.expect("the call is retrieved");
            back
        };
        let ours = root().join("tests/out/softswitch-retrieved.wav");
        let _ = std::fs::remove_file(&ours);
        soon("recording", back.record(&ours)).await.expect("the call is recorded");
        phone.logs(ARRIVES).await;
        tokio::time::sleep(Duration::from_secs_f32(SHORT_RECORDED)).await;
        soon("the hang-up", back.hang_up()).await.expect("the call is hung up");
        phone.event("CALL_CLOSED").await;
        recorded(&ours).await;
        assert!(sound::contains(&ours, Some(0), TONES[0], SHORT), "the phone is heard");
        drop(back);
        rig.end().await;
        phone.end().await;
        board.end().await;
    }
}

/// Two lines talk, one of them consults a third and leaves: the softswitch passes the INVITE with Replaces, because it saw the REFER.
#[tokio::test]
async fn a_line_joins_two_others_with_consultation() {
    let board = Switchboard::start();
    let mut rigs = Vec::new();
    for user in ["1001", "1002", "1003"] {
        let mut rig = Rig::over("udp tcp", &[board.line(user, "")]).await;
        rig.in_service(0).await;
        rigs.push(rig);
    }
    let [first, second, third] = &mut rigs[..] else { panic!("three lines") };
    let call = soon("the call", first.line().call(&board.uri("1002"), Audio::tone(TONES[0]))).await;
    let call = call.expect("the call is made");
    let party = second.offered().await;
    soon("the answer", party.answer(Audio::tone(TONES[1]))).await.expect("the party answers");
    soon("the answer", call.connected()).await.expect("the party answers");
    let consult = soon("the consultation", call.consult("1003", Audio::tone(TONES[0]))).await;
    let consult = consult.expect("consulted");
    let target = third.offered().await;
    soon("the answer", target.answer(Audio::tone(TONES[2]))).await.expect("the target answers");
    soon("the answer", consult.connected()).await.expect("the target answers");
    let outcome = soon("the outcome", call.complete_transfer(&consult, Duration::from_secs(30))).await;
    assert_eq!(outcome, Ok(TransferOutcome::Succeeded));
    drop((call, consult));
    let mut paths = Vec::new();
    for (call, name) in [(&party, "party"), (&target, "target")] {
        let path = root().join(format!("tests/out/softswitch-joined-{name}.wav"));
        let _ = std::fs::remove_file(&path);
        soon("recording", call.record(&path)).await.expect("the call is recorded");
        paths.push(path);
    }
    tokio::time::sleep(Duration::from_secs_f32(SHORT_RECORDED)).await;
    soon("the hang-up", party.hang_up()).await.expect("the call is hung up");
    soon("the end", target.ended()).await.expect("the other side ends the call");
    for (path, tone) in paths.iter().zip([TONES[2], TONES[1]]) {
        recorded(path).await;
        assert!(sound::contains(path, Some(0), tone, SHORT), "{tone} Hz in {}", path.display());
    }
    drop((party, target));
    for rig in rigs {
        rig.end().await;
    }
    board.end().await;
}
