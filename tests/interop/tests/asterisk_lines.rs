//! Lines registered with Asterisk: in service, out of it, and back.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch::Audio;
use hookswitch_interop::{Rig, asterisk, needs, soon, until};
use std::time::Duration;

async fn contacts() -> String {
    asterisk::rx("database show registrar").await
}

#[tokio::test]
async fn a_line_is_registered_while_it_is_open() {
    if !needs(&["asterisk"]) {
        return;
    }
    let _alone = asterisk::alone().await;
    let mut rig = Rig::with(&[asterisk::line("1001")]).await;
    rig.in_service(0).await;
    let port = rig.address().port().to_string();
    let seen = contacts().await;
    assert!(seen.contains(&port), "{seen}");
    rig.end().await;
    let seen = contacts().await;
    assert!(!seen.contains(&port), "the line is un-registered: {seen}");
}

#[tokio::test]
async fn a_line_is_registered_and_calls_over_tcp() {
    if !needs(&["asterisk"]) {
        return;
    }
    let _alone = asterisk::alone().await;
    let keys = asterisk::profile("over-tcp", "transport = 'tcp'");
    let mut rig = Rig::over("tcp", &[asterisk::line_with("1001", &keys)]).await;
    rig.in_service(0).await;
    let seen = contacts().await;
    assert!(seen.to_ascii_lowercase().contains("transport=tcp"), "{seen}");
    let call = soon("the call", rig.line().call("600", Audio::tone(700))).await.expect("the call is made");
    soon("the answer", call.connected()).await.expect("the call is answered");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    drop(call);
    asterisk::originate("1001", "601").await;
    let call = rig.offered().await;
    soon("the answer", call.answer(Audio::silence())).await.expect("the call is answered");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    drop(call);
    rig.end().await;
}

#[tokio::test]
async fn a_wrong_password_puts_the_line_out_of_service() {
    if !needs(&["asterisk"]) {
        return;
    }
    let _alone = asterisk::alone().await;
    let mut rig = Rig::with(&[asterisk::line_with("1001", "profile = 'asterisk'\npassword = 'wrong'")]).await;
    let reason = rig.out_of_service_within(Duration::from_secs(5), |status, _| status == Some(401)).await;
    println!("out of service: {reason}");
    let refused = soon("the refusal", rig.line().call("600", Audio::silence())).await;
    assert!(refused.is_err(), "a line out of service makes no calls");
    rig.end().await;
}

/// Asterisk goes and comes back.
async fn restarted(transport: &str, keys: &str, patience: Duration) {
    if !needs(&["asterisk"]) {
        return;
    }
    let _alone = asterisk::alone().await;
    let mut rig = Rig::over(transport, &[asterisk::line_with("1001", keys)]).await;
    rig.in_service(0).await;
    // What was said on the way into service is read.
    rig.nothing_offered().await;
    asterisk::down().await;
    let begun = std::time::Instant::now();
    let reason = rig.out_of_service_within(patience, |_, _| true).await;
    println!("out of service after {:?}: {reason}", begun.elapsed());
    asterisk::up().await;
    let begun = std::time::Instant::now();
    rig.in_service_within(Duration::from_secs(40), 0).await;
    println!("back in service after {:?}", begun.elapsed());
    until(Duration::from_secs(5), "the binding", async || {
        // Over TCP the address is that of the connection.
        contacts().await.contains("/registrar/contact/1001").then_some(())
    })
    .await;
    let call = soon("the call", rig.line().call("600", Audio::silence())).await.expect("the call is made");
    soon("the answer", call.connected()).await.expect("the call is answered");
    drop(call);
    rig.end().await;
}

#[tokio::test]
async fn calls_survive_a_silent_switch_for_a_moment() {
    if !needs(&["asterisk"]) {
        return;
    }
    let _alone = asterisk::alone().await;
    let mut rig = Rig::with(&[asterisk::line("1001")]).await;
    rig.in_service(0).await;
    let call = soon("the call", rig.line().call("600", Audio::tone(700))).await.expect("the call is made");
    soon("the answer", call.connected()).await.expect("the call is answered");
    asterisk::freeze().await;
    // A request on its way is sent again until it is heard (RFC 3261 17.1.1.2).
    let hold = tokio::spawn({
        let call = call.clone();
        async move { call.hold().await }
    });
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    asterisk::thaw().await;
    soon("the hold", hold).await.expect("no panic").expect("the call is held");
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    drop(call);
    rig.end().await;
}

/// Checklist 14.
#[tokio::test]
async fn asterisk_restarts_and_a_line_over_tcp_comes_back() {
    let keys = asterisk::profile("restarted-tcp", "transport = 'tcp'");
    restarted("tcp", &keys, Duration::from_secs(40)).await;
}

/// Checklist 14.
#[tokio::test]
async fn asterisk_restarts_and_a_line_over_udp_comes_back() {
    let keys = asterisk::profile("restarted-udp", "register-expires = 60");
    restarted("udp", &keys, Duration::from_secs(120)).await;
}
