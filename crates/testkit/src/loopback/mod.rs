//! The loopback provider: lines on an exchange in memory, calls between them and with parties outside, no SIP, no sound.
//!
//! It implements the whole service provider interface with the right states on both sides and completes everything through a
//! queue in virtual time, so application code can be tested against it without a network. `table` says which state may follow
//! which; `leg` is one call of one line; `exchange` holds lines and legs, `route` finds the called party, `operate` carries out
//! what was asked, `script` holds what a test has arranged.
//!
//! ```
//! use hookswitch_machine::Time;
//! use hookswitch_spi::{AddressId, CallState, InterfaceVersion, MediaTypes, Operation, Provider, ProviderEvent, RequestId};
//! use hookswitch_testkit::loopback::{LoopbackLine, Loopback};
//!
//! let mut exchange = Loopback::new();
//! let line = exchange.add_line(LoopbackLine::new("desk", "sip:desk@loopback"));
//! exchange.open_line(Time::ZERO, line, InterfaceVersion::V1)?;
//!
//! // Somebody outside calls the desk.
//! let call = exchange.call_in(line, AddressId(0), "sip:ann@outside", MediaTypes::VOICE).unwrap();
//! assert!(matches!(exchange.poll_event(), Some(ProviderEvent::NewCall { .. })));
//! exchange.take_call(Time::ZERO, call, true);
//! assert!(matches!(exchange.poll_event(), Some(ProviderEvent::CallState { state: CallState::Offering(_), .. })));
//!
//! // The desk answers; virtual time moves until the exchange has nothing more to do.
//! let answer = Operation::answer(call);
//! exchange.submit(Time::ZERO, RequestId(1), answer)?;
//! while let Some(at) = exchange.next_timeout() {
//!     exchange.timeout(at);
//! }
//! assert!(matches!(exchange.call_state(call), Some(CallState::Connected(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agenda;
mod alert;
mod callback;
mod cause;
mod check;
mod conference;
mod dial;
mod digits;
mod exchange;
mod extension;
mod faults;
mod hold;
mod leg;
mod line;
mod operate;
mod outside;
mod park;
mod provider;
mod route;
mod script;
mod session;
mod stranger;
mod table;
mod told;
mod transfer;
mod versions;

pub use cause::Refusal;
pub use exchange::Loopback;
pub use faults::Fault;
pub use line::LoopbackLine;
pub use script::Outside;
pub use stranger::{Fate, GivesUp, Heard, Incoming};
pub use table::may_follow;
pub use versions::V0;
