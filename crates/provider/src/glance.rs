//! What can be seen of a message of ours at a glance: enough for a timeline, much cheaper than reading it.

/// The few facts of a message that a timeline wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Glance<'a> {
    pub(crate) method: &'a str,
    pub(crate) status: Option<u16>,
    pub(crate) cseq: u32,
    pub(crate) our_tag: &'a str,
    pub(crate) sdp: bool,
}

impl<'a> Glance<'a> {
    /// Looks at a message that this crate wrote; `None` if it is something else.
    pub(crate) fn at(bytes: &'a [u8]) -> Option<Self> {
        let (first, mut rest) = line(bytes)?;
        let status = match first.strip_prefix(b"SIP/2.0 ") {
            Some(rest) => Some(text(rest.get(..3)?)?.parse().ok()?),
            None => None,
        };
        // From holds our tag in requests, To in responses.
        let ours: &[u8] = if status.is_some() { b"To: " } else { b"From: " };
        let (mut cseq, mut method, mut our_tag) = (0, "", None);
        loop {
            let (field, behind) = line(rest)?;
            rest = behind;
            if field.is_empty() {
                break;
            }
            if let Some(value) = field.strip_prefix(b"CSeq: ") {
                let (number, name) = text(value)?.split_once(' ')?;
                (cseq, method) = (number.parse().ok()?, name);
            } else if let Some(value) = field.strip_prefix(ours).or_else(|| field.strip_prefix(b"t: ")) {
                let (_, tag) = text(value)?.rsplit_once(";tag=")?;
                our_tag = Some(tag.split_once(';').map_or(tag, |(tag, _)| tag));
            }
        }
        Some(Self { method, status, cseq, our_tag: our_tag?, sdp: !rest.is_empty() })
    }
}

/// The first line, and what is behind its end.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = bytes.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), bytes.get(end + 1..)?))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_are_recognised() {
        let bye = b"BYE sip:a@b SIP/2.0\r\nFrom: <sip:us@x>;tag=h0-1-2-3\r\nTo: <sip:them@y>;tag=z\r\nCSeq: 7 BYE\r\n\r\n";
        let glance = Glance::at(bye);
        assert_eq!(
            glance,
            Some(Glance { method: "BYE", status: None, cseq: 7, our_tag: "h0-1-2-3", sdp: false })
        );
        let ok = b"SIP/2.0 200 OK\r\nFrom: <sip:them@y>;tag=z\r\nTo: <sip:us@x>;tag=h0-1-2-3\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0";
        let glance = Glance::at(ok).map(|g| (g.status, g.method, g.our_tag, g.sdp));
        assert_eq!(glance, Some((Some(200), "INVITE", "h0-1-2-3", true)));
        assert_eq!(Glance::at(b"SIP/2.0 100 Trying\r\nTo: <sip:us@x>\r\nCSeq: 1 INVITE\r\n\r\n"), None);
    }
}
