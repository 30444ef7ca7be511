//! A session of an installed provider, and changes of its store while it runs: with the embedded softswitch, over loopback.
#![allow(clippy::disallowed_methods)] // the store is a real folder

use hookswitch::config::{Config, Installation, Value};
use hookswitch::{
    Application, Audio, CallState, Error, Event, Interest, LineState, MediaType, MediaTypes, Service,
    Softswitch, SoftswitchEvent, StateKind,
};
use std::path::PathBuf;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("nothing within {DEADLINE:?}"))
}

async fn next(app: &mut Application) -> Event {
    in_time(app.next()).await.unwrap_or_else(|| panic!("the service stopped"))
}

/// A softswitch, and a store with two of its lines.
struct Stage {
    switch: Softswitch,
    address: String,
    installation: Installation,
}

impl Stage {
    fn new(name: &str) -> Self {
        let text = "[softswitch]\nlisten = ['udp:127.0.0.1:0']\n\
                    [[softswitch.account]]\nuser = '1001'\npassword = 'one'\n\
                    [[softswitch.account]]\nuser = '1002'\npassword = 'two'\n\
                    [[softswitch.account]]\nuser = '1003'\npassword = 'three'\n";
        let config = Config::parse(text, "switch.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
        let config = config.softswitch.unwrap_or_else(|| panic!("a softswitch"));
        let switch = Softswitch::start(config).unwrap_or_else(|error| panic!("{error}"));
        let address = switch.endpoints()[0].advertised.to_string();
        let folder: PathBuf = std::env::temp_dir().join(format!("hookswitch-{name}-{}", std::process::id()));
        // From a run that was interrupted.
        let _ = std::fs::remove_dir_all(&folder);
        let installation = Installation::at(folder);
        installation.install(None).unwrap_or_else(|error| panic!("{error}"));
        let stage = Self { switch, address, installation };
        stage.set("sip.listen", Value::from_iter(["udp:127.0.0.1:0"]));
        stage.set("media.address", "127.0.0.1".into());
        stage.add("desk", "1001", "one");
        stage.add("lab", "1002", "two");
        stage
    }

    fn set(&self, option: &str, value: Value) {
        let set = self.installation.configure(|document| Ok(document.set(option, Some(value))?));
        set.unwrap_or_else(|error| panic!("{error}"));
    }

    fn add(&self, name: &str, user: &str, password: &str) -> u32 {
        let keys = vec![
            ("registrar", Value::from(self.address.as_str())),
            ("domain", "hookswitch.local".into()),
            ("user", user.into()),
            ("password", password.into()),
        ];
        let added = self.installation.configure(|document| Ok(document.add_line(name, keys)?));
        added.unwrap_or_else(|error| panic!("{error}")).0
    }

    fn remove(&self, name: &str) {
        let removed = self.installation.configure(|document| Ok(document.remove_line(name)?));
        removed.unwrap_or_else(|error| panic!("{error}"));
    }

    fn change(&self, name: &str, key: &str, value: Value) {
        let changed =
            self.installation.configure(|document| Ok(document.change_line(name, vec![(key, Some(value))])?));
        changed.unwrap_or_else(|error| panic!("{error}"));
    }

    fn start(&self) -> Service {
        Service::start_installed(&self.installation, |_| {}).unwrap_or_else(|error| panic!("{error}"))
    }
}

async fn attach(service: &Service) -> Application {
    service.attach("app").await.unwrap_or_else(|error| panic!("{error}"))
}

/// What became of a change.
async fn look(service: &Service) -> Option<String> {
    in_time(service.look_at_store()).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The lines as applications see them: name, session's number, permanent number.
async fn lines(app: &Application) -> Vec<(String, u32, u32)> {
    let lines = in_time(app.lines()).await.unwrap_or_else(|error| panic!("{error}"));
    lines.into_iter().map(|line| (line.name, line.line.0, line.permanent)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_before_an_install_and_a_provider_without_lines_does() {
    let mut stage = Stage::new("empty");
    stage.installation.remove().unwrap_or_else(|error| panic!("{error}"));
    let refused = Service::start_installed(&stage.installation, |_| {}).map(drop);
    let message = refused.map_or_else(|error| error.to_string(), |()| String::new());
    assert!(message.contains("no provider is installed"), "{message}");
    stage.installation.install(None).unwrap_or_else(|error| panic!("{error}"));
    stage.set("media.address", "127.0.0.1".into());
    let local = |config: &mut Config| {
        config.sip.listen = "udp:127.0.0.1:0".parse().into_iter().collect();
    };
    let service =
        Service::start_installed(&stage.installation, local).unwrap_or_else(|error| panic!("{error}"));
    let mut app = attach(&service).await;
    assert_eq!(lines(&app).await, []);
    assert_eq!(look(&service).await, None, "what was adjusted for the session is no change");
    stage.add("desk", "1001", "one");
    look(&service).await;
    assert!(matches!(next(&mut app).await, Event::LineCreated { .. }));
    let line = app.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(line.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    service.shutdown(DEADLINE).await;
    while !matches!(in_time(stage.switch.next()).await, Some(SoftswitchEvent::Unregistered { .. })) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_added_to_the_store_appears_at_once_and_works() {
    let stage = Stage::new("added");
    let service = stage.start();
    let mut app = attach(&service).await;
    assert_eq!(look(&service).await, None);
    assert_eq!(stage.add("late", "1003", "three"), 3);
    assert_eq!(look(&service).await.as_deref(), Some("line \"late\" appears"));
    match next(&mut app).await {
        Event::LineCreated { line } => assert_eq!(line.0, 2),
        other => panic!("expected a new line, got {other:?}"),
    }
    assert_eq!(lines(&app).await, [("desk".into(), 0, 1), ("lab".into(), 1, 2), ("late".into(), 2, 3)]);
    let line =
        app.open("late", Interest::owner(MediaTypes::VOICE)).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(line.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    // It is called by another line of the same service.
    let desk = app.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(desk.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    let call = desk.call("1003", Audio::silence()).await.unwrap_or_else(|error| panic!("{error}"));
    let offered = in_time(async {
        loop {
            if let Event::Offered(call) = next(&mut app).await {
                return call;
            }
        }
    });
    let offered = offered.await;
    in_time(offered.answer(Audio::silence())).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
    service.shutdown(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_removed_from_the_store_ends_its_calls_and_is_gone_for_good() {
    let mut stage = Stage::new("removed");
    let service = stage.start();
    let mut app = attach(&service).await;
    let desk =
        app.open("desk", Interest::owner(MediaTypes::VOICE)).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(desk.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    let call = desk.call("600", Audio::tone(440)).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
    stage.remove("desk");
    assert_eq!(look(&service).await.as_deref(), Some("line number 1 disappears"));
    let mut told = Vec::new();
    loop {
        match next(&mut app).await {
            Event::State { state, .. } => told.push(state.kind().name()),
            Event::LineClosed { .. } => told.push("line closed"),
            Event::LineRemoved { line } => {
                assert_eq!(line, desk.id());
                break;
            }
            _ => {}
        }
    }
    let end = [StateKind::Disconnected.name(), StateKind::Idle.name(), "line closed"];
    assert!(told.ends_with(&end), "{told:?}");
    assert_eq!(call.state(), CallState::Idle);
    // The other side is told, and the registrar.
    let (mut hung_up, mut unregistered) = (false, false);
    while !(hung_up && unregistered) {
        match in_time(stage.switch.next()).await {
            Some(SoftswitchEvent::CallEnded { .. }) => hung_up = true,
            Some(SoftswitchEvent::Unregistered { user, .. }) => unregistered = user == "1001",
            Some(_) => {}
            None => panic!("the softswitch stopped"),
        }
    }
    // Later requests find no line.
    assert!(matches!(app.open("desk", Interest::NONE).await, Err(Error::NoSuchLine { .. })));
    let refused = desk.call("600", Audio::silence()).await.map(drop);
    assert!(refused.is_err_and(|error| error.to_string().contains("does not exist")));
    assert!(desk.capabilities().await.is_err_and(|error| error.to_string().contains("does not exist")));
    // The same account again is another line.
    assert_eq!(stage.add("desk", "1001", "one"), 3);
    look(&service).await;
    assert_eq!(lines(&app).await, [("lab".into(), 1, 2), ("desk".into(), 2, 3)]);
    let again = app.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(again.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    service.shutdown(DEADLINE).await;
    // Numbers within a session begin anew, those for good stay.
    let service = stage.start();
    let app = attach(&service).await;
    assert_eq!(lines(&app).await, [("lab".into(), 0, 2), ("desk".into(), 1, 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_completes_what_is_outstanding_though_nobody_answers_any_more() {
    let stage = Stage::new("shutdown");
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
    let silent = silent.local_addr().map(|address| (silent, address.to_string()));
    let (_silent, address) = silent.unwrap_or_else(|error| panic!("{error}"));
    let trunk = [("registrar", Value::from(address)), ("user", "2000".into()), ("register", false.into())];
    let added = stage.installation.configure(|document| Ok(document.add_line("trunk", trunk.into())?));
    added.unwrap_or_else(|error| panic!("{error}"));
    let service = stage.start();
    let mut app = attach(&service).await;
    let trunk = app.open("trunk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(trunk.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    let line = app.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(line.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    let mut calls = Vec::new();
    for _ in 0..10 {
        let call = line.call("600", Audio::silence()).await.unwrap_or_else(|error| panic!("{error}"));
        in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
        calls.push(call);
    }
    // The peer is gone without a word; another one has never answered.
    drop(stage.switch);
    let outstanding: Vec<_> = (0..5)
        .map(|_| {
            let trunk = trunk.clone();
            tokio::spawn(async move { trunk.call("600", Audio::silence()).await.map(drop) })
        })
        .collect();
    in_time(service.shutdown(Duration::from_secs(5))).await;
    for request in outstanding {
        assert!(in_time(request).await.is_ok_and(|made| made.is_err()));
    }
    while in_time(app.next()).await.is_some() {}
    assert!(in_time(app.lines()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_else_is_announced_once_and_waits_for_the_next_start() {
    let stage = Stage::new("pending");
    let service = stage.start();
    let mut app = attach(&service).await;
    let line = app.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    let able = line.capabilities().await.unwrap_or_else(|error| panic!("{error}"));
    stage.change("desk", "max-calls", 3.into());
    stage.set("applications.unowned", "reject".into());
    assert!(look(&service).await.is_some());
    assert_eq!(look(&service).await, None);
    let mut announced = Vec::new();
    stage.add("late", "1003", "three");
    look(&service).await;
    loop {
        match next(&mut app).await {
            Event::Reinitialise { why } => announced.push(why),
            // Announced before.
            Event::LineCreated { .. } => break,
            _ => {}
        }
    }
    assert_eq!(announced, ["[applications], line \"desk\" changed; takes effect at the next start"]);
    assert_eq!(line.capabilities().await, Ok(able.clone()));
    service.shutdown(DEADLINE).await;
    let service = stage.start();
    let app = attach(&service).await;
    let line = app.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    let able_now = line.capabilities().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((able.max_calls, able_now.max_calls), (100, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_is_used_at_once() {
    let stage = Stage::new("password");
    stage.change("desk", "password", "wrong".into());
    let service = stage.start();
    let mut app = attach(&service).await;
    let line = app.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(in_time(line.in_service(DEADLINE)).await, Err(Error::OutOfService { .. })));
    stage.change("desk", "password", "one".into());
    assert_eq!(look(&service).await.as_deref(), Some("line \"desk\" has other credentials or peers"));
    loop {
        match next(&mut app).await {
            Event::Line { state: LineState::InService, .. } => break,
            Event::Reinitialise { why } => panic!("announced: {why}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_applications_is_kept() {
    let stage = Stage::new("order");
    let service = stage.start();
    let app = attach(&service).await;
    app.set_priority(MediaType::Voice, &["first", "second"]).await.unwrap_or_else(|error| panic!("{error}"));
    app.set_priority(MediaType::Fax, &["fax"]).await.unwrap_or_else(|error| panic!("{error}"));
    app.set_recipient_priority(&["dialler"]).await.unwrap_or_else(|error| panic!("{error}"));
    service.shutdown(DEADLINE).await;
    let config = stage.installation.read().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.priorities.recipients(), ["dialler".into()]);
    assert_eq!(config.priorities.order(MediaType::Voice), ["first".into(), "second".into()]);
    assert_eq!(config.priorities.order(MediaType::Fax), ["fax".into()]);
    // The next session has it, and offers calls by it.
    let service = stage.start();
    let mut second = service.attach("second").await.unwrap_or_else(|error| panic!("{error}"));
    let mut first = service.attach("first").await.unwrap_or_else(|error| panic!("{error}"));
    for app in [&second, &first] {
        let line = app
            .open("lab", Interest::owner(MediaTypes::VOICE))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        in_time(line.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    }
    let desk = second.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(desk.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    let _call = desk.call("1002", Audio::silence()).await.unwrap_or_else(|error| panic!("{error}"));
    loop {
        tokio::select! {
            event = next(&mut first) => if matches!(event, Event::Offered(_)) { break },
            event = next(&mut second) => assert!(!matches!(event, Event::Offered(_)), "the first opener does not come first"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_edit_changes_nothing_and_is_explained_and_a_right_one_is_followed() {
    let stage = Stage::new("edited");
    let service = stage.start();
    let mut app = attach(&service).await;
    let path = stage.installation.path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
    let write = |text: &str| std::fs::write(&path, text).unwrap_or_else(|error| panic!("{error}"));
    for (wrong, part) in [
        (format!("{text}[[line]]\nname = 'late'\n"), "registrar"),
        (text.replace("next-line = 3", "next-line = 2"), "next-line"),
        (text.replace("provider = ", "povider = "), "provider"),
    ] {
        write(&wrong);
        let error =
            in_time(service.look_at_store()).await.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains("provider.toml") && error.contains(part), "{error}");
        // Said once.
        assert_eq!(look(&service).await, None);
    }
    write(&format!("{text}\n[[line]]\nname = 'late'\nregistrar = '127.0.0.1'\nuser = '1003'\n"));
    assert!(look(&service).await.is_some_and(|what| what.contains("appears")));
    assert!(matches!(next(&mut app).await, Event::LineCreated { .. }));
    // The line that was given number 3 is removed by hand, and the number used again.
    write(&text.replace("next-line = 3", "next-line = 4"));
    look(&service).await;
    write(&text.replace("next-line = 3", "next-line = 4").replace("id = 2", "id = 3"));
    let error =
        in_time(service.look_at_store()).await.map_or_else(|error| error.to_string(), |_| String::new());
    assert!(error.contains("belonged to a line that was removed"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_the_provider_does_not_touch_a_session_that_runs() {
    let stage = Stage::new("uninstalled");
    let service = stage.start();
    let mut app = attach(&service).await;
    let line = app.open("desk", Interest::NONE).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(line.in_service(DEADLINE)).await.unwrap_or_else(|error| panic!("{error}"));
    let call = line.call("600", Audio::silence()).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
    stage.installation.remove().unwrap_or_else(|error| panic!("{error}"));
    assert!(look(&service).await.is_some_and(|what| what.contains("removed")));
    assert_eq!(look(&service).await, None);
    // Nor does another installation at the same place, whose lines have the same numbers.
    stage.installation.install(None).unwrap_or_else(|error| panic!("{error}"));
    stage.add("other", "1003", "three");
    assert!(look(&service).await.is_some_and(|what| what.contains("another provider")));
    stage.remove("other");
    look(&service).await;
    let mut announced = 0;
    call.hang_up().await.unwrap_or_else(|error| panic!("{error}"));
    loop {
        match next(&mut app).await {
            Event::Reinitialise { .. } => announced += 1,
            Event::LineCreated { .. } | Event::LineRemoved { .. } | Event::LineClosed { .. } => {
                panic!("touched")
            }
            Event::State { state: CallState::Idle, .. } => break,
            _ => {}
        }
    }
    assert_eq!(announced, 2, "removed; another one installed");
    assert_eq!(lines(&app).await.len(), 2);
}
