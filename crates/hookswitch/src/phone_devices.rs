//! The phones registered with the embedded softswitch, as devices that applications watch and own.

use crate::phone_desk::Desk;
use crate::{Error, Missed};
use hookswitch_spi::{PhoneCapabilities, PhoneDescription, PhoneId, PhonePart, PhoneSetting, PhoneStatus};
use hookswitch_telephony::{PhoneError, PhoneReply, PhoneRequest};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a phone is opened for (TAPI: PHONEPRIVILEGE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhonePrivilege {
    /// To see how it is; any number of applications can.
    Monitor,
    /// To change it as well; one application at a time can.
    Owner,
}

/// Something happened to a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneEvent {
    /// A phone appeared (PHONE_CREATE): its user has registered for the first time.
    Created(PhoneId),
    /// A phone is gone for good (PHONE_REMOVE): its account was taken away.
    Removed(PhoneId),
    /// A part of a phone that is open here changed (PHONE_STATE): how it is, or whether it can be set now.
    /// [`PhoneDevice::status`] says both.
    Changed {
        /// Which phone.
        phone: PhoneId,
        /// Which part; `None`: whether it is in service.
        part: Option<PhonePart>,
    },
    /// A phone that is open here has a lamp more.
    CapabilitiesChanged(PhoneId),
}

/// The telephones of the softswitch: who is registered with it is a device with a hook switch, a ringer, and lamps.
///
/// A device is a user of the softswitch, and has its name. It exists from its first registration on, is in service while somebody is
/// registered, and is gone when its account is. Dropping this and all that was opened with it closes everything.
///
/// ```no_run
/// use hookswitch::{LampState, PhoneEvent, PhonePart, PhonePrivilege, PhoneSetting, Softswitch};
///
/// # async fn run(switch: &Softswitch) -> Result<(), hookswitch::Error> {
/// let mut devices = switch.phone_devices()?;
/// let reception = devices.open("1001", PhonePrivilege::Owner).await?;
/// // The lamp is lit when this returns: the telephone has confirmed it.
/// reception.set(PhoneSetting::Lamp { lamp: 0, state: LampState::Steady }).await?;
/// while let Some(event) = devices.next().await {
///     if let Ok(PhoneEvent::Changed { part: Some(PhonePart::HookSwitch), .. }) = event {
///         println!("{:?}", reception.status().await?.hook_switch);
///     }
/// }
/// # Ok(()) }
/// ```
///
/// Where there is no softswitch there are no phones:
///
/// ```
/// # async fn run() -> Result<(), hookswitch::Error> {
/// let mut devices = hookswitch::PhoneDevices::none();
/// assert!(devices.phones().await?.is_empty() && devices.next().await.is_none());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PhoneDevices {
    desk: Option<Arc<Desk>>,
    news: mpsc::Receiver<PhoneEvent>,
}

impl PhoneDevices {
    pub(crate) const fn new(desk: Arc<Desk>, news: mpsc::Receiver<PhoneEvent>) -> Self {
        Self { desk: Some(desk), news }
    }

    /// No phones at all, for programs that work with and without a softswitch.
    pub fn none() -> Self {
        let (_, news) = mpsc::channel(1);
        Self { desk: None, news }
    }

    /// The phones that exist.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the softswitch has stopped, [`Error::Overloaded`] if it cannot take the question.
    pub async fn phones(&self) -> Result<Vec<PhoneDescription>, Error> {
        let Some(desk) = &self.desk else { return Ok(Vec::new()) };
        match desk.ask(PhoneRequest::Phones).await? {
            PhoneReply::Phones(phones) => Ok(phones),
            PhoneReply::Done | PhoneReply::Capabilities(_) | PhoneReply::Status(_) => Err(Error::Stopped),
        }
    }

    /// Opens the phone of this name (phoneOpen).
    ///
    /// # Errors
    /// [`Error::NoSuchPhone`]; [`Error::Phone`] if another application owns it, or it is open here already; as
    /// [`phones`](Self::phones).
    pub async fn open(&self, name: &str, privilege: PhonePrivilege) -> Result<PhoneDevice, Error> {
        let phones = self.phones().await?;
        let Some((desk, found)) = self.desk.as_ref().zip(phones.iter().find(|phone| phone.name == name))
        else {
            let known: Vec<&str> = phones.iter().map(|phone| phone.name.as_str()).collect();
            return Err(Error::NoSuchPhone { name: name.to_owned(), known: known.join(", ") });
        };
        let phone = found.phone;
        if !desk.reserve(phone) {
            return Err(Error::Phone(PhoneError::AlreadyOpen(phone)));
        }
        // Closed again if nobody waits for the answer.
        let device =
            PhoneDevice { desk: Arc::clone(desk), phone, name: name.to_owned(), at_drop: AtDrop::Close };
        let owner = privilege == PhonePrivilege::Owner;
        if let Err(error) = desk.ask(PhoneRequest::Open { phone, owner }).await {
            device.forget();
            return Err(error);
        }
        Ok(device)
    }

    /// What happens next to the phones: those that come and go, and those that are open here. `None` when the softswitch has stopped.
    ///
    /// # Errors
    /// [`Missed`] if some news were not read in time and are lost; how things stand can be asked.
    pub async fn next(&mut self) -> Option<Result<PhoneEvent, Missed>> {
        if let Some(missed) = self.desk.as_ref().and_then(|desk| desk.missed()) {
            return Some(Err(missed));
        }
        self.news.recv().await.map(Ok)
    }
}

/// A phone that is open. Dropping it closes it.
#[derive(Debug)]
pub struct PhoneDevice {
    desk: Arc<Desk>,
    phone: PhoneId,
    name: String,
    at_drop: AtDrop,
}

impl PhoneDevice {
    /// Its number while the softswitch runs; that of [`PhoneEvent`]s. Never given to another phone.
    pub const fn id(&self) -> PhoneId {
        self.phone
    }

    /// Its permanent name: the user.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it can do (phoneGetDevCaps).
    ///
    /// # Errors
    /// [`Error::Phone`] if it is gone, [`Error::Stopped`], [`Error::Overloaded`].
    pub async fn capabilities(&self) -> Result<PhoneCapabilities, Error> {
        match self.desk.ask(PhoneRequest::Capabilities(self.phone)).await? {
            PhoneReply::Capabilities(able) => Ok(*able),
            PhoneReply::Done | PhoneReply::Phones(_) | PhoneReply::Status(_) => Err(Error::Stopped),
        }
    }

    /// How it is (phoneGetStatus).
    ///
    /// # Errors
    /// As [`capabilities`](Self::capabilities).
    pub async fn status(&self) -> Result<PhoneStatus, Error> {
        match self.desk.ask(PhoneRequest::Status(self.phone)).await? {
            PhoneReply::Status(status) => Ok(*status),
            PhoneReply::Done | PhoneReply::Phones(_) | PhoneReply::Capabilities(_) => Err(Error::Stopped),
        }
    }

    /// Changes it (phoneSetHookSwitch, phoneSetRing, phoneSetLamp); returns when that has come true.
    ///
    /// # Errors
    /// [`Error::Phone`]: it is not owned here, or the phone cannot do that, or not now, or it did not take it; otherwise as
    /// [`capabilities`](Self::capabilities).
    pub async fn set(&self, setting: PhoneSetting) -> Result<(), Error> {
        self.desk.ask(PhoneRequest::Set { phone: self.phone, setting }).await.map(|_| ())
    }

    /// Closes it (phoneClose), and waits until others can own it. What is outstanding completes first.
    ///
    /// # Errors
    /// [`Error::Phone`] if it is gone, [`Error::Stopped`], [`Error::Overloaded`].
    pub async fn close(self) -> Result<(), Error> {
        self.desk.ask(PhoneRequest::Close(self.phone)).await?;
        self.forget();
        Ok(())
    }

    /// It is not open: nothing is to be closed.
    fn forget(mut self) {
        self.at_drop = AtDrop::Release;
    }
}

/// What is left to do for a phone that is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtDrop {
    /// To close it.
    Close,
    /// Nothing: it is closed, or was never opened.
    Release,
}

impl Drop for PhoneDevice {
    fn drop(&mut self) {
        match self.at_drop {
            AtDrop::Close => self.desk.close(self.phone),
            AtDrop::Release => self.desk.release(self.phone),
        }
    }
}
