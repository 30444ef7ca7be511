//! A scripted SIP phone, which is also a registrar if it is given one: the other side of every simulated call.
//!
//! `script` says what a phone can be told to do, `registrar` keeps bindings, `call` is what the phone keeps of a call,
//! `machine` is the phone itself: a [`Machine`](hookswitch_machine::Machine) on the same user agent core as the provider; `acting`
//! is what it does, `hearing` what it makes of what it is sent, `watched` what it tells those who subscribe.

mod acting;
mod call;
mod hearing;
mod machine;
mod registrar;
mod script;
mod watched;

pub use call::{Ending, PhoneCall, Progress};
pub use machine::{Phone, PhoneConfig, PhoneEvent, PhoneRequest};
pub use registrar::{Mode, Registrar};
pub use script::{Answering, Calling, Deed, OnOffer, OnRefer, Talk, Target, Verdict};
pub use watched::OnSubscribe;
