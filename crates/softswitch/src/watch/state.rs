//! What watchers get to see: bodies of NOTIFY.

use super::{Package, Subscription, Watchers};
use crate::calls::{Call, CallNo, CallState, Party, Role};
use crate::core::Core;
use crate::event::Messages;
use hookswitch_sip::event::{
    Counts, DIALOG_INFO, DialogInfo, DialogState, Direction, MessageClass, MessageSummary, Participant,
    SIMPLE_MESSAGE_SUMMARY, WatchedDialog,
};
use hookswitch_spi::LampState;

/// Calls that one document shows; the newest ones.
const MOST_SHOWN: usize = 50;

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
                let calls: Vec<_> = core.calls.of_user(subscription.watched).collect();
                let hidden = calls.len().saturating_sub(MOST_SHOWN);
                let live = calls.iter().skip(hidden).map(|(no, role, call)| watched(core, *no, *role, call));
                let info = DialogInfo {
                    version: subscription.version,
                    full: true,
                    entity,
                    dialogs: subscription.ended.iter().cloned().chain(live).collect(),
                };
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

/// A call as the user in this role has it.
fn watched(core: &Core, no: CallNo, role: Role, call: &Call) -> WatchedDialog {
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
    let tag = |party: &Party| (!party.tag.is_empty()).then(|| party.tag.to_string());
    WatchedDialog {
        call_id: Some(call.call_id.to_string()),
        local_tag: tag(ours),
        remote_tag: tag(theirs),
        direction: Some(direction),
        local: participant(core, ours),
        remote: participant(core, theirs),
        ..WatchedDialog::new(format!("{letter}{no}"), state)
    }
}

/// The same, of a call that is over.
pub(super) fn terminated(core: &Core, no: CallNo, role: Role, call: &Call) -> WatchedDialog {
    WatchedDialog { state: DialogState::Terminated, ..watched(core, no, role, call) }
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
