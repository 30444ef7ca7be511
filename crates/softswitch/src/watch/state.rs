//! What watchers get to see: bodies of NOTIFY.

use super::{Package, Subscription, Watchers};
use crate::calls::{Call, CallNo, CallState, Party, Role};
use crate::core::Core;
use crate::event::Messages;
use crate::location::UserId;
use hookswitch_sip::event::{
    Counts, DIALOG_INFO, DialogInfo, DialogState, Direction, MessageClass, MessageSummary, Participant,
    SIMPLE_MESSAGE_SUMMARY, WatchedDialog,
};
use hookswitch_spi::LampState;
use std::cmp::Reverse;

/// Calls that one document shows.
const MOST_SHOWN: usize = 50;
/// Octets of what is said about them, beyond which the others are left out: it has to go into a datagram, whatever names callers give
/// themselves.
const LARGEST: usize = 16_384;

impl Watchers {
    /// The lamp that the full state of what is watched stands for.
    pub(super) fn lamp(&self, core: &Core, subscription: &Subscription) -> LampState {
        match subscription.package {
            Package::Dialog => core.calls.lamp(subscription.watched),
            Package::Messages => match self.messages(subscription.watched) {
                Some(Messages { new: 1.., .. }) => LampState::Steady,
                Some(Messages { new: 0, .. }) | None => LampState::Off,
            },
        }
    }

    /// The full state of what is watched: its type and the document.
    pub(super) fn document(&self, core: &Core, subscription: &Subscription) -> (&'static str, String) {
        let entity = core.address_of(subscription.watched);
        match subscription.package {
            Package::Dialog => {
                let mut calls: Vec<_> = core.calls.of_user(subscription.watched).collect();
                // What alerts makes the lamp flash, so it is told in any case; then the newest.
                calls.sort_by_key(|(no, role, call)| {
                    let alerts = matches!((role, call.state), (Role::Callee, CallState::Early { .. }));
                    (!alerts, Reverse(*no))
                });
                let mut left = LARGEST;
                let live = calls.into_iter().take(MOST_SHOWN);
                let live = live.map(|(no, role, call)| watched(core, subscription.watcher, no, role, call));
                let mut dialogs: Vec<WatchedDialog> = live
                    .chain(subscription.ended.iter().rev().cloned())
                    .take_while(|dialog| {
                        let fits = left > 0;
                        left = left.saturating_sub(octets(dialog));
                        fits
                    })
                    .collect();
                // Oldest first, as they came.
                dialogs.reverse();
                let info = DialogInfo { version: subscription.version, full: true, entity, dialogs };
                (DIALOG_INFO, info.to_string())
            }
            Package::Messages => {
                let Messages { new, old } = self.messages(subscription.watched).unwrap_or_default();
                let mut summary = MessageSummary::new(new > 0);
                summary.account = Some(entity);
                summary.set(MessageClass::Voice, Counts { new, old, urgent: None });
                (SIMPLE_MESSAGE_SUMMARY, summary.to_string())
            }
        }
    }
}

/// About how many octets a document spends on a dialog.
fn octets(dialog: &WatchedDialog) -> usize {
    let texts = [&dialog.call_id, &dialog.local_tag, &dialog.remote_tag].into_iter().flatten();
    let sides = [&dialog.local, &dialog.remote].into_iter();
    let sides = sides.flat_map(|side| [&side.identity, &side.display, &side.target]).flatten();
    // What XML escapes takes up to six octets.
    let escaped = |text: &String| text.len() + 5 * text.matches(['&', '<', '>', '"', '\'']).count();
    200 + texts.chain(sides).map(escaped).sum::<usize>()
}

/// A call as the user in this role has it, and as a watcher may know it: who cannot take the place of a side does not learn what
/// would name it (RFC 4235 4.1.2: it may be left out). The lamp is the same.
fn watched(core: &Core, watcher: UserId, no: CallNo, role: Role, call: &Call) -> WatchedDialog {
    let state = match call.state {
        CallState::Trying { .. } => DialogState::Trying,
        CallState::Early { .. } => DialogState::Early,
        CallState::Confirmed => DialogState::Confirmed,
    };
    let (ours, theirs) = call.sides(role);
    let (direction, letter) = match role {
        Role::Caller => (Direction::Initiator, 'a'),
        Role::Callee => (Direction::Recipient, 'b'),
    };
    let named = core.may_take(watcher, call);
    let tag = |party: &Party| (named && !party.tag.is_empty()).then(|| party.tag.to_string());
    WatchedDialog {
        call_id: named.then(|| call.call_id.to_string()),
        local_tag: tag(ours),
        remote_tag: tag(theirs),
        direction: Some(direction),
        local: participant(core, ours),
        remote: participant(core, theirs),
        ..WatchedDialog::new(format!("{letter}{no}"), state)
    }
}

/// The same, of a call that is over.
pub(super) fn terminated(core: &Core, watcher: UserId, no: CallNo, role: Role, call: &Call) -> WatchedDialog {
    WatchedDialog { state: DialogState::Terminated, ..watched(core, watcher, no, role, call) }
}

/// One side. Users of ours are reached by their address of record: an INVITE with Replaces finds the phone that has the dialog.
fn participant(core: &Core, party: &Party) -> Participant {
    let own = party.user.map(|user| core.address_of(user));
    let stated = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Participant {
        identity: own.clone().or_else(|| stated(&party.uri)),
        display: party.display.as_deref().map(str::to_owned),
        target: own.or_else(|| stated(&party.target)),
        rendering: None,
    }
}
