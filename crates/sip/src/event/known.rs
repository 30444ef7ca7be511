//! What a series of dialog-info documents adds up to (RFC 4235 4.3).

use super::dialog_info::{DialogInfo, DialogState, WatchedDialog};

/// Dialogs that are remembered of one entity.
const MOST_DIALOGS: usize = 256;

/// The dialogs of one entity, as its notifier has told them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownDialogs {
    version: Option<u32>,
    /// Nothing is missing since the last document that told everything.
    whole: bool,
    dialogs: Vec<WatchedDialog>,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is part of what is known now.
    Applied,
    /// It is part of what is known now, but one before it is missing: refresh the subscription to get the whole state.
    Incomplete,
    /// It is older than what is known: it changed nothing.
    Stale,
}

impl KnownDialogs {
    /// Nothing known yet.
    pub const fn new() -> Self {
        Self { version: None, whole: false, dialogs: Vec::new() }
    }

    /// The dialogs that are not over.
    pub fn dialogs(&self) -> &[WatchedDialog] {
        &self.dialogs
    }

    /// Whether the whole state has come, and nothing that followed is missing.
    pub const fn is_known(&self) -> bool {
        self.whole
    }

    /// Whether the entity is in a call, or about to be.
    pub fn is_busy(&self) -> bool {
        !self.dialogs.is_empty()
    }

    /// A call that rings at the entity: it could be picked up.
    pub fn ringing(&self) -> Option<&WatchedDialog> {
        use super::dialog_info::Direction::Initiator;
        self.dialogs.iter().find(|d| d.state == DialogState::Early && d.direction != Some(Initiator))
    }

    /// Takes a document of the subscription.
    pub fn apply(&mut self, info: DialogInfo) -> Applied {
        let complete = match self.version {
            Some(last) if info.version <= last => return Applied::Stale,
            Some(last) => info.full || info.version == last.wrapping_add(1),
            None => info.full,
        };
        self.version = Some(info.version);
        self.whole = info.full || self.whole && complete;
        if info.full {
            self.dialogs.clear();
        }
        for dialog in info.dialogs {
            let known = self.dialogs.iter().position(|known| known.id == dialog.id);
            match (known, dialog.state) {
                (Some(at), DialogState::Terminated) => drop(self.dialogs.swap_remove(at)),
                (None, DialogState::Terminated) => {}
                (Some(at), _) => {
                    if let Some(known) = self.dialogs.get_mut(at) {
                        *known = dialog;
                    }
                }
                (None, _) if self.dialogs.len() < MOST_DIALOGS => self.dialogs.push(dialog),
                (None, _) => {}
            }
        }
        if complete { Applied::Applied } else { Applied::Incomplete }
    }

    /// Another subscription begins: its versions start anew, and its first document tells everything.
    pub fn forget(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: u32, full: bool, dialogs: &[(&str, DialogState)]) -> DialogInfo {
        let dialogs = dialogs.iter().map(|(id, state)| WatchedDialog::new(*id, *state)).collect();
        DialogInfo { version, full, entity: "sip:a@a.com".into(), dialogs }
    }

    fn ids(known: &KnownDialogs) -> Vec<&str> {
        known.dialogs().iter().map(|dialog| dialog.id.as_str()).collect()
    }

    #[test]
    fn documents_add_up_in_the_order_of_their_versions() {
        use DialogState::{Confirmed, Early, Terminated, Trying};
        let mut known = KnownDialogs::new();
        assert_eq!(known.apply(info(4, true, &[("a", Early)])), Applied::Applied);
        assert_eq!(known.ringing().map(|d| d.id.as_str()), Some("a"));
        assert_eq!(known.apply(info(5, false, &[("a", Confirmed), ("b", Trying)])), Applied::Applied);
        assert_eq!((ids(&known), known.ringing()), (vec!["a", "b"], None));
        assert_eq!(known.apply(info(5, false, &[("a", Terminated)])), Applied::Stale);
        assert_eq!(known.apply(info(3, true, &[])), Applied::Stale);
        assert_eq!(known.apply(info(7, false, &[("a", Terminated)])), Applied::Incomplete);
        assert_eq!(ids(&known), ["b"]);
        assert_eq!(known.apply(info(9, true, &[("c", Terminated)])), Applied::Applied);
        assert!(!known.is_busy() && known.is_known());
        known.forget();
        assert_eq!(known.apply(info(0, false, &[("c", Trying)])), Applied::Incomplete);
    }

    #[test]
    fn a_notifier_cannot_fill_the_memory() {
        let mut known = KnownDialogs::new();
        for version in 0..2_000 {
            known.apply(info(version, false, &[(&version.to_string(), DialogState::Trying)]));
        }
        assert_eq!(known.dialogs().len(), MOST_DIALOGS);
    }

    #[test]
    fn what_is_known_in_part_is_not_known() {
        let mut known = KnownDialogs::new();
        assert_eq!(known.apply(info(3, false, &[("a", DialogState::Terminated)])), Applied::Incomplete);
        assert!(!known.is_known(), "it may have other dialogs");
        known.apply(info(4, false, &[]));
        assert!(!known.is_known());
        assert_eq!(known.apply(info(5, true, &[])), Applied::Applied);
        assert!(known.is_known());
        assert_eq!(known.apply(info(7, false, &[])), Applied::Incomplete);
        assert!(!known.is_known(), "one is missing that may have told of another dialog");
        assert_eq!(known.apply(info(8, true, &[])), Applied::Applied);
        assert!(known.is_known());
    }
}
