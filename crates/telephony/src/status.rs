//! Which news of a line and its addresses an application wants (lineSetStatusMessages).

use std::fmt;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$kind_doc:meta])* $kind:ident = $bit:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(u16);

        impl $name {
            $($(#[$kind_doc])* pub const $kind: Self = Self(1 << $bit);)*
            /// No kind.
            pub const NONE: Self = Self(0);
            /// Every kind.
            pub const ALL: Self = Self($(Self::$kind.0 |)* 0);

            /// What either contains.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether every kind of `other` is in it.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let words = [$((Self::$kind, $word)),*];
                f.debug_set().entries(words.iter().filter(|(kind, _)| self.contains(*kind)).map(|(_, word)| word)).finish()
            }
        }
    };
}

kinds! {
    /// Kinds of news of a line (LINEDEVSTATE).
    LineNews {
        /// In and out of service.
        SERVICE = 0, "service";
        /// Other applications open and close it.
        OPENS = 1, "opens";
    }
}

kinds! {
    /// Kinds of news of the addresses of a line (LINEADDRESSSTATE).
    AddressNews {
        /// The forwarding rules in force.
        FORWARDING = 0, "forwarding";
    }
}

/// Which news an application wants through one opening of a line. Nothing unless it says so; that a line was closed under it or
/// is gone, that it should start over, calls, their states and completions reach it in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct StatusMessages {
    /// Of the line.
    pub line: LineNews,
    /// Of its addresses.
    pub address: AddressNews,
}

impl StatusMessages {
    /// No news: what a line is opened with unless something else is asked for.
    pub const NONE: Self = Self { line: LineNews::NONE, address: AddressNews::NONE };
    /// All news.
    pub const ALL: Self = Self { line: LineNews::ALL, address: AddressNews::ALL };

    /// Whether every kind of `other` is wanted.
    pub const fn contains(self, other: Self) -> bool {
        self.line.contains(other.line) && self.address.contains(other.address)
    }

    /// These kinds of news of the line.
    pub const fn of_line(line: LineNews) -> Self {
        Self { line, address: AddressNews::NONE }
    }

    /// These kinds of news of its addresses.
    pub const fn of_addresses(address: AddressNews) -> Self {
        Self { line: LineNews::NONE, address }
    }
}
