//! Tests of the layer: what one layer does step by step, and two layers over a wire that loses, doubles and reorders.

mod any_order;
mod client_side;
mod limits;
mod lossy_wire;
mod server_side;

use super::{Branch, Config, Layer, Output, Received};
use crate::message::{Limits, Message, Method, Name, Request, Response};
use bytes::Bytes;
use hookswitch_machine::{EndpointId, Entropy, Flow, Time};

/// One layer, its clock and its peer.
struct Bench {
    layer: Layer,
    now: Time,
    flow: Flow,
}

impl Bench {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        Self {
            layer: Layer::new(config, Entropy::from_number(1)),
            now: Time::from_millis(1_000),
            flow: udp(5060),
        }
    }

    fn receive(&mut self, bytes: &Bytes) -> Received {
        let message = parse(bytes);
        self.layer.receive(self.now, self.flow, &message)
    }

    fn respond(&mut self, id: super::ServerId, request: &Bytes, status: u16) -> Bytes {
        let bytes = response(request, status);
        self.layer.respond(self.now, id, status, bytes.clone()).unwrap();
        bytes
    }

    /// Sends a request over datagrams.
    fn request(&mut self, method: Method<'_>) -> (super::ClientId, Bytes) {
        let branch = self.layer.next_branch();
        let bytes = request(method, branch);
        let id = self.layer.request(self.now, self.flow, false, branch, method, bytes.clone()).unwrap();
        (id, bytes)
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.layer.poll()).collect()
    }

    /// What is transmitted, everything else being unexpected.
    fn sent(&mut self) -> Vec<Bytes> {
        self.outputs()
            .into_iter()
            .map(|output| match output {
                Output::Transmit { bytes, .. } => bytes,
                other => panic!("expected transmissions only, got {other:?}"),
            })
            .collect()
    }

    /// Lets time pass; what comes out, with the milliseconds since.
    fn pass(&mut self, millis: u64) -> Vec<(u64, Output)> {
        let start = self.now;
        let end = start + std::time::Duration::from_millis(millis);
        let mut all = Vec::new();
        while let Some(at) = self.layer.next_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.layer.timeout(at);
            let after = at.since(start).as_millis() as u64;
            all.extend(self.outputs().into_iter().map(|output| (after, output)));
        }
        self.now = end;
        all
    }
}

fn udp(port: u16) -> Flow {
    Flow::to(EndpointId(0), ([192, 0, 2, 1], port).into())
}

fn stream(connection: u32) -> Flow {
    Flow { endpoint: EndpointId(1), connection, peer: ([192, 0, 2, 1], 40_000).into() }
}

fn parse(bytes: &Bytes) -> Message {
    Message::parse(bytes.clone(), &Limits::default()).unwrap()
}

/// A request of ours.
fn request(method: Method<'_>, branch: Branch) -> Bytes {
    Request::new(method, "sip:bob@example.net")
        .via("UDP", "198.51.100.1:5060", branch)
        .max_forwards(70)
        .header(Name::Route, "<sip:proxy.example.net;lr>")
        .header(Name::From, "<sip:alice@example.com>;tag=a1")
        .header(Name::To, "<sip:bob@example.net>")
        .call_id(format_args!("{branch}@call"))
        .cseq(7, method)
        .finish()
}

/// A request of the peer's; `via` is all of the Via header field behind the transport.
fn foreign(method: &str, via: &str, call_id: &str) -> Bytes {
    format!(
        "{method} sip:alice@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nMax-Forwards: 70\r\n\
         From: <sip:carol@example.org>;tag=c1\r\nTo: <sip:alice@example.com>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:carol@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    )
    .into()
}

fn with_to_tag(bytes: &Bytes, tag: &str) -> Bytes {
    let text = std::str::from_utf8(bytes).unwrap();
    text.replace("To: <sip:alice@example.com>", &format!("To: <sip:alice@example.com>;tag={tag}")).into()
}

fn response(request: &Bytes, status: u16) -> Bytes {
    Response::to(&parse(request), status).to_tag("b2").finish()
}
