//! SIPp as a child.

use crate::{free_port, root, until, within};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// One scenario under way. Dropping it ends SIPp.
pub struct Sipp {
    scenario: String,
    child: Child,
    port: u16,
    begun: Instant,
}

impl Sipp {
    /// SIPp calls `line`; `options` as in `tests/sipp/README.md`.
    pub fn calls(scenario: &str, line: SocketAddr, options: &[&str]) -> Self {
        Self::start(scenario, Some(line), options, &root())
    }

    /// As [`calls`](Self::calls), with files of its own in `folder`.
    pub fn calls_in(folder: &Path, scenario: &str, line: SocketAddr, options: &[&str]) -> Self {
        Self::start(scenario, Some(line), options, folder)
    }

    /// SIPp waits to be called, or to be registered with; back when it listens.
    pub async fn waits(scenario: &str, options: &[&str]) -> Self {
        let mut sipp = Self::start(scenario, None, options, &root());
        let listens = format!("0100007F:{:04X} ", sipp.port);
        until(Duration::from_secs(10), &format!("SIPp listens ({scenario})"), async || {
            if let Ok(Some(_)) = sipp.child.try_wait() {
                panic!("SIPp ({scenario}) ended before it listened");
            }
            let tcp = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
            let udp = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
            (udp.contains(&listens) || tcp.contains(&listens)).then_some(())
        })
        .await;
        sipp
    }

    fn start(scenario: &str, line: Option<SocketAddr>, options: &[&str], folder: &Path) -> Self {
        let port = free_port();
        let child = Command::new(root().join("tests/sipp/run"))
            .arg(scenario)
            .args(line.map(|line| line.to_string()))
            .args(["-p", &port.to_string(), "-mp", &(port + 2).to_string(), "-s", "1001"])
            .args(options)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("tests/sipp/run cannot be run: {error}"));
        Self { scenario: scenario.to_owned(), child, port, begun: Instant::now() }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to call it.
    pub fn uri(&self) -> String {
        format!("sip:anyone@127.0.0.1:{}", self.port)
    }

    /// Waits until it has ended; fails with what it expected and saw unless it passed.
    pub async fn passed(self) {
        self.passed_within(Duration::from_secs(70)).await;
    }

    /// As [`passed`](Self::passed); returns the messages that it sent and received.
    pub async fn passed_with_messages(self) -> String {
        let name = format!("{}-{}.messages", self.scenario.replace('/', "-"), self.port);
        let folder = std::env::var_os("SIPP_OUT").map_or_else(|| root().join("tests/out/sipp"), Into::into);
        self.passed().await;
        let path = folder.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// As [`passed`](Self::passed), with another deadline; returns how long it took.
    pub async fn passed_within(mut self, deadline: Duration) -> Duration {
        let scenario = self.scenario.clone();
        let status = within(deadline, &format!("SIPp's end ({scenario})"), self.child.wait()).await;
        let took = self.begun.elapsed();
        let mut said = String::new();
        if let Some(mut output) = self.child.stdout.take() {
            let _ = tokio::io::AsyncReadExt::read_to_string(&mut output, &mut said).await;
        }
        if let Some(mut errors) = self.child.stderr.take() {
            let _ = tokio::io::AsyncReadExt::read_to_string(&mut errors, &mut said).await;
        }
        assert!(status.is_ok_and(|status| status.success()), "{said}");
        took
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        if let (Ok(None), Some(id)) = (self.child.try_wait(), self.child.id()) {
            // The script passes the end on to SIPp.
            let _ = std::process::Command::new("kill").arg(id.to_string()).status();
        }
    }
}
