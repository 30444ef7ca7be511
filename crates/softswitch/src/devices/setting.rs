//! Changing a device: what was asked is begun at the machine's next turn, and completes when it has come true.

use super::{Device, Devices, MESSAGES};
use crate::calls::{CallNo, CallState};
use crate::event::Messages;
use crate::location::UserId;
use crate::services::Rung;
use crate::softswitch::Softswitch;
use crate::watch::{Package, SubscriptionNo};
use hookswitch_machine::Time;
use hookswitch_spi::{LampState, PhoneEvent, PhoneFailure, PhoneId, PhonePart, PhoneSetting, RequestId};
use std::collections::{BTreeMap, BTreeSet};

/// An accepted request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: RequestId,
    pub(super) phone: PhoneId,
    pub(super) setting: PhoneSetting,
}

/// A request that waits for something. It leaves the list when it completes, so it completes once.
#[derive(Debug)]
pub(super) struct Begun {
    request: RequestId,
    phone: PhoneId,
    waits: Waits,
}

/// What a request waits for.
#[derive(Debug)]
enum Waits {
    /// These calls are to end, which were in these states.
    Calls(BTreeMap<CallNo, CallState>),
    /// The phone is to ring, or to stop.
    Ring { user: UserId, on: bool },
    /// The phone is to confirm this lamp, on one of these subscriptions.
    Lamp { user: UserId, state: LampState, left: BTreeSet<SubscriptionNo> },
}

impl Waits {
    const fn part(&self) -> PhonePart {
        match self {
            Self::Calls(_) => PhonePart::HookSwitch,
            Self::Ring { .. } => PhonePart::Ringer,
            Self::Lamp { .. } => PhonePart::Lamp,
        }
    }
}

impl Softswitch {
    /// Why a part of a device cannot be set now.
    pub(super) fn obstacle_to(&self, device: &Device, part: PhonePart) -> Result<(), PhoneFailure> {
        let why = match part {
            PhonePart::HookSwitch if self.calls_of(device).iter().all(|(_, _, ours)| *ours) => return Ok(()),
            PhonePart::HookSwitch => "a call of it is between the phones alone; only they can end it",
            PhonePart::Lamp if self.has_message_lamp(device) => return Ok(()),
            PhonePart::Lamp => "it has not subscribed to what waits for it (message-summary)",
            PhonePart::Ringer if self.is_alerted(device.user) => {
                "a call alerts it; only its two sides can change that"
            }
            PhonePart::Ringer if self.core.locations.bindings(device.user).is_empty() => {
                "it is not registered"
            }
            PhonePart::Ringer => return Ok(()),
            PhonePart::Volume => return Err(PhoneFailure::Unavailable(part)),
        };
        Err(PhoneFailure::NotNow { part, why })
    }

    /// Begins what was asked.
    pub(crate) fn carry_out(&mut self, now: Time) {
        while let Some(Asked { request, phone, setting }) = self.devices.asked.pop_front() {
            let part = setting.part();
            // It may have changed since it was asked.
            let possible = match self.devices.devices.get(&phone) {
                Some(device) => self.obstacle_to(device, part).map(|()| device.user),
                None => Err(PhoneFailure::Closed),
            };
            let user = match possible {
                Ok(user) => user,
                Err(failure) => {
                    self.devices.complete(request, phone, part, Err(failure));
                    continue;
                }
            };
            match setting {
                PhoneSetting::HookSwitch(_) => self.put_on_hook(now, request, phone),
                PhoneSetting::Lamp { lamp: MESSAGES, state } => {
                    self.set_lamp(now, request, phone, user, state);
                }
                PhoneSetting::Ring(mode) => self.set_ring(now, request, phone, user, mode > 0),
                // None of these was accepted.
                PhoneSetting::Lamp { .. } | PhoneSetting::Volume(_) => {
                    self.devices.complete(request, phone, part, Err(PhoneFailure::Unavailable(part)));
                }
            }
        }
    }

    /// Ends the calls of a phone.
    fn put_on_hook(&mut self, now: Time, request: RequestId, phone: PhoneId) {
        let Some(device) = self.devices.devices.get(&phone) else { return };
        let calls = self.calls_of(device);
        let left: BTreeMap<CallNo, CallState> = calls.iter().map(|(no, state, _)| (*no, *state)).collect();
        if left.is_empty() {
            return self.devices.complete(request, phone, PhonePart::HookSwitch, Ok(()));
        }
        self.devices.begun.push(Begun { request, phone, waits: Waits::Calls(left) });
        for (no, state, _) in calls {
            match state {
                CallState::Trying { server } | CallState::Early { server } => {
                    self.proxy.cancel(&mut self.core, now, server, None);
                }
                CallState::Confirmed => {
                    // The end of one may have been the end of another.
                    if let Some(leg) = self.services.leg_of(no) {
                        self.services.hang_up(&mut self.core, now, leg);
                    }
                }
            }
        }
    }

    /// Makes a phone ring, or stops that.
    fn set_ring(&mut self, now: Time, request: RequestId, phone: PhoneId, user: UserId, on: bool) {
        self.devices.settle(|of, waits| match waits {
            Waits::Ring { .. } if of == phone => Some(Err(PhoneFailure::Replaced)),
            Waits::Ring { .. } | Waits::Lamp { .. } | Waits::Calls(_) => None,
        });
        self.devices.begun.push(Begun { request, phone, waits: Waits::Ring { user, on } });
        match (on, self.services.rung(user)) {
            (true, Rung::No | Rung::Ending) => self.services.ring(&mut self.core, now, user),
            (true, Rung::Asked | Rung::Rings) | (false, Rung::No) => {}
            (false, Rung::Asked | Rung::Rings | Rung::Ending) => {
                self.services.silence(&mut self.core, now, user);
            }
        }
        self.devices.ring_changed(user, self.services.rung(user));
    }

    /// Lights the message lamp, or puts it out.
    fn set_lamp(&mut self, now: Time, request: RequestId, phone: PhoneId, user: UserId, state: LampState) {
        self.lamps_replaced(user);
        let left = self.watchers.lamps(user, Package::Messages).map(|(id, ..)| id).collect();
        self.devices.begun.push(Begun { request, phone, waits: Waits::Lamp { user, state, left } });
        let Messages { new, old } = self.watchers.messages(user).unwrap_or_default();
        let new = if state == LampState::Off { 0 } else { new.max(1) };
        self.set_messages(now, user, Messages { new, old });
    }

    /// Another lamp is about to be told to a phone of this user.
    pub(crate) fn lamps_replaced(&mut self, user: UserId) {
        let Some(phone) = self.devices.by_user.get(&user).copied() else { return };
        self.devices.settle(|of, waits| match waits {
            Waits::Lamp { .. } if of == phone => Some(Err(PhoneFailure::Replaced)),
            Waits::Lamp { .. } | Waits::Ring { .. } | Waits::Calls(_) => None,
        });
    }
}

impl Devices {
    fn complete(
        &mut self,
        request: RequestId,
        phone: PhoneId,
        part: PhonePart,
        result: Result<(), PhoneFailure>,
    ) {
        if result.is_ok()
            && let Some(device) = self.devices.get_mut(&phone)
        {
            device.set = device.set.with(part);
            self.touched.insert(device.user);
        }
        self.events.push_back(PhoneEvent::Completed { request, result });
    }

    /// Completes all that is outstanding of a phone.
    pub(super) fn complete_all(&mut self, phone: PhoneId, why: &PhoneFailure) {
        self.settle(|of, _| (of == phone).then(|| Err(why.clone())));
        for Asked { request, phone: of, setting } in std::mem::take(&mut self.asked) {
            if of == phone {
                self.complete(request, phone, setting.part(), Err(why.clone()));
            } else {
                self.asked.push_back(Asked { request, phone: of, setting });
            }
        }
    }

    /// Completes what this brings to its end.
    fn settle(&mut self, mut outcome: impl FnMut(PhoneId, &mut Waits) -> Option<Result<(), PhoneFailure>>) {
        let mut done = Vec::new();
        self.begun.retain_mut(|begun| match outcome(begun.phone, &mut begun.waits) {
            Some(result) => {
                done.push((begun.request, begun.phone, begun.waits.part(), result));
                false
            }
            None => true,
        });
        for (request, phone, part, result) in done {
            self.complete(request, phone, part, result);
        }
    }

    /// A call is over.
    pub(super) fn call_ended(&mut self, call: CallNo) {
        self.settle(|_, waits| match waits {
            Waits::Calls(left) => {
                left.remove(&call);
                left.is_empty().then_some(Ok(()))
            }
            Waits::Ring { .. } | Waits::Lamp { .. } => None,
        });
    }

    /// A call was answered.
    pub(super) fn call_answered(&mut self, call: CallNo) {
        self.settle(|_, waits| match waits {
            Waits::Calls(left) => match left.get(&call)? {
                CallState::Trying { .. } | CallState::Early { .. } => {
                    Some(Err(PhoneFailure::NotTaken("its call was answered at the same moment")))
                }
                CallState::Confirmed => None,
            },
            Waits::Ring { .. } | Waits::Lamp { .. } => None,
        });
    }

    /// What is made to ring at a user is this now.
    pub(super) fn ring_changed(&mut self, whose: UserId, rung: Rung) {
        self.settle(|_, waits| match waits {
            Waits::Ring { user, on } if *user == whose => match (*on, rung) {
                (true, Rung::Rings) | (false, Rung::No) => Some(Ok(())),
                (true, Rung::No) => Some(Err(PhoneFailure::NotTaken("it did not ring"))),
                (true, Rung::Asked | Rung::Ending) | (false, Rung::Asked | Rung::Rings | Rung::Ending) => {
                    None
                }
            },
            Waits::Ring { .. } | Waits::Lamp { .. } | Waits::Calls(_) => None,
        });
    }

    /// A phone of this user says that its lamp shows this now.
    pub(super) fn lamp_confirmed(&mut self, watcher: UserId, lamp: LampState) {
        self.settle(|_, waits| match waits {
            Waits::Lamp { user, state, .. } => (*user == watcher && *state == lamp).then_some(Ok(())),
            Waits::Ring { .. } | Waits::Calls(_) => None,
        });
    }

    /// A phone did not take what it was told, or wants to be told no more.
    pub(super) fn lamp_refused(&mut self, id: SubscriptionNo) {
        self.settle(|_, waits| match waits {
            Waits::Lamp { left, .. } => {
                let was = left.remove(&id);
                (was && left.is_empty()).then_some(Err(PhoneFailure::NotTaken("it refused the notice")))
            }
            Waits::Ring { .. } | Waits::Calls(_) => None,
        });
    }
}
