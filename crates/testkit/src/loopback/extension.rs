//! The extension `sip`, played: plausible answers, and events only while a version is selected.

use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Leg, Other};
use super::stranger::Noticed;
use hookswitch_spi::{
    CallId, ExtensionAnswer, ExtensionCommand, ExtensionEvent, ExtensionVersion, LineError, LineId,
    OperationError, Outcome, ProviderEvent, RequestId, SIP_EXTENSION,
};

/// The longest body that is told.
const BODY_MOST: usize = 4_096;
/// So many header fields can be added.
const HEADERS_MOST: usize = 32;

impl Loopback {
    pub(crate) fn extension_offered(
        &self,
        line: LineId,
        (low, high): (ExtensionVersion, ExtensionVersion),
    ) -> Result<ExtensionVersion, LineError> {
        let entry = self.lines.get(&line).ok_or(LineError::NoSuchLine(line))?;
        let known = entry.capabilities.extension.ok_or(LineError::IncompatibleExtension)?;
        let selected = entry.open.map_or(ExtensionVersion::NONE, |open| open.extension);
        let best = if selected == ExtensionVersion::NONE { known.high.min(high) } else { selected };
        let least = known.low.max(low);
        if low <= high && least <= best && best <= high {
            Ok(best)
        } else {
            Err(LineError::IncompatibleExtension)
        }
    }

    pub(crate) fn extension_selected(
        &mut self,
        line: LineId,
        version: ExtensionVersion,
    ) -> Result<(), LineError> {
        let entry = self.lines.get(&line).ok_or(LineError::NoSuchLine(line))?;
        if entry.open.is_none() {
            return Err(LineError::NotOpen(line));
        }
        if version != ExtensionVersion::NONE {
            self.extension_offered(line, (version, version))?;
        }
        if let Some(open) = self.lines.get_mut(&line).and_then(|entry| entry.open.as_mut()) {
            open.extension = version;
        }
        Ok(())
    }

    /// Whether a line's extension is selected in a version that has what is `since` it.
    pub(crate) fn has_extension(&self, line: LineId, since: ExtensionVersion) -> bool {
        let open = self.lines.get(&line).and_then(|entry| entry.open);
        self.broken(Fault::ExtensionAlwaysOn)
            || open.is_some_and(|open| open.extension != ExtensionVersion::NONE && open.extension >= since)
    }

    /// What is wrong with a command.
    pub(crate) fn check_extension(
        &self,
        line: LineId,
        call: Option<CallId>,
        command: &ExtensionCommand,
    ) -> Result<(), OperationError> {
        let wrong = |what: &str| Err(OperationError::InvalidParameter(what.into()));
        if !self.has_extension(line, command.since()) {
            return Err(OperationError::ExtensionNotSelected(SIP_EXTENSION.name));
        }
        if call.is_none() {
            return wrong("this command is about a call: name one");
        }
        match command {
            ExtensionCommand::SetHeaders(headers) | ExtensionCommand::Send { headers, .. }
                if headers.len() > HEADERS_MOST =>
            {
                wrong("expected at most 32 header fields")
            }
            ExtensionCommand::Send { method, .. }
                if !["INFO", "MESSAGE", "OPTIONS", "NOTIFY"].contains(&&**method) =>
            {
                wrong("expected INFO, MESSAGE, OPTIONS or NOTIFY")
            }
            ExtensionCommand::Headers
            | ExtensionCommand::SetHeaders(_)
            | ExtensionCommand::Identifiers
            | ExtensionCommand::Stream
            | ExtensionCommand::Send { .. } => Ok(()),
        }
    }

    pub(crate) fn extension(&mut self, request: RequestId, call: Option<CallId>, command: ExtensionCommand) {
        let Some(call) = call else { return };
        let codec = self.codec_of(call);
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let physical = leg.info.physical.0;
        let answer = match command {
            ExtensionCommand::Headers => {
                let mut headers: Vec<(Box<str>, Box<str>)> = vec![
                    ("From".into(), format!("<{}>", leg.info.caller.address).into()),
                    ("To".into(), format!("<{}>", leg.info.called.address).into()),
                    ("Call-ID".into(), format!("{physical}@loopback").into()),
                ];
                if let Other::Leg(other) = leg.other {
                    let theirs = self.legs.get(&other).map(|leg| leg.rest.headers.clone());
                    headers.extend(theirs.unwrap_or_default());
                }
                ExtensionAnswer::Headers(headers)
            }
            ExtensionCommand::SetHeaders(headers) => {
                leg.rest.headers = headers;
                ExtensionAnswer::Done
            }
            ExtensionCommand::Identifiers => ExtensionAnswer::Identifiers {
                call_id: format!("{physical}@loopback").into(),
                local_tag: format!("{:x}", call.0).into(),
                remote_tag: if leg.answered { format!("{:x}", physical).into() } else { "".into() },
                remote_target: leg.info.connected.address.clone(),
                user_agent: "loopback".into(),
            },
            ExtensionCommand::Stream => ExtensionAnswer::Stream {
                codec: if leg.answered { codec.into() } else { "".into() },
                encryption: "".into(),
                local: "".into(),
                remote: "".into(),
            },
            ExtensionCommand::Send { method, content_type, body, .. } => {
                if let Other::Leg(other) = leg.other {
                    self.receive(other, &method, &content_type, &body);
                }
                self.notes(self.other_of(Other::Leg(call)), Noticed::Request(method));
                ExtensionAnswer::Response { status: 200, reason: "OK".into(), body: Vec::new() }
            }
        };
        self.complete(request, Ok(Outcome::Extension(answer)));
    }

    fn receive(&mut self, call: CallId, method: &str, content_type: &str, body: &[u8]) {
        let Some(line) = self.known(call).filter(|leg| leg.is_up()).map(|leg| leg.line) else { return };
        if self.has_extension(line, ExtensionVersion(2)) {
            let event = ExtensionEvent::Received {
                call,
                method: method.into(),
                content_type: content_type.into(),
                body: body.iter().copied().take(BODY_MOST).collect(),
            };
            self.events.push_back(ProviderEvent::Extension { line, event });
        }
    }

    /// The other side of a call sends a request that is not about the call itself.
    pub fn sends(&mut self, call: CallId, method: &str, content_type: &str, body: &[u8]) {
        self.receive(call, method, content_type, body);
    }

    /// The codec of a call changes.
    pub fn changes_codec(&mut self, call: CallId) {
        let Some(line) = self.known(call).filter(|leg| Leg::is_up(leg)).map(|leg| leg.line) else { return };
        self.with_info(call, hookswitch_spi::InfoParts::STREAM, |_| {});
        if self.has_extension(line, ExtensionVersion(1)) {
            let event = ExtensionEvent::Stream { call };
            self.events.push_back(ProviderEvent::Extension { line, event });
        }
    }
}
