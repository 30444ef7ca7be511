//! The loopback provider: lines on an exchange in memory, calls between them and with parties outside, no SIP, no sound.
//!
//! It implements the whole service provider interface with the right states on both sides and completes everything through a
//! queue in virtual time (`agenda`), so application code can be tested against it without a network, and the interface is kept
//! honest by a second implementation.
//!
//! Reading order: `line` and `leg` (a call as its line sees it), `exchange` (the primitives with which everything changes them),
//! `table` (which state may follow which), `provider` (the interface), `check` (what is refused, what is possible), `operate`
//! (carrying out; hanging up). One idea each: `session`, `versions`, `extension`, `alert` (announcing and ringing), `dial`, `route`
//! (finding the called party; forwarding rules), `cause`, `hold`, `transfer`, `conference` (and who hears whom), `park`
//! (and picking up), `callback` and `camping` (call completion), `digits`, `control` (what is played, and does something by itself),
//! `config` (how audio would be sent), `told` (user information).
//!
//! The world outside is the test's: `script` says how parties behave that are called, `stranger` what they notice,
//! `outside` what they do. `faults` are breaches of the contract, one rule each, to show that a suite notices them.
//!
//! Where the model leaves room: a transfer to a party that rings is done when it answers; members of a waiting conference go on
//! talking; a conference that two parties have left is an ordinary call again; a call that calls back is connected for whoever asked for
//! it before the other party is; after a restart lines keep the numbers that their names had.
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
mod camping;
mod cause;
mod check;
mod conference;
mod config;
mod control;
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
pub use leg::Playing;
pub use line::LoopbackLine;
pub use script::Outside;
pub use stranger::{GivesUp, Heard, Incoming, Noticed, PartyId};
pub use table::may_follow;
pub use versions::V0;
