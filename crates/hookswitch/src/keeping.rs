//! What is kept with a call and told along with it: data, a number, media types, user information, treatment.

use crate::{Call, Error};
use hookswitch_spi::{CallTreatment, MediaTypes, Operation, UserInfo};

impl Call {
    /// Keeps some octets with the call (lineSetCallData). They survive hand-off: whoever owns the call next finds them in
    /// [`info`](Self::info). Empty clears.
    pub async fn set_call_data(&self, data: &[u8]) -> Result<(), Error> {
        self.operate(Operation::SetCallData { call: self.id(), data: data.to_vec() }).await.map(drop)
    }

    /// Keeps a number with the call (lineSetAppSpecific), as [`set_call_data`](Self::set_call_data) does octets.
    pub async fn set_app_specific(&self, value: u32) -> Result<(), Error> {
        self.operate(Operation::SetAppSpecific { call: self.id(), value }).await.map(drop)
    }

    /// Notes which media types the call turned out to have (lineSetMediaMode): one, or several together with *unknown*. Other
    /// applications are told.
    pub async fn set_media_type(&self, media: MediaTypes) -> Result<(), Error> {
        self.operate(Operation::SetMediaType { call: self.id(), media }).await.map(drop)
    }

    /// What the other side hears while it waits (lineSetCallTreatment).
    pub async fn set_treatment(&self, treatment: CallTreatment) -> Result<(), Error> {
        self.operate(Operation::SetTreatment { call: self.id(), treatment }).await.map(drop)
    }

    /// Protects the call from interruption for the rest of its life (lineSecureCall). It has nothing to do with encryption.
    pub async fn secure(&self) -> Result<(), Error> {
        self.operate(Operation::SecureCall { call: self.id() }).await.map(drop)
    }

    /// Tells the other side some octets (lineSendUserUserInfo); how many are possible is in the line's capabilities.
    pub async fn send_user_info(&self, data: &[u8]) -> Result<(), Error> {
        let data = UserInfo(data.to_vec());
        self.operate(Operation::SendUserInfo { call: self.id(), data }).await.map(drop)
    }

    /// What the other side told last was read: [`info`](Self::info) shows the next, if one waits (lineReleaseUserUserInfo).
    pub async fn release_user_info(&self) -> Result<(), Error> {
        self.operate(Operation::ReleaseUserInfo { call: self.id() }).await.map(drop)
    }
}
