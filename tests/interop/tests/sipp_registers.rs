//! SIPp is the registrar of our line.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch_interop::{Rig, Sipp, TestLine, needs, root};
use std::time::Duration;

async fn registering(scenario: &str, keys: &str) -> Option<(Sipp, Rig)> {
    if !needs(&["sipp"]) {
        return None;
    }
    let sipp = Sipp::waits(scenario, &[]).await;
    let registrar = format!("127.0.0.1:{}", sipp.port());
    let rig = Rig::with(&[TestLine { user: "1001".into(), registrar, keys: keys.into() }]).await;
    Some((sipp, rig))
}

/// In service, and out of the registrar when the service ends.
async fn registered(scenario: &str, keys: &str) {
    let Some((sipp, mut rig)) = registering(scenario, keys).await else { return };
    rig.in_service_within(Duration::from_secs(20), 0).await;
    rig.end().await;
    sipp.passed().await;
}

#[tokio::test]
async fn with_credentials() {
    registered("registrar", "").await;
}

#[tokio::test]
async fn without_credentials() {
    registered("registrar-open", "").await;
}

#[tokio::test]
async fn with_a_nonce_that_is_stale() {
    registered("registrar-stale", "").await;
}

/// Checklist 14.
#[tokio::test]
async fn after_the_registrar_was_unavailable() {
    let Some((sipp, mut rig)) = registering("registrar-unavailable", "").await else { return };
    let reason = rig.out_of_service_within(Duration::from_secs(5), |status, _| status == Some(503)).await;
    assert!(!reason.is_empty());
    rig.in_service_within(Duration::from_secs(20), 0).await;
    rig.end().await;
    sipp.passed().await;
}

#[tokio::test]
async fn for_as_long_as_the_registrar_wants_at_least() {
    let folder = root().join("tests/out");
    std::fs::create_dir_all(&folder).expect("a folder for the profile");
    let profile = folder.join("registers-shortly.toml");
    std::fs::write(&profile, "name = 'short'\nregister-expires = 300\n").expect("the profile is written");
    registered("registrar-interval", &format!("profile = '{}'", profile.display())).await;
}

/// Waits for a refresh, which the scenario sees, and ends.
async fn refreshed(scenario: &str, registers: usize) {
    let Some((sipp, mut rig)) = registering(scenario, "").await else { return };
    rig.in_service(0).await;
    // SIPp sees the refresh; the next REGISTER it waits for is the last.
    let seen = hookswitch_interop::until(Duration::from_secs(15), "a refresh", async || {
        let path = root().join(format!("tests/out/sipp/{scenario}-{}.messages", sipp.port()));
        let text = std::fs::read_to_string(path).ok()?;
        (text.matches("\nREGISTER sip:").count() >= registers).then_some(())
    });
    seen.await;
    rig.in_service(0).await;
    rig.end().await;
    sipp.passed().await;
}

#[tokio::test]
async fn again_before_the_time_granted_is_over() {
    refreshed("registrar-refresh", 3).await;
}

#[tokio::test]
async fn beside_other_contacts() {
    refreshed("registrar-other-contacts", 2).await;
}

/// Checklist 14.
#[tokio::test]
async fn with_a_wrong_password_it_stays_out_of_service() {
    let Some((sipp, mut rig)) = registering("registrar-wrong-password", "password = 'wrong'").await else {
        return;
    };
    let reason = rig.out_of_service_within(Duration::from_secs(5), |status, _| status == Some(401)).await;
    assert!(!reason.is_empty());
    sipp.passed().await;
    rig.end().await;
}
