//! The softswitch and the applications that have its phones open, as one machine: the one does not know the other, and no lock is
//! needed between them.

use hookswitch_machine::{Input, Machine, Output, Time};
use hookswitch_media::control::{Command, Event as MediaEvent};
use hookswitch_softswitch::{Event, Request, Softswitch};
use hookswitch_telephony::{AppRequestId, PhoneNews, PhoneRequest, Phones, SessionId};

/// The machine behind [`Softswitch`](crate::Softswitch).
pub(crate) struct SwitchMachine {
    switch: Softswitch,
    phones: Phones,
}

/// What is asked of it.
#[derive(Debug)]
pub(crate) enum SwitchRequest {
    /// Of the softswitch.
    Switch(Request),
    /// A session begins.
    Attach(SessionId),
    /// A session ends.
    Detach(SessionId),
    /// A session asks for something about phones.
    Phone(SessionId, AppRequestId, PhoneRequest),
}

/// What it tells.
#[derive(Debug)]
pub(crate) enum SwitchTold {
    /// The operator.
    Switch(Event),
    /// A session.
    Phone(SessionId, PhoneNews),
}

impl SwitchMachine {
    pub(crate) fn new(switch: Softswitch) -> Self {
        Self { switch, phones: Phones::new() }
    }
}

impl Machine for SwitchMachine {
    type Request = SwitchRequest;
    type Event = SwitchTold;
    type MediaCommand = Command;
    type MediaEvent = MediaEvent;

    fn handle(&mut self, now: Time, input: Input<SwitchRequest, MediaEvent>) {
        let input = match input {
            Input::Received { flow, bytes } => Input::Received { flow, bytes },
            Input::FlowClosed { flow, reason } => Input::FlowClosed { flow, reason },
            Input::Resolved { query, answer } => Input::Resolved { query, answer },
            Input::Media(event) => Input::Media(event),
            Input::Timeout => Input::Timeout,
            Input::Request(SwitchRequest::Switch(request)) => Input::Request(request),
            Input::Request(SwitchRequest::Attach(session)) => {
                return self.phones.attach(session);
            }
            Input::Request(SwitchRequest::Detach(session)) => {
                return self.phones.detach(&mut self.switch, session);
            }
            Input::Request(SwitchRequest::Phone(session, request, what)) => {
                self.phones.request(&mut self.switch, session, request, what);
                // What was accepted is carried out at the next input.
                Input::Timeout
            }
        };
        self.switch.handle(now, input);
        self.phones.pump(&mut self.switch);
    }

    fn poll(&mut self) -> Option<Output<SwitchTold, Command>> {
        let Some(output) = self.switch.poll() else {
            let (session, news) = self.phones.poll()?;
            return Some(Output::Event(SwitchTold::Phone(session, news)));
        };
        Some(match output {
            Output::Transmit { flow, bytes } => Output::Transmit { flow, bytes },
            Output::Resolve { query, question, deadline } => Output::Resolve { query, question, deadline },
            Output::Media(command) => Output::Media(command),
            Output::Event(event) => Output::Event(SwitchTold::Switch(event)),
        })
    }

    fn timeout(&self) -> Option<Time> {
        self.switch.timeout()
    }
}
