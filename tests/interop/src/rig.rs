//! Our side: a service with its lines, and one application that has them open.

use crate::{free_media_ports, soon, until};
use hookswitch::config::Config;
use hookswitch::{
    Application, Call, CallState, Event, Figures, Interest, Line, LineState, MediaTypes, Service, StateKind,
};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// A line as a test configures it.
#[derive(Clone, Debug)]
pub struct TestLine {
    /// Its name, and its user part.
    pub user: String,
    /// Its registrar, `host:port`.
    pub registrar: String,
    /// Further keys of its table, as in `hookswitch.toml`.
    pub keys: String,
}

/// The table of a line that takes calls from this machine.
pub fn line_toml(line: &TestLine) -> String {
    let TestLine { user, registrar, keys } = line;
    let password =
        if keys.contains("password") { String::new() } else { format!("password = 'hookswitch-{user}'\n") };
    let accept = if keys.contains("accept-from") { "" } else { "accept-from = ['127.0.0.1']\n" };
    format!(
        "[[line]]\nname = '{user}'\nuser = '{user}'\nregistrar = '{registrar}'\n{password}{accept}{keys}\n"
    )
}

/// A running service and an application with its lines open as owner.
pub struct Rig {
    /// The service.
    pub service: Service,
    /// The application.
    pub app: Application,
    /// Its lines, in the order of the configuration.
    pub lines: Vec<Line>,
}

impl Rig {
    /// Line 1001, not registered, whose switch is SIPp on `port`; `keys` are further keys of its table.
    pub async fn trunk(port: u16, keys: &str) -> Self {
        Self::trunk_over("udp", port, keys).await
    }

    /// As [`trunk`](Self::trunk), over `udp` or `tcp`.
    pub async fn trunk_over(transport: &str, port: u16, keys: &str) -> Self {
        let registrar = format!("127.0.0.1:{port}");
        let keys = format!("register = false\n{keys}");
        Self::over(transport, &[TestLine { user: "1001".into(), registrar, keys }]).await
    }

    /// Line 1001, not registered and called by whoever is on this machine.
    pub async fn called(keys: &str) -> Self {
        Self::trunk(9, keys).await
    }

    /// These lines, opened in a service of their own on free ports.
    pub async fn with(lines: &[TestLine]) -> Self {
        Self::over("udp", lines).await
    }

    /// As [`with`](Self::with), over `udp`, `tcp`, or `udp` and `tcp`.
    pub async fn over(transports: &str, lines: &[TestLine]) -> Self {
        let service = Self::service(transports, lines);
        let app = soon("attaching", service.attach("interop")).await.expect("an application can attach");
        let mut open = Vec::new();
        for line in lines {
            let interest = Interest::owner(MediaTypes::VOICE);
            open.push(soon("opening a line", app.open(&line.user, interest)).await.expect("the line opens"));
        }
        Self { service, app, lines: open }
    }

    /// A service with these lines and no application.
    pub fn service(transports: &str, lines: &[TestLine]) -> Service {
        Service::start(Self::config(transports, lines))
            .unwrap_or_else(|error| panic!("the service does not start: {error}"))
    }

    /// The configuration of such a service.
    pub fn config(transports: &str, lines: &[TestLine]) -> Config {
        let listen: Vec<String> =
            transports.split_whitespace().map(|name| format!("'{name}:127.0.0.1:0'")).collect();
        let (low, high) = free_media_ports();
        let mut text = format!(
            "[sip]\nlisten = [{}]\n[media]\naddress = '127.0.0.1'\nports = [{low}, {high}]\n",
            listen.join(", ")
        );
        for line in lines {
            text.push_str(&line_toml(line));
        }
        Config::parse(&text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Where its lines are called.
    pub fn address(&self) -> SocketAddr {
        self.service.endpoints().first().expect("an endpoint").advertised
    }

    /// The first line.
    pub fn line(&self) -> &Line {
        self.lines.first().expect("a line")
    }

    /// The next event that `wanted` picks; those before it are dropped.
    pub async fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let event = self.app.next().await.expect("the service runs");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        })
        .await
    }

    /// The next call that is offered.
    pub async fn offered(&mut self) -> Call {
        self.event("an offered call", |event| match event {
            Event::Offered(call) => Some(call),
            _ => None,
        })
        .await
    }

    /// Whether a call was offered among the events that are there.
    pub async fn nothing_offered(&mut self) {
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), self.app.next()).await {
            assert!(!matches!(event, Event::Offered(_)), "a call was offered: {event:?}");
        }
    }

    /// Waits until a line is in service.
    pub async fn in_service(&mut self, line: usize) {
        self.in_service_within(crate::DEADLINE, line).await;
    }

    /// As [`in_service`](Self::in_service), with another deadline.
    pub async fn in_service_within(&mut self, deadline: Duration, line: usize) {
        let id = self.lines.get(line).expect("a line").id();
        until(deadline, "the line in service", async || {
            let lines = self.app.lines().await.expect("the service runs");
            let state = &lines.iter().find(|line| line.line == id).expect("the line").state;
            matches!(state, LineState::InService).then_some(())
        })
        .await;
    }

    /// Waits for the next news that a line is out of service and says why: status and words.
    pub async fn out_of_service_within(
        &mut self,
        deadline: Duration,
        mut wanted: impl FnMut(Option<u16>, &str) -> bool,
    ) -> String {
        crate::within(deadline, "the line out of service", async {
            loop {
                let event = self.app.next().await.expect("the service runs");
                if let Event::Line { state: LineState::OutOfService(out), .. } = event
                    && wanted(out.status, &out.reason)
                {
                    return out.reason;
                }
            }
        })
        .await
    }

    /// What is alive.
    pub async fn figures(&self) -> Figures {
        soon("figures", self.service.figures()).await.expect("the service runs")
    }

    /// Nothing of any call is left; the events that wait may hold handles, so they are read.
    pub async fn drained(&mut self) {
        while tokio::time::timeout(Duration::from_millis(1), self.app.next()).await.is_ok() {}
        let service = &self.service;
        until(crate::DEADLINE, "all calls are gone", async || {
            let figures = service.figures().await.expect("the service runs");
            let alive = figures.alive;
            (figures.calls == 0 && alive.calls == 0).then_some(())
        })
        .await;
    }

    /// Ends it in good order: no call is left, then it un-registers.
    pub async fn end(mut self) {
        self.drained().await;
        let Self { service, app, lines } = self;
        drop(lines);
        drop(app);
        service.shutdown(Duration::from_secs(4)).await;
    }
}

/// Waits on a call.
pub async fn reached(call: &Call, kind: StateKind) -> CallState {
    let state = soon(kind.name(), call.wait_for(|state| state.kind() == kind)).await;
    assert_eq!(state.kind(), kind, "the call is {state} instead");
    state
}
