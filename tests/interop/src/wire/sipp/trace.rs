//! SIPp's message trace, read as it grows.

use bytes::Bytes;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// A message of the trace.
#[derive(Debug)]
pub(super) enum Entry {
    /// SIPp received it.
    Received(Bytes),
    /// SIPp sent it.
    Sent(Bytes),
}

/// The trace.
pub(super) struct Trace {
    file: Option<File>,
    /// What was read and is no whole entry yet.
    rest: Vec<u8>,
}

const RECEIVED: &[u8] = b"UDP message received [";
const SENT: &[u8] = b"UDP message sent (";

impl Trace {
    /// What is written from now on.
    pub(super) fn from_now(path: &Path) -> Self {
        let mut file = File::open(path).ok();
        if let Some(file) = &mut file {
            let _ = file.seek(SeekFrom::End(0));
        }
        Self { file, rest: Vec::new() }
    }

    /// The next message, if there is one.
    pub(super) fn next(&mut self) -> Option<Entry> {
        if let Some(entry) = self.take() {
            return Some(entry);
        }
        let read = self.file.as_mut()?.read_to_end(&mut self.rest).unwrap_or(0);
        if read > 0 { self.take() } else { None }
    }

    fn take(&mut self) -> Option<Entry> {
        let find = |what: &[u8]| self.rest.windows(what.len()).position(|window| window == what);
        let (at, sent) = match (find(RECEIVED), find(SENT)) {
            (None, None) => return None,
            (Some(at), None) => (at, false),
            (None, Some(at)) => (at, true),
            (Some(received), Some(sent)) => (received.min(sent), sent < received),
        };
        let entry = self.rest.get(at..)?;
        let digits = entry.get(if sent { SENT.len() } else { RECEIVED.len() }..)?;
        let digits = digits.iter().take_while(|octet| octet.is_ascii_digit());
        let length = digits.fold(0_usize, |number, octet| number * 10 + usize::from(octet - b'0'));
        let body = at + entry.windows(2).position(|window| window == b"\n\n")? + 2;
        let message = Bytes::copy_from_slice(self.rest.get(body..body + length)?);
        self.rest.drain(..body + length);
        Some(if sent { Entry::Sent(message) } else { Entry::Received(message) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole() {
        let mut trace = Trace { file: None, rest: Vec::new() };
        trace
            .rest
            .extend(b"----- date\nUDP message received [5] bytes :\n\nA\r\nB\n\n---\nUDP message sent (3 by");
        assert!(matches!(trace.take(), Some(Entry::Received(bytes)) if *bytes == *b"A\r\nB\n"));
        assert!(trace.take().is_none());
        trace.rest.extend(b"tes):\n\nX\r\n\n");
        assert!(matches!(trace.take(), Some(Entry::Sent(bytes)) if *bytes == *b"X\r\n"));
        assert!(trace.take().is_none());
    }
}
