//! The message layer: what stands on the wire, read and written.
//!
//! A [`Message`] is an index over the octets of one message (`index.rs`, `view.rs`): one pass when it is parsed,
//! typed values ([`Uri`], [`NameAddr`], [`Via`], [`CSeq`]) borrowed from it when they are asked for. [`Request`] and
//! [`Response`] write new messages, [`Forward`] passes one on with edits, [`Framer`] cuts a stream into messages.
//! Octets that are no message come back as [`Rejected`], with the answer where one is due.
//!
//! Policy: strict where leniency could be misread by the next element (line ends, lengths, duplicates, separators),
//! lenient where the meaning is plain. The corpora in `tests/` hold the verdicts.
//!
//! ```
//! use bytes::Bytes;
//! use hookswitch_sip::message::{Limits, Message, Method, Name, Response};
//!
//! let bytes = Bytes::from(concat!(
//!     "OPTIONS sip:bob@biloxi.example SIP/2.0\r\n",
//!     "Via: SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bK776;rport\r\n",
//!     "From: Alice <sip:alice@atlanta.example>;tag=88sja8x\r\n",
//!     "To: <sip:bob@biloxi.example>\r\n",
//!     "Call-ID: 987asjd97y7atg\r\n",
//!     "CSeq: 986759 OPTIONS\r\n",
//!     "Content-Length: 0\r\n\r\n",
//! ));
//! let request = Message::parse(bytes, &Limits::default())?;
//! assert_eq!(request.method(), Method::Options);
//! assert_eq!(request.uri()?.user(), Some("bob"));
//! assert_eq!(request.from().display().as_deref(), Some("Alice"));
//!
//! let source = "192.0.2.4:5060".parse()?;
//! let response = Response::to(&request, 200).to_tag("3f1").received(source).header(Name::Allow, "OPTIONS").finish();
//! assert!(response.starts_with(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bK776;received=192.0.2.4"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod addr;
mod compare;
mod error;
mod escape;
mod forward;
mod framer;
mod index;
pub(crate) mod lex;
mod method;
mod name;
mod params;
mod prepare;
mod reason;
mod received;
mod rejected;
mod request;
mod response;
pub(crate) mod short;
mod uri;
mod via;
mod view;
pub(crate) mod write;

pub use addr::{Contact, NameAddr};
pub use error::{Bound, Limits, ParseError};
pub use escape::{Escaped, unescape};
pub use forward::Forward;
pub use framer::{Frame, FrameError, Framer, KeepAlive};
pub use lex::{Quoted, SyntaxError};
pub use method::{Method, OwnedMethod};
pub use name::Name;
pub use params::{ParamIter, Params};
pub use reason::reason_phrase;
pub use rejected::Rejected;
pub use request::Request;
pub use response::Response;
pub use uri::{Host, Scheme, Uri, UriError};
pub use via::{CSeq, MAGIC_COOKIE, Via};
pub use view::Message;
