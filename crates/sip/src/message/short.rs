//! Numbers and addresses as text on the stack: every message holds a dozen, and the general machinery of `fmt` costs more than
//! all the rest of writing them.

use std::net::{IpAddr, Ipv4Addr};

/// A short ASCII text: room for 64 bits in decimal, for an IPv4 address, or for a tag of ours.
#[derive(Clone, Copy)]
pub(crate) struct Short {
    text: [u8; 48],
    len: usize,
}

impl Short {
    pub(crate) const fn new() -> Self {
        Self { text: [0; 48], len: 0 }
    }

    /// A number in decimal.
    pub(crate) fn decimal(number: u64) -> Self {
        Self::new().then_decimal(number)
    }

    /// A dotted quad.
    pub(crate) fn ipv4(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        let [a, b, c, d] = [a, b, c, d].map(u64::from);
        let text = Self::new().then_decimal(a).then(b'.').then_decimal(b).then(b'.');
        text.then_decimal(c).then(b'.').then_decimal(d)
    }

    /// An address, if it is short.
    pub(crate) fn ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(Self::ipv4(address)),
            IpAddr::V6(_) => None,
        }
    }

    /// One more octet; ASCII only. What does not fit is left out.
    #[inline]
    pub(crate) fn then(mut self, c: u8) -> Self {
        if let Some(place) = self.text.get_mut(self.len) {
            *place = c;
            self.len += 1;
        }
        self
    }

    #[inline]
    pub(crate) fn then_decimal(self, number: u64) -> Self {
        self.then_digits(number, 10)
    }

    /// A number in hexadecimal, small letters.
    #[inline]
    pub(crate) fn then_hex(self, number: u64) -> Self {
        self.then_digits(number, 16)
    }

    #[inline]
    fn then_digits(mut self, mut number: u64, base: u64) -> Self {
        let mut digits = [0u8; 20];
        let mut start = digits.len();
        for place in digits.iter_mut().rev() {
            let digit = (number % base) as u8;
            *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            number /= base;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        let digits = digits.get(start..).unwrap_or_default();
        if let Some(place) = self.text.get_mut(self.len..self.len + digits.len()) {
            place.copy_from_slice(digits);
            self.len += digits.len();
        }
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        // Nothing but ASCII is ever put in.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// A dotted quad as `Ipv4Addr` reads it: four numbers up to 255 without leading zeros.
pub(crate) fn read_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.as_bytes().split(|c| *c == b'.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 3 || (part.len() > 1 && part.first() == Some(&b'0')) {
            return None;
        }
        let mut number = 0u16;
        for c in part {
            if !c.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u16::from(c - b'0');
        }
        *octet = u8::try_from(number).ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_written_as_fmt_does() {
        for number in [0, 7, 10, 255, 65_535, 1_000_000, u64::MAX] {
            assert_eq!(Short::decimal(number).as_str(), number.to_string());
            assert_eq!(Short::new().then_hex(number).as_str(), format!("{number:x}"));
        }
        for address in [[0, 0, 0, 0], [127, 0, 0, 1], [255, 255, 255, 255], [10, 200, 3, 40]] {
            let address = Ipv4Addr::from(address);
            assert_eq!(Short::ipv4(address).as_str(), address.to_string());
        }
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_does() {
        for text in [
            "127.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.",
            ".1.2.3",
            "1..2.3",
            "a.b.c.d",
            "1.2.3.4x",
            "1000.1.1.1",
            "",
            "4.3.2.00",
        ] {
            assert_eq!(read_ipv4(text), text.parse().ok(), "{text}");
        }
    }
}
