//! Phone devices: whoever has been registered is a telephone, with a hook switch, a ringer and lamps.
//!
//! A device is a user, whatever number of contacts it has. It exists from the first registration until the account is taken away, and is
//! in service while somebody is registered. `state.rs` reads it from the calls that pass and from the NOTIFYs that its phone
//! has confirmed; `setting.rs` changes what can truly be changed: the calls that the softswitch can end by itself, the
//! ringer, and the message lamp. The [`PhoneProvider`] here is driven with the machine: what is accepted is carried out at the next input.

mod setting;
mod state;

use crate::location::UserId;
use crate::softswitch::Softswitch;
use hookswitch_spi::{
    PhoneCapabilities, PhoneDescription, PhoneEvent, PhoneFailure, PhoneId, PhonePart, PhoneProvider,
    PhoneSetting, PhoneStatus, RequestId, Set,
};
use setting::{Asked, Begun};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The lamp that says that messages wait.
const MESSAGES: u8 = 0;
/// Lamps of one device: as many as can be told apart.
const MOST_LAMPS: usize = 256;

/// A telephone.
#[derive(Debug)]
struct Device {
    user: UserId,
    able: PhoneCapabilities,
    /// Whom the busy lamps are about, in the order of the lamps behind the first.
    watched: Vec<UserId>,
    /// As it was last told; `None` while it is not open.
    told: Option<PhoneStatus>,
    /// What was set and has to be told, also if it was so before.
    set: Set<PhonePart>,
}

/// All telephones.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    devices: BTreeMap<PhoneId, Device>,
    by_user: BTreeMap<UserId, PhoneId>,
    next: u32,
    /// Users whose phones may have changed.
    touched: BTreeSet<UserId>,
    asked: VecDeque<Asked>,
    begun: Vec<Begun>,
    events: VecDeque<PhoneEvent>,
}

impl Devices {
    /// A user is no more, and its phone is gone.
    pub(crate) fn remove(&mut self, user: UserId) {
        let Some(phone) = self.by_user.remove(&user) else { return };
        self.close(phone);
        self.devices.remove(&phone);
        self.events.push_back(PhoneEvent::Removed(phone));
    }

    fn is_open(&self, user: UserId) -> bool {
        let device = self.by_user.get(&user).and_then(|phone| self.devices.get(phone));
        device.is_some_and(|device| device.told.is_some())
    }

    fn open(&mut self, phone: PhoneId) -> Option<&mut Device> {
        self.devices.get_mut(&phone).filter(|device| device.told.is_some())
    }

    fn close(&mut self, phone: PhoneId) {
        self.complete_all(phone, &PhoneFailure::Closed);
        if let Some(device) = self.devices.get_mut(&phone) {
            device.told = None;
            device.set = Set::NONE;
        }
    }
}

impl PhoneProvider for Softswitch {
    fn phones(&self) -> Vec<PhoneDescription> {
        let locations = &self.core.locations;
        let describe = |(phone, device): (&PhoneId, &Device)| {
            let name = locations.name(device.user).to_owned();
            let newest = locations.bindings(device.user).iter().rfind(|binding| !binding.product.is_empty());
            PhoneDescription {
                phone: *phone,
                address: Some(self.core.address_of(device.user)),
                name,
                product: newest.map(|binding| binding.product.to_string()).unwrap_or_default(),
            }
        };
        self.devices.devices.iter().map(describe).collect()
    }

    fn phone_capabilities(&self, phone: PhoneId) -> Option<&PhoneCapabilities> {
        self.devices.devices.get(&phone).map(|device| &device.able)
    }

    fn open_phone(&mut self, phone: PhoneId) -> Result<(), PhoneFailure> {
        let status = self.phone_status(phone).ok_or(PhoneFailure::NoSuchPhone(phone))?;
        let device = self.devices.devices.get_mut(&phone).ok_or(PhoneFailure::NoSuchPhone(phone))?;
        if device.told.is_some() {
            return Err(PhoneFailure::AlreadyOpen(phone));
        }
        device.told = Some(status);
        Ok(())
    }

    fn close_phone(&mut self, phone: PhoneId) {
        self.devices.close(phone);
    }

    fn phone_status(&self, phone: PhoneId) -> Option<PhoneStatus> {
        self.devices.devices.get(&phone).map(|device| self.status_of(device))
    }

    fn set_phone(
        &mut self,
        request: RequestId,
        phone: PhoneId,
        setting: PhoneSetting,
    ) -> Result<(), PhoneFailure> {
        let device = self.devices.devices.get(&phone).ok_or(PhoneFailure::NoSuchPhone(phone))?;
        if device.told.is_none() {
            return Err(PhoneFailure::NotOpen(phone));
        }
        let part = setting.part();
        if !device.able.settable.contains(part) {
            return Err(PhoneFailure::Unavailable(part));
        }
        match setting {
            PhoneSetting::HookSwitch(state) if device.able.hook_switches.contains(state) => {}
            PhoneSetting::Ring(mode) if mode <= device.able.ring_modes => {}
            PhoneSetting::HookSwitch(_) | PhoneSetting::Ring(_) | PhoneSetting::Volume(_) => {
                return Err(PhoneFailure::InvalidSetting(part));
            }
            PhoneSetting::Lamp { lamp, state } => match device.able.lamps.get(usize::from(lamp)) {
                None => return Err(PhoneFailure::NoSuchLamp(lamp)),
                Some(found) if found.settable.contains(state) => {}
                Some(_) => return Err(PhoneFailure::InvalidSetting(PhonePart::Lamp)),
            },
        }
        self.obstacle_to(device, part)?;
        self.devices.asked.push_back(Asked { request, phone, setting });
        Ok(())
    }

    fn poll_phone_event(&mut self) -> Option<PhoneEvent> {
        self.devices.events.pop_front()
    }
}
