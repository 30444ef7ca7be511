//! How audio would be sent: the configuration of a line, and what a call has of it. Nothing is sent; each end of a call names the
//! first codec of its own list.

use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::Other;
use super::line::{CHOICES, UNDERSTOOD};
use hookswitch_spi::{
    CallId, DeviceConfig, InfoParts, LineError, LineId, OperationError, RequestId, StateKind,
};

impl Loopback {
    pub(crate) fn configure_line(&mut self, line: LineId, config: DeviceConfig) -> Result<(), LineError> {
        let in_parts = self.broken(Fault::ConfigInParts);
        let changes_calls = self.broken(Fault::ConfigChangesCalls);
        let entry = self.lines.get_mut(&line).ok_or(LineError::NoSuchLine(line))?;
        if let Err(error) = entry.capabilities.device.check(&config) {
            if in_parts && CHOICES.packet_times.contains(&config.packet_time) {
                entry.config.packet_time = config.packet_time;
            }
            return Err(LineError::InvalidParameter(error));
        }
        entry.config = config;
        let config = entry.config.clone();
        if changes_calls {
            for leg in self.legs.values_mut().filter(|leg| leg.line == line) {
                leg.rest.config = Some(config.clone());
            }
        }
        Ok(())
    }

    /// The codec of a call.
    pub(crate) fn codec_of(&self, call: CallId) -> &'static str {
        let config = self.legs.get(&call).and_then(|leg| leg.rest.config.as_ref());
        let first = config.and_then(|config| config.codecs.first());
        CHOICES
            .codecs
            .iter()
            .copied()
            .find(|name| first.is_some_and(|first| first == name))
            .unwrap_or_default()
    }

    /// Changes how a call's audio is sent; the other side of one that is connected has to agree.
    pub(crate) fn set_parameters(&mut self, request: RequestId, call: CallId, config: DeviceConfig) {
        let connected = self.state_of(call) == Some(StateKind::Connected);
        if connected && self.broken(Fault::RefusedChangeStays) {
            self.take_parameters(call, config.clone());
        }
        if connected && !self.agrees(request, call) {
            return;
        }
        let outside = matches!(self.other_of(Other::Leg(call)), Other::Stranger(_));
        let understood = config.codecs.iter().any(|name| UNDERSTOOD.contains(&name.as_str()));
        if connected && outside && !understood {
            let reason = "Not Acceptable Here".into();
            return self.complete(request, Err(OperationError::Refused { status: 488, reason }));
        }
        self.take_parameters(call, config);
        self.done(request);
        if connected {
            self.with_info(call, InfoParts::STREAM, |_| {});
        }
    }

    fn take_parameters(&mut self, call: CallId, config: DeviceConfig) {
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.config = Some(config);
        }
    }
}
