//! Asterisk's manager interface: actions and their answers, and events as they come.
//!
//! A message is lines of `Name: value` up to an empty one. Answers and events share one connection; an answer is known by the
//! `ActionID` of its action, everything else waits in order until it is asked for.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long Asterisk may take to answer an action.
const ANSWER: Duration = Duration::from_secs(20);

/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_micros(200);

/// One message of Asterisk's.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<(String, String)>);

impl Message {
    fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Self(lines.map(|(name, value)| (name.to_owned(), value.trim_start().to_owned())).collect())
    }

    /// A field; empty if it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map_or("", |(_, value)| value)
    }

    /// What kind of event it is.
    pub(super) fn event(&self) -> &str {
        self.get("Event")
    }

    fn succeeded(&self) -> bool {
        matches!(self.get("Response"), "Success" | "Goodbye" | "Follows")
    }
}

/// A connection to the manager interface.
#[derive(Debug)]
pub(super) struct Ami {
    stream: TcpStream,
    taken: Vec<u8>,
    events: VecDeque<Message>,
    answers: VecDeque<Message>,
    actions: u64,
}

impl Ami {
    /// Connects and logs in.
    ///
    /// # Errors
    /// What the system or Asterisk says against it.
    pub(super) fn connect(address: SocketAddr, user: &str, secret: &str) -> Result<Self, String> {
        let stream = TcpStream::connect_timeout(&address, ANSWER).map_err(|e| format!("{address}: {e}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_nonblocking(true).map_err(|error| error.to_string())?;
        let mut ami =
            Self { stream, taken: Vec::new(), events: VecDeque::new(), answers: VecDeque::new(), actions: 0 };
        ami.ask("Login", &[("Username", user), ("Secret", secret)])?;
        Ok(ami)
    }

    /// Lets Asterisk do something.
    ///
    /// # Errors
    /// Its refusal, or that it does not answer.
    pub(super) fn ask(&mut self, action: &str, fields: &[(&str, &str)]) -> Result<Message, String> {
        self.actions += 1;
        let id = self.actions.to_string();
        let mut text = format!("Action: {action}\r\nActionID: {id}\r\n");
        for (name, value) in fields {
            debug_assert!(!value.contains(['\r', '\n']), "{name} has a line's end in it");
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        self.stream.write_all(text.as_bytes()).map_err(|error| format!("{action}: {error}"))?;
        let deadline = Instant::now() + ANSWER;
        loop {
            self.take_in();
            if let Some(at) = self.answers.iter().position(|answer| answer.get("ActionID") == id) {
                let answer = self.answers.remove(at).unwrap_or_default();
                return match answer.succeeded() {
                    true => Ok(answer),
                    false => Err(format!("{action} {fields:?}: {}", answer.get("Message"))),
                };
            }
            if Instant::now() > deadline {
                return Err(format!("{action} {fields:?}: no answer within {ANSWER:?}"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The next event.
    pub(super) fn event(&mut self) -> Option<Message> {
        if self.events.is_empty() {
            self.take_in();
        }
        self.events.pop_front()
    }

    /// Takes what came.
    fn take_in(&mut self) {
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(length) => self.taken.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
            Err(error) => panic!("the connection to Asterisk's manager interface broke: {error}"),
        }
        while let Some(end) = self.taken.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = self.taken.split_off(end + 4);
            let message = Message::parse(&String::from_utf8_lossy(&self.taken));
            self.taken = rest;
            if !message.get("Response").is_empty() && message.event().is_empty() {
                self.answers.push_back(message);
            } else {
                self.events.push_back(message);
            }
        }
    }
}
