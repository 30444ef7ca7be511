//! Faults: single breaches of the contract that a test can put into the exchange, each named after what it breaks.
//!
//! A suite that checks the contract has to fail under each of them. The breach itself stands where the rule is kept, in a line or
//! two that ask [`Loopback::broken`](super::Loopback).

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)+) => {
        /// A breach of the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $name,)+
        }

        impl Fault {
            /// All of them, in the order of what they break.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The number of the rule in the conformance checklist.
            pub const fn breaks(self) -> u8 {
                match self {
                    $(Self::$name => $number,)+
                }
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

faults! {
    /// A configuration changes capabilities within the session.
    ConfiguresAtOnce = 3,
    /// A change of the configuration is not announced.
    ForgetsToAnnounce = 4,
    /// A configuration without lines ends their calls at once.
    RemovalEndsCalls = 5,
    /// Without a session, no version is negotiated.
    NegotiatesOnlyInSession = 6,
    /// One line more is counted than there is.
    MiscountsDevices = 7,
    /// Initialising again closes the lines.
    InitialisesTwice = 8,
    /// Shutting down leaves requests without completion.
    ShutdownLosesRequests = 9,
    /// Forwarding rules survive the session.
    RemembersSessions = 10,
    /// The newest version is offered, wanted or not.
    NegotiatesTooHigh = 11,
    /// A line of the older version is told newer constants.
    TellsNewConstants = 12,
    /// The extension works without being selected.
    ExtensionAlwaysOn = 13,
    /// A line out of service cannot be opened.
    OpensOnlyInService = 14,
    /// A state is told that is not advertised.
    HidesWhatItDoes = 16,
    /// An operation is advertised and then unavailable.
    AdvertisesWhatItCannot = 17,
    /// A list of media controls that is refused clears the one before.
    WrongControlClears = 17,
    /// Closing a line leaves its requests without completion.
    CloseLosesRequests = 18,
    /// The wish to close a line is told before what is outstanding has completed.
    CloseRequestedFirst = 19,
    /// Media types are accepted that the line cannot carry.
    DetectsEverything = 20,
    /// A line's device configuration changes calls that exist.
    ConfigChangesCalls = 20,
    /// Of a device configuration that is refused, what is right takes effect.
    ConfigInParts = 20,
    /// Wanting to hear of nothing silences calls too.
    SilencesCalls = 21,
    /// A line that appears is not announced.
    HidesNewLines = 22,
    /// The number of a removed line is used again.
    ReusesLineNumbers = 23,
    /// A request completes twice.
    CompletesTwice = 24,
    /// A request never completes.
    NeverCompletes = 24,
    /// What a request carries is overwritten before it is sent.
    SharesArguments = 25,
    /// Overlapping requests get each other's results.
    MixesUpResults = 26,
    /// A new call is heard of before the request for it has completed.
    EventBeforeCompletion = 27,
    /// A new call counts before the request for it has completed.
    CountsTheUnborn = 27,
    /// A call that could not be made is told of.
    TellsOfFailedCalls = 28,
    /// Closing a call that is being made leaves the request without completion.
    CloseLosesMaking = 29,
    /// Closing a call loses the request to drop it.
    CloseLosesDrop = 30,
    /// A dropped call never becomes idle.
    DropWithoutIdle = 31,
    /// Closing a live call leaves the other side connected.
    CloseLeavesPeer = 32,
    /// A call that was closed is still told of.
    EventAfterClose = 33,
    /// The completions of one call come in the wrong order.
    CompletesOutOfOrder = 34,
    /// The state of a new call is told before the call is announced.
    StateBeforeAnnounced = 35,
    /// A call that was not taken is never announced again.
    AnnouncesOnce = 36,
    /// A call that is not being offered is offered.
    OffersEverything = 37,
    /// A call that its other side ended becomes idle by itself.
    IdleWithoutDrop = 38,
    /// A call that is made is never proceeding.
    SkipsProceeding = 39,
    /// Every refusal is a normal end.
    WrongDisconnectMode = 40,
    /// Every caller that gives up has just given up.
    CancelsWithoutReason = 41,
    /// That the other side holds us is not told.
    HidesBeingHeld = 42,
    /// Ring cycles are not counted.
    RingCountStuck = 43,
    /// That messages wait is told again without a change.
    RepeatsMessageWaiting = 43,
    /// Information is told after *idle*.
    InfoAfterIdle = 44,
    /// Callers who withhold their address are shown.
    ShowsWithheldCallers = 45,
    /// Every call is here because it was dialled.
    ForgetsReasons = 46,
    /// The two ends of a call are different physical calls.
    SplitsPhysicalCalls = 47,
    /// A state is as old as the question.
    StateTimeMoves = 48,
    /// A change of media announces the call again.
    AnnouncesAgain = 49,
    /// Calls on hold are not counted.
    MiscountsCalls = 50,
    /// Answering leaves the active call alone.
    IgnoresAnswerMode = 51,
    /// Accepting changes nothing.
    AcceptDoesNothing = 52,
    /// However a call is refused, the caller gets the same status.
    RefusesOneWay = 53,
    /// A bad address ends the call that is redirected.
    RedirectLosesCall = 54,
    /// New forwarding rules are added to the old ones.
    ForwardAppends = 55,
    /// The no-answer time is taken as it comes.
    ForwardUnclamped = 55,
    /// The held party does not hear that it is held.
    HoldsSilently = 56,
    /// Call parameters that the other side refuses are in force all the same.
    RefusedChangeStays = 56,
    /// When the consultation call ends, the held call stays held.
    ForgetsToReconnect = 57,
    /// A transfer ends both calls and joins nobody.
    TransferJoinsNobody = 57,
    /// A transfer that fails ends the call.
    FailedTransferEndsCall = 58,
    /// A member is told before its conference.
    MemberBeforeConference = 59,
    /// Dropping a conference leaves its members.
    DropLeavesMembers = 59,
    /// A call that is picked up is a dialled one.
    PickupForgetsWhy = 60,
    /// A call fetched from an orbit is a dialled one.
    UnparkForgetsWhy = 60,
    /// A call that camps on is given up, and its party called back.
    CampsOnByCallingBack = 60,
    /// A call that camps on never goes out.
    CampedCallsWaitForEver = 60,
    /// A call that camps on ends when its party is busy again.
    CampedCallsEndWhenBusyAgain = 60,
    /// A call that camps on does not rest when its party is busy again.
    CampedCallsHammer = 60,
    /// Of calls that camp on for one party the last one goes out first.
    LastCampedCallGoesFirst = 60,
    /// A call that camps on can be asked anything.
    CampedCallsTakeEverything = 60,
    /// A call that was answered still camps on.
    CompletionOutlivesAnswer = 60,
    /// A call that was dropped still camps on.
    DropLeavesCompletion = 60,
    /// A call goes on waiting whose completion was cancelled.
    UncompleteLeavesCall = 60,
    /// A call goes on waiting whose completion has ended.
    CampedCallsOutliveCompletion = 60,
    /// What cannot be dialled is dialled.
    DialsEverything = 61,
    /// User information replaces what was not read.
    OverwritesUserInfo = 62,
    /// Digits do not take the place of those being sent.
    DigitsDoNotReplace = 63,
    /// A terminator does not end collecting digits.
    IgnoresTerminators = 64,
    /// A new list of media controls is added to the one before.
    ControlAppends = 64,
    /// Digits set off media controls only while somebody wants to hear of them.
    ControlsWhatIsTold = 64,
    /// A digit that sets off a media control is not collected.
    ControlSwallowsDigits = 64,
    /// Another call is let through to a secured one.
    InterruptsSecuredCalls = 65,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_stand_in_the_order_of_what_they_break() {
        let numbers: Vec<_> = Fault::ALL.iter().map(|fault| fault.breaks()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}
