//! User information: octets that one side tells the other. Two wait at most: the one that is shown and one behind it.

use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Leg, Other};
use hookswitch_spi::{CallId, InfoParts, UserInfo};

/// So many are kept of what a party outside was told.
const TOLD_MOST: usize = 16;

impl Loopback {
    /// The other side of a call is told something.
    pub(crate) fn tell_other(&mut self, call: CallId, data: Option<UserInfo>) {
        let Some(data) = data else { return };
        match self.legs.get(&call).map(|leg| leg.other) {
            Some(Other::Leg(other)) => self.hear_user_info(other, data),
            Some(Other::Stranger(_)) => {
                self.user_info_sent.push_back((call, data));
                if self.user_info_sent.len() > TOLD_MOST {
                    self.user_info_sent.pop_front();
                }
            }
            Some(Other::Orbit(_) | Other::Nobody) | None => {}
        }
    }

    /// A call is told something by its other side; a third is lost while two wait.
    pub(crate) fn hear_user_info(&mut self, call: CallId, data: UserInfo) {
        let overwrites = self.broken(Fault::OverwritesUserInfo);
        let Some(leg) = self.legs.get_mut(&call).filter(|leg| leg.is_up()) else { return };
        let most = self.lines.get(&leg.line).map_or(0, |line| line.capabilities.user_info.received);
        if data.0.len() > usize::from(most) {
            return;
        }
        if leg.info.user_info.is_none() || overwrites {
            self.with_info(call, InfoParts::USER_INFO, |info| info.user_info = Some(data));
        } else if leg.rest.user_info.is_empty() {
            leg.rest.user_info.push_back(data);
        }
    }

    /// What is shown was read: the next is.
    pub(crate) fn release_user_info(&mut self, call: CallId) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let next = leg.rest.user_info.pop_front();
        if next.is_some() {
            self.with_info(call, InfoParts::USER_INFO, |info| info.user_info = next);
        } else {
            leg.info.user_info = None;
        }
    }

    /// The party outside tells a call something.
    pub fn tells(&mut self, call: CallId, data: impl Into<Vec<u8>>) {
        if self.known(call).is_some_and(Leg::is_up) {
            self.hear_user_info(call, UserInfo(data.into()));
        }
    }

    /// What the party outside of a call was told, the last few; also after the call.
    pub fn was_told(&self, call: CallId) -> Vec<UserInfo> {
        let about = self.user_info_sent.iter().filter(|(to, _)| *to == call);
        let with_call = match self.legs.get(&call) {
            Some(leg) => leg.rest.options.user_info.clone(),
            None => None,
        };
        with_call.into_iter().chain(about.map(|(_, data)| data.clone())).collect()
    }
}
