//! Identifiers. All are chosen by us, none is taken from the wire, and none is reused while the process lives.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A line device, numbered from 0 while the provider is initialised; not reused after removal (TAPI: device id).
    LineId(u32), "line-"
);
id!(
    /// An address of a line, numbered from 0 within the line (TAPI: address id).
    AddressId(u16), "address-"
);
id!(
    /// A call as one line sees it (TSPI: hdCall). The upper 16 bits name the shard that minted it.
    CallId(u64), "call-"
);
id!(
    /// One physical call, the same for every leg of it that passes the same switch (TAPI: dwCallID).
    PhysicalCallId(u64), "physical-"
);
id!(
    /// A call completion that was arranged (TAPI: completion id).
    CompletionId(u32), "completion-"
);
id!(
    /// A phone device, numbered from 0 (TAPI: phone device id).
    PhoneId(u32), "phone-"
);
id!(
    /// One accepted or refused request (TSPI: dwRequestID). Chosen by the asking side, never 0.
    RequestId(u64), "request-"
);

impl CallId {
    /// A call id minted by `shard`.
    pub const fn minted(shard: u16, number: u64) -> Self {
        Self(((shard as u64) << 48) | (number & 0xffff_ffff_ffff))
    }

    /// The shard that minted it.
    pub const fn shard(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// A version of this interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InterfaceVersion(pub u32);

impl InterfaceVersion {
    /// The one version that exists today.
    pub const V1: Self = Self(0x0001_0000);
}

/// The versions somebody can live with, both ends included (TSPI_lineNegotiateTSPIVersion).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest.
    pub low: InterfaceVersion,
    /// The newest.
    pub high: InterfaceVersion,
}
