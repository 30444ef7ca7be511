//! Header fields beside those that make SIP work: what applications add to messages, and what they want to read from them.
//!
//! [`ExtraHeaders`] are header fields for a request or response of the user agent: checked, bounded, and none that the stack
//! writes itself. [`SessionId`] (RFC 7989) names a call end to end, across every element that changes Call-IDs.
//! [`auto_answer`] says whether a caller wants to be answered without anybody lifting a hand (intercom, click to dial), [`AlertInfo`]
//! how the phone is to ring. User-to-User is in [`cause`](crate::cause).
//!
//! Reading order: `extra`, `session_id`, `alerting`.

mod alerting;
mod extra;
mod session_id;

pub use alerting::{AlertInfo, auto_answer, push_auto_answer};
pub use extra::{ExtraHeaderError, ExtraHeaders};
pub use session_id::SessionId;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::lex::broken;
    use hookswitch_machine::Entropy;

    #[test]
    fn broken_headers_are_left_out_or_written_as_they_were_read() {
        let mut entropy = Entropy::from_number(7);
        let sample = "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2";
        for value in broken(sample, &mut entropy) {
            if let Some(id) = SessionId::parse(&value) {
                assert_eq!(SessionId::parse(&id.to_string()), Some(id), "{value:?}");
            }
        }
        for value in broken("<urn:alert:service:call-waiting>;info=alert-autoanswer;delay=3", &mut entropy) {
            let _ = AlertInfo::parse(&value);
        }
        for value in broken("X-Name: some value", &mut entropy) {
            let mut extra = ExtraHeaders::new();
            let (name, text) = value.split_once(':').unwrap_or((&value, ""));
            if extra.push(name, text).is_ok() {
                assert_eq!(extra.as_lines().matches("\r\n").count(), 1, "{value:?}");
                assert!(!extra.as_lines().trim_end_matches("\r\n").contains(['\r', '\n', '\0']), "{value:?}");
            }
        }
    }
}
