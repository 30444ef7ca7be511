//! The contract of a service provider.

use crate::{
    AddressId, AddressStatus, CallId, CallInfo, CallOptions, CallState, CallStatus, Capabilities,
    DeviceConfig, ExtensionVersion, ForwardingRules, InterfaceVersion, LineError, LineId, LineState,
    LineStatus, MediaTypes, Operation, OperationError, ProviderEvent, RequestId, Set, StatusKind,
    VersionRange,
};
use hookswitch_machine::Time;

/// What an application can know of a line before opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineDescription {
    /// Its number while the provider is initialised.
    pub line: LineId,
    /// Its name in the configuration.
    pub name: String,
    /// Its number for good: the same after a restart and a renaming, and not used again after it was removed (TAPI:
    /// dwPermanentLineID). 0 where nothing keeps such numbers.
    pub permanent: u32,
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

/// How many devices there are (TSPI_providerEnumDevices).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Devices {
    /// Lines.
    pub lines: u32,
    /// Phones.
    pub phones: u32,
}

/// A service provider: lines and calls behind one contract (see the crate's documentation). Calls never block; what takes
/// time completes by [`ProviderEvent`]s, which the caller drains with [`poll_event`](Self::poll_event) after every call.
///
/// A session goes from [`initialise`](Self::initialise) to [`shutdown`](Self::shutdown), with one configuration that does not
/// change but for lines that appear or disappear.
pub trait Provider {
    /// The highest version both sides speak, for the provider (`None`; also before it is initialised) or a line. An offer:
    /// the version in force is that of [`open_line`](Self::open_line).
    fn negotiate(&self, line: Option<LineId>, offered: VersionRange) -> Result<InterfaceVersion, LineError>;

    /// How many devices a session will have (TSPI_providerEnumDevices); may be asked before it.
    fn devices(&self) -> Devices;

    /// Begins a session (TSPI_providerInit); within one it changes nothing and succeeds.
    fn initialise(&mut self, now: Time, version: InterfaceVersion) -> Result<(), LineError>;

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

    /// Whether these media types could be detected and such a call be made; changes nothing
    /// (TSPI_lineConditionalMediaDetection).
    fn could_detect(&self, line: LineId, media: MediaTypes, call: &CallOptions) -> Result<(), LineError>;

    /// Which changes of the line and its addresses somebody wants to hear of (TSPI_lineSetStatusMessages); more may be told.
    /// Kinds that the line never has are accepted.
    fn detect_status(&mut self, line: LineId, kinds: Set<StatusKind>) -> Result<(), LineError>;

    /// How the audio of the line's next call is sent (TSPI_lineGetDevConfig). `None`: no such line.
    fn device_config(&self, line: LineId) -> Option<DeviceConfig>;

    /// Has the audio of all later calls of the line sent so (TSPI_lineSetDevConfig), until the session ends. Calls that exist keep
    /// what they have.
    ///
    /// # Errors
    /// [`LineError::InvalidParameter`] if any part of it is not among [`Capabilities::device`]; nothing was changed.
    fn set_device_config(&mut self, line: LineId, config: DeviceConfig) -> Result<(), LineError>;

    /// The versions of the line's extension that can be had now: all within `offered`, or only the one that is selected
    /// (TSPI_lineNegotiateExtVersion).
    fn negotiate_extension(
        &self,
        line: LineId,
        offered: (ExtensionVersion, ExtensionVersion),
    ) -> Result<ExtensionVersion, LineError>;

    /// Puts a version of the line's extension in force; [`ExtensionVersion::NONE`] ends it (TSPI_lineSelectExtVersion).
    fn select_extension(&mut self, line: LineId, version: ExtensionVersion) -> Result<(), LineError>;

    /// Takes a call that was announced, or (`false`) says that there is no room for it now: then it is announced again later, or
    /// refused (TSPI: the handle returned to LINE_NEWCALL).
    fn take_call(&mut self, now: Time, call: CallId, taken: bool);

    /// Asks for something. `Err`: refused, will never complete. `Ok`: completes exactly once; for requests that create a call the
    /// new call's id (of a conference that of the conference call), not usable before the completion.
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

    /// Where a call is.
    fn call_state(&self, call: CallId) -> Option<CallState>;

    /// Where a call is, since when, and what can be asked of it now (TSPI_lineGetCallStatus).
    fn call_status(&self, call: CallId) -> Option<CallStatus>;

    /// How a line is (TSPI_lineGetLineDevStatus).
    fn line_status(&self, line: LineId) -> Option<LineStatus>;

    /// How an address is (TSPI_lineGetAddressStatus).
    fn address_status(&self, line: LineId, address: AddressId) -> Option<AddressStatus>;

    /// Which address of the line others dial so (TSPI_lineGetAddressID).
    fn address_id(&self, line: LineId, dialled: &str) -> Option<AddressId>;

    /// The forwarding rules in force; the part of [`address_status`](Self::address_status) that is asked for most.
    fn forwarding(&self, line: LineId, address: AddressId) -> Option<&ForwardingRules>;

    /// The next event, in order. Call until `None` after every other call.
    fn poll_event(&mut self) -> Option<ProviderEvent>;

    /// Ends the session: closes all lines, un-registers, hangs up. Bounded in time by the caller (TSPI_providerShutdown).
    /// Nothing is told afterwards but completions that are due.
    fn shutdown(&mut self, now: Time);
}
