//! A real softphone: baresip, started by `tests/peers/baresip-up` and told what to do over its control port.

use crate::{Script, free_port, root, script, soon, until, within};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What it records: 8,000 samples of 16 bit a second.
const BYTES_PER_SECOND: f32 = 16_000.0;
/// No message of baresip is longer.
const LONGEST_MESSAGE: usize = 1 << 20;

/// A softphone that runs. Dropping it ends it.
pub struct Softphone {
    /// Its name, which no other of this process has: tests run beside each other.
    name: String,
    port: u16,
    control: OwnedWriteHalf,
    responses: UnboundedReceiver<String>,
    events: UnboundedReceiver<PhoneEvent>,
    /// Recordings that [`heard`](Self::heard) is through with.
    old: Vec<PathBuf>,
    ended: Cell<bool>,
}

/// What baresip tells of itself: `CALL_INCOMING`, `CALL_RINGING`, `CALL_ESTABLISHED`, `CALL_CLOSED` and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneEvent {
    /// What happened.
    pub kind: String,
    /// More on it: the reason of an end, the target of a transfer.
    pub more: String,
}

impl Softphone {
    /// Starts a phone that registers as `settings` say (those of `tests/peers/baresip-up`); ports are chosen. What the script
    /// says if it cannot register.
    pub async fn start(name: &str, settings: &[&str]) -> Result<Self, Script> {
        static STARTED: AtomicU16 = AtomicU16::new(1);
        let name = format!("{name}-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let port = free_port();
        // Beside its own port it listens for TLS.
        let ports = [
            format!("SIP_PORT={port}"),
            format!("CONTROL_PORT={}", port + 2),
            format!("RTP_PORTS={}-{}", port + 4, port + 9),
        ];
        let mut arguments = vec![name.as_str()];
        arguments.extend(ports.iter().map(String::as_str));
        arguments.extend(settings);
        let started = script("tests/peers/baresip-up", &arguments).await;
        if !started.done {
            return Err(started);
        }
        let control = soon("the control port", TcpStream::connect(("127.0.0.1", port + 2))).await;
        let (reader, control) = control.expect("baresip takes commands").into_split();
        let (answer, responses) = unbounded_channel();
        let (tell, events) = unbounded_channel();
        tokio::spawn(read(reader, answer, tell));
        Ok(Self { name, port, control, responses, events, old: Vec::new(), ended: Cell::new(false) })
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Gives a command (`dial`, `accept`, `hangup`, `hold`, `resume`, `transfer`); fails if the phone refuses it.
    pub async fn tell(&mut self, command: &str, parameters: &str) {
        let message = format!(r#"{{"command":"{command}","params":"{parameters}","token":"test"}}"#);
        let message = format!("{}:{message},", message.len());
        self.control.write_all(message.as_bytes()).await.expect("baresip takes commands");
        let response = soon(&format!("{}'s response to {command}", self.name), self.responses.recv()).await;
        let response = response.unwrap_or_default();
        assert!(response.contains(r#""ok":true"#), "{}: {command} {parameters}: {response}", self.name);
    }

    /// The next event of this kind; those before it are dropped.
    pub async fn event(&mut self, kind: &str) -> PhoneEvent {
        self.event_within(crate::DEADLINE, kind).await
    }

    /// As [`event`](Self::event), with another deadline.
    pub async fn event_within(&mut self, deadline: Duration, kind: &str) -> PhoneEvent {
        let what = format!("{} of {}", kind, self.name);
        let mut before = Vec::new();
        let found = within(deadline, &what, async {
            while let Some(event) = self.events.recv().await {
                if event.kind == kind {
                    return Some(event);
                }
                before.push(event);
            }
            None
        });
        found.await.unwrap_or_else(|| panic!("{what}: the phone ended after {before:?}"))
    }

    /// Events that came and nobody has read.
    pub fn events(&mut self) -> Vec<PhoneEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        folder(&self.name)
    }

    /// Waits until it has recorded `seconds` of what it hears in the stretch of audio that began last.
    pub async fn hears_for(&self, seconds: f32) {
        let enough = (seconds * BYTES_PER_SECOND) as u64;
        let deadline = Duration::from_secs_f32(seconds + 10.0);
        until(deadline, &format!("{seconds} s of audio for {}", self.name), async || {
            let newest = self.recordings().pop()?;
            let length = std::fs::metadata(newest).ok()?.len();
            (length > enough).then_some(())
        })
        .await;
    }

    /// Waits until its log says this.
    pub async fn logs(&self, text: &str) {
        until(crate::DEADLINE, &format!("\"{text}\" in the log of {}", self.name), async || {
            let log = std::fs::read_to_string(self.folder().join("log")).ok()?;
            log.contains(text).then_some(())
        })
        .await;
    }

    /// What it heard since this was asked last, complete: one file for each stretch of audio. Ask when the call is over.
    pub async fn heard(&mut self) -> Vec<PathBuf> {
        let all = self.recordings();
        for path in &all {
            recorded(path).await;
        }
        self.old.extend_from_slice(&all);
        all
    }

    /// Recordings of what it heard since they were asked for last, oldest first.
    fn recordings(&self) -> Vec<PathBuf> {
        let Ok(files) = std::fs::read_dir(self.folder().join("recordings")) else { return Vec::new() };
        let files = files.filter_map(|file| Some(file.ok()?.path()));
        let mut files: Vec<_> = files
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav") && !self.old.contains(path))
            .collect();
        files.sort();
        files
    }

    /// Ends it; it un-registers.
    pub async fn end(self) {
        self.ended.set(true);
        let ended = script("tests/peers/baresip-down", &[&self.name]).await;
        assert!(ended.done, "{}", ended.errors);
    }
}

impl Drop for Softphone {
    fn drop(&mut self) {
        if !self.ended.get() {
            let _ =
                std::process::Command::new(root().join("tests/peers/baresip-down")).arg(&self.name).output();
        }
    }
}

fn folder(name: &str) -> PathBuf {
    let out = std::env::var_os("PEER_OUT").map_or_else(|| root().join("tests/out"), PathBuf::from);
    out.join(format!("baresip-{name}"))
}

/// Waits until a recording is complete: a phone's, or one of a line of ours.
pub async fn recorded(path: &Path) {
    let what = format!("the end of the recording {}", path.display());
    until(crate::DEADLINE, &what, async || is_complete(path).then_some(())).await;
}

/// Whether the length in the file's head is the length of the file: it is written at the end.
fn is_complete(path: &Path) -> bool {
    let Ok(bytes) = std::fs::read(path) else { return false };
    let stated = bytes.get(4..8).and_then(|field| field.try_into().ok()).map(u32::from_le_bytes);
    bytes.len() > 44 && stated.is_some_and(|stated| stated as usize + 8 == bytes.len())
}

/// Sorts netstrings of JSON into responses and events, until the phone ends.
async fn read(
    mut reader: OwnedReadHalf,
    answer: UnboundedSender<String>,
    tell: UnboundedSender<PhoneEvent>,
) -> Option<()> {
    loop {
        let mut length = 0;
        loop {
            match reader.read_u8().await.ok()? {
                b':' => break,
                digit => length = length * 10 + usize::from(digit.checked_sub(b'0')?),
            }
            if length > LONGEST_MESSAGE {
                return None;
            }
        }
        let mut text = vec![0; length + 1];
        reader.read_exact(&mut text).await.ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.contains(r#""response":true"#) {
            answer.send(text).ok()?;
        } else {
            let event = PhoneEvent { kind: field(&text, "type"), more: field(&text, "param") };
            tell.send(event).ok()?;
        }
    }
}

/// A text of a flat JSON object; empty if it is not there.
fn field(json: &str, name: &str) -> String {
    let from = json.split_once(&format!("\"{name}\":\"")).map_or("", |(_, rest)| rest);
    from.split('"').next().unwrap_or_default().to_owned()
}
