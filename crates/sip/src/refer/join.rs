//! The Join header (RFC 3911): which dialog an INVITE wants to take part in. Read, so that it can be told; we are no focus.

use super::replaces::{Replaces, ReplacesError};
use std::fmt;

/// The dialog to be joined, seen from the one who receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The Call-ID.
    pub call_id: String,
    /// The receiver's own tag; `0` stands for none.
    pub to_tag: String,
    /// The other side's tag; `0` stands for none.
    pub from_tag: String,
}

impl Join {
    /// Reads the header's value, which has the form of a Replaces without `early-only`.
    ///
    /// # Errors
    /// If a part is missing or there twice.
    pub fn parse(value: &str) -> Result<Self, ReplacesError> {
        let Replaces { call_id, to_tag, from_tag, .. } = Replaces::parse(value)?;
        Ok(Self { call_id, to_tag, from_tag })
    }
}

impl fmt::Display for Join {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialog_is_read_and_written() {
        // RFC 3911 5.1.
        let value = "12adf2f34456gs5;to-tag=12345;from-tag=54321";
        let join = Join::parse(value).unwrap();
        assert_eq!((join.call_id.as_str(), join.to_tag.as_str()), ("12adf2f34456gs5", "12345"));
        assert_eq!(join.to_string(), value);
        assert_eq!(Join::parse("a;to-tag=1"), Err(ReplacesError::Part("from-tag")));
    }
}
