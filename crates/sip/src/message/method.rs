//! Methods: an open set with names for those that the RFCs define.

use std::fmt;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A request method. Case-sensitive (RFC 3261 7.1); extension methods are kept as they came.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Method<'a> {
            $($(#[$doc])* $variant,)*
            /// Any other token.
            Other(&'a str),
        }

        impl<'a> Method<'a> {
            /// The method of this name. Does not check that the name is a token.
            pub fn new(name: &'a str) -> Self {
                match name {
                    $($text => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The name on the wire.
            pub const fn as_str(self) -> &'a str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(name) => name,
                }
            }

            /// The same method, independent of the message it was read from; allocates for extension methods only.
            pub fn to_owned(self) -> OwnedMethod {
                match self {
                    $(Self::$variant => OwnedMethod(Repr::Known(Method::$variant)),)*
                    Self::Other(name) => OwnedMethod(Repr::Other(name.into())),
                }
            }
        }
    };
}

methods! {
    /// RFC 3261 13.
    Invite = "INVITE",
    /// RFC 3261 13.
    Ack = "ACK",
    /// RFC 3261 15.
    Bye = "BYE",
    /// RFC 3261 9.
    Cancel = "CANCEL",
    /// RFC 3261 10.
    Register = "REGISTER",
    /// RFC 3261 11.
    Options = "OPTIONS",
    /// RFC 3515.
    Refer = "REFER",
    /// RFC 6665.
    Notify = "NOTIFY",
    /// RFC 6665.
    Subscribe = "SUBSCRIBE",
    /// RFC 6086.
    Info = "INFO",
    /// RFC 3311.
    Update = "UPDATE",
    /// RFC 3262.
    Prack = "PRACK",
    /// RFC 3428.
    Message = "MESSAGE",
    /// RFC 3903.
    Publish = "PUBLISH",
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A method that borrows from nothing, for keys of transactions and dialogs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnedMethod(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Known(Method<'static>),
    Other(Box<str>),
}

impl OwnedMethod {
    /// The method to compare and match.
    pub fn get(&self) -> Method<'_> {
        match &self.0 {
            Repr::Known(method) => *method,
            Repr::Other(name) => Method::Other(name),
        }
    }
}

impl PartialEq<Method<'_>> for OwnedMethod {
    fn eq(&self, other: &Method<'_>) -> bool {
        self.get() == *other
    }
}

impl fmt::Debug for OwnedMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

impl fmt::Display for OwnedMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive_and_open() {
        assert_eq!(Method::new("INVITE"), Method::Invite);
        assert_eq!(Method::new("Invite"), Method::Other("Invite"));
        assert_eq!(Method::new("RE%47IST%45R").as_str(), "RE%47IST%45R");
    }

    #[test]
    fn owned_methods_equal_borrowed_ones() {
        for name in ["BYE", "FOO"] {
            assert_eq!(Method::new(name).to_owned(), Method::new(name));
        }
    }
}
