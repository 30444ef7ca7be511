//! The Replaces header (RFC 3891): which dialog an INVITE takes the place of.

use crate::cause::lex;
use crate::dialog::{Dialog, DialogId, Role, Stage};
use crate::event::{DialogState, WatchedDialog};
use hookswitch_machine::HashKeys;
use std::fmt;

/// The dialog to be replaced, seen from the one who receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// The Call-ID.
    pub call_id: String,
    /// The receiver's own tag; `0` stands for none.
    pub to_tag: String,
    /// The other side's tag; `0` stands for none.
    pub from_tag: String,
    /// Only an early dialog may be replaced: a pickup.
    pub early_only: bool,
}

/// Why a Replaces value cannot be used: answer 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplacesError {
    /// A part is missing, twice there or ill-formed.
    #[error("Replaces needs a Call-ID, one to-tag and one from-tag; {0} is missing, repeated or ill-formed")]
    Part(&'static str),
}

impl Replaces {
    /// Reads the header's value.
    ///
    /// # Errors
    /// If a part is missing or there twice.
    pub fn parse(value: &str) -> Result<Self, ReplacesError> {
        // A Call-ID may hold quotes and brackets (RFC 3261 25.1 word), so nothing protects a semicolon here.
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|c| !c.is_empty() && lex::is_clean(c) && !c.contains([' ', '\t']));
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, tag) = part.split_once('=').map_or((part, ""), |(n, v)| (n.trim(), v.trim()));
            let (slot, known) = if name.eq_ignore_ascii_case("to-tag") {
                (&mut to_tag, "to-tag")
            } else if name.eq_ignore_ascii_case("from-tag") {
                (&mut from_tag, "from-tag")
            } else {
                early_only |= name.eq_ignore_ascii_case("early-only");
                continue;
            };
            if !lex::is_token(tag) || slot.replace(tag).is_some() {
                return Err(ReplacesError::Part(known));
            }
        }
        Ok(Self {
            call_id: call_id.ok_or(ReplacesError::Part("the Call-ID"))?.to_owned(),
            to_tag: to_tag.ok_or(ReplacesError::Part("to-tag"))?.to_owned(),
            from_tag: from_tag.ok_or(ReplacesError::Part("from-tag"))?.to_owned(),
            early_only,
        })
    }

    /// What someone else tells the peer of `dialog` to replace it (RFC 5589 7).
    pub fn of(dialog: &Dialog) -> Self {
        let tag = |tag: &str| if tag.is_empty() { "0".to_owned() } else { tag.to_owned() };
        Self {
            call_id: dialog.call_id().to_owned(),
            to_tag: tag(dialog.remote_tag()),
            from_tag: tag(dialog.local_tag()),
            early_only: false,
        }
    }

    /// What tells the other side of a dialog that somebody else has to replace it: a pickup, while it is early (RFC 3891 7.1).
    /// `None` if its notifier keeps the identifiers to itself.
    pub fn of_watched(dialog: &WatchedDialog) -> Option<Self> {
        let tag = |tag: &Option<String>| tag.clone().filter(|tag| lex::is_token(tag));
        let call_id =
            dialog.call_id.clone().filter(|id| !id.contains([';', ' ', '\t']) && lex::is_clean(id))?;
        let early_only = dialog.state != DialogState::Confirmed;
        Some(Self {
            call_id,
            to_tag: tag(&dialog.remote_tag)?,
            from_tag: tag(&dialog.local_tag)?,
            early_only,
        })
    }

    /// The same, for an early dialog only: once it is answered, the receiver refuses with 486.
    pub fn early_only(self) -> Self {
        Self { early_only: true, ..self }
    }

    /// Whether the receiver's `dialog` is meant (RFC 3891 3).
    pub fn names(&self, dialog: &Dialog) -> bool {
        // `0` may be a tag, or stand for none.
        let same = |tag: &str, own: &str| tag == own || (tag == "0" && own.is_empty());
        self.call_id == dialog.call_id()
            && same(&self.to_tag, dialog.local_tag())
            && same(&self.from_tag, dialog.remote_tag())
    }

    /// Whether the dialog found by [`dialog`](Self::dialog) may be replaced (RFC 3891 3); if not, the status to answer with.
    ///
    /// # Errors
    /// 481 if there is none, or only one that still rings here; 486 if it is answered and `early-only` is set.
    pub fn permits(&self, found: Option<&Dialog>) -> Result<(), u16> {
        let Some(dialog) = found else { return Err(481) };
        match (dialog.stage(), dialog.role()) {
            (Stage::Early, Role::Client) => Ok(()),
            (Stage::Early, Role::Server) => Err(481),
            (Stage::Confirmed, _) if self.early_only => Err(486),
            (Stage::Confirmed, Role::Client | Role::Server) => Ok(()),
        }
    }

    /// The key of the dialog among ours.
    pub fn dialog(&self, keys: &HashKeys) -> DialogId {
        let tag = |tag: &'_ str| if tag == "0" { String::new() } else { tag.to_owned() };
        DialogId::new(keys, &self.call_id, &tag(&self.to_tag), &tag(&self.from_tag))
    }
}

impl fmt::Display for Replaces {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_and_written() {
        let text = "425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only";
        let got = Replaces::parse(text).unwrap();
        assert_eq!(
            (got.call_id.as_str(), got.to_tag.as_str(), got.from_tag.as_str()),
            ("425928@bobster.example.org", "7743", "6472")
        );
        assert!(got.early_only);
        assert_eq!(got.to_string(), text);
        assert_eq!(
            Replaces::parse(" \"a<b ; From-Tag = 2;x=y; to-tag=1").unwrap().to_string(),
            "\"a<b;to-tag=1;from-tag=2"
        );
    }

    #[test]
    fn a_value_that_names_no_dialog_is_refused() {
        let cases = [
            ("", "the Call-ID"),
            (";to-tag=1;from-tag=2", "the Call-ID"),
            ("a b;to-tag=1;from-tag=2", "the Call-ID"),
            ("a;from-tag=2", "to-tag"),
            ("a;to-tag=1", "from-tag"),
            ("a;to-tag=;from-tag=2", "to-tag"),
            ("a;to-tag=1;from-tag=2;to-tag=3", "to-tag"),
            ("a;to-tag=\"1\";from-tag=2", "to-tag"),
        ];
        for (value, part) in cases {
            assert_eq!(Replaces::parse(value), Err(ReplacesError::Part(part)), "{value}");
        }
    }

    #[test]
    fn the_dialog_is_found_from_the_receivers_side() {
        let keys = hookswitch_machine::Entropy::from_number(1).hash_keys();
        let replaces = Replaces::parse("c;to-tag=mine;from-tag=theirs").unwrap();
        assert_eq!(replaces.dialog(&keys), DialogId::new(&keys, "c", "mine", "theirs"));
        let old = Replaces::parse("c;to-tag=mine;from-tag=0").unwrap();
        assert_eq!(old.dialog(&keys), DialogId::new(&keys, "c", "mine", ""));
    }

    #[test]
    fn a_watched_call_can_be_picked_up() {
        let mut watched = WatchedDialog::new("1", DialogState::Early);
        assert_eq!(Replaces::of_watched(&watched), None);
        watched.call_id = Some("c@h".into());
        watched.local_tag = Some("rings".into());
        watched.remote_tag = Some("calls".into());
        let replaces = Replaces::of_watched(&watched).unwrap();
        assert_eq!(replaces.to_string(), "c@h;to-tag=calls;from-tag=rings;early-only");
        watched.call_id = Some("c;early-only".into());
        assert_eq!(Replaces::of_watched(&watched), None);
    }
}
