//! How applications come to a service and come back to it, and what it does for programs that are none.

use crate::application::{Application, Line};
use crate::session::Session;
use crate::token::SessionToken;
use crate::{Audio, Call, Error, Service};
use hookswitch_spi::{InterfaceVersion, VersionRange};
use hookswitch_telephony::{CallRequest, Priorities, Reply, Request, RequestError, SPOKEN};
use std::sync::Arc;
use std::time::Duration;

/// How an application attaches.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttachOptions {
    /// How long its answered calls wait for it should it be lost; capped by
    /// [`ServiceOptions::longest_grace`].
    pub grace: Duration,
    /// The versions of the interface that it can live with.
    pub versions: VersionRange,
}

impl Default for AttachOptions {
    fn default() -> Self {
        let versions = VersionRange { low: InterfaceVersion::V1, high: SPOKEN.high };
        Self { grace: Duration::from_secs(10), versions }
    }
}

impl AttachOptions {
    /// With this grace.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// With these versions.
    #[must_use]
    pub const fn versions(mut self, versions: VersionRange) -> Self {
        self.versions = versions;
        self
    }
}

/// An application that has come back, with what it had.
#[derive(Debug)]
pub struct Resumed {
    /// The application: its next events are those that it has not seen.
    pub application: Application,
    /// Its lines, one for each opening.
    pub lines: Vec<Line>,
    /// Its calls. Whoever drops a handle lets go of the call.
    pub calls: Vec<Call>,
}

/// What the program that runs a service decides about its applications.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceOptions {
    /// The orders of applications that [`Service::priorities`] had when the service last ran; those of the configuration if there
    /// are none here.
    pub priorities: Priorities,
    /// The longest grace that an application can have; five minutes unless set.
    pub longest_grace: Duration,
    /// What the other side of an answered call hears while its application is lost; music unless set, `None`: what it heard
    /// before.
    pub lost_treatment: Option<Audio>,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            priorities: Priorities::default(),
            longest_grace: Duration::from_secs(300),
            lost_treatment: Some(Audio::music()),
        }
    }
}

impl ServiceOptions {
    /// With these orders of applications.
    #[must_use]
    pub fn priorities(mut self, priorities: Priorities) -> Self {
        self.priorities = priorities;
        self
    }

    /// With this bound for graces.
    #[must_use]
    pub const fn longest_grace(mut self, longest: Duration) -> Self {
        self.longest_grace = longest;
        self
    }

    /// With this to be heard while an application is lost.
    #[must_use]
    pub fn lost_treatment(mut self, treatment: Option<Audio>) -> Self {
        self.lost_treatment = treatment;
        self
    }
}

/// An application on its way back. Nobody acts for it if that is given up before it is settled: then it is lost again.
struct Returning<'a> {
    session: &'a Session,
    settled: bool,
}

impl Drop for Returning<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.session.lose();
        }
    }
}

impl Service {
    /// Attaches an application (lineInitialize). Its name is what others hand calls to.
    pub async fn attach(&self, name: &str) -> Result<Application, Error> {
        self.attach_with(name, AttachOptions::default()).await
    }

    /// Attaches an application with a grace and versions of its choice.
    pub async fn attach_with(&self, name: &str, options: AttachOptions) -> Result<Application, Error> {
        let session = self.shared.session();
        let AttachOptions { grace, versions } = options;
        let attach = Request::Attach { name: name.into(), grace, versions, resume: None };
        if let Err(error) = session.request(attach).await {
            // Some shards may have attached it.
            session.tell(Request::Lost);
            self.shared.forget(session.id);
            return Err(error);
        }
        session.set_grace(grace);
        Ok(Application::new(session, Arc::clone(&self.shared), name.to_owned()))
    }

    /// Gives an application back that was dropped without being closed, if its grace has not run out: with its lines, its calls
    /// and, from the one after `last_seen`, every event since. Without a number it goes on where it stopped reading.
    ///
    /// # Errors
    /// [`RequestError::NothingToResume`] if there is no lost application of that name and token.
    pub async fn resume(
        &self,
        name: &str,
        token: SessionToken,
        last_seen: Option<u64>,
    ) -> Result<Resumed, Error> {
        let nothing = || Error::Refused(RequestError::NothingToResume);
        let session = self.shared.sessions.get(&token.session).map(|session| Arc::clone(&session));
        let session = session.filter(|session| session.token == token).ok_or_else(nothing)?;
        if !session.take_up() {
            return Err(nothing());
        }
        let mut returning = Returning { session: &session, settled: false };
        let taken_up = self.take_up(name, &session).await;
        returning.settled = true;
        match taken_up {
            Ok((lines, calls)) => {
                session.is_back();
                if let Some(number) = last_seen {
                    session.queue.read_from(number.saturating_add(1));
                }
                // It may read slower than before, or have been away for long.
                session.offers();
                let service = Arc::clone(&self.shared);
                let application = Application::new(Arc::clone(&session), service, name.to_owned());
                Ok(Resumed { application, lines, calls })
            }
            // Given up while it was asked for.
            Err(_) if session.is_over() => Err(nothing()),
            Err(error) => {
                session.lose();
                Err(error)
            }
        }
    }

    async fn take_up(&self, name: &str, session: &Arc<Session>) -> Result<(Vec<Line>, Vec<Call>), Error> {
        let (resume, grace) = (Some(session.id), session.grace());
        let attach = Request::Attach { name: name.into(), grace, versions: SPOKEN, resume };
        let (reply, calls) = session.request_call(attach).await?;
        let Reply::Attached { lines: opens, .. } = reply else { return Err(Error::Stopped) };
        let known = match session.request(Request::Lines).await? {
            Reply::Lines(known) => known,
            _ => Vec::new(),
        };
        let named = |open: &hookswitch_telephony::OpenLine| {
            let name = known.iter().find(|line| line.line == open.line).map_or("", |line| line.name.as_str());
            Line::new(session, open.line, open.open, name)
        };
        Ok((opens.iter().map(named).collect(), calls))
    }

    /// Asks for a call to be made by whichever application takes such requests (tapiRequestMakeCall); done when it is queued.
    ///
    /// # Errors
    /// [`RequestError::NoRequestRecipient`] if there is no such application and no [launcher](Self::set_launcher), and
    /// [`RequestError::RequestQueueFull`].
    pub async fn request_call(&self, what: CallRequest) -> Result<(), Error> {
        let session = self.shared.session();
        let asked = |hold| session.request(Request::RequestCall { what: what.clone(), hold });
        let mut done = asked(false).await;
        if let (Err(Error::Refused(RequestError::NoRequestRecipient)), Some(launch)) =
            (&done, self.shared.launcher.get())
        {
            // It waits for whoever is started.
            done = asked(true).await;
            launch();
        }
        self.shared.forget(session.id);
        done.map(drop)
    }

    /// Who comes first for which media type, and for requests for calls, as applications have set it: to be stored, and given
    /// back to [`start_with`](Self::start_with).
    pub fn priorities(&self) -> Priorities {
        self.shared.priorities.get()
    }

    /// Waits until the orders are others than those that are `known`, and returns them. For whoever stores them.
    pub async fn priorities_changed(&self, known: &Priorities) -> Priorities {
        let mut changes = self.shared.priorities.subscribe();
        match changes.wait_for(|now| now != known).await {
            Ok(now) => now.clone(),
            // The sender lives as long as the service.
            Err(_) => known.clone(),
        }
    }

    /// What to do when a call is asked for and no application takes such requests: start one that will. The request waits for it.
    /// Can be set once; false if it was before.
    pub fn set_launcher(&self, launch: impl Fn() + Send + Sync + 'static) -> bool {
        self.shared.launcher.set(Box::new(launch)).is_ok()
    }
}
