//! Why a body is no session description.

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
    /// It is not UTF-8 (RFC 8866 4.5).
    #[error("expected UTF-8; octet {at} is none")]
    Encoding {
        /// The first octet that is wrong, counted from 0.
        at: usize,
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
}
