//! Registering, refused and taken back.

use crate::phone;
use hookswitch::{SoftswitchEvent, Unregistered};
use hookswitch_interop::{Softphone, Switchboard, needs};

async fn registers(transport: &str) {
    if !needs(&["baresip"]) {
        return;
    }
    let mut board = Switchboard::start();
    let phone = phone(&board, transport).await;
    let snapshot = board.registrations(1).await;
    let registration = snapshot.registrations.first().expect("a registration");
    assert_eq!(registration.user, "1001");
    assert_eq!(registration.flow.connection != 0, transport == "tcp", "{registration:?}");
    phone.end().await;
    let why = board
        .event("the end of the registration", |event| match event {
            SoftswitchEvent::Unregistered { why, .. } => Some(why),
            _ => None,
        })
        .await;
    assert_eq!(why, Unregistered::Removed);
    board.end().await;
}

#[tokio::test]
async fn registers_over_udp() {
    registers("udp").await;
}

#[tokio::test]
async fn registers_over_tcp() {
    registers("tcp").await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    if !needs(&["baresip"]) {
        return;
    }
    let mut board = Switchboard::start();
    for transport in ["udp", "tcp"] {
        let registrar = format!("REGISTRAR={}", board.address());
        let transport = format!("TRANSPORT={transport}");
        let settings = [&registrar, "USER=1001", "PASSWORD=wrong", &transport, "SECONDS_TO_START=2"];
        let said = Softphone::start("wrong", &settings).await.err().expect("no registration");
        assert!(said.errors.contains("403 Forbidden"), "{}", said.errors);
        let refused = board.event("a refusal", |event| match event {
            SoftswitchEvent::Refused { method, from, status, .. } => Some((method, from, status)),
            _ => None,
        });
        assert_eq!(refused.await, ("REGISTER".into(), "1001".into(), 403));
    }
    board.end().await;
}
