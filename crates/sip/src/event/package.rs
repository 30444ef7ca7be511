//! The Event and Allow-Events headers (RFC 6665 8.2.1, 8.2.2) and the names of the packages we speak.

use crate::cause::lex;
use std::fmt;

/// The package of the message waiting lamp (RFC 3842).
pub const MESSAGE_SUMMARY: &str = "message-summary";
/// The Content-Type of its bodies.
pub const SIMPLE_MESSAGE_SUMMARY: &str = "application/simple-message-summary";
/// The package of calls in progress (RFC 4235).
pub const DIALOG: &str = "dialog";
/// The Content-Type of its bodies.
pub const DIALOG_INFO: &str = "application/dialog-info+xml";

/// The value of an Event header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event type: a package, with templates behind dots.
    pub package: &'a str,
    /// What tells several subscriptions of one dialog apart.
    pub id: Option<&'a str>,
}

impl<'a> Event<'a> {
    /// The package without an id.
    pub const fn new(package: &'a str) -> Self {
        Self { package, id: None }
    }

    /// Reads the header's value; other parameters are left to the package. `None` if it names no package.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut parts = lex::split(value, b';');
        let package = parts.next().filter(|package| lex::is_token(package))?;
        let id = parts.map(lex::parameter).find(|(name, _)| name.eq_ignore_ascii_case("id"));
        Some(Self { package, id: id.and_then(|(_, id)| id).filter(|id| lex::is_token(id)) })
    }

    /// Whether both mean the same subscription within a dialog (RFC 6665 8.2.1): packages compare without case, ids with it.
    pub fn matches(&self, other: &Event<'_>) -> bool {
        self.package.eq_ignore_ascii_case(other.package) && self.id == other.id
    }
}

impl fmt::Display for Event<'_> {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.package)?;
        self.id.map_or(Ok(()), |id| write!(f, ";id={id}"))
    }
}

/// The value of Allow-Events for these packages.
pub fn allow_events(packages: &[&str]) -> String {
    packages.iter().copied().filter(|package| lex::is_token(package)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_written() {
        for (value, package, id, written) in [
            ("message-summary", "message-summary", None, "message-summary"),
            (" dialog ; id=7;x=y", "dialog", Some("7"), "dialog;id=7"),
            ("presence.winfo", "presence.winfo", None, "presence.winfo"),
            ("dialog;sla;ID=a", "dialog", Some("a"), "dialog;id=a"),
            ("dialog;id=\"a b\"", "dialog", None, "dialog"),
        ] {
            let event = Event::parse(value).unwrap();
            assert_eq!((event.package, event.id), (package, id), "{value}");
            assert_eq!(event.to_string(), written);
        }
        for none in ["", ";id=7", "a b", "\"dialog\""] {
            assert_eq!(Event::parse(none), None, "{none}");
        }
    }

    #[test]
    fn packages_compare_without_case_and_ids_with_it() {
        let event = |value| Event::parse(value).unwrap();
        assert!(event("Dialog;id=a").matches(&event("dialog;id=a")));
        assert!(!event("dialog;id=A").matches(&event("dialog;id=a")));
        assert!(!event("dialog").matches(&event("dialog;id=a")));
        assert_eq!(allow_events(&[MESSAGE_SUMMARY, DIALOG, "no token"]), "message-summary, dialog");
    }
}
