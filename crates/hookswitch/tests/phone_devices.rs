//! Our own lines as phones of the softswitch, seen as devices over real sockets: hook switch, ringer, lamps, owner and monitors.

// A test looks for free ports.
#![allow(clippy::disallowed_methods)]

use hookswitch::config::Config;
use hookswitch::{
    Application, Audio, Error, Event, HookSwitch, Interest, LampMeaning, LampState, Line, LineState,
    MediaTypes, PhoneDevice, PhoneDevices, PhoneError, PhoneEvent, PhoneFailure, PhonePart, PhonePrivilege,
    PhoneSetting, PhoneStatus, Service, Softswitch,
};
use std::net::UdpSocket;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
const ON_HOOK: PhoneSetting = PhoneSetting::HookSwitch(HookSwitch::OnHook);

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
    socket.local_addr().map_or(0, |address| address.port())
}

fn parsed(text: &str) -> Config {
    Config::parse(text, "test.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

fn switch(port: u16) -> Softswitch {
    let config = parsed(&format!(
        "[softswitch]\nlisten = ['udp:127.0.0.1:{port}']\ndomain = 'example.org'\n\
         [[softswitch.account]]\nuser = 'ann'\npassword = 'secret'\n\
         [[softswitch.account]]\nuser = 'bob'\npassword = 'secret'\n"
    ));
    let config = config.softswitch.unwrap_or_else(|| panic!("the file has a softswitch"));
    Softswitch::start(config).unwrap_or_else(|error| panic!("{error}"))
}

/// A line that is registered as this user.
async fn line(port: u16, user: &str) -> (Service, Application, Line) {
    let config = parsed(&format!(
        "[sip]\nlisten = ['udp:127.0.0.1:0']\nuser-agent = 'Desk {user}'\n[media]\naddress = '127.0.0.1'\n\
         [[line]]\nname = '{user}'\nregistrar = '127.0.0.1:{port}'\ndomain = 'example.org'\nuser = '{user}'\n\
         password = 'secret'\n"
    ));
    let service = Service::start(config).unwrap_or_else(|error| panic!("{error}"));
    let mut app = service.attach(user).await.unwrap_or_else(|error| panic!("{error}"));
    let line =
        app.open(user, Interest::owner(MediaTypes::VOICE)).await.unwrap_or_else(|error| panic!("{error}"));
    heard(&mut app, |event| matches!(event, Event::Line { state: LineState::InService, .. })).await;
    (service, app, line)
}

/// The next event of this kind.
async fn heard(app: &mut Application, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        match tokio::time::timeout(DEADLINE, app.next()).await {
            Ok(Some(event)) if wanted(&event) => return event,
            Ok(Some(_)) => {}
            other => panic!("expected an event, got {other:?}"),
        }
    }
}

async fn next(devices: &mut PhoneDevices) -> PhoneEvent {
    match tokio::time::timeout(DEADLINE, devices.next()).await {
        Ok(Some(Ok(event))) => event,
        other => panic!("expected news of a phone, got {other:?}"),
    }
}

/// Waits until a phone is like this.
async fn until(devices: &mut PhoneDevices, phone: &PhoneDevice, wanted: impl Fn(&PhoneStatus) -> bool) {
    while !wanted(&phone.status().await.unwrap_or_else(|error| panic!("{error}"))) {
        next(devices).await;
    }
}

async fn open(devices: &PhoneDevices, name: &str, privilege: PhonePrivilege) -> PhoneDevice {
    devices.open(name, privilege).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn lines_are_phones_with_hook_switch_ringer_and_lamps() {
    let port = free_port();
    let switch = switch(port);
    let mut devices = switch.phone_devices().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(devices.phones().await, Ok(Vec::new()), "nobody is registered");
    let nobody = devices.open("ann", PhonePrivilege::Monitor).await;
    assert!(matches!(nobody, Err(Error::NoSuchPhone { .. })));

    let (ann_service, mut ann_app, ann_line) = line(port, "ann").await;
    let created = next(&mut devices).await;
    let (bob_service, mut bob_app, _bob_line) = line(port, "bob").await;
    next(&mut devices).await;
    let phones = devices.phones().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(created, PhoneEvent::Created(phones[0].phone));
    assert_eq!((phones[0].name.as_str(), phones[0].product.as_str()), ("ann", "Desk ann"));

    // One owner, any number of monitors.
    let ann = open(&devices, "ann", PhonePrivilege::Owner).await;
    let bob = open(&devices, "bob", PhonePrivilege::Monitor).await;
    let others = switch.phone_devices().unwrap_or_else(|error| panic!("{error}"));
    let second = others.open("ann", PhonePrivilege::Owner).await;
    assert!(matches!(second, Err(Error::Phone(PhoneError::InUse(_)))), "{second:?}");
    let watcher = open(&others, "ann", PhonePrivilege::Monitor).await;
    let refused = watcher.set(ON_HOOK).await;
    assert_eq!(refused, Err(Error::Phone(PhoneError::NotOwner(ann.id()))));
    let able = ann.capabilities().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(able.lamps[0].meaning, LampMeaning::Messages);
    let volume = ann.set(PhoneSetting::Volume(1)).await;
    let unavailable = PhoneFailure::Unavailable(PhonePart::Volume);
    assert_eq!(volume, Err(Error::Phone(PhoneError::Phone(unavailable))));

    // The lamp is the phone's own: the line hears of it.
    until(&mut devices, &ann, |status| status.lamps[0] == LampState::Off).await;
    for (state, lit) in [(LampState::Steady, true), (LampState::Off, false)] {
        assert_eq!(ann.set(PhoneSetting::Lamp { lamp: 0, state }).await, Ok(()));
        assert_eq!(ann.status().await.map(|status| status.lamps[0]), Ok(state));
        let told = heard(&mut ann_app, |event| matches!(event, Event::MessageWaiting { .. })).await;
        assert!(matches!(told, Event::MessageWaiting { waiting, .. } if waiting == lit), "{told:?}");
    }

    // It rings although nobody calls, until it is told to stop.
    assert_eq!(ann.set(PhoneSetting::Ring(1)).await, Ok(()));
    let Event::Offered(ring) = heard(&mut ann_app, |event| matches!(event, Event::Offered(_))).await else {
        unreachable!("that was waited for")
    };
    assert_eq!(ann.status().await.map(|status| status.ring_mode), Ok(1));
    assert_eq!(ann.set(PhoneSetting::Ring(0)).await, Ok(()));
    assert!(tokio::time::timeout(DEADLINE, ring.ended()).await.is_ok(), "it was cancelled");

    // A call: it rings, is answered, and ends.
    let (_call, answered) = tokio::join!(ann_line.call("bob", Audio::tone(440)), async {
        let Event::Offered(call) = heard(&mut bob_app, |event| matches!(event, Event::Offered(_))).await
        else {
            unreachable!("that was waited for")
        };
        until(&mut devices, &bob, |status| status.ring_mode == 1 && status.hook_switch == HookSwitch::OnHook)
            .await;
        until(&mut devices, &ann, |status| status.hook_switch == HookSwitch::OffHook).await;
        call.answer(Audio::tone(350)).await.unwrap_or_else(|error| panic!("{error}"));
        until(&mut devices, &bob, |status| {
            status.ring_mode == 0 && status.hook_switch == HookSwitch::OffHook
        })
        .await;
        call
    });
    let theirs = ann.set(ON_HOOK).await;
    assert!(
        matches!(theirs, Err(Error::Phone(PhoneError::Phone(PhoneFailure::NotNow { .. })))),
        "a call between two phones: {theirs:?}"
    );
    answered.hang_up().await.unwrap_or_else(|error| panic!("{error}"));
    until(&mut devices, &ann, |status| status.hook_switch == HookSwitch::OnHook).await;
    until(&mut devices, &bob, |status| status.hook_switch == HookSwitch::OnHook).await;

    // A call to the softswitch itself can be ended from here.
    let echo = ann_line.call("600", Audio::tone(440)).await.unwrap_or_else(|error| panic!("{error}"));
    until(&mut devices, &ann, |status| status.hook_switch == HookSwitch::OffHook).await;
    assert_eq!(ann.set(ON_HOOK).await, Ok(()));
    assert!(tokio::time::timeout(DEADLINE, echo.ended()).await.is_ok(), "the phone was hung up");

    // Gone with its account.
    switch.remove_account("ann").unwrap_or_else(|error| panic!("{error}"));
    while next(&mut devices).await != PhoneEvent::Removed(ann.id()) {}
    assert_eq!(ann.status().await, Err(Error::Phone(PhoneError::NotOpen(ann.id()))));
    let left = devices.phones().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(left.iter().map(|phone| phone.name.as_str()).collect::<Vec<_>>(), ["bob"]);

    ann_service.shutdown(DEADLINE).await;
    bob_service.shutdown(DEADLINE).await;
    switch.shutdown(DEADLINE).await;
    assert_eq!(bob.status().await, Err(Error::Stopped), "nobody waits for an answer that cannot come");
    while devices.next().await.is_some() {}
}

#[tokio::test]
async fn a_phone_that_is_closed_can_be_owned_by_another() {
    let port = free_port();
    let switch = switch(port);
    let mut devices = switch.phone_devices().unwrap_or_else(|error| panic!("{error}"));
    let (service, _app, _line) = line(port, "ann").await;
    next(&mut devices).await;
    let others = switch.phone_devices().unwrap_or_else(|error| panic!("{error}"));
    let first = open(&devices, "ann", PhonePrivilege::Owner).await;
    let again = devices.open("ann", PhonePrivilege::Monitor).await;
    assert!(matches!(again, Err(Error::Phone(PhoneError::AlreadyOpen(_)))));
    assert_eq!(first.close().await, Ok(()));
    let second = open(&others, "ann", PhonePrivilege::Owner).await;
    drop(second);
    let third = open(&others, "ann", PhonePrivilege::Owner).await;
    // Everything that the application had is gone with it.
    drop((others, third));
    let last = open(&devices, "ann", PhonePrivilege::Owner).await;
    assert_eq!(last.name(), "ann");
    service.shutdown(DEADLINE).await;
    switch.shutdown(DEADLINE).await;
}

#[tokio::test]
async fn where_there_is_no_softswitch_there_are_no_phones() {
    let mut none = PhoneDevices::none();
    assert_eq!(none.phones().await, Ok(Vec::new()));
    assert!(none.next().await.is_none());
    assert!(matches!(none.open("ann", PhonePrivilege::Owner).await, Err(Error::NoSuchPhone { .. })));
}
