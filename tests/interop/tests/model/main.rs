//! The provider model on the wire: transfers with consultation, conferences, pickup, parking, forwarding, message waiting, and
//! sessions that are lost and come back, through the public API against Asterisk, SIPp and our own softswitch.
//!
//! Each test names the points of the checklist (`docs/conformance.md`) that it shows. Who hears whom is measured where the other side
//! records what it receives. Tones are multiples of 50 Hz, so that of several at once each is measured alone.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod asterisk_forwarding;
mod asterisk_pickup;
mod conference;
mod messages;
mod sessions;
mod sipp_forwarding;
mod softswitch;
mod transfers;

use hookswitch::{Audio, Call, ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules, StateKind};
use hookswitch_interop::{Rig, asterisk, reached, root, soon};
use std::path::PathBuf;
use std::time::Duration;

/// What our application says.
const OURS: u16 = 1_500;

/// What a test of Asterisk begins with.
macro_rules! with_asterisk {
    () => {
        if !hookswitch_interop::needs(&["asterisk"]) {
            return;
        }
        let _alone = hookswitch_interop::asterisk::alone().await;
    };
}
pub(crate) use with_asterisk;

/// Lines of Asterisk's accounts, in service.
async fn lines(users: &[&str]) -> Rig {
    let lines: Vec<_> = users.iter().map(|user| asterisk::line(user)).collect();
    let mut rig = Rig::with(&lines).await;
    for line in 0..users.len() {
        rig.in_service(line).await;
    }
    rig
}

/// Ends a test: no call is left on either side.
async fn end(rig: Rig) {
    rig.end().await;
    asterisk::quiet().await;
}

/// A call of the first line that is answered.
async fn answered(rig: &Rig, number: &str, audio: Audio) -> Call {
    let call = soon("the call", rig.line().call(number, audio)).await.expect("the call is made");
    soon("the answer", call.connected()).await.unwrap_or_else(|end| panic!("{number}: {end}"));
    call
}

/// The length of a recording: nothing is waited for.
async fn record_for(seconds: f32) {
    tokio::time::sleep(Duration::from_secs_f32(seconds)).await;
}

/// Begins a recording of ours.
async fn record(call: &Call, name: &str) -> PathBuf {
    let folder = root().join("tests/out/interop");
    std::fs::create_dir_all(&folder).expect("a folder for recordings");
    let path = folder.join(format!("{name}.wav"));
    asterisk::forget(&path);
    soon("record", call.record(&path)).await.expect("the call is recorded");
    path
}

async fn hang_up(call: Call) {
    soon("the hang-up", call.hang_up()).await.expect("the call is hung up");
    reached(&call, StateKind::Idle).await;
}

/// A rule for all calls.
fn rule(when: ForwardCondition, to: &str) -> ForwardRule {
    ForwardRule { when, from: None, origin: None, to: ForwardTarget::Address(to.into()) }
}

/// Sets the rules of the first line; those that are in force then.
async fn forward(rig: &Rig, rules: Vec<ForwardRule>, no_answer_after: Option<Duration>) -> ForwardingRules {
    let rules = ForwardingRules { rules, no_answer_after };
    soon("forward", rig.line().forward(rules)).await.expect("the rules are taken");
    soon("the rules", rig.line().forwarding()).await.expect("the rules are known")
}
