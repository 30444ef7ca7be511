//! What is done to octets before they are indexed. Nothing of it changes a length, and only what needs it is copied.

use super::lex;
use bytes::{Buf, Bytes, BytesMut};

/// RFC 3261 7.5: line ends before the start line are ignored.
pub(crate) fn skip_line_ends(bytes: &mut Bytes) {
    let n = bytes.iter().position(|c| *c != b'\r' && *c != b'\n').unwrap_or(bytes.len());
    if n > 0 {
        bytes.advance(n);
    }
}

/// A copy with spaces instead of the line ends inside folded header fields. The length stays.
pub(crate) fn unfold(bytes: &[u8]) -> Bytes {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n").unwrap_or(bytes.len());
    let mut copy = BytesMut::from(bytes);
    for at in memchr::memmem::find_iter(bytes.get(..head).unwrap_or_default(), b"\r\n") {
        if bytes.get(at + 2).copied().is_some_and(lex::is_ws)
            && let Some(line_end) = copy.get_mut(at..at + 2)
        {
            line_end.copy_from_slice(b"  ");
        }
    }
    copy.freeze()
}

/// A copy with `?` for every octet of the header section that is no UTF-8.
pub(crate) fn question_marks(bytes: &[u8]) -> Bytes {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n").unwrap_or(bytes.len());
    let mut copy = BytesMut::from(bytes);
    let mut at = 0;
    while let Err(error) = std::str::from_utf8(bytes.get(at..end).unwrap_or_default()) {
        let bad = at + error.valid_up_to();
        at = error.error_len().map_or(end, |len| bad + len);
        copy.get_mut(bad..at).unwrap_or_default().fill(b'?');
    }
    copy.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folds_in_the_header_section_are_unfolded() {
        let unfolded = unfold(b"A: b\r\n c\r\n\td\r\nE: f\r\n\r\nbody\r\n body");
        assert_eq!(unfolded, &b"A: b   c  \td\r\nE: f\r\n\r\nbody\r\n body"[..]);
    }

    #[test]
    fn only_what_is_no_utf8_becomes_a_question_mark() {
        let marked = question_marks(b"A: \xe9\xc3\xa9 \xf0\x9f\r\nB: \xff\xfe\xc3\r\n\r\n\xff");
        assert_eq!(marked, &b"A: ?\xc3\xa9 ??\r\nB: ???\r\n\r\n\xff"[..]);
    }
}
