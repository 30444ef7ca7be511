//! How a device is, and what is told of it.

use super::{Device, MOST_LAMPS};
use crate::calls::{Call, CallNo, CallState, News, Role};
use crate::location::UserId;
use crate::softswitch::Softswitch;
use crate::watch::{Package, WatchChange};
use hookswitch_spi::{
    HookSwitch, LampMeaning, LampState, PhoneCapabilities, PhoneEvent, PhoneId, PhoneLamp, PhonePart,
    PhoneStatus, Set,
};

/// A call for which the user has lifted the handset, as far as anybody can tell.
pub(super) const fn is_off_hook(role: Role, call: &Call) -> bool {
    match (role, call.state) {
        (Role::Callee, CallState::Trying { .. } | CallState::Early { .. }) => false,
        (Role::Caller, CallState::Trying { .. } | CallState::Early { .. })
        | (Role::Caller | Role::Callee, CallState::Confirmed) => true,
    }
}

/// A lamp that several of a user's phones have shows what one of them confirmed last.
fn together(one: LampState, other: LampState) -> LampState {
    match (one, other) {
        (known, LampState::Unknown) => known,
        (_, LampState::Off | LampState::Steady | LampState::Flash | LampState::Wink) => other,
    }
}

impl Softswitch {
    /// What there is to read of a device, in this moment.
    pub(super) fn status_of(&self, device: &Device) -> PhoneStatus {
        let user = device.user;
        let in_service = !self.core.locations.bindings(user).is_empty();
        let off_hook = self.core.calls.of_user(user).any(|(_, role, call)| is_off_hook(role, call));
        let ringing = self.is_alerted(user) || self.services.is_heard(user);
        let hook_switch = match (off_hook, in_service) {
            (true, true | false) => HookSwitch::OffHook,
            (false, true) => HookSwitch::OnHook,
            // It may be talking elsewhere.
            (false, false) => HookSwitch::Unknown,
        };
        PhoneStatus {
            in_service,
            hook_switch,
            ring_mode: ringing.into(),
            lamps: self.lamps_of(device),
            volume: None,
            settable: device
                .able
                .settable
                .iter()
                .filter(|part| self.obstacle_to(device, *part).is_ok())
                .collect(),
        }
    }

    fn lamps_of(&self, device: &Device) -> Vec<LampState> {
        let shown = |package: Package, about: UserId| {
            let lamps = self.watchers.lamps(device.user, package);
            let about = lamps.filter(|(_, watched, _)| *watched == about);
            about.fold(LampState::Unknown, |shown, (_, _, lamp)| together(shown, lamp))
        };
        let messages = shown(Package::Messages, device.user);
        let busy = device.watched.iter().map(|watched| shown(Package::Dialog, *watched));
        std::iter::once(messages).chain(busy).collect()
    }

    /// Something happened to a call.
    pub(crate) fn device_calls(&mut self, news: &News) {
        let (no, call) = match news {
            News::Changed(no) => match self.core.calls.get(*no) {
                Some(call) => (*no, call),
                None => return,
            },
            News::Ended(no, call) => (*no, &**call),
        };
        for (user, _) in call.users() {
            if self.devices.is_open(user) {
                self.devices.touched.insert(user);
            }
        }
        match news {
            News::Ended(..) => self.devices.call_ended(no),
            News::Changed(_) if call.state == CallState::Confirmed => self.devices.call_answered(no),
            News::Changed(_) => {}
        }
    }

    /// Tells what changed since the last time.
    pub(crate) fn tell_devices(&mut self) {
        while let Some(news) = self.watchers.told() {
            self.devices.touched.insert(news.watcher);
            match news.what {
                WatchChange::Begun => {}
                WatchChange::Confirmed(lamp) => self.devices.lamp_confirmed(news.watcher, lamp),
                WatchChange::Refused | WatchChange::Gone => self.devices.lamp_refused(news.id),
            }
        }
        while let Some(user) = self.services.rung_since() {
            self.devices.touched.insert(user);
            self.devices.ring_changed(user, self.services.rung(user));
        }
        while let Some(user) = self.core.locations.changed() {
            self.devices.touched.insert(user);
        }
        while let Some(user) = self.devices.touched.pop_first() {
            self.refresh(user);
        }
    }

    /// Makes a device of a user that is registered for the first time, and tells what changed on one that is open.
    fn refresh(&mut self, user: UserId) {
        let phone = match self.devices.by_user.get(&user) {
            Some(phone) => *phone,
            None if self.core.locations.bindings(user).is_empty() => return,
            None => self.create(user),
        };
        self.add_lamps(phone);
        let Some(device) = self.devices.devices.get(&phone) else { return };
        let Some(told) = &device.told else { return };
        let status = self.status_of(device);
        let other = |part: PhonePart| match part {
            PhonePart::HookSwitch => told.hook_switch != status.hook_switch,
            PhonePart::Ringer => told.ring_mode != status.ring_mode,
            PhonePart::Lamp => told.lamps != status.lamps,
            PhonePart::Volume => told.volume != status.volume,
        };
        let possible = |part: PhonePart| told.settable.contains(part) != status.settable.contains(part);
        let changed = |part: &PhonePart| device.set.contains(*part) || other(*part) || possible(*part);
        let parts = device.able.told.iter().filter(changed);
        let service = (told.in_service != status.in_service).then_some(None);
        let parts: Vec<Option<PhonePart>> = service.into_iter().chain(parts.map(Some)).collect();
        self.devices.events.extend(parts.into_iter().map(|part| PhoneEvent::Changed { phone, part }));
        if let Some(device) = self.devices.open(phone) {
            device.told = Some(status);
            device.set = Set::NONE;
        }
    }

    fn create(&mut self, user: UserId) -> PhoneId {
        let devices = &mut self.devices;
        let phone = PhoneId(devices.next);
        devices.next += 1;
        let messages = PhoneLamp {
            meaning: LampMeaning::Messages,
            shows: Set::of(&[LampState::Off, LampState::Steady, LampState::Unknown]),
            settable: Set::of(&[LampState::Off, LampState::Steady]),
        };
        let able = PhoneCapabilities {
            told: Set::of(&[PhonePart::HookSwitch, PhonePart::Ringer, PhonePart::Lamp]),
            settable: Set::of(&[PhonePart::HookSwitch, PhonePart::Ringer, PhonePart::Lamp]),
            hook_switches: Set::of(&[HookSwitch::OnHook]),
            lamps: vec![messages],
            ring_modes: 1,
        };
        let device = Device { user, able, watched: Vec::new(), told: None, set: Set::NONE };
        devices.devices.insert(phone, device);
        devices.by_user.insert(user, phone);
        devices.events.push_back(PhoneEvent::Created(phone));
        phone
    }

    /// A lamp for everybody whom the phone watches.
    fn add_lamps(&mut self, phone: PhoneId) {
        let Some(device) = self.devices.devices.get_mut(&phone) else { return };
        let before = device.watched.len();
        for (_, watched, _) in self.watchers.lamps(device.user, Package::Dialog) {
            if device.watched.contains(&watched) || device.able.lamps.len() >= MOST_LAMPS {
                continue;
            }
            device.watched.push(watched);
            device.able.lamps.push(PhoneLamp {
                meaning: LampMeaning::Busy(self.core.locations.name(watched).to_owned()),
                shows: Set::of(&[LampState::Off, LampState::Steady, LampState::Flash, LampState::Unknown]),
                settable: Set::NONE,
            });
        }
        if device.watched.len() > before && device.told.is_some() {
            self.devices.events.push_back(PhoneEvent::CapabilitiesChanged(phone));
        }
    }

    /// The calls of a device that keep it off hook, and whether each is one that we can end.
    pub(super) fn calls_of(&self, device: &Device) -> Vec<(CallNo, CallState, bool)> {
        let calls = self.core.calls.of_user(device.user);
        let up = calls.filter(|(_, role, call)| is_off_hook(*role, call));
        up.map(|(no, _, call)| {
            let ours = match call.state {
                // RFC 3261 16.10: a proxy may cancel what is pending.
                CallState::Trying { server } | CallState::Early { server } => self.proxy.has(server),
                // A dialog between the two phones is theirs alone.
                CallState::Confirmed => self.services.leg_of(no).is_some(),
            };
            (no, call.state, ours)
        })
        .collect()
    }

    /// Whether a call alerts a user.
    pub(super) fn is_alerted(&self, user: UserId) -> bool {
        let mut calls = self.core.calls.of_user(user);
        calls.any(|(_, role, call)| matches!((role, call.state), (Role::Callee, CallState::Early { .. })))
    }

    /// Whether the phone of a device shows the lamp for messages.
    pub(super) fn has_message_lamp(&self, device: &Device) -> bool {
        self.watchers.lamps(device.user, Package::Messages).next().is_some()
    }
}
