//! The User-to-User header (RFC 7433): what one user sends the other along with a call.

use super::lex;
use std::fmt;

/// User-to-user information.
#[derive(Clone, PartialEq, Eq)]
pub struct UserToUser {
    /// The octets.
    pub payload: Vec<u8>,
    /// What it is for; `isdn-uui` if not given (RFC 7434).
    pub purpose: Option<String>,
    /// What it holds, by the rules of the purpose.
    pub content: Option<String>,
}

/// Why user-to-user information cannot be read. It is to be ignored, not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserToUserError {
    /// The data is empty, or not hexadecimal although it says so.
    #[error("User-to-User holds no data, or data that is not hexadecimal as it says")]
    Data,
    /// An encoding other than hexadecimal.
    #[error("User-to-User has an encoding other than hex, the only one defined")]
    Encoding,
}

impl UserToUser {
    /// Octets for the purpose `isdn-uui`.
    pub const fn new(payload: Vec<u8>) -> Self {
        Self { payload, purpose: None, content: None }
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
        if encoding.is_some_and(|e| !e.eq_ignore_ascii_case("hex")) {
            return Err(UserToUserError::Encoding);
        }
        let payload = decode(lex::without_quotes(data)).ok_or(UserToUserError::Data)?;
        Ok(Self { payload, purpose, content })
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
        for byte in &self.payload {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(";encoding=hex")?;
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
