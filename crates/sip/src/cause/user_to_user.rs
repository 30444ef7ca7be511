//! The User-to-User header (RFC 7433): what one user sends the other along with a call.

use super::lex;
use crate::message::{Message, Name};
use std::fmt;

/// User-to-user information.
#[derive(Clone, PartialEq, Eq)]
pub struct UserToUser {
    /// The octets; of text, its UTF-8.
    pub payload: Vec<u8>,
    /// How they are written.
    pub encoding: Encoding,
    /// What it is for; `isdn-uui` if not given (RFC 7434).
    pub purpose: Option<String>,
    /// What it holds, by the rules of the purpose.
    pub content: Option<String>,
}

/// How user-to-user information is written (RFC 7433 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As hexadecimal digits.
    #[default]
    Hex,
    /// As it is, in quotes: text without control characters. What could be taken for hexadecimal digits is written as such all the same.
    Text,
}

/// Octets that are read: the RFC asks for 128 at least.
const MOST_OCTETS: usize = 2_048;
/// Values of one message that are read.
const MOST_VALUES: usize = 8;

/// Why user-to-user information cannot be read. It is to be ignored, not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserToUserError {
    /// The data is empty, or not hexadecimal although it says so.
    #[error("User-to-User holds no data, more than 2048 octets, or data that is not hexadecimal as it says")]
    Data,
    /// An encoding other than hexadecimal.
    #[error("User-to-User has an encoding other than hex, the only one defined")]
    Encoding,
}

impl UserToUser {
    /// Octets for the purpose `isdn-uui`.
    pub const fn new(payload: Vec<u8>) -> Self {
        Self { payload, encoding: Encoding::Hex, purpose: None, content: None }
    }

    /// Text for the purpose of an application.
    pub fn text(text: &str, purpose: Option<&str>) -> Self {
        let purpose = purpose.map(str::to_owned);
        Self { payload: text.into(), encoding: Encoding::Text, purpose, content: None }
    }

    /// The values of a message that can be read.
    pub fn all(message: &Message) -> impl Iterator<Item = Self> {
        message.headers(Name::UserToUser).take(MOST_VALUES).filter_map(|value| Self::parse(value).ok())
    }

    /// Reads one value.
    ///
    /// # Errors
    /// If there is no data, or it cannot be decoded.
    pub fn parse(value: &str) -> Result<Self, UserToUserError> {
        let mut parts = lex::split(value, b';');
        let data = parts.next().unwrap_or("");
        let (mut encoding, mut purpose, mut content) = (None, None, None);
        for (name, value) in parts.map(lex::parameter) {
            let slot = match () {
                () if name.eq_ignore_ascii_case("encoding") => &mut encoding,
                () if name.eq_ignore_ascii_case("purpose") => &mut purpose,
                () if name.eq_ignore_ascii_case("content") => &mut content,
                () => continue,
            };
            *slot = Some(lex::unquote(value.unwrap_or("")).into_owned());
        }
        let written = lex::unquote(data);
        if written.is_empty() || written.len() > 2 * MOST_OCTETS {
            return Err(UserToUserError::Data);
        }
        let octets = decode(&written);
        let isdn = purpose.as_deref().is_none_or(|p| p.eq_ignore_ascii_case("isdn-uui"));
        let (payload, encoding) = match (encoding.as_deref(), octets) {
            (Some(named), octets) if named.eq_ignore_ascii_case("hex") => {
                (octets.ok_or(UserToUserError::Data)?, Encoding::Hex)
            }
            (Some(named), _) if ["text", "ascii"].iter().any(|known| named.eq_ignore_ascii_case(known)) => {
                (written.into_owned().into(), Encoding::Text)
            }
            (Some(_), _) => return Err(UserToUserError::Encoding),
            // RFC 7434 3: the usual purpose has hexadecimal digits, said or not.
            (None, Some(octets)) if isdn => (octets, Encoding::Hex),
            (None, _) if !isdn || data.starts_with('"') => (written.into_owned().into(), Encoding::Text),
            (None, _) => return Err(UserToUserError::Data),
        };
        if payload.len() > MOST_OCTETS {
            return Err(UserToUserError::Data);
        }
        Ok(Self { payload, encoding, purpose, content })
    }

    /// The text to write, if it can be written as such and will not be taken for something else.
    fn as_text(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.payload).ok().filter(|_| self.encoding == Encoding::Text)?;
        (!text.is_empty() && !text.chars().any(char::is_control) && decode(text).is_none()).then_some(text)
    }
}

fn decode(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: Option<&u8>| digit.and_then(|d| lex::hex_value(*d));
    digits.as_bytes().chunks(2).map(|pair| Some(value(pair.first())? << 4 | value(pair.get(1))?)).collect()
}

impl fmt::Display for UserToUser {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_text() {
            Some(text) => {
                let mut quoted = String::new();
                lex::push_quoted(&mut quoted, text);
                f.write_str(&quoted)?;
            }
            None => {
                for byte in &self.payload {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str(";encoding=hex")?;
            }
        }
        for (name, value) in [("purpose", &self.purpose), ("content", &self.content)] {
            if let Some(value) = value.as_deref().filter(|v| lex::is_token(v)) {
                write!(f, ";{name}={value}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UserToUser {
    /// How much, not what: it is personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserToUser")
            .field("octets", &self.payload.len())
            .field("purpose", &self.purpose)
            .field("content", &self.content)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_is_read_and_written() {
        // RFC 7433 4.
        let text = "56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar";
        let got = UserToUser::parse(text).unwrap();
        assert_eq!(got.payload, [0x56, 0xa3, 0x90, 0xf3, 0xd2, 0xb7, 0x31, 0x00, 0x23, 0xa2]);
        assert_eq!(got.to_string(), text);
        assert_eq!(UserToUser::parse("\"04FF\" ;encoding=\"hex\"").unwrap(), UserToUser::new(vec![4, 255]));
        assert!(!format!("{got:?}").contains("56"));
    }

    #[test]
    fn text_is_read_and_written() {
        let text = UserToUser::text("order \"7\", Grüße", Some("shop"));
        assert_eq!(text.to_string(), "\"order \\\"7\\\", Grüße\";purpose=shop");
        assert_eq!(UserToUser::parse(&text.to_string()), Ok(text));
        // It could be taken for digits, or break the line: octets then.
        for text in ["cafe", "a\r\nb"] {
            let written = UserToUser::text(text, None).to_string();
            assert!(written.ends_with(";encoding=hex"), "{written}");
            assert_eq!(UserToUser::parse(&written).unwrap().payload, text.as_bytes());
        }
        assert_eq!(UserToUser::parse("hello;purpose=shop").unwrap().payload, b"hello");
        assert_eq!(UserToUser::parse("\"hello\";encoding=ascii").unwrap().payload, b"hello");
        assert_eq!(UserToUser::parse("\"hello\"").unwrap().payload, b"hello");
        assert_eq!(UserToUser::parse(&"00".repeat(2_049)), Err(UserToUserError::Data));
        assert_eq!(UserToUser::parse(&"00".repeat(2_048)).unwrap().payload.len(), 2_048);
    }

    #[test]
    fn several_values_are_told_apart() {
        let message = crate::cause::identities::tests::invite("User-to-User: 00ff, \"a, b\";purpose=x, zz\n");
        let all: Vec<_> = UserToUser::all(&message).map(|uui| uui.payload).collect();
        assert_eq!(all, [vec![0, 255], b"a, b".to_vec()]);
    }

    #[test]
    fn what_cannot_be_decoded_says_so() {
        for (value, error) in [
            ("", UserToUserError::Data),
            (";encoding=hex", UserToUserError::Encoding),
            ("abc", UserToUserError::Data),
            ("zz", UserToUserError::Data),
            ("é1", UserToUserError::Data),
            ("00;encoding=base64", UserToUserError::Encoding),
        ] {
            let got = UserToUser::parse(value);
            assert!(got == Err(error) || got == Err(UserToUserError::Data), "{value}: {got:?}");
        }
    }
}
