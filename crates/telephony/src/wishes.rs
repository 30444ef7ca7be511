//! What the holders of a call have asked to hear of its audio.

use crate::SessionId;
use hookswitch_spi::{DigitMonitoring, MediaTypes, TonePattern};

/// What one holder of a call has asked to hear.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) session: SessionId,
    pub(crate) digits: DigitMonitoring,
    pub(crate) tones: Vec<TonePattern>,
    pub(crate) media: MediaTypes,
}

impl Wish {
    /// Who has not said anything hears each digit once.
    pub(crate) fn unsaid(session: SessionId) -> Self {
        Self { session, digits: DigitMonitoring::Digits, tones: Vec::new(), media: MediaTypes::NONE }
    }
}

/// What those holders of a call want that have said so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes(Vec<Wish>);

impl Wishes {
    pub(crate) fn get(&self, session: SessionId) -> Option<&Wish> {
        self.0.iter().find(|wish| wish.session == session)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Wish> {
        self.0.iter()
    }

    /// In place of what its session wished before.
    pub(crate) fn set(&mut self, wish: Wish) {
        self.remove(wish.session);
        self.0.push(wish);
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        self.0.retain(|wish| wish.session != session);
    }

    pub(crate) fn rename(&mut self, old: SessionId, new: SessionId) {
        for wish in self.0.iter_mut().filter(|wish| wish.session == old) {
            wish.session = new;
        }
    }
}
