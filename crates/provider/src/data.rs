//! What applications keep with calls: data, a number, the media type they found, what the other side told.

use crate::call::Ask;
use crate::core::Core;
use hookswitch_spi::{CallId, InfoParts, MediaTypes, OperationError, Outcome, ProviderEvent, StateKind};

impl Core {
    pub(crate) fn set_call_data(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        data: Vec<u8>,
    ) -> Result<(), OperationError> {
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        call.extra().call_data = data.into();
        self.done(ask, Outcome::Done);
        self.changed(id, InfoParts::CALL_DATA);
        Ok(())
    }

    pub(crate) fn set_app_specific(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        value: u32,
    ) -> Result<(), OperationError> {
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        call.extra().app_specific = value;
        self.done(ask, Outcome::Done);
        self.changed(id, InfoParts::APP_SPECIFIC);
        Ok(())
    }

    pub(crate) fn set_media_type(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        media: MediaTypes,
    ) -> Result<(), OperationError> {
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let differs = std::mem::replace(&mut call.media_types, media) != media;
        self.done(ask, Outcome::Done);
        if differs {
            self.changed(id, InfoParts::MEDIA);
        }
        Ok(())
    }

    /// No second call alerts on the line, and nobody joins, for the rest of the call's life (lineSecureCall).
    pub(crate) fn secure_call(&mut self, ask: &mut Ask, id: CallId) -> Result<(), OperationError> {
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let differs = !std::mem::replace(&mut call.extra().secure, true);
        self.recount(id);
        self.done(ask, Outcome::Done);
        if differs {
            self.changed(id, InfoParts::SECURE);
        }
        Ok(())
    }

    /// What the other side told last was read; the next is shown.
    pub(crate) fn release_user_info(&mut self, ask: &mut Ask, id: CallId) -> Result<(), OperationError> {
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let next = call.extra.as_mut().is_some_and(|extra| {
            extra.user_info.pop_front();
            !extra.user_info.is_empty()
        });
        self.done(ask, Outcome::Done);
        if next {
            self.changed(id, InfoParts::USER_INFO);
        }
        Ok(())
    }

    /// Tells that parts of a call's information changed; never after *idle*.
    pub(crate) fn changed(&mut self, id: CallId, changed: InfoParts) {
        if self.calls.get(id).is_some_and(|call| call.state.kind() != StateKind::Idle) {
            self.tell(id, ProviderEvent::CallInfo { call: id, changed });
        }
    }
}
