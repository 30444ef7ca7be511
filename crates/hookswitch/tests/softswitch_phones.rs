//! The embedded softswitch as the embedding code sees it: its phones, their calls, what waits for them.

// A test looks for free ports.
#![allow(clippy::disallowed_methods)]

use hookswitch::config::Config;
use hookswitch::{
    Audio, Error, Event, Interest, LineState, MediaTypes, Messages, PhoneCallState, Service, Softswitch,
    SoftswitchEvent,
};
use std::net::UdpSocket;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
    socket.local_addr().map_or(0, |address| address.port())
}

fn parsed(text: &str) -> Config {
    Config::parse(text, "test.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn phones_calls_and_messages_are_seen() {
    let port = free_port();
    let config = parsed(&format!(
        "[softswitch]\nlisten = ['udp:127.0.0.1:{port}']\ndomain = 'example.org'\n[[softswitch.account]]\nuser = 'ann'\n\
         password = 'secret'\n"
    ));
    let config = config.softswitch.unwrap_or_else(|| panic!("the file has a softswitch"));
    let switch = Softswitch::start(config).unwrap_or_else(|error| panic!("{error}"));
    let mut changes = switch.phone_changes().unwrap_or_else(|error| panic!("{error}"));
    let line = parsed(&format!(
        "[sip]\nlisten = ['udp:127.0.0.1:0']\nuser-agent = 'Desk 1'\n[media]\naddress = '127.0.0.1'\n[[line]]\nname = 'desk'\n\
         registrar = '127.0.0.1:{port}'\ndomain = 'example.org'\nuser = 'ann'\npassword = 'secret'\n"
    ));
    let service = Service::start(line).unwrap_or_else(|error| panic!("{error}"));
    let mut app = service.attach("test").await.unwrap_or_else(|error| panic!("{error}"));
    let line =
        app.open("desk", Interest::owner(MediaTypes::VOICE)).await.unwrap_or_else(|error| panic!("{error}"));
    loop {
        let event = tokio::time::timeout(DEADLINE, app.next()).await;
        if let Ok(Some(Event::Line { state: LineState::InService, .. })) = event {
            break;
        }
        assert!(matches!(event, Ok(Some(_))), "the line does not come up");
    }
    switch.set_messages("ann", 2, 1).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(switch.set_messages("eve", 1, 0), Err(Error::NoSuchUser { user }) if user == "eve"));
    let call = line.call("600", Audio::tone(440)).await.unwrap_or_else(|error| panic!("{error}"));
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(SoftswitchEvent::PhoneCall { .. })) {
        match tokio::time::timeout(DEADLINE, changes.next()).await {
            Ok(Some(Ok(change))) => seen.push(change),
            other => panic!("expected a change, got {other:?}"),
        }
    }
    assert!(matches!(&seen[0], SoftswitchEvent::Registered { user, .. } if user == "ann"), "{seen:?}");
    let waiting = Messages { new: 2, old: 1 };
    assert!(seen.iter().any(
        |event| matches!(event, SoftswitchEvent::PhoneMessages { messages, .. } if *messages == waiting)
    ));
    let phones = switch.phones().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((phones.len(), phones[0].user.as_str(), phones[0].messages), (1, "ann", Some(waiting)));
    assert_eq!(phones[0].contacts[0].product, "Desk 1");
    assert_eq!(phones[0].calls[0].state, PhoneCallState::Connected);
    drop(call);
    service.shutdown(DEADLINE).await;
    switch.shutdown(DEADLINE).await;
}
