//! Errors that name file, line, key and expectation.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Line and column, from 1, where they are known.
    pub place: Option<(usize, usize)>,
    /// The key, where one is at fault.
    pub key: Option<String>,
    /// What was expected and what came.
    pub message: String,
    /// The line's text.
    excerpt: Option<String>,
}

/// A text and the file it came from.
pub(super) struct Origin<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    /// It is the file of an installed provider.
    pub(super) is_store: bool,
    /// Passwords that stand elsewhere are read from there; otherwise they are left empty.
    pub(super) with_passwords: bool,
}

impl Origin<'_> {
    fn place(&self, span: &Range<usize>) -> ((usize, usize), Option<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        ((line, column), self.text.lines().nth(line - 1).map(str::to_owned))
    }

    /// An error at `span`.
    pub(super) fn error(&self, span: &Range<usize>, key: &str, message: impl Into<String>) -> ConfigError {
        let (place, excerpt) = self.place(span);
        ConfigError {
            path: self.path.to_owned(),
            place: Some(place),
            key: Some(key.to_owned()),
            message: message.into(),
            excerpt,
        }
    }
}

impl ConfigError {
    /// What a store finds wrong with its file.
    pub(super) fn fault(origin: &Origin<'_>, fault: &hookswitch_store::Fault) -> Self {
        if fault.span == (0..0) {
            let key = Some(fault.key.clone()).filter(|key| !key.is_empty());
            let message = fault.message.clone();
            return Self { path: origin.path.to_owned(), place: None, key, message, excerpt: None };
        }
        let mut error = origin.error(&fault.span, &fault.key, &fault.message);
        error.key = error.key.filter(|key| !key.is_empty());
        error
    }

    /// The key and the message alone: for a text that was never written to its file.
    pub fn without_place(&self) -> String {
        match (&self.key, &self.excerpt) {
            (Some(key), _) => format!("{key}: {}", self.message),
            (None, Some(line)) => format!("{}: {}", line.trim(), self.message),
            (None, None) => self.message.clone(),
        }
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let message = format!(
            "cannot be read: {error}; give another file with --config, or write one (`hookswitch check --example` prints one)"
        );
        Self { path: path.to_owned(), place: None, key: None, message, excerpt: None }
    }

    pub(super) fn syntax(origin: &Origin<'_>, error: &toml::de::Error) -> Self {
        let (place, excerpt) = error.span().map(|span| origin.place(&span)).unzip();
        Self {
            path: origin.path.to_owned(),
            place,
            key: None,
            message: error.message().trim().replace('\n', "; "),
            excerpt: excerpt.flatten(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)?;
        if let (Some((line, column)), Some(excerpt)) = (self.place, &self.excerpt) {
            write!(f, "\n{line:>5} | {excerpt}\n      | {:>column$}", "^")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
