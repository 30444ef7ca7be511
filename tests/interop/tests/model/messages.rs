//! Message waiting, as Asterisk tells it.

use crate::{end, lines, with_asterisk};
use hookswitch::Event;
use hookswitch_interop::{DEADLINE, Rig, asterisk, soon, until};
use std::time::Duration;

/// The news of waiting messages up to those that `last` picks.
async fn news(rig: &mut Rig, last: impl Fn(&(bool, u32)) -> bool) -> Vec<(bool, u32)> {
    let mut told = Vec::new();
    soon("news of messages", async {
        while !told.last().is_some_and(&last) {
            let event = rig.app.next().await.expect("the service runs");
            if let Event::MessageWaiting { line, waiting, new, .. } = event {
                assert_eq!(line, rig.line().id());
                told.push((waiting, new));
            }
        }
    })
    .await;
    told
}

/// Waits until so many subscriptions are known to Asterisk.
async fn subscribed(wanted: usize) {
    until(DEADLINE, &format!("{wanted} subscriptions"), async || {
        (asterisk::subscriptions().await == wanted).then_some(())
    })
    .await;
}

/// On once and off once, and again.
async fn on_and_off(user: &str, subscribes: bool) {
    asterisk::messages(user, 0).await;
    // Subscriptions of a service that was not shut down are still there.
    let (before, wanted) = (asterisk::subscriptions().await, usize::from(subscribes));
    let mut rig = lines(&[user]).await;
    subscribed(before + wanted).await;
    asterisk::messages(user, 3).await;
    assert_eq!(news(&mut rig, |(waiting, _)| *waiting).await, [(true, 3)]);
    asterisk::messages(user, 0).await;
    assert_eq!(news(&mut rig, |(waiting, _)| !*waiting).await, [(false, 0)]);
    // Whatever else was on its way would be here once the next news is.
    asterisk::messages(user, 1).await;
    assert_eq!(news(&mut rig, |(waiting, _)| *waiting).await, [(true, 1)]);
    asterisk::messages(user, 0).await;
    assert_eq!(news(&mut rig, |(waiting, _)| !*waiting).await, [(false, 0)]);
    let more = tokio::time::timeout(Duration::from_millis(1), news(&mut rig, |_| true)).await;
    assert!(more.is_err(), "{more:?}");
    end(rig).await;
    subscribed(before).await;
}

/// Checklist 43. Told to a subscription of the line's (RFC 3842).
#[tokio::test]
async fn a_line_that_subscribes_is_told_of_messages() {
    with_asterisk!();
    on_and_off("1001", true).await;
}

/// Checklist 43. Told without a subscription.
#[tokio::test]
async fn a_line_is_told_of_messages_without_asking() {
    with_asterisk!();
    on_and_off("1002", false).await;
}
