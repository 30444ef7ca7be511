//! Real softphones at our own softswitch: what they register, call, hold, transfer and hear. Audio is measured in what they
//! recorded: at least 99 % of its 20 ms frames carry the tone that the other side says, and no gap is longer than 40 ms.
//!
//! Here is what the tests have in common; `registration`, `extensions`, `calls` (between a phone and a line), `within` a call, and calls
//! that go `elsewhere` or are `transfers` are the tests.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod calls;
mod elsewhere;
mod extensions;
mod registration;
mod transfers;
mod within;

use hookswitch::{Audio, Call, CallState, ConnectedMode, Disconnect, Event, Line};
use hookswitch_interop::{Rig, Softphone, Switchboard, root, soon, until};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECONDS: f32 = 10.0;
/// The recording has the time in it that passes before the tone arrives.
const RECORDED: f32 = 10.4;
const SHORT: f32 = 2.0;
const SHORT_RECORDED: f32 = 2.4;
/// What a softphone says, and what a line says.
const PHONE: u16 = 1_000;
const OTHER_PHONE: u16 = 700;
const LINE: u16 = 620;
/// What the tone extension says.
const EXTENSION: u16 = 440;

/// A phone of user 1001 that answers by itself.
async fn phone(board: &Switchboard, transport: &str) -> Softphone {
    another(board, "one", &["USER=1001", &format!("TRANSPORT={transport}")]).await
}

async fn another(board: &Switchboard, name: &str, settings: &[&str]) -> Softphone {
    let registrar = format!("REGISTRAR={}", board.address());
    let mut all = vec![registrar.as_str()];
    all.extend(settings);
    Softphone::start(name, &all).await.unwrap_or_else(|said| panic!("{}", said.errors))
}

/// A line of ours that is registered with the softswitch.
async fn line(board: &Switchboard, user: &str, transport: &str) -> Rig {
    let keys = format!("profile = '{}'", profile(transport).display());
    let mut rig = Rig::over("udp tcp", &[board.line(user, &keys)]).await;
    rig.in_service(0).await;
    let contacts = board.snapshot().await.registrations;
    let over = |connected: bool| connected == (transport == "tcp");
    assert!(contacts.iter().any(|c| c.user == user && over(c.flow.connection != 0)), "{contacts:?}");
    rig
}

/// A profile that registers over `transport`.
fn profile(transport: &str) -> PathBuf {
    let folder = root().join("tests/out");
    std::fs::create_dir_all(&folder).expect("a folder for the profile");
    let path = folder.join(format!("softswitch-{transport}.toml"));
    std::fs::write(&path, format!("name = 'softswitch-{transport}'\ntransport = '{transport}'\n"))
        .expect("the profile is written");
    path
}

/// Where the line's own recording of a call goes.
fn recording(name: &str) -> PathBuf {
    let path = root().join(format!("tests/out/softswitch-{name}.wav"));
    let _ = std::fs::remove_file(&path);
    path
}

async fn ended(call: &Call) -> Disconnect {
    soon("the end", call.ended()).await.expect("the other side ends the call")
}

/// The only stretch of audio that a phone heard.
async fn one_recording(phone: &mut Softphone) -> PathBuf {
    let mut all = phone.heard().await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// The states of a call, until `wanted` of them have come.
async fn modes(rig: &mut Rig, wanted: usize) -> Vec<ConnectedMode> {
    let mut modes = Vec::new();
    rig.event(&format!("{wanted} states"), |event| {
        if let Event::State { state: CallState::Connected(mode), .. } = event {
            modes.push(mode);
        }
        (modes.len() == wanted).then_some(())
    })
    .await;
    modes
}

async fn dials(board: &Switchboard, phone: &mut Softphone, user: &str) {
    phone.tell("dial", &board.uri(user)).await;
}

async fn calls(board: &Switchboard, line: &Line, user: &str) -> Call {
    soon("the call", line.call(&board.uri(user), Audio::tone(LINE))).await.expect("the call is made")
}

/// Waits until a line's recording is long enough to be measured.
async fn is_long(ours: &Path) {
    until(Duration::from_secs(10), "a recording of the line", async || {
        let long = std::fs::metadata(ours).is_ok_and(|file| file.len() as f32 > SHORT_RECORDED * 32_000.0);
        long.then_some(())
    })
    .await;
}
