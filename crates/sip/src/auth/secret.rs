//! Text that must not be seen.

use std::fmt;

/// A password or a digest. It cannot be printed, and comparing two takes the same time whatever they hold.
#[derive(Clone, Default, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in time that depends on the lengths only.
    pub fn matches(&self, other: &str) -> bool {
        equal_in_constant_time(self.0.as_bytes(), other.as_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Whether `a` and `b` are the same bytes; looks at all of them in any case.
pub(super) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0u8, |all, (x, y)| all | (x ^ y));
    std::hint::black_box(difference) == 0 && a.len() == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(
            format!("{:?} {:#?}", Secret::from("hunter2"), Some(Secret::from("hunter2"))).find("hunter"),
            None
        );
    }

    #[test]
    fn secrets_compare_whole() {
        let secret = Secret::from("abc");
        assert!(secret.matches("abc"));
        assert!(
            !secret.matches("abd") && !secret.matches("ab") && !secret.matches("abcd") && !secret.matches("")
        );
    }
}
