//! Why a message was refused, and how large a message may be.

use super::lex::SyntaxError;
use super::name::Name;
use std::fmt;

/// How much of a message is read. What is larger is refused before anything is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a whole message.
    pub message: usize,
    /// Octets of start line and header fields; never more than 65,535.
    pub head: usize,
    /// Octets of one header field line, after unfolding.
    pub line: usize,
    /// Header field lines.
    pub headers: usize,
    /// Via header field lines.
    pub vias: usize,
    /// Octets of a body.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 65_535, head: 32_768, line: 8_192, headers: 256, vias: 72, body: 65_535 }
    }
}

/// A bound of [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// [`Limits::message`]
    Message,
    /// [`Limits::head`]
    Head,
    /// [`Limits::line`]
    Line,
    /// [`Limits::headers`]
    Headers,
    /// [`Limits::vias`]
    Vias,
    /// [`Limits::body`]
    Body,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => "the message",
            Self::Head => "the header section",
            Self::Line => "a header field",
            Self::Headers => "the number of header fields",
            Self::Vias => "the number of Via header fields",
            Self::Body => "the body",
        })
    }
}

/// Why octets are no acceptable SIP message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Nothing but line ends.
    #[error("expected a SIP message, got nothing")]
    Empty,
    /// A bound of [`Limits`] is exceeded.
    #[error("{what} is larger than the {limit} that are allowed")]
    TooLarge {
        /// What is too large.
        what: Bound,
        /// The bound.
        limit: usize,
    },
    /// The empty line behind the header fields is missing.
    #[error("expected an empty line after the header fields, got the end of the message")]
    Unterminated,
    /// A carriage return or line feed that is no line end; tolerated, it would let header fields be smuggled past us.
    #[error("expected CR and LF together at octet {at}, got one of them alone")]
    LoneLineEnd {
        /// Where, in octets from the start of the message.
        at: usize,
    },
    /// Octets that are no UTF-8 (RFC 3261 7) in the start line or a header field that messages are matched or routed by.
    /// Elsewhere, in display names for example, they are read as `?`.
    #[error("expected UTF-8 in the header section, got something else at octet {at}")]
    NotUtf8 {
        /// Where, in octets from the start of the message.
        at: usize,
    },
    /// The version is not `SIP/2.0`.
    #[error("expected the version SIP/2.0, got `{found}`")]
    Version {
        /// What stands there, shortened.
        found: String,
    },
    /// The start line breaks the grammar.
    #[error("expected {expected} at octet {at} of the start line, got `{found}`")]
    StartLine {
        /// Where, in octets from the start of the message.
        at: usize,
        /// What the grammar wants.
        expected: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// A line is no `name: value`.
    #[error("expected a header field name and a colon at octet {at}, got `{found}`")]
    HeaderLine {
        /// Where, in octets from the start of the message.
        at: usize,
        /// What stands there, shortened.
        found: String,
    },
    /// A header field that every message needs is missing (RFC 3261 8.1.1).
    #[error("expected a {name} header field, got none")]
    Missing {
        /// Which.
        name: Name<'static>,
    },
    /// A header field that may stand once stands again.
    #[error("expected one {name} header field, got another at octet {at}")]
    Duplicate {
        /// Which.
        name: Name<'static>,
        /// Where the second stands, in octets from the start of the message.
        at: usize,
    },
    /// A header field value breaks the grammar.
    #[error("expected {expected} at octet {at} in {name}, got `{found}`")]
    Value {
        /// Which header field.
        name: Name<'static>,
        /// Where, in octets from the start of the message.
        at: usize,
        /// What the grammar wants.
        expected: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// Content-Length is larger than what came.
    #[error("expected {stated} octets of body as Content-Length says, got {present}")]
    Truncated {
        /// The Content-Length.
        stated: usize,
        /// The octets behind the header fields.
        present: usize,
    },
    /// The methods of request line and CSeq differ (RFC 3261 8.1.1.5).
    #[error("expected the method of the request line in CSeq, got `{found}`")]
    MethodMismatch {
        /// The method in CSeq, shortened.
        found: String,
    },
}

impl ParseError {
    /// The status that says so to the sender of a request.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Version { .. } => 505,
            Self::TooLarge { what: Bound::Body, .. } => 413,
            Self::TooLarge { .. } => 513,
            Self::Empty
            | Self::Unterminated
            | Self::LoneLineEnd { .. }
            | Self::NotUtf8 { .. }
            | Self::StartLine { .. }
            | Self::HeaderLine { .. }
            | Self::Missing { .. }
            | Self::Duplicate { .. }
            | Self::Value { .. }
            | Self::Truncated { .. }
            | Self::MethodMismatch { .. } => 400,
        }
    }

    pub(crate) fn value(name: Name<'static>, start: usize, text: &str, error: SyntaxError) -> Self {
        let found = shortened(text.get(error.at..).unwrap_or_default());
        Self::Value { name, at: start + error.at, expected: error.expected, found }
    }
}

/// The first characters of what was found, for people.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(24).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
