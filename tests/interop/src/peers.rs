//! Which peers are there, and the scripts that start them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The top of the source tree.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().expect("the source tree")
}

/// Whether the peers that a test needs are there. `HOOKSWITCH_PEERS` names them (`tests/run` sets it); without it, programs are
/// looked for, and Asterisk is there if `ASTERISK_PORT` is set. A test that misses one says so and is left out; with
/// `CI=true` it fails. `root` stands for the right to send what no socket of one's own would, which SIPp needs to play captures.
#[must_use]
pub fn needs(peers: &[&str]) -> bool {
    let named = std::env::var("HOOKSWITCH_PEERS").ok();
    let there = |peer: &str| match &named {
        _ if peer == "root" => std::fs::read_to_string("/proc/self/status")
            .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t"))),
        Some(list) => list.split([' ', ',']).any(|word| word == peer),
        None if peer == "asterisk" => std::env::var("ASTERISK_PORT").is_ok(),
        None => std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(peer).is_file())),
    };
    let missing: Vec<&str> = peers.iter().copied().filter(|peer| !there(peer)).collect();
    if missing.is_empty() {
        return true;
    }
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let missing = missing.join(" and ");
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{name} needs {missing} (HOOKSWITCH_PEERS names what there is)"
    );
    eprintln!("SKIPPED {name}: {missing} is not here (HOOKSWITCH_PEERS names what there is)");
    false
}

/// What a script said.
#[derive(Debug)]
pub struct Script {
    /// Whether it ended with 0.
    pub done: bool,
    /// Its output.
    pub output: String,
    /// Its complaints.
    pub errors: String,
}

/// Runs a script of the source tree.
pub async fn script(path: &str, arguments: &[&str]) -> Script {
    let run = Command::new(root().join(path))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(Duration::from_secs(120), run).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => panic!("{path} cannot be run: {error}"),
        Err(_) => panic!("{path} {arguments:?}: not done within two minutes"),
    };
    Script {
        done: output.status.success(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
