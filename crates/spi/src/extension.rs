//! The extension `sip`: what only a SIP line has (TAPI: lineDevSpecific). Nothing of it is possible, and no event of it comes,
//! unless a version was selected.

use crate::CallId;
use serde::{Deserialize, Serialize};

/// A version of a line's extension; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExtensionVersion(pub u32);

impl ExtensionVersion {
    /// None: as a line starts.
    pub const NONE: Self = Self(0);
}

/// An extension that a line has (lineGetExtensionID).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its name.
    pub name: &'static str,
    /// The number that identifies it everywhere.
    pub id: u128,
    /// The oldest version that the provider has.
    pub low: ExtensionVersion,
    /// The newest.
    pub high: ExtensionVersion,
}

/// The extension `sip`.
pub const SIP_EXTENSION: Extension = Extension {
    name: "sip",
    id: 0x6f7c_25be_91d3_4f0a_8a52_0c47_1e9b_d6e3,
    low: ExtensionVersion(1),
    high: ExtensionVersion(2),
};

/// A command of the extension `sip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionCommand {
    /// The header fields of the request that opened the call: the INVITE received, or the last response to ours (version 1).
    Headers,
    /// Header fields for all further requests and responses that we send for the call (version 1). An empty list ends it.
    SetHeaders(Vec<(Box<str>, Box<str>)>),
    /// What names the dialog (version 1).
    Identifiers,
    /// Codec, encryption and addresses of the audio (version 1).
    Stream,
    /// Send a request of our own within the call: INFO, MESSAGE, OPTIONS or NOTIFY (version 2).
    Send {
        /// The method.
        method: Box<str>,
        /// Further header fields.
        headers: Vec<(Box<str>, Box<str>)>,
        /// The type of the body; empty without one.
        content_type: Box<str>,
        /// The body.
        body: Vec<u8>,
    },
}

impl ExtensionCommand {
    /// The version that has it.
    pub const fn since(&self) -> ExtensionVersion {
        match self {
            Self::Headers | Self::SetHeaders(_) | Self::Identifiers | Self::Stream => ExtensionVersion(1),
            Self::Send { .. } => ExtensionVersion(2),
        }
    }
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionAnswer {
    /// It was carried out.
    Done,
    /// Header fields in their order.
    Headers(Vec<(Box<str>, Box<str>)>),
    /// What names the dialog.
    Identifiers {
        /// Call-ID.
        call_id: Box<str>,
        /// Our tag.
        local_tag: Box<str>,
        /// The other side's tag, empty while there is none.
        remote_tag: Box<str>,
        /// Where requests go.
        remote_target: Box<str>,
        /// What the other side says it is.
        user_agent: Box<str>,
    },
    /// The audio.
    Stream {
        /// The codec, empty before the first answer.
        codec: Box<str>,
        /// How it is encrypted, empty if it is not.
        encryption: Box<str>,
        /// Where we receive.
        local: Box<str>,
        /// Where we send.
        remote: Box<str>,
    },
    /// The response to a request of ours.
    Response {
        /// Its status.
        status: u16,
        /// Its reason phrase.
        reason: Box<str>,
        /// Its body.
        body: Vec<u8>,
    },
}

/// Something that only the extension tells (LINE_DEVSPECIFIC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionEvent {
    /// The other side sent a request that is not about the call itself: INFO, MESSAGE, OPTIONS (version 2).
    Received {
        /// The call.
        call: CallId,
        /// The method.
        method: Box<str>,
        /// The type of its body; empty without one.
        content_type: Box<str>,
        /// Its body, as far as it is no longer than 4 kB.
        body: Vec<u8>,
    },
    /// The codec, or where audio goes, changed (version 1).
    Stream {
        /// The call.
        call: CallId,
    },
}
