//! User information: octets that one side tells the other. One is shown, and at most two
//! wait behind it until it was read.

use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Leg, Other};
use hookswitch_spi::{CallId, InfoParts, UserInfo};

/// So many wait behind what is shown.
const WAITING_MOST: usize = 2;

impl Loopback {
    /// The leg at the other side of a call is told something.
    pub(crate) fn tell_leg(&mut self, call: CallId, data: Option<&UserInfo>) {
        if let (Some(data), Other::Leg(other)) = (data, self.other_of(Other::Leg(call))) {
            self.hear_user_info(other, data.clone());
        }
    }

    /// A call is told something by its other side; one more is lost while two wait.
    pub(crate) fn hear_user_info(&mut self, call: CallId, data: UserInfo) {
        let overwrites = self.broken(Fault::OverwritesUserInfo);
        let Some(leg) = self.legs.get_mut(&call).filter(|leg| leg.is_up()) else { return };
        let most = self.lines.get(&leg.line).map_or(0, |line| line.capabilities.user_info.received);
        if data.0.len() > usize::from(most) {
            return;
        }
        if leg.info.user_info.is_none() || overwrites {
            self.with_info(call, InfoParts::USER_INFO, |info| info.user_info = Some(data));
        } else if leg.rest.user_info.len() < WAITING_MOST {
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
}
