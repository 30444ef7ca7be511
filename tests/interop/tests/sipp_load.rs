//! Many calls without one failure.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use hookswitch::{Audio, Event};
use hookswitch_interop::{Rig, Sipp, needs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const CALLS: u32 = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_are_answered() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut rig = Rig::called("max-calls = 100000").await;
    let calls = CALLS.to_string();
    let options = ["-m", &calls, "-r", "500", "-l", "1000", "-d", "100", "-timeout", "120s"];
    let sipp = Sipp::calls("caller-load", rig.address(), &options);
    let (answered, failed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut offered = 0;
    let passed = sipp.passed_within(Duration::from_secs(130));
    tokio::pin!(passed);
    let took = loop {
        let event = tokio::select! {
            took = &mut passed => break took,
            event = rig.app.next() => event,
        };
        if let Some(Event::Offered(call)) = event {
            offered += 1;
            let (answered, failed) = (Arc::clone(&answered), Arc::clone(&failed));
            tokio::spawn(async move {
                match call.answer(Audio::echo()).await {
                    Ok(()) => answered.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        eprintln!("{call:?}: {error}");
                        failed.fetch_add(1, Ordering::Relaxed)
                    }
                };
                call.ended().await;
            });
        }
    };
    let (answered, failed) = (answered.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
    println!("{offered} calls offered, {answered} answered, {failed} failed, in {took:?}");
    assert_eq!((offered, answered, failed), (CALLS, CALLS, 0));
    println!("left: {:?}", rig.figures().await);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_are_made() {
    if !needs(&["sipp"]) {
        return;
    }
    let sipp = Sipp::waits("callee-load", &["-m", &CALLS.to_string(), "-timeout", "120s"]).await;
    let rig = Rig::trunk(sipp.port(), "max-calls = 100000").await;
    let uri = sipp.uri();
    // A port rests for five seconds after its call: 3,500 of them allow 700 calls a second.
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    let begun = tokio::time::Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        pace.tick().await;
        let (line, uri) = (rig.line().clone(), uri.clone());
        calls.spawn(async move {
            let call = line.call(&uri, Audio::silence()).await.expect("the call is made");
            call.connected().await.expect("the call is answered");
            call.hang_up().await.expect("the call is hung up");
        });
    }
    while let Some(done) = calls.join_next().await {
        done.expect("a call without failure");
    }
    println!("{CALLS} calls made in {:?}", begun.elapsed());
    sipp.passed_within(Duration::from_secs(60)).await;
    rig.end().await;
}
