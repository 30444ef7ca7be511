//! Asterisk, as `tests/peers/asterisk-up` starts it: accounts 1001 and 1002, extensions as in `docker/README.md`.

use crate::{DEADLINE, TestLine, root, script, until};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

static ALONE: Mutex<()> = Mutex::const_new(());

/// An account has one binding and Asterisk is stopped by some tests: one test at a time.
pub async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// Its port on this machine.
pub fn port() -> u16 {
    std::env::var("ASTERISK_PORT").ok().and_then(|text| text.parse().ok()).unwrap_or(15_060)
}

/// What lines register with.
pub fn registrar() -> String {
    format!("127.0.0.1:{}", port())
}

/// Where its recordings appear.
pub fn recordings() -> PathBuf {
    match std::env::var_os("ASTERISK_RECORDINGS") {
        Some(folder) => folder.into(),
        None => root().join(format!("tests/out/recordings-{}", port())),
    }
}

/// A line of an account of its own.
pub fn line(user: &str) -> TestLine {
    line_with(user, "profile = 'asterisk'")
}

/// As [`line`], with other keys in the line's table.
pub fn line_with(user: &str, keys: &str) -> TestLine {
    TestLine { user: user.into(), registrar: registrar(), keys: keys.into() }
}

/// A profile like Asterisk's with further keys, written to a file; the key of a line's table that names it.
pub fn profile(name: &str, keys: &str) -> String {
    let folder = root().join("tests/out");
    std::fs::create_dir_all(&folder).expect("a folder for the profile");
    let path = folder.join(format!("{name}-{}.toml", port()));
    let text = format!("name = '{name}'\nregister-retry = 1\n{keys}\n");
    std::fs::write(&path, text).expect("the profile is written");
    format!("profile = '{}'", path.display())
}

/// Asks its console.
pub async fn rx(command: &str) -> String {
    let said = script("tests/peers/asterisk-rx", &[command]).await;
    assert!(said.done, "{command}: {}", said.errors);
    said.output
}

/// Lets Asterisk call a line and connect it with an extension.
pub async fn originate(user: &str, extension: &str) {
    rx(&format!("channel originate PJSIP/{user} extension {extension}@lines")).await;
}

/// Stops it.
pub async fn down() {
    let said = script("tests/peers/asterisk-down", &[]).await;
    assert!(said.done, "{}", said.errors);
}

/// Starts it, if it does not run.
pub async fn up() {
    let said = script("tests/peers/asterisk-up", &[]).await;
    assert!(said.done, "{}", said.errors);
}

/// Makes it deaf and mute, as behind a cut wire.
pub async fn freeze() {
    let said = script("tests/peers/asterisk-down", &["--freeze"]).await;
    assert!(said.done, "{}", said.errors);
}

/// Lets it hear and speak again.
pub async fn thaw() {
    let said = script("tests/peers/asterisk-down", &["--thaw"]).await;
    assert!(said.done, "{}", said.errors);
}

/// Two parties are connected with each other. Asterisk answers a call a moment before it joins its parties, and refuses a REFER
/// in between (400).
pub async fn bridged() {
    bridges(1).await;
}

/// As [`bridged`], so many pairs.
pub async fn bridges(pairs: usize) {
    until(DEADLINE, "two parties in a bridge of Asterisk's", async || {
        let bridges = rx("bridge show all").await;
        let joined = bridges.lines().filter(|line| line.split_whitespace().nth(2) == Some("2")).count();
        (joined >= pairs).then_some(())
    })
    .await;
}

/// Somebody who says a tone (0900, 1200 or 1800 Hz) calls an extension, and what it hears is [recorded](heard).
pub async fn caller(hertz: u16, name: u16, extension: &str) {
    forget(&heard(name));
    rx(&format!("channel originate Local/63{hertz:04}{name}@lines extension 67{extension}@lines")).await;
}

/// The number of somebody who says a tone; what it hears is [recorded](heard).
pub fn party(hertz: u16, name: u16) -> String {
    forget(&heard(name));
    format!("63{hertz:04}{name}")
}

/// As [`party`]; when it is sent a digit it sends 4711 before it says its tone.
pub fn digits_party(hertz: u16, name: u16) -> String {
    forget(&heard(name));
    format!("64{hertz:04}{name}")
}

/// Where Asterisk records what one of its parties hears.
pub fn heard(name: u16) -> PathBuf {
    recordings().join(format!("63-{name}-heard.wav"))
}

/// So many new messages wait for a user; done when that is told, while there are no calls.
pub async fn messages(user: &str, new: u8) {
    rx(&format!("channel originate Local/66{new}{user}@lines application Wait 1")).await;
    quiet().await;
}

/// How many subscriptions there are with it.
pub async fn subscriptions() -> usize {
    let said = rx("pjsip show subscriptions inbound").await;
    let last = said.lines().find(|line| line.contains(" active subscription"));
    let count = last.and_then(|line| line.split_whitespace().next()?.parse().ok());
    count.unwrap_or_else(|| panic!("no number of subscriptions in {said}"))
}

/// Waits until a call has come to this application of the dialplan.
pub async fn reached(application: &str) {
    until(DEADLINE, &format!("a call in {application}()"), async || {
        rx("core show channels concise").await.contains(&format!("!{application}!")).then_some(())
    })
    .await;
}

/// Ends all its calls.
pub async fn hang_up_all() {
    rx("channel request hangup all").await;
}

/// No call is left in it.
pub async fn quiet() {
    until(DEADLINE, "no channel is left in Asterisk", async || {
        rx("core show channels count").await.contains("0 active channels").then_some(())
    })
    .await;
}

/// A recording once it is complete: its header says how much is in it, and nothing more comes.
pub async fn complete(path: &Path) -> PathBuf {
    let mut last = 0;
    until(Duration::from_secs(15), &format!("{} is complete", path.display()), async || {
        let bytes = std::fs::read(path).ok()?;
        let at = bytes.windows(4).position(|window| window == b"data")?;
        let size = bytes.get(at + 4..at + 8)?;
        let size = u32::from_le_bytes(size.try_into().ok()?) as usize;
        let same = std::mem::replace(&mut last, bytes.len()) == bytes.len();
        if !same {
            // Whoever writes in pieces writes several in this time.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        (same && size > 0 && at + 8 + size <= bytes.len() + 1).then(|| path.to_owned())
    })
    .await
}

/// Forgets a recording of an earlier run.
pub fn forget(path: &Path) {
    let _ = std::fs::remove_file(path);
}
