//! A call as the application side sees it: where it is, and who has a handle with which privilege.
//!
//! A session has at most one handle to a call. Handles stand in the order in which they were given; nearly every call has
//! one or two, so the first lies in the call itself.

use crate::wishes::Wishes;
use crate::{Privilege, SessionId};
use hookswitch_spi::{AddressId, AudioSource, CallInfo, CallState, LineId, MediaType, MediaTypes, StateKind};

/// What is kept of a call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) line: LineId,
    pub(crate) address: AddressId,
    pub(crate) media: MediaTypes,
    pub(crate) stage: Stage,
    pub(crate) state: CallState,
    pub(crate) handles: Handles,
    /// What was said of its audio; most calls are a voice, and nobody says anything.
    pub(crate) audio: Option<Box<Audio>>,
}

/// What was said of a call's audio.
#[derive(Debug, Default)]
pub(crate) struct Audio {
    /// What an application last asked the other side to hear.
    pub(crate) playing: AudioSource,
    /// It hears something else, because its owner is lost.
    pub(crate) treated: bool,
    /// What holders want to hear of it.
    pub(crate) wishes: Wishes,
}

/// How far a call has come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A request is creating it: nobody hears of it before that completes.
    Embryo,
    /// It came in; its first state, which decides who owns it, is still to come.
    Arriving,
    /// Sessions know of it.
    Known,
}

/// What the state means for ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody has answered yet: it can still be offered to another application or sent elsewhere.
    Offered,
    /// There is, or is going to be, another party.
    Live,
    /// The other side has ended it, our owner has not.
    Disconnected,
    /// It is over.
    Idle,
}

impl Call {
    /// A call of which nothing is known but where it is.
    pub(crate) fn new(line: LineId, address: AddressId, stage: Stage, handles: Handles) -> Self {
        let (state, media) = (CallState::Unknown, MediaTypes::NONE);
        Self { line, address, media, stage, state, handles, audio: None }
    }

    /// What was said of its audio, to be changed.
    pub(crate) fn audio(&mut self) -> &mut Audio {
        self.audio.get_or_insert_default()
    }

    /// Whether it hears something else, because its owner is lost.
    pub(crate) fn is_treated(&self) -> bool {
        self.audio.as_deref().is_some_and(|audio| audio.treated)
    }

    /// The wishes of its holders, if any has said so.
    pub(crate) fn wishes(&self) -> Option<&Wishes> {
        self.audio.as_deref().map(|audio| &audio.wishes)
    }

    /// Takes a session's handle back.
    pub(crate) fn let_go(&mut self, session: SessionId) -> Option<Privilege> {
        if let Some(audio) = &mut self.audio {
            audio.wishes.remove(session);
        }
        self.handles.remove(session)
    }

    /// Lets `new` take the place of `old`.
    pub(crate) fn rename(&mut self, old: SessionId, new: SessionId) {
        if let Some(audio) = &mut self.audio {
            audio.wishes.rename(old, new);
        }
        self.handles.rename(old, new);
    }

    /// What is known of the call, with the media types that the search for an owner has left of an unknown offer.
    pub(crate) fn seen(&self, mut info: CallInfo) -> CallInfo {
        if info.media.contains(MediaType::Unknown) && !self.media.is_empty() {
            info.media = self.media;
        }
        info
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state.kind() {
            StateKind::Offering | StateKind::Accepted => Phase::Offered,
            StateKind::Dialtone
            | StateKind::Dialing
            | StateKind::Proceeding
            | StateKind::Ringback
            | StateKind::Busy
            | StateKind::Connected
            | StateKind::OnHold
            | StateKind::OnHoldPendingTransfer
            | StateKind::OnHoldPendingConference
            | StateKind::Conferenced
            | StateKind::Unknown => Phase::Live,
            StateKind::Disconnected => Phase::Disconnected,
            StateKind::Idle => Phase::Idle,
        }
    }
}

/// Who has a handle to a call.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    first: Option<Handle>,
    more: Vec<Handle>,
}

#[derive(Clone, Copy, Debug)]
struct Handle {
    session: SessionId,
    privilege: Privilege,
}

impl Handles {
    fn each(&self) -> impl Iterator<Item = &Handle> {
        self.first.iter().chain(&self.more)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, Privilege)> {
        self.each().map(|handle| (handle.session, handle.privilege))
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<Privilege> {
        self.each().find(|handle| handle.session == session).map(|handle| handle.privilege)
    }

    /// Gives `session` a handle, or its handle another privilege.
    pub(crate) fn set(&mut self, session: SessionId, privilege: Privilege) {
        if let Some(handle) = self.first.iter_mut().chain(&mut self.more).find(|h| h.session == session) {
            handle.privilege = privilege;
        } else if self.first.is_none() {
            self.first = Some(Handle { session, privilege });
        } else {
            self.more.push(Handle { session, privilege });
        }
    }

    /// Lets `new` take the place of `old`.
    pub(crate) fn rename(&mut self, old: SessionId, new: SessionId) {
        if let Some(handle) = self.first.iter_mut().chain(&mut self.more).find(|h| h.session == old) {
            handle.session = new;
        }
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<Privilege> {
        if self.first.is_some_and(|handle| handle.session == session) {
            let gone = self.first.take();
            if !self.more.is_empty() {
                self.first = Some(self.more.remove(0));
            }
            return gone.map(|handle| handle.privilege);
        }
        let place = self.more.iter().position(|handle| handle.session == session)?;
        Some(self.more.remove(place).privilege)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn owners(&self) -> u32 {
        self.count(Privilege::Owner)
    }

    pub(crate) fn monitors(&self) -> u32 {
        self.count(Privilege::Monitor)
    }

    fn count(&self, privilege: Privilege) -> u32 {
        u32::try_from(self.each().filter(|handle| handle.privilege == privilege).count()).unwrap_or(u32::MAX)
    }

    pub(crate) fn is_sole_owner(&self, session: SessionId) -> bool {
        self.get(session) == Some(Privilege::Owner) && self.owners() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_handle_and_others_keep_their_order() {
        let (a, b, c) = (SessionId(1), SessionId(2), SessionId(3));
        let mut handles = Handles::default();
        handles.set(a, Privilege::Owner);
        handles.set(b, Privilege::Monitor);
        handles.set(c, Privilege::Monitor);
        handles.set(b, Privilege::Owner);
        assert_eq!((handles.owners(), handles.monitors()), (2, 1));
        assert_eq!(handles.remove(a), Some(Privilege::Owner));
        assert_eq!(handles.remove(a), None);
        assert!(handles.is_sole_owner(b));
        let left: Vec<_> = handles.iter().map(|(session, _)| session).collect();
        assert_eq!(left, [b, c]);
    }

    #[test]
    fn a_call_is_small() {
        assert!(size_of::<Call>() <= 80, "{}", size_of::<Call>());
    }
}
