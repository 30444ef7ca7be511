//! Why a body is no session description.

use sdp_types::ParserError;

/// Why a body is no session description that this crate takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// More octets than are read.
    #[error("the session description has {size} octets; at most {limit} are read")]
    TooLong {
        /// Its size.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// More lines than are read.
    #[error("the session description has more than {limit} lines")]
    TooManyLines {
        /// The bound.
        limit: usize,
    },
    /// More m-lines than are read.
    #[error("the session description has more than {limit} m-lines")]
    TooManyMedia {
        /// The bound.
        limit: usize,
    },
    /// It does not begin with `v=0`.
    #[error("line 1: expected v=0 (RFC 8866 5.1)")]
    Version,
    /// A line breaks the grammar.
    #[error("line {line}: expected {expected}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What should have been there.
        expected: &'static str,
    },
    /// A line that may be there once is there again.
    #[error("line {line}: expected each of v=, o=, s=, i=, u=, c=, z= and k= at most once")]
    Repeated {
        /// The second one, counted from 1.
        line: usize,
    },
    /// Something else that the grammar does not allow.
    #[error("expected a session description (RFC 8866): {0}")]
    Other(String),
}

impl From<ParserError> for SdpError {
    fn from(error: ParserError) -> Self {
        match error {
            ParserError::InvalidLineFormat(line, _) => {
                Self::Line { line, expected: "a letter, '=' and text without NUL or CR (RFC 8866 5)" }
            }
            ParserError::InvalidFieldEncoding(line, field)
            | ParserError::InvalidFieldFormat(line, field)
            | ParserError::MissingField(line, field) => Self::Line { line, expected: field },
            ParserError::FieldTrailingData(line, _) => {
                Self::Line { line, expected: "the end of the line after its last field" }
            }
            ParserError::InvalidVersion(..) | ParserError::NoVersion => Self::Version,
            ParserError::MultipleVersions(line)
            | ParserError::MultipleOrigins(line)
            | ParserError::MultipleSessionNames(line)
            | ParserError::MultipleSessionDescription(line)
            | ParserError::MultipleUris(line)
            | ParserError::MultipleConnections(line)
            | ParserError::MultipleTimeZones(line)
            | ParserError::MultipleMediaTitles(line)
            | ParserError::MultipleKeys(line) => Self::Repeated { line },
            ParserError::RepeatWithoutTime(line) => Self::Line { line, expected: "t= before r=" },
            other => Self::Other(other.to_string()),
        }
    }
}
