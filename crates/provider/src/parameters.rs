//! How the audio of lines and calls is sent, changed while they run: the device configuration of a line, and call parameters.
//!
//! A line's configuration is that of its later calls; those that exist keep what they have. A connected call changes by an offer
//! within its session, like one that is held ([`Aim::Change`]): until it is answered, the call is as it was.

use crate::call::{Aim, Ask, Call, Wait};
use crate::core::Core;
use crate::terms::Terms;
use hookswitch_machine::Time;
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::{Capabilities as MediaCapabilities, OfferAnswer};
use hookswitch_spi::{
    CallId, CallState, Completion, DeviceConfig, InfoParts, LineError, LineId, OperationError, Outcome,
    StateKind,
};
use std::sync::Arc;

impl Core {
    pub(crate) fn device_config(&self, id: LineId) -> Option<DeviceConfig> {
        self.line(id).map(|line| line.terms.config())
    }

    pub(crate) fn set_device_config(&mut self, id: LineId, config: &DeviceConfig) -> Result<(), LineError> {
        let line = self.line(id).ok_or(LineError::NoSuchLine(id))?;
        line.capabilities.device.check(config).map_err(LineError::InvalidParameter)?;
        let (before, terms) = (line.terms.clone(), line.terms.with(config));
        for call in self.calls.on_line(id) {
            if let Some(call) = self.calls.get_mut(call) {
                call.own_terms().own.get_or_insert_with(|| before.clone());
            }
        }
        if let Some(line) = self.line_mut(id) {
            line.terms = terms;
        }
        Ok(())
    }

    /// The terms of a call.
    pub(crate) fn terms(&self, id: CallId) -> Option<&Terms> {
        let call = self.calls.get(id)?;
        let own = call.extra.as_ref().and_then(|extra| extra.terms.as_ref()?.own.as_ref());
        own.or_else(|| self.line(call.line).map(|line| &line.terms))
    }

    /// The codecs and settings that a call may negotiate.
    pub(crate) fn line_media(&self, id: CallId) -> Option<Arc<MediaCapabilities>> {
        self.terms(id).map(|terms| Arc::clone(&terms.media))
    }

    /// Those that an answer is about: what is being changed to, if that was offered.
    pub(crate) fn answered_media(&self, id: CallId) -> Option<Arc<MediaCapabilities>> {
        let changing = self.calls.get(id)?.waiting.iter();
        let changing = changing.filter(|waiting| waiting.what == Wait::OfferAnswer(Aim::Change)).count() > 0;
        let asked = if changing { self.asked_media(id) } else { None };
        asked.or_else(|| self.line_media(id))
    }

    /// Those that a call is to be changed to.
    pub(crate) fn asked_media(&self, id: CallId) -> Option<Arc<MediaCapabilities>> {
        let asked = self.calls.get(id)?.extra.as_ref()?.terms.as_ref()?.asked.as_ref();
        asked.map(|terms| Arc::clone(&terms.media))
    }

    /// A call begins with terms of its own.
    pub(crate) fn begin_with(&mut self, id: CallId, config: Option<&DeviceConfig>) {
        let (Some(config), Some(terms)) = (config, self.terms(id)) else { return };
        let own = terms.with(config);
        if let Some(call) = self.calls.get_mut(id) {
            call.own_terms().own = Some(own);
        }
    }

    /// Whether an offered call's audio is agreed on: by a 183, whose answer has to come with the 200 again (RFC 6337 3.1.1).
    pub(crate) fn is_answered_early(&self, call: &Call) -> bool {
        let offered = matches!(call.state.kind(), StateKind::Offering | StateKind::Accepted);
        offered && matches!(call.media.state(), OfferAnswer::LocalOffer | OfferAnswer::Stable)
    }

    pub(crate) fn set_call_parameters(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        config: &DeviceConfig,
    ) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let state = call.state.kind();
        let terms = self.terms(id).ok_or(OperationError::Closed)?.with(config);
        if matches!(state, StateKind::Connected) {
            self.can_change(id)?;
            let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
            call.own_terms().asked = Some(terms);
            return match self.change_hold(now, id, Aim::Change) {
                Ok(what) => {
                    self.wait(id, ask, what);
                    Ok(())
                }
                Err(error) => {
                    self.not_changed(id);
                    Err(error)
                }
            };
        }
        // Nothing is agreed on yet; but an offer that is here already has to have something in it for us.
        if self.is_answered_early(call) {
            return Err(OperationError::InvalidCallState { operation: "set call parameters", state });
        }
        match call.media.state() {
            OfferAnswer::NoneYet | OfferAnswer::LocalOffer | OfferAnswer::Stable => {}
            OfferAnswer::RemoteOffer => {
                let port = call.port.or_else(|| self.stock.front().copied());
                let rtp = port.ok_or(OperationError::ResourceUnavailable("audio port"))?.rtp;
                call.media
                    .clone()
                    .answer(&terms.media, rtp, Direction::SendRecv)
                    .map_err(|error| OperationError::Failed(format!("the call cannot be so: {error}")))?;
            }
        }
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        call.own_terms().own = Some(terms);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    /// The other side agreed: what was asked for is the call's own.
    pub(crate) fn changed_terms(&mut self, id: CallId, completion: Option<Completion>) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let terms = call.own_terms();
        if let Some(asked) = terms.asked.take() {
            terms.own = Some(asked);
        }
        if call.state.kind() == StateKind::Connected {
            self.enter(id, CallState::Connected(self.connected_mode(id)));
        }
        self.search_for_digits(id);
        self.complete(completion, Ok(Outcome::Done));
        self.changed(id, InfoParts::STREAM);
    }

    /// It did not: the call is as it was.
    pub(crate) fn not_changed(&mut self, id: CallId) {
        let extra = self.calls.get_mut(id).and_then(|call| call.extra.as_mut());
        if let Some(terms) = extra.and_then(|extra| extra.terms.as_mut()) {
            terms.asked = None;
        }
    }
}
