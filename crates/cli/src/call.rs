//! `hookswitch call`: one outgoing call from its beginning to its end.

use crate::args::Call as Options;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::setup::{Lines, farewell};
use crate::show::{self, Stopwatch};
use crate::terminal::Terminal;
use hookswitch::{
    Application, Call, CallState, CompletionMode, Disconnect, Error, Event, Interest, LadderNames, StateKind,
};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// How long the switch may take to register the line.
const REGISTERING: Duration = Duration::from_secs(10);

pub(crate) async fn run(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: &Options,
    lines: Lines,
) -> Result<(), Failure> {
    if let Some(file) = &options.play {
        // Better now than when the other side has answered.
        std::fs::File::open(file)
            .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", file.display())))?;
    }
    let service = lines.start()?;
    let done = async {
        let mut app = service.attach("hookswitch").await?;
        place(terminal, interrupt, options, &mut app).await
    }
    .await;
    terminal.wait_for("un-registering");
    farewell(service).await;
    terminal.settle();
    done
}

/// Makes the call from the application's line and follows it to its end.
pub(crate) async fn place(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: &Options,
    app: &mut Application,
) -> Result<(), Failure> {
    let line = app.open(&options.line, Interest::NONE).await?;
    terminal.wait_for(format!("registering {}", line.name()));
    tokio::select! {
        biased;
        () = interrupt.wanted() => return Err(Failure::Outcome("interrupted before the call".into())),
        done = line.in_service(REGISTERING) => done?,
    }
    terminal.wait_for(format!("calling {}", options.address));
    let clock = Stopwatch::start();
    let call = line.call_for(&options.address, options.audio(), options.ring).await?;
    let mut conversation = Conversation::new(terminal, clock, options, call);
    let ended = conversation.run(app, interrupt).await;
    terminal.settle();
    let conversation_said = conversation.conclude().await;
    ended.and(conversation_said)
}

type Sending = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// A call on its way.
struct Conversation<'a> {
    terminal: &'a Terminal,
    clock: Stopwatch,
    options: &'a Options,
    call: Call,
    answered: bool,
    recording: bool,
    sending: Option<Sending>,
    /// Somebody is asked whether the call may wait until the other side is free.
    camping: Option<Sending>,
    end: Option<Disconnect>,
    hung_up: Option<&'static str>,
}

impl<'a> Conversation<'a> {
    fn new(terminal: &'a Terminal, clock: Stopwatch, options: &'a Options, call: Call) -> Self {
        Self {
            terminal,
            clock,
            options,
            call,
            answered: false,
            recording: false,
            sending: None,
            camping: None,
            end: None,
            hung_up: None,
        }
    }

    /// Follows the call until it is over, or until it is time to hang up.
    async fn run(&mut self, app: &mut Application, interrupt: &Interrupt) -> Result<(), Failure> {
        let mut over: Pin<Box<dyn Future<Output = ()>>> = Box::pin(std::future::pending());
        loop {
            let sending = async {
                match self.sending.as_mut() {
                    Some(sending) => sending.await,
                    None => std::future::pending().await,
                }
            };
            let camping = async {
                match self.camping.as_mut() {
                    Some(camping) => camping.await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                () = interrupt.wanted() => {
                    self.hung_up = Some("hung up by Ctrl-C");
                    return Ok(());
                }
                () = &mut over => {
                    self.hung_up = Some("hung up after the time given by --duration");
                    return Ok(());
                }
                sent = sending => {
                    self.sending = None;
                    self.sent(sent);
                    continue;
                }
                camped = camping => {
                    self.camping = None;
                    self.camped(camped);
                    continue;
                }
                event = app.next() => event,
            };
            match event {
                None => return Err(Error::Stopped.into()),
                Some(Event::State { call, state, .. }) if call == self.call.id() => {
                    let was_answered = self.answered;
                    if self.entered(state).await? {
                        return Ok(());
                    }
                    if let (false, true, Some(duration)) =
                        (was_answered, self.answered, self.options.duration)
                    {
                        over = Box::pin(tokio::time::sleep(duration));
                    }
                }
                Some(Event::Digit { digit, duration, .. }) => {
                    self.note(format!("digit {digit} ({} ms)", duration.as_millis()));
                }
                Some(Event::Played { .. }) => {
                    self.note("the file was played");
                    if self.options.duration.is_none() {
                        self.hung_up = Some("hung up after the file");
                        return Ok(());
                    }
                }
                Some(Event::MediaFailed { message, .. }) => {
                    (self.hung_up, self.recording) = (Some("hung up"), false);
                    return Err(Failure::Outcome(message));
                }
                Some(_) => {}
            }
        }
    }

    /// The call is in a new state. True: it is over.
    async fn entered(&mut self, state: CallState) -> Result<bool, Failure> {
        match &state {
            CallState::Disconnected(end) => {
                self.end = Some(end.clone());
                if let Some(camping) = self.camping.take() {
                    let camped = camping.await;
                    self.camped(camped);
                }
                return Ok(true);
            }
            CallState::Idle => return Ok(true),
            // It would stay busy for a while, so that somebody can camp on.
            CallState::Busy(_) if !self.options.camp_on && self.call.stays_busy().await => {
                self.note(&state);
                self.hung_up = Some("busy (--camp-on waits until it is free)");
                return Ok(true);
            }
            CallState::Connected(_) => {
                self.terminal.settle();
                self.note(self.terminal.good(&state));
                if !self.answered {
                    self.answered = true;
                    if let Some(digits) = self.options.digits.clone() {
                        let call = self.call.clone();
                        self.sending = Some(Box::pin(async move { call.send_digits(&digits).await }));
                    }
                }
            }
            _ => {
                self.note(&state);
                self.terminal.wait_for(format!("{state}: {}", self.options.address));
                if matches!(state, CallState::Busy(_)) && self.options.camp_on {
                    let call = self.call.clone();
                    let camping = async move { call.complete_later(CompletionMode::CampOn).await.map(drop) };
                    self.camping = Some(Box::pin(camping));
                }
            }
        }
        self.record(state.kind()).await?;
        Ok(false)
    }

    /// Records as soon as there is audio: early media too, where there is some.
    async fn record(&mut self, state: StateKind) -> Result<(), Failure> {
        let Some(file) = self.options.record.as_ref().filter(|_| !self.recording) else { return Ok(()) };
        match state {
            StateKind::Connected => self.call.record(file).await?,
            StateKind::Proceeding | StateKind::Ringback if self.call.record(file).await.is_ok() => {}
            _ => return Ok(()),
        }
        self.recording = true;
        Ok(())
    }

    fn sent(&self, sent: Result<(), Error>) {
        let digits = self.options.digits.as_deref().unwrap_or_default();
        match sent {
            Ok(()) => self.note(format!("sent digits {digits}")),
            Err(error) => self.note(self.terminal.bad(format!("the digits {digits} were not sent: {error}"))),
        }
    }

    fn camped(&self, camped: Result<(), Error>) {
        let whom = &self.options.address;
        match camped {
            Ok(()) => self.note(format!("waits until {whom} is free")),
            Err(error) => self.note(self.terminal.bad(format!("cannot wait until {whom} is free: {error}"))),
        }
    }

    fn note(&self, text: impl std::fmt::Display) {
        self.terminal.say(format!("{}  {text}", self.clock));
    }

    /// Hangs up where that is left to do, and says how it was.
    async fn conclude(mut self) -> Result<(), Failure> {
        (self.sending, self.camping) = (None, None);
        let figures = if self.answered { self.call.statistics().await.ok() } else { None };
        if !matches!(self.call.state(), CallState::Idle) {
            // A call that ended meanwhile refuses; it is over all the same.
            let _ = tokio::time::timeout(Duration::from_secs(3), self.call.hang_up()).await;
        }
        let why = match (&self.end, self.hung_up) {
            (Some(end), _) => end.to_string(),
            (None, Some(why)) => why.to_owned(),
            (None, None) => "ended here".to_owned(),
        };
        self.note(format!("ended: {why}"));
        if let Some(figures) = figures {
            self.terminal.say(format!("   audio  {}", show::statistics(&figures)));
        }
        if self.recording && self.answered {
            let file = self.options.record.as_deref().unwrap_or("".as_ref());
            self.terminal.say(format!("  record  {}", file.display()));
        }
        if self.options.ladder {
            let names = LadderNames {
                applications: "hookswitch",
                line: &self.options.line,
                peer: &self.options.address,
            };
            self.terminal.say("");
            self.terminal.say(self.call.ladder_between(names).await?.trim_end());
        }
        if self.answered {
            Ok(())
        } else {
            Err(Failure::Outcome(format!("{} did not answer: {why}", self.options.address)))
        }
    }
}
