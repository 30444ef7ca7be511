//! Which application comes first for which media type (lineSetAppPriority).

use hookswitch_spi::MediaType;

/// Application names in order, for each media type and for requests for calls. Applications that are not listed come after those that are, in the order
/// in which they opened the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priorities {
    lists: [Vec<Box<str>>; MediaType::ALL.len()],
    recipients: Vec<Box<str>>,
}

impl Priorities {
    /// The longest list.
    pub const MAX: usize = 1_024;

    /// The order for `media`, highest first.
    pub fn order(&self, media: MediaType) -> &[Box<str>] {
        self.lists.get(media as usize).map_or(&[], Vec::as_slice)
    }

    /// Replaces the order for `media`.
    pub fn set(&mut self, media: MediaType, order: Vec<Box<str>>) {
        if let Some(list) = self.lists.get_mut(media as usize) {
            *list = order;
        }
    }

    /// The order of those that take requests for calls, highest first.
    pub fn recipients(&self) -> &[Box<str>] {
        &self.recipients
    }

    /// Replaces the order of those that take requests for calls.
    pub fn set_recipients(&mut self, order: Vec<Box<str>>) {
        self.recipients = order;
    }

    /// The place of a recipient of requests for calls.
    pub(crate) fn recipient_rank(&self, name: &str) -> usize {
        self.recipients.iter().position(|listed| **listed == *name).unwrap_or(usize::MAX)
    }

    /// The place of an application: the lower the earlier; all that are not listed share the last.
    pub(crate) fn rank(&self, media: MediaType, name: &str) -> usize {
        self.order(media).iter().position(|listed| **listed == *name).unwrap_or(usize::MAX)
    }
}
