//! The contract of a service provider.

use crate::{
    AddressId, CallId, CallInfo, CallState, Capabilities, ForwardingRules, InterfaceVersion, LineError,
    LineId, LineState, MediaTypes, Operation, OperationError, ProviderEvent, RequestId, VersionRange,
};
use hookswitch_machine::Time;

/// What an application can know of a line before opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineDescription {
    /// Its number while the provider is initialised.
    pub line: LineId,
    /// Its permanent name: the account's name in the configuration.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<AddressDescription>,
    /// Whether it can be used now.
    pub state: LineState,
}

/// An address of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressDescription {
    /// Its number within the line.
    pub address: AddressId,
    /// What others dial: an address of record.
    pub uri: String,
}

/// A service provider: lines and calls behind one contract (see the crate's documentation). Calls never block; what takes
/// time completes by [`ProviderEvent`]s, which the caller drains with [`poll_event`](Self::poll_event) after every call.
pub trait Provider {
    /// The highest version both sides speak, for the provider (`None`) or a line.
    fn negotiate(&self, line: Option<LineId>, offered: VersionRange) -> Result<InterfaceVersion, LineError>;

    /// The lines that exist.
    fn lines(&self) -> Vec<LineDescription>;

    /// What a line can ever do; constant while the provider is initialised.
    fn capabilities(&self, line: LineId) -> Option<&Capabilities>;

    /// Opens a line: cheap, succeeds out of service (TSPI_lineOpen).
    fn open_line(&mut self, now: Time, line: LineId, version: InterfaceVersion) -> Result<(), LineError>;

    /// Closes a line: completes what is outstanding, ends its calls, no event afterwards (TSPI_lineClose).
    fn close_line(&mut self, now: Time, line: LineId);

    /// Which media types somebody wants to hear of: the union over all applications (TSPI_lineSetDefaultMediaDetection).
    fn detect_media(&mut self, line: LineId, media: MediaTypes) -> Result<(), LineError>;

    /// Asks for something. `Err`: refused, will never complete. `Ok`: completes exactly once; for [`Operation::MakeCall`]
    /// the new call's id, not usable before the completion.
    fn submit(
        &mut self,
        now: Time,
        request: RequestId,
        operation: Operation,
    ) -> Result<Option<CallId>, OperationError>;

    /// Ends the life of a call in any state; hangs up if it is live. No event for it afterwards (TSPI_lineCloseCall).
    fn close_call(&mut self, now: Time, call: CallId);

    /// What is known of a call (TSPI_lineGetCallInfo). Built on demand.
    fn call_info(&self, call: CallId) -> Option<CallInfo>;

    /// Where a call is (TSPI_lineGetCallStatus).
    fn call_state(&self, call: CallId) -> Option<CallState>;

    /// The forwarding rules in force (TSPI_lineGetAddressStatus).
    fn forwarding(&self, line: LineId, address: AddressId) -> Option<&ForwardingRules>;

    /// The next event, in order. Call until `None` after every other call.
    fn poll_event(&mut self) -> Option<ProviderEvent>;

    /// Ends everything: closes all lines, un-registers, hangs up. Bounded in time by the caller (TSPI_providerShutdown).
    fn shutdown(&mut self, now: Time);
}
