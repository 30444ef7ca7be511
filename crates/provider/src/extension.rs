//! The extension `sip` (lineDevSpecific): header fields in and out, what names the dialog, codec and addresses, requests of an
//! application's own. Nothing of it is possible, and nothing is told, unless a version of it is selected on the line. Header fields
//! are kept of what comes while one is selected only: of a call that was there before, none are known.

use crate::call::{Ask, Call, Halves, Placing, Wait};
use crate::core::Core;
use hookswitch_machine::Time;
use hookswitch_sip::headers::{ExtraHeaders, SessionId};
use hookswitch_sip::message::{Message, Method, Name};
use hookswitch_sip::transaction::ClientId;
use hookswitch_sip::ua::{Failure, LegError};
use hookswitch_spi::{
    CallId, CallOptions, ExtensionAnswer, ExtensionCommand, ExtensionEvent, ExtensionVersion, LineId,
    OperationError, Outcome, ProviderEvent, SIP_EXTENSION,
};

/// Octets of header fields that are kept of a message.
const MOST_KEPT: usize = 8_192;
/// Octets of a body, sent or told.
const MOST_BODY: usize = 4_096;
/// Characters of a display text.
const MOST_DISPLAY: usize = 128;

type Headers = [(Box<str>, Box<str>)];

impl Core {
    /// Whether a line's extension is selected in a version that has what is `since` it.
    fn has_extension(&self, line: LineId, since: ExtensionVersion) -> bool {
        let selected = self.line(line).map_or(ExtensionVersion::NONE, |line| line.extension);
        selected != ExtensionVersion::NONE && selected >= since
    }

    /// What the INVITE of a call is sent with.
    pub(crate) fn placing(&self, line: LineId, options: &CallOptions) -> Result<Placing, OperationError> {
        if !options.headers.is_empty() && !self.has_extension(line, SIP_EXTENSION.low) {
            return Err(OperationError::ExtensionNotSelected(SIP_EXTENSION.name));
        }
        let mut fields = options.user_info.as_ref().map(crate::user_info::line).unwrap_or_default();
        fields.push_str(checked(&options.headers)?.as_lines());
        Ok(Placing {
            no_answer_after: options.no_answer_after,
            display_name: options.display_name.clone(),
            fields,
        })
    }

    /// What is worth keeping of an INVITE that became a call.
    pub(crate) fn note_arrival(&self, call: &mut Call, message: &Message) {
        Self::note_first_info(call, message);
        if let Some(subject) = message.header(Name::Subject) {
            let display: String = subject.chars().filter(|c| !c.is_control()).take(MOST_DISPLAY).collect();
            if !display.is_empty() {
                call.extra().display = display.into();
            }
        }
        if self.has_extension(call.line, SIP_EXTENSION.low) {
            call.extra().opening = kept(message);
        }
    }

    /// A response to our INVITE.
    pub(crate) fn note_opening(&mut self, id: CallId, message: &Message) {
        let Some(line) = self.calls.get(id).map(|call| call.line) else { return };
        if self.has_extension(line, SIP_EXTENSION.low)
            && let Some(call) = self.calls.get_mut(id)
        {
            call.extra().opening = kept(message);
        }
    }

    /// Says anew what all further messages of a call's session carry: its Session-ID, and what applications add.
    pub(crate) fn refresh_standing(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        let Some(leg) = call.leg else { return };
        let mut standing = ExtraHeaders::new();
        if let Some(Halves { own: local, theirs }) = call.facts.session.as_deref().copied() {
            let _ = standing.push_known(Name::SessionId, SessionId { local, remote: Some(theirs) });
        }
        let added = call.extra.as_ref().and_then(|extra| extra.headers.as_deref());
        for (name, value) in added.into_iter().flat_map(ExtraHeaders::iter) {
            // They were checked when they were given; what is too much together is left out.
            let _ = standing.push(name, value);
        }
        let _ = self.ua.set_standing_headers(leg, &standing);
    }

    pub(crate) fn extension(
        &mut self,
        now: Time,
        ask: &mut Ask,
        line: LineId,
        call: Option<CallId>,
        command: ExtensionCommand,
    ) -> Result<(), OperationError> {
        let id = call.ok_or_else(|| {
            OperationError::InvalidParameter("this command is about a call: name one".into())
        })?;
        if self.calls.get(id).is_some_and(|call| call.line != line) {
            return Err(OperationError::InvalidParameter("the call is of another line".into()));
        }
        if !self.has_extension(line, command.since()) {
            return Err(OperationError::ExtensionNotSelected(SIP_EXTENSION.name));
        }
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let answer = match command {
            ExtensionCommand::Headers => {
                let opening = call.extra.as_ref().map_or("", |extra| &extra.opening);
                let lines = opening.split_terminator("\r\n").filter_map(|line| line.split_once(": "));
                ExtensionAnswer::Headers(lines.map(|(name, value)| (name.into(), value.into())).collect())
            }
            ExtensionCommand::SetHeaders(headers) => {
                let headers = checked(&headers)?;
                call.extra().headers = (!headers.is_empty()).then(|| Box::new(headers));
                self.refresh_standing(id);
                ExtensionAnswer::Done
            }
            ExtensionCommand::Identifiers => self.identifiers(id),
            ExtensionCommand::Stream => stream(call),
            ExtensionCommand::Send { method, headers, content_type, body } => {
                let client = self.send_errand(now, id, &method, &headers, &content_type, &body)?;
                self.wait(id, ask, Wait::Errand(client));
                return Ok(());
            }
        };
        self.done(ask, Outcome::Extension(answer));
        Ok(())
    }

    fn identifiers(&self, id: CallId) -> ExtensionAnswer {
        let call = self.calls.get(id);
        let dialog = call.and_then(|call| call.leg).and_then(|leg| self.ua.dialogs(leg).next());
        let opening = call.and_then(|call| call.extra.as_ref()).map_or("", |extra| &extra.opening);
        let mut lines = opening.split_terminator("\r\n").filter_map(|line| line.split_once(": "));
        let agent =
            lines.find(|(name, _)| ["User-Agent", "Server"].iter().any(|n| n.eq_ignore_ascii_case(name)));
        ExtensionAnswer::Identifiers {
            call_id: call.map_or_else(Box::default, |call| call.facts.call_id.clone()),
            local_tag: dialog.map_or_else(Box::default, |dialog| dialog.local_tag().into()),
            remote_tag: dialog.map_or_else(Box::default, |dialog| dialog.remote_tag().into()),
            remote_target: dialog.map_or_else(Box::default, |dialog| dialog.target().into()),
            user_agent: agent.map_or_else(Box::default, |(_, agent)| agent.into()),
        }
    }

    fn send_errand(
        &mut self,
        now: Time,
        id: CallId,
        method: &str,
        headers: &Headers,
        content_type: &str,
        body: &[u8],
    ) -> Result<ClientId, OperationError> {
        let wrong = |text: String| OperationError::InvalidParameter(text);
        let method = match method {
            "INFO" => Method::Info,
            "MESSAGE" => Method::Message,
            "OPTIONS" => Method::Options,
            "NOTIFY" => Method::Notify,
            other => {
                let other: String = other.chars().take(20).collect();
                return Err(wrong(format!("expected INFO, MESSAGE, OPTIONS or NOTIFY; got '{other}'")));
            }
        };
        if body.len() > MOST_BODY {
            let got = body.len();
            return Err(wrong(format!("expected a body of at most {MOST_BODY} octets; got {got}")));
        }
        let plain =
            content_type.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && content_type.len() <= 256;
        if content_type.is_empty() != body.is_empty() || !plain {
            return Err(wrong("expected a content type, in plain ASCII, exactly if there is a body".into()));
        }
        let fields = checked(headers)?;
        let leg = self.calls.get(id).and_then(|call| call.leg).ok_or(OperationError::CallEnded)?;
        let body = (!body.is_empty()).then_some((content_type, body));
        self.ua.send_within(now, &mut self.layer, leg, method, fields.as_lines(), body).map_err(|error| {
            match error {
                LegError::Full => OperationError::ResourceUnavailable("transaction"),
                LegError::State => {
                    OperationError::Failed("requests can be sent once the call is answered".into())
                }
                _ => OperationError::CallEnded,
            }
        })
    }

    /// A request within a session is answered: whether it was one that an application asked for.
    pub(crate) fn errand_answered(
        &mut self,
        id: CallId,
        client: ClientId,
        failure: Failure,
        message: Option<&Message>,
    ) -> bool {
        let sent = |wait| wait == Wait::Errand(client) || wait == Wait::UserInfo(client);
        let Some(waiting) = self.calls.get_mut(id).and_then(|call| call.take_waiting(sent)) else {
            return false;
        };
        let result = match (waiting.what, failure, message) {
            (Wait::Errand(_), Failure::Status(status) | Failure::Unauthorized(status), Some(message)) => {
                let body = message.body().iter().copied().take(MOST_BODY).collect();
                let reason = message.reason().chars().take(80).collect::<String>().into();
                Ok(Outcome::Extension(ExtensionAnswer::Response { status, reason, body }))
            }
            (_, failure, _) if failure.is_success() => Ok(Outcome::Done),
            (_, failure, message) => Err(crate::established::refused(failure, message)),
        };
        self.complete(waiting.completion, result);
        true
    }

    /// A request within a call that is not about the call itself: told to whoever has the extension. Whether anybody has.
    pub(crate) fn received_within(&mut self, id: CallId, message: &Message) -> bool {
        let Some(line) = self.calls.get(id).map(|call| call.line) else { return false };
        // User information alone is told as such.
        let plain = message.body().is_empty() && message.header(Name::UserToUser).is_some();
        if plain || !self.has_extension(line, ExtensionVersion(2)) {
            return false;
        }
        let event = ExtensionEvent::Received {
            call: id,
            method: message.method().as_str().into(),
            content_type: message
                .content_type()
                .unwrap_or_default()
                .chars()
                .take(256)
                .collect::<String>()
                .into(),
            body: message.body().iter().copied().take(MOST_BODY).collect(),
        };
        self.tell(id, ProviderEvent::Extension { line, event });
        true
    }

    /// The codec, or where audio goes, was settled anew.
    pub(crate) fn stream_changed(&mut self, id: CallId) {
        let Some(line) = self.calls.get(id).map(|call| call.line) else { return };
        if self.has_extension(line, SIP_EXTENSION.low) {
            self.tell(id, ProviderEvent::Extension { line, event: ExtensionEvent::Stream { call: id } });
        }
    }
}

/// Header fields that somebody asks for, if they can stand in a message.
fn checked(headers: &Headers) -> Result<ExtraHeaders, OperationError> {
    let wrong = |text: String| OperationError::InvalidParameter(text);
    let mut extra = ExtraHeaders::new();
    for (name, value) in headers {
        if Name::new(name) == Name::SessionId {
            return Err(wrong("the header Session-ID is written by the provider itself".into()));
        }
        extra.push(name, value).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(extra)
}

/// The header fields of a message as lines, as far as they fit.
fn kept(message: &Message) -> Box<str> {
    let mut lines = String::new();
    for (name, value) in message.all() {
        let name = name.as_str();
        if lines.len() + name.len() + value.len() + 4 > MOST_KEPT {
            break;
        }
        // Folded values stand on one line.
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        lines.push_str(&format!("{name}: {value}\r\n"));
    }
    lines.into()
}

/// The audio of a call, as offer and answer have settled it.
fn stream(call: &Call) -> ExtensionAnswer {
    let settled = call.media.parameters();
    ExtensionAnswer::Stream {
        codec: settled
            .map_or_else(Box::default, |settled| format!("{:?}", settled.codec).to_uppercase().into()),
        encryption: Box::default(),
        local: call.port.map_or_else(Box::default, |port| port.rtp.to_string().into()),
        remote: settled.map_or_else(Box::default, |settled| settled.remote_rtp.to_string().into()),
    }
}
