//! The kinds of requests, to be counted.

use hookswitch_spi::{Feature, Set};
use hookswitch_telephony::Request;

/// What a request is, in a word or two.
pub(super) fn kind(request: &Request) -> &'static str {
    match request {
        Request::Attach { .. } => "attach",
        Request::Detach => "detach",
        Request::Lost => "lost",
        Request::OpenLine { .. } => "open line",
        Request::CloseOpen { .. } => "close one opening",
        Request::CloseLine { .. } => "close line",
        Request::SetStatusMessages { .. } => "set status messages",
        Request::Operate(operation) => operation.name(),
        Request::HandOff { .. } => "hand off",
        Request::TakeOwnership { .. } => "take ownership",
        Request::Monitor { .. } => "monitor",
        Request::Release { .. } => "release",
        Request::LetGo { .. } => "let go",
        Request::ExistingCalls { .. } => "existing calls",
        Request::ConferenceCalls { .. } => "conference calls",
        Request::SetPriority { .. } => "set priority",
        Request::SetRecipientPriority { .. } => "set recipient priority",
        Request::RegisterRecipient { .. } => "register recipient",
        Request::TakeRequest => "take request",
        Request::RequestCall { .. } => "request call",
        Request::Lines => "lines",
        Request::Capabilities { .. } => "capabilities",
        Request::Forwarding { .. } => "forwarding",
        Request::DeviceConfig { .. } => "device configuration",
        Request::SetDeviceConfig { .. } => "set device configuration",
        Request::LineStatus { .. } => "line status",
        Request::AddressStatus { .. } => "address status",
        Request::AddressId { .. } => "address id",
        Request::CouldDetect { .. } => "could detect",
        Request::NegotiateExtension { .. } => "negotiate extension",
        Request::SelectExtension { .. } => "select extension",
        Request::CallInfo { .. } => "call info",
        Request::Timeline { .. } => "timeline",
        Request::Snapshot => "snapshot",
    }
}

/// Kinds of requests that are no operations, and are answered.
const OTHERS: [&str; 31] = [
    "attach",
    "detach",
    "open line",
    "close one opening",
    "close line",
    "set status messages",
    "hand off",
    "take ownership",
    "monitor",
    "release",
    "let go",
    "existing calls",
    "conference calls",
    "set priority",
    "set recipient priority",
    "register recipient",
    "take request",
    "request call",
    "lines",
    "capabilities",
    "forwarding",
    "device configuration",
    "set device configuration",
    "line status",
    "address status",
    "address id",
    "could detect",
    "negotiate extension",
    "select extension",
    "call info",
    "timeline",
];

/// Everything that can be asked and is answered.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    let operations = Set::<Feature>::ALL.iter().map(Feature::name);
    operations.chain(OTHERS).chain(["snapshot"])
}
