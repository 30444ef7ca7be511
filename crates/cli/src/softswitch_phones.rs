//! The phones of `hookswitch softswitch`: one line each whenever something about it changes.

use hookswitch::{
    Error, HookSwitch, LampMeaning, LampState, Missed, PhoneDescription, PhoneDevice, PhoneDevices,
    PhoneEvent, PhoneId, PhonePrivilege, PhoneStatus, Softswitch,
};

/// The phones, each opened to watch it.
pub(crate) struct Phones {
    devices: PhoneDevices,
    open: Vec<Shown>,
}

/// A phone, and what was last shown of it.
struct Shown {
    device: PhoneDevice,
    line: String,
}

/// What happened to a phone, as people read it.
pub(crate) struct PhoneLine {
    /// Its user.
    pub(crate) user: String,
    /// What it is and does.
    pub(crate) text: String,
}

impl Phones {
    pub(crate) fn of(switch: &Softswitch) -> Result<Self, Error> {
        Ok(Self { devices: switch.phone_devices()?, open: Vec::new() })
    }

    /// The next news; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Result<PhoneEvent, Missed>> {
        self.devices.next().await
    }

    /// What the news come to; nothing if it was shown before.
    pub(crate) async fn lines(&mut self, news: Result<PhoneEvent, Missed>) -> Vec<PhoneLine> {
        // A phone may go while it is asked for: then there is nothing to show.
        let phones = self.devices.phones().await.unwrap_or_default();
        match news {
            Ok(PhoneEvent::Created(phone)) => self.appeared(&phones, phone).await.into_iter().collect(),
            Ok(PhoneEvent::Removed(phone)) => self.gone(phone).into_iter().collect(),
            Ok(PhoneEvent::Changed { phone, .. } | PhoneEvent::CapabilitiesChanged(phone)) => {
                self.changed(&phones, phone).await.into_iter().collect()
            }
            Err(Missed(_)) => self.all(&phones).await,
        }
    }

    async fn appeared(&mut self, phones: &[PhoneDescription], phone: PhoneId) -> Option<PhoneLine> {
        let found = phones.iter().find(|found| found.phone == phone)?;
        let device = self.devices.open(&found.name, PhonePrivilege::Monitor).await.ok()?;
        self.open.push(Shown { device, line: String::new() });
        self.changed(phones, phone).await
    }

    fn gone(&mut self, phone: PhoneId) -> Option<PhoneLine> {
        let at = self.open.iter().position(|shown| shown.device.id() == phone)?;
        let user = printable(self.open.remove(at).device.name());
        Some(PhoneLine { user, text: "gone".into() })
    }

    async fn changed(&mut self, phones: &[PhoneDescription], phone: PhoneId) -> Option<PhoneLine> {
        let found = phones.iter().find(|found| found.phone == phone)?;
        let shown = self.open.iter_mut().find(|shown| shown.device.id() == phone)?;
        let (able, status) = (shown.device.capabilities().await.ok()?, shown.device.status().await.ok()?);
        let meanings: Vec<LampMeaning> = able.lamps.into_iter().map(|lamp| lamp.meaning).collect();
        let text = described(&found.product, &status, &meanings);
        if text == shown.line {
            return None;
        }
        shown.line.clone_from(&text);
        Some(PhoneLine { user: printable(&found.name), text })
    }

    /// Everything anew.
    async fn all(&mut self, phones: &[PhoneDescription]) -> Vec<PhoneLine> {
        let known: Vec<PhoneId> = self.open.iter().map(|shown| shown.device.id()).collect();
        let mut lines = Vec::new();
        for phone in known.iter().filter(|id| !phones.iter().any(|phone| phone.phone == **id)) {
            lines.extend(self.gone(*phone));
        }
        for phone in phones.iter().map(|phone| phone.phone) {
            lines.extend(if known.contains(&phone) {
                self.changed(phones, phone).await
            } else {
                self.appeared(phones, phone).await
            });
        }
        lines
    }
}

/// One line about a phone: what it calls itself, its hook switch, its lamps. Of one that is out of service only that: what it called
/// itself and its lamps go one after the other, and say nothing any more.
fn described(product: &str, status: &PhoneStatus, meanings: &[LampMeaning]) -> String {
    let hook = match (status.in_service, status.hook_switch) {
        (false, HookSwitch::OnHook | HookSwitch::Unknown) => "out of service",
        (false, HookSwitch::OffHook) => "off hook, out of service",
        (true, HookSwitch::OnHook) if status.ring_mode > 0 => "rings",
        (true, HookSwitch::OffHook) if status.ring_mode > 0 => "off hook, rings",
        (true, HookSwitch::OnHook) => "on hook",
        (true, HookSwitch::OffHook) => "off hook",
        (true, HookSwitch::Unknown) => "hook switch unknown",
    };
    if !status.in_service {
        return hook.to_owned();
    }
    let lamps = meanings.iter().zip(&status.lamps).filter_map(|(meaning, state)| {
        let state = match state {
            LampState::Off => "off",
            LampState::Steady => "steady",
            LampState::Flash => "flashing",
            LampState::Wink => "winking",
            LampState::Unknown => return None,
        };
        Some(format!("{} {state}", printable(&meaning.to_string())))
    });
    let lamps: Vec<String> = lamps.collect();
    let mut text = hook.to_owned();
    if !product.is_empty() {
        text = format!("{}, {text}", printable(product));
    }
    if !lamps.is_empty() {
        text = format!("{text}, lamps: {}", lamps.join(", "));
    }
    text
}

/// What strangers send must not reach the terminal as it is.
fn printable(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_one_line() {
        let meanings = [LampMeaning::Messages, LampMeaning::Busy("1002".into())];
        let mut status = PhoneStatus {
            in_service: true,
            lamps: vec![LampState::Steady, LampState::Flash],
            ..PhoneStatus::default()
        };
        let seen = described("Desk\x1b1", &status, &meanings);
        assert_eq!(seen, "Desk?1, on hook, lamps: messages steady, 1002 flashing");
        status.ring_mode = 1;
        status.lamps = vec![LampState::Unknown, LampState::Off];
        assert_eq!(described("", &status, &meanings), "rings, lamps: 1002 off");
    }

    #[test]
    fn a_phone_is_out_of_service_once_whatever_goes_with_it() {
        let meanings = [LampMeaning::Messages];
        let mut status = PhoneStatus { lamps: vec![LampState::Steady], ..PhoneStatus::default() };
        // First the registration goes, with it the name, then what it has subscribed to.
        for (product, hook_switch, lamp) in [
            ("Desk 1", HookSwitch::OnHook, LampState::Steady),
            ("", HookSwitch::OnHook, LampState::Steady),
            ("", HookSwitch::Unknown, LampState::Unknown),
        ] {
            (status.hook_switch, status.lamps) = (hook_switch, vec![lamp]);
            assert_eq!(described(product, &status, &meanings), "out of service");
        }
        status.hook_switch = HookSwitch::OffHook;
        assert_eq!(described("", &status, &meanings), "off hook, out of service");
    }
}
