//! The body of package `dialog` (RFC 4235): the calls of a phone, as the phone or its switch sees them.

use super::xml::{Element, XmlError, push_text};
use std::fmt;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:dialog-info";
/// Dialogs of one body.
const MOST_DIALOGS: usize = 256;
/// Octets of one text.
const MOST_TEXT: usize = 1_024;

/// A document: all dialogs of an entity, or those that have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogInfo {
    /// Grows by one with each document of a subscription.
    pub version: u32,
    /// Whether these are all dialogs; otherwise those that have changed since the last document.
    pub full: bool,
    /// The URI whose dialogs they are.
    pub entity: String,
    /// The dialogs.
    pub dialogs: Vec<WatchedDialog>,
}

/// A dialog that somebody else has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedDialog {
    /// What tells it apart from the others of the entity.
    pub id: String,
    /// Its Call-ID; a switch may keep it to itself.
    pub call_id: Option<String>,
    /// The tag of the entity.
    pub local_tag: Option<String>,
    /// The tag of the other side.
    pub remote_tag: Option<String>,
    /// Who called.
    pub direction: Option<Direction>,
    /// How far it has come.
    pub state: DialogState,
    /// What brought it there.
    pub event: Option<DialogEvent>,
    /// The status that brought it there.
    pub code: Option<u16>,
    /// The side of the entity.
    pub local: Participant,
    /// The other side.
    pub remote: Participant,
}

/// One side of a dialog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Participant {
    /// Its address of record.
    pub identity: Option<String>,
    /// Its name.
    pub display: Option<String>,
    /// The URI it can be reached at: its Contact.
    pub target: Option<String>,
    /// Whether it plays what it hears (`+sip.rendering`, RFC 4235 5.2): false on hold.
    pub rendering: Option<bool>,
}

/// Who sent the INVITE of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The entity: it calls.
    Initiator,
    /// The other side: the entity is called.
    Recipient,
}

/// How far a dialog has come (RFC 4235 3.7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DialogState {
    /// The INVITE is sent; nothing has come back.
    #[default]
    Trying,
    /// A provisional response without a tag.
    Proceeding,
    /// A provisional response with a tag: it rings.
    Early,
    /// Answered.
    Confirmed,
    /// Over.
    Terminated,
}

/// What brought a dialog into its state (RFC 4235 3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialogEvent {
    /// The caller gave up.
    Cancelled,
    /// The callee refused.
    Rejected,
    /// Another dialog took its place (RFC 3891).
    Replaced,
    /// The entity hung up.
    LocalBye,
    /// The other side hung up.
    RemoteBye,
    /// Something broke.
    Error,
    /// Nobody answered.
    Timeout,
}

/// Why a body is no dialog-info document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialogInfoError {
    /// It is no XML that we read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// A part that must be there is missing or makes no sense.
    #[error("a dialog-info document needs {0}; it is missing, unknown or too long")]
    Part(&'static str),
}

/// The names on the wire, both ways.
macro_rules! named {
    ($type:ty { $($variant:ident = $name:literal,)* }) => {
        impl $type {
            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

named!(Direction { Initiator = "initiator", Recipient = "recipient", });
named!(DialogState {
    Trying = "trying",
    Proceeding = "proceeding",
    Early = "early",
    Confirmed = "confirmed",
    Terminated = "terminated",
});
named!(DialogEvent {
    Cancelled = "cancelled",
    Rejected = "rejected",
    Replaced = "replaced",
    LocalBye = "local-bye",
    RemoteBye = "remote-bye",
    Error = "error",
    Timeout = "timeout",
});

impl DialogInfo {
    /// Reads a body.
    ///
    /// # Errors
    /// If it is no XML within bounds, or no dialog-info document.
    pub fn parse(body: &[u8]) -> Result<Self, DialogInfoError> {
        let root = Element::parse(body)?;
        if root.name != "dialog-info" {
            return Err(DialogInfoError::Part("the element dialog-info"));
        }
        let version = root.attribute("version").and_then(|version| version.parse().ok());
        let full = match root.attribute("state") {
            Some("full") => true,
            Some("partial") => false,
            Some(_) | None => return Err(DialogInfoError::Part("a state, full or partial")),
        };
        if root.all("dialog").nth(MOST_DIALOGS).is_some() {
            return Err(DialogInfoError::Part("256 dialogs at the most"));
        }
        Ok(Self {
            version: version.ok_or(DialogInfoError::Part("a version"))?,
            full,
            entity: text(root.attribute("entity"))?.ok_or(DialogInfoError::Part("an entity"))?,
            dialogs: root.all("dialog").map(WatchedDialog::read).collect::<Result<_, _>>()?,
        })
    }
}

impl WatchedDialog {
    /// A dialog of which only id and state are known.
    pub fn new(id: impl Into<String>, state: DialogState) -> Self {
        Self { id: id.into(), state, ..Self::default() }
    }

    fn read(element: &Element) -> Result<Self, DialogInfoError> {
        let state = element.child("state");
        let named = |name| text(element.attribute(name));
        let code = state.and_then(|state| state.attribute("code")?.parse().ok());
        Ok(Self {
            id: named("id")?.ok_or(DialogInfoError::Part("an id of each dialog"))?,
            call_id: named("call-id")?,
            local_tag: named("local-tag")?,
            remote_tag: named("remote-tag")?,
            direction: element.attribute("direction").and_then(Direction::of),
            state: state
                .and_then(|state| DialogState::of(state.text()))
                .ok_or(DialogInfoError::Part("a state of each dialog"))?,
            event: state.and_then(|state| DialogEvent::of(state.attribute("event")?)),
            code: code.filter(|code| (100..700).contains(code)),
            local: Participant::read(element.child("local"))?,
            remote: Participant::read(element.child("remote"))?,
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str("  <dialog");
        push_attribute(out, "id", Some(&self.id));
        push_attribute(out, "call-id", self.call_id.as_deref());
        push_attribute(out, "local-tag", self.local_tag.as_deref());
        push_attribute(out, "remote-tag", self.remote_tag.as_deref());
        push_attribute(out, "direction", self.direction.map(Direction::name));
        out.push_str(">\r\n    <state");
        push_attribute(out, "event", self.event.map(DialogEvent::name));
        push_attribute(out, "code", self.code.map(|code| code.to_string()).as_deref());
        out.push('>');
        out.push_str(self.state.name());
        out.push_str("</state>\r\n");
        self.local.write("local", out);
        self.remote.write("remote", out);
        out.push_str("  </dialog>\r\n");
    }
}

impl Participant {
    fn read(element: Option<&Element>) -> Result<Self, DialogInfoError> {
        let Some(element) = element else { return Ok(Self::default()) };
        let (identity, target) = (element.child("identity"), element.child("target"));
        let rendering = target.and_then(|target| {
            let is_rendering = |param: &&Element| param.attribute("pname") == Some("+sip.rendering");
            target.all("param").find(is_rendering)?.attribute("pval")
        });
        Ok(Self {
            identity: text(identity.map(Element::text))?,
            display: text(identity.and_then(|identity| identity.attribute("display")))?,
            target: text(target.and_then(|target| target.attribute("uri")))?,
            rendering: match rendering {
                Some("yes") => Some(true),
                Some("no") => Some(false),
                Some(_) | None => None,
            },
        })
    }

    fn write(&self, name: &str, out: &mut String) {
        if *self == Self::default() {
            return;
        }
        out.push_str("    <");
        out.push_str(name);
        out.push('>');
        if let Some(identity) = &self.identity {
            out.push_str("<identity");
            push_attribute(out, "display", self.display.as_deref());
            out.push('>');
            push_text(out, identity);
            out.push_str("</identity>");
        }
        if let Some(target) = &self.target {
            out.push_str("<target");
            push_attribute(out, "uri", Some(target));
            match self.rendering {
                None => out.push_str("/>"),
                Some(rendering) => {
                    out.push_str("><param pname=\"+sip.rendering\" pval=\"");
                    out.push_str(if rendering { "yes" } else { "no" });
                    out.push_str("\"/></target>");
                }
            }
        }
        out.push_str("</");
        out.push_str(name);
        out.push_str(">\r\n");
    }
}

impl fmt::Display for DialogInfo {
    /// The body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(256 + 512 * self.dialogs.len());
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<dialog-info");
        push_attribute(&mut out, "xmlns", Some(NAMESPACE));
        push_attribute(&mut out, "version", Some(&self.version.to_string()));
        push_attribute(&mut out, "state", Some(if self.full { "full" } else { "partial" }));
        push_attribute(&mut out, "entity", Some(&self.entity));
        out.push_str(">\r\n");
        for dialog in &self.dialogs {
            dialog.write(&mut out);
        }
        out.push_str("</dialog-info>\r\n");
        f.write_str(&out)
    }
}

fn push_attribute(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        push_text(out, value);
        out.push('"');
    }
}

/// A text of bearable length; empty is missing.
fn text(text: Option<&str>) -> Result<Option<String>, DialogInfoError> {
    match text {
        Some(text) if text.len() > MOST_TEXT => {
            Err(DialogInfoError::Part("texts of 1024 octets at the most"))
        }
        Some("") | None => Ok(None),
        Some(text) => Ok(Some(text.to_owned())),
    }
}
