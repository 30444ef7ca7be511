//! Printing for people: colour and moving things only on a terminal.

use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Terminal {
    colour: bool,
    moving: bool,
    spinner: Mutex<Option<ProgressBar>>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        // https://no-color.org
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colour: wanted && std::io::stdout().is_terminal(),
            moving: std::io::stderr().is_terminal() && std::io::stdout().is_terminal(),
            spinner: Mutex::new(None),
        }
    }

    /// Writes a line. A reader that has gone away is no fault of ours.
    pub(crate) fn say(&self, line: impl Display) {
        let write = || {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        };
        match self.spinner().as_ref() {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        }
    }

    /// Writes what went wrong and what to do to standard error.
    pub(crate) fn fail(&self, failure: &Failure) {
        self.settle();
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, "hookswitch: {failure}");
        if let Some(advice) = failure.advice() {
            let _ = writeln!(err, "  {advice}");
        }
    }

    /// Shows that something takes its time, until [`settle`](Self::settle) or the next wait.
    pub(crate) fn wait_for(&self, what: impl Into<String>) {
        if !self.moving {
            return;
        }
        let mut slot = self.spinner();
        let spinner = slot.get_or_insert_with(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        spinner.set_message(what.into());
    }

    /// Nothing is waited for any more.
    pub(crate) fn settle(&self) {
        if let Some(spinner) = self.spinner().take() {
            spinner.finish_and_clear();
        }
    }

    fn spinner(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.spinner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn paint(&self, code: &str, text: impl Display) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// For what went well.
    pub(crate) fn good(&self, text: impl Display) -> String {
        self.paint("32", text)
    }

    /// For what did not.
    pub(crate) fn bad(&self, text: impl Display) -> String {
        self.paint("31", text)
    }

    /// For headings.
    pub(crate) fn strong(&self, text: impl Display) -> String {
        self.paint("1", text)
    }

    /// For what can be passed over.
    pub(crate) fn quiet(&self, text: impl Display) -> String {
        self.paint("2", text)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.settle();
    }
}
