//! What random sequences have found, each in its shortest form.

mod common;

use common::{LINE, bench, secs};
use hookswitch_spi::{CallOptions, CallState, StateKind as S};
use hookswitch_telephony::{Interest, Request};
use hookswitch_testkit::apps::Plan;

#[test]
fn a_call_that_was_not_dialled_ends_with_its_only_owner() {
    for request in ["lost", "released"] {
        let mut b = bench();
        let wall = b.stage.attach("wall");
        b.stage.open(wall, LINE, Interest::monitor());
        b.stage.make_call(b.app, LINE, "", CallOptions::default(), Plan::default());
        b.stage.run_for(secs(1));
        let call = b.call();
        assert_eq!(b.stage.states(wall, call).last().map(CallState::kind), Some(S::Dialtone));
        match request {
            "lost" => b.stage.lose(b.app),
            _ => {
                b.stage.ask(b.app, Request::Release { call });
            }
        }
        b.stage.run_for(secs(1));
        assert_eq!(b.stage.states(wall, call).last().map(CallState::kind), Some(S::Idle), "{request}");
    }
}
