//! What the tests of whole calls share: a line, a phone that is its switch, an application, and a look at the wire.

#![allow(dead_code)] // each test file uses its part

use hookswitch_machine::Entropy;
use hookswitch_provider::{Account, MessageWaiting, Profile};
use hookswitch_sip::message::{Limits, Message};
use hookswitch_spi::{CallId, CallState, LineId, MediaTypes, StateKind};
use hookswitch_telephony::{Interest, SessionId};
use hookswitch_testkit::apps::Plan;
use hookswitch_testkit::phone::{Calling, PhoneCall, PhoneConfig, PhoneRequest, Registrar, Target};
use hookswitch_testkit::stage::{HOOKSWITCH, Stage, registered, trunk};
use hookswitch_testkit::world::Passage;
use hookswitch_testkit::{Conditions, NodeId, Phone};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const LINE: LineId = LineId(0);

pub(crate) fn switch() -> SocketAddr {
    ([10, 0, 0, 2], 5060).into()
}

pub(crate) fn hookswitch() -> SocketAddr {
    HOOKSWITCH.into()
}

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) struct Bench {
    pub(crate) stage: Stage,
    pub(crate) phone: NodeId,
    pub(crate) app: SessionId,
}

/// A trunk line with one application that owns its voice calls.
pub(crate) fn bench() -> Bench {
    bench_with(|_| {}, |_| {})
}

pub(crate) fn bench_with(line: impl FnOnce(&mut Account), phone: impl FnOnce(&mut PhoneConfig)) -> Bench {
    let mut account = trunk("line", switch());
    line(&mut account);
    let mut stage = Stage::new(1, Conditions::PERFECT, vec![account]);
    let mut config = PhoneConfig::new(switch(), hookswitch());
    phone(&mut config);
    let phone = stage.phone("phone", config, 2);
    let app = stage.attach("reception");
    stage.open(app, LINE, Interest::owner(MediaTypes::VOICE));
    stage.run_for(millis(100));
    Bench { stage, phone, app }
}

/// A line registered with the phone.
pub(crate) fn registered_bench(
    line: impl FnOnce(&mut Account),
    registrar: impl FnOnce(&mut Registrar),
) -> Bench {
    let mut account = registered("line", switch());
    // The phone keeps no mailbox.
    profile(&mut account, |profile| profile.message_waiting = MessageWaiting::Unsolicited);
    line(&mut account);
    let mut stage = Stage::new(1, Conditions::PERFECT, vec![account]);
    let mut config = PhoneConfig::new(switch(), hookswitch());
    let mut double = Registrar::new("10.0.0.2", &[("line", "secret")], Entropy::from_number(3));
    registrar(&mut double);
    config.registrar = Some(double);
    let phone = stage.phone("switch", config, 2);
    let app = stage.attach("reception");
    stage.open(app, LINE, Interest::owner(MediaTypes::VOICE));
    Bench { stage, phone, app }
}

pub(crate) fn profile(account: &mut Account, change: impl FnOnce(&mut Profile)) {
    let mut profile = (*account.profile).clone();
    change(&mut profile);
    account.profile = profile.into();
}

impl Bench {
    /// The phone calls the line.
    pub(crate) fn ring(&mut self) -> Calling {
        Calling::new(Target::Uri("sip:line@10.0.0.1".into()), "bob")
    }

    pub(crate) fn phone_calls(&mut self, calling: Calling) {
        self.stage.world.request::<Phone>(self.phone, PhoneRequest::Call(Box::new(calling)));
    }

    pub(crate) fn plan(&mut self, plan: Plan) {
        self.stage.app(self.app).plans.push_back(plan);
    }

    pub(crate) fn call(&self) -> CallId {
        self.stage.last_call(self.app).expect("a call was heard of")
    }

    /// The states of the last call.
    pub(crate) fn states(&self) -> Vec<StateKind> {
        self.stage.states(self.app, self.call()).iter().map(CallState::kind).collect()
    }

    pub(crate) fn last_state(&self) -> CallState {
        self.stage.states(self.app, self.call()).pop().expect("the call has a state")
    }

    pub(crate) fn phone_call(&self, n: usize) -> &PhoneCall {
        &self.stage.phone_of(self.phone).calls()[n]
    }

    /// The messages that the engine and the others exchanged: `>` from the engine, `<` to it.
    pub(crate) fn wire(&self) -> Vec<String> {
        self.messages()
            .iter()
            .map(|(ours, message)| {
                let way = if *ours { '>' } else { '<' };
                match message.status() {
                    Some(status) => format!("{way} {status} {}", message.method()),
                    None => format!("{way} {}", message.method()),
                }
            })
            .collect()
    }

    pub(crate) fn messages(&self) -> Vec<(bool, Message)> {
        let sent = self.stage.world.wire().iter().filter(|crossing| crossing.what != Passage::Arrived);
        sent.filter_map(|crossing| {
            let message = Message::parse(crossing.bytes.clone(), &Limits::default()).ok()?;
            Some((crossing.from == hookswitch(), message))
        })
        .collect()
    }

    /// The first message from the engine with this status, or this method if it is a request.
    pub(crate) fn sent(&self, what: &str) -> Message {
        let found = self.messages().into_iter().find(|(ours, message)| {
            *ours
                && match message.status() {
                    Some(status) => status.to_string() == what,
                    None => message.method().as_str() == what,
                }
        });
        found.unwrap_or_else(|| panic!("no {what} was sent\n{}", self.stage.wire())).1
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.wire().iter().filter(|found| *found == line).count()
    }

    /// Everything ends, and nothing is left or was breached.
    pub(crate) fn finish(mut self) {
        let found = self.stage.finish(&[self.phone]);
        assert!(found.is_empty(), "{found:#?}\n{}", self.stage.explain());
    }
}

/// A request as a peer writes it by hand.
pub(crate) fn request(method: &str, uri: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{method}{}\r\nMax-Forwards: 70\r\n\
         From: <sip:bob@10.0.0.2>;tag=bob\r\nTo: <{uri}>\r\nCall-ID: by-hand\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:bob@10.0.0.2>\r\n{more}Content-Length: 0\r\n\r\n",
        more.len()
    )
}
