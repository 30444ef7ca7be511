//! Calls through the whole stack in virtual time.

use hookswitch_spi::{LineId, MediaTypes};
use hookswitch_telephony::Interest;
use hookswitch_testkit::apps::{Act, Plan};
use hookswitch_testkit::phone::{Calling, PhoneConfig, PhoneRequest, Talk, Target};
use hookswitch_testkit::stage::{HOOKSWITCH, Stage, trunk};
use hookswitch_testkit::{Conditions, Phone};
use std::net::SocketAddr;
use std::time::Duration;

const LINE: LineId = LineId(0);

fn switch() -> SocketAddr {
    ([10, 0, 0, 2], 5060).into()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn an_incoming_call_is_offered_accepted_answered_and_hung_up() {
    let mut stage = Stage::new(1, Conditions::PERFECT, vec![trunk("line", switch())]);
    let phone = stage.phone("phone", PhoneConfig::new(switch(), HOOKSWITCH.into()), 2);
    let app = stage.attach("reception");
    stage.open(app, LINE, Interest::owner(MediaTypes::VOICE));
    stage.app(app).plans.push_back(Plan {
        at_first: vec![(secs(1), Act::Accept), (secs(2), Act::Answer)],
        connected: Vec::new(),
    });
    let calling = Calling::new(Target::Uri("sip:line@10.0.0.1".into()), "bob").talking(Talk::for_(secs(10)));
    stage.world.request::<Phone>(phone, PhoneRequest::Call(Box::new(calling)));
    stage.run_for(secs(20));
    println!("{}", stage.explain());
    let found = stage.finish(&[phone]);
    assert!(found.is_empty(), "{found:#?}\n{}", stage.explain());
}
