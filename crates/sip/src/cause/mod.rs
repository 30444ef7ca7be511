//! Why a call comes and ends, and who is behind it: Reason, identities, diversion, user-to-user information.

pub(crate) mod lex;
