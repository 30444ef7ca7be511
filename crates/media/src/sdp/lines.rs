//! The lines of a body: a letter, an equals sign, a value (RFC 8866 5).

use super::error::SdpError;
use memchr::{memchr_iter, memchr2};

/// One line.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// The letter.
    pub(super) letter: u8,
    /// What follows the equals sign.
    pub(super) value: &'a str,
}

impl<'a> Line<'a> {
    /// The error of this line.
    pub(super) const fn expected(&self, expected: &'static str) -> SdpError {
        SdpError::Line { line: self.number, expected }
    }

    /// The fields of the value. Several spaces are read as one.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'a str> {
        self.value.split(' ').filter(|field| !field.is_empty())
    }
}

/// The lines of a body. Ends are CRLF or LF; empty lines are left out.
pub(super) fn lines(body: &str) -> impl Iterator<Item = Result<Line<'_>, SdpError>> {
    let ends = memchr_iter(b'\n', body.as_bytes()).chain(std::iter::once(body.len()));
    let mut start = 0;
    ends.enumerate().filter_map(move |(index, end)| {
        let line = body.get(start..end).unwrap_or("");
        start = end + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() { None } else { Some(read_line(index + 1, line)) }
    })
}

fn read_line(number: usize, line: &str) -> Result<Line<'_>, SdpError> {
    match (line.as_bytes(), line.get(2..)) {
        ([letter, b'=', rest @ ..], Some(value)) if memchr2(0, b'\r', rest).is_none() => {
            Ok(Line { number, letter: *letter, value })
        }
        _ => Err(SdpError::Line {
            line: number,
            expected: "a letter, '=' and text without NUL or CR (RFC 8866 5)",
        }),
    }
}
