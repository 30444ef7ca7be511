//! The messages that the layer writes by itself, and the way responses take.

use crate::message::{Limits, Message, Method, Name, Request, Response, Via};
use bytes::Bytes;
use hookswitch_machine::Flow;

/// Where the responses to a request go (RFC 3261 18.2.2, RFC 3581 4): over a stream back on it, over datagrams to the address the
/// request came from, and there to its port if `rport` was asked for, else to the port of sent-by.
pub fn response_flow(request: &Message, flow: Flow) -> Flow {
    response_flow_by(&request.via(), flow)
}

pub(crate) fn response_flow_by(via: &Via<'_>, flow: Flow) -> Flow {
    if flow.connection != 0 { flow } else { Flow { peer: via.reply_to(flow.peer), ..flow } }
}

/// The 100 Trying for an INVITE that is answered on `flow`; `None` if `invite` is no message.
pub(crate) fn trying(invite: &Bytes, flow: Flow) -> Option<Bytes> {
    Some(Response::to(&again(invite)?, 100).received(flow.peer).finish())
}

/// 503 with a To tag that is the same for every copy of the request (RFC 3261 8.2.7).
pub(crate) fn unavailable(request: &Message, flow: Flow, tag: u64, retry_after: u32) -> Bytes {
    let tag = format!("{tag:016x}");
    let retry_after = (retry_after > 0).then_some(retry_after);
    Response::to(request, 503)
        .received(flow.peer)
        .to_tag(&tag)
        .header_if(Name::RetryAfter, retry_after)
        .finish()
}

/// The ACK for a 300-699, in a buffer of its size: it stays for a while. `None` if `invite` is no message.
pub(crate) fn ack(invite: &Bytes, response: &Message) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(&Request::ack(&again(invite)?, response).finish()))
}

/// The CANCEL for an INVITE; `None` if `invite` is no message.
pub(crate) fn cancel(invite: &Bytes, reason: Option<&str>) -> Option<Bytes> {
    let invite = again(invite)?;
    debug_assert!(invite.method() == Method::Invite, "only an INVITE is cancelled");
    Some(Request::cancel(&invite).header_if(Name::Reason, reason).finish())
}

/// Reads what was read or written before.
fn again(bytes: &Bytes) -> Option<Message> {
    Message::parse(bytes.clone(), &Limits::default()).ok()
}
