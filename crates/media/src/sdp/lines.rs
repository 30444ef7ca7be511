//! The lines of a body: a letter, an equals sign, a value (RFC 8866 5).

use super::error::SdpError;

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
    body.split('\n').enumerate().filter_map(|(index, line)| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        let number = index + 1;
        let wrong = SdpError::Line {
            line: number,
            expected: "a letter, '=' and text without NUL or CR (RFC 8866 5)",
        };
        let value = line.get(2..).filter(|value| !value.bytes().any(|octet| octet == 0 || octet == b'\r'));
        Some(match (line.as_bytes(), value) {
            ([letter, b'=', ..], Some(value)) => Ok(Line { number, letter: *letter, value }),
            _ => Err(wrong),
        })
    })
}
