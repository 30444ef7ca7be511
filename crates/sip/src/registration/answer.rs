//! What a registrar's response says, as far as the machine cares.

use crate::auth::Place;
use std::net::SocketAddr;

/// The final response to a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The number of the REGISTER's CSeq.
    pub cseq: u32,
    /// The status; provisional ones are ignored.
    pub status: u16,
    /// What a 2xx says of our Contact.
    pub granted: Granted,
    /// `Min-Expires` of a 423, in seconds.
    pub min_expires: Option<u32>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// The values of the challenge headers.
    pub challenges: Vec<(Place, &'a str)>,
    /// The `nextnonce` of an Authentication-Info.
    pub next_nonce: Option<&'a str>,
    /// Where the registrar saw us: `received` and `rport` of our Via (RFC 3581 4).
    pub observed: Option<SocketAddr>,
}

/// What a 2xx says of our Contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// Bound for so many seconds.
    For(u32),
    /// Bound; no lifetime is stated, so it is the one we asked for.
    AsAsked,
    /// Our Contact is not among the bindings.
    No,
}

impl Answer<'_> {
    /// An answer without any details.
    pub const fn new(cseq: u32, status: u16) -> Self {
        Self {
            cseq,
            status,
            granted: Granted::AsAsked,
            min_expires: None,
            retry_after: None,
            challenges: Vec::new(),
            next_nonce: None,
            observed: None,
        }
    }
}
