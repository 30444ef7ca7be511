//! Services that call each other over loopback sockets.
// Each test file uses its part; a test looks for free ports.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::disallowed_methods)]

use hookswitch::config::Config;
use hookswitch::{Application, Audio, Call, Event, Interest, Line, LineState, MediaTypes, Service};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

pub const DEADLINE: Duration = Duration::from_secs(10);

pub struct Side {
    pub service: Service,
    pub app: Application,
    pub line: Line,
}

/// A SIP port and a hundred ports for audio that nobody else in this run is given, nor, most likely, in another.
pub fn ports() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let other_runs = (std::process::id() % 400) as u16;
    loop {
        let n = (other_runs + NEXT.fetch_add(1, Ordering::Relaxed)) % 400;
        let (sip, media) = (22_000 + n, 24_000 + n * 100);
        let free = |port: u16| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free(sip) && free(media) && free(media + 2) {
            return (sip, media);
        }
    }
}

pub fn service(path: Path, (own, media): (u16, u16), other: u16, user: &str) -> Service {
    let media = format!("[{media}, {}]", media + 99);
    let (transport, host, bare, profile) = match path {
        Path::Udp4 => ("udp", "127.0.0.1", "127.0.0.1", "generic".to_owned()),
        Path::Udp6 => ("udp", "[::1]", "::1", "generic".to_owned()),
        Path::Tcp4 => ("tcp", "127.0.0.1", "127.0.0.1", stream_profile()),
    };
    let text = format!(
        "[sip]\nlisten = ['{transport}:{host}:{own}']\n[media]\naddress = '{bare}'\nports = {media}\n\
         [[line]]\nname = 'trunk'\nprofile = '{profile}'\nregistrar = '{host}:{other}'\nuser = '{user}'\n\
         numbers = ['900', '901']\nregister = false\n"
    );
    let config = Config::parse(&text, "test.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
    Service::start(config).unwrap_or_else(|error| panic!("{error}"))
}

pub async fn side(service: Service, user: &str) -> Side {
    let mut app = service.attach(user).await.unwrap_or_else(|error| panic!("{error}"));
    let interest = Interest { monitor: false, ..Interest::owner(MediaTypes::VOICE) };
    let line = app.open("trunk", interest).await.unwrap_or_else(|error| panic!("{error}"));
    loop {
        match next(&mut app).await {
            Event::Line { state: LineState::InService, .. } => break,
            Event::Line { .. } => {}
            other => panic!("expected the line's state, got {other:?}"),
        }
    }
    Side { service, app, line }
}

/// How the two services reach each other.
#[derive(Clone, Copy, Debug)]
pub enum Path {
    Udp4,
    Udp6,
    Tcp4,
}

/// A profile of lines that call over TCP.
pub fn stream_profile() -> String {
    let path = std::env::temp_dir().join(format!("hookswitch-two-services-{}.toml", std::process::id()));
    std::fs::write(&path, "name = 'stream'\ntransport = 'tcp'\n").unwrap_or_else(|error| panic!("{error}"));
    path.display().to_string()
}

pub async fn pair() -> (Side, Side) {
    pair_over(Path::Udp4).await
}

pub async fn pair_over(path: Path) -> (Side, Side) {
    let (a, b) = (ports(), ports());
    // Both are there before either line is opened: what a line sends to nobody comes back as refused.
    let (alice, bob) = (service(path, a, b.0, "alice"), service(path, b, a.0, "bob"));
    (side(alice, "alice").await, side(bob, "bob").await)
}

pub async fn next(app: &mut Application) -> Event {
    match tokio::time::timeout(DEADLINE, app.next()).await {
        Ok(Some(event)) => event,
        Ok(None) => panic!("the service stopped"),
        Err(_) => panic!("no event within {DEADLINE:?}"),
    }
}

pub async fn offered(app: &mut Application) -> Call {
    loop {
        if let Event::Offered(call) = next(app).await {
            return call;
        }
    }
}

pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("nothing within {DEADLINE:?}"))
}

/// Calls from one side to the other and answers.
pub async fn connected(from: &mut Side, to: &mut Side, number: &str) -> (Call, Call) {
    let call = from.line.call(number, Audio::tone(440));
    let (call, incoming) = tokio::join!(call, offered(&mut to.app));
    let call = call.unwrap_or_else(|error| panic!("{error}"));
    in_time(incoming.answer(Audio::tone(880))).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
    (call, incoming)
}
