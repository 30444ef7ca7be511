//! Session descriptions that are handed from one phone to another (RFC 3725): each phone goes on seeing one session of ours, with
//! one origin and no fewer media than before (RFC 3264 8).

use bytes::Bytes;
use hookswitch_machine::Entropy;
use std::fmt::Write;

/// The most media that are looked at.
const MOST_MEDIA: usize = 16;

/// What one phone has seen of us, and we of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Face {
    /// The session number of our o-lines, and the version sent last; none before the first.
    origin: Option<(u64, u64)>,
    /// The m-lines of our last description.
    media: Vec<Box<str>>,
    /// Its last description.
    theirs: Bytes,
}

impl Face {
    /// A phone of which this came first.
    pub(super) fn of(theirs: &[u8]) -> Self {
        let mut face = Self::default();
        face.heard(theirs);
        face
    }

    /// Its last description; empty if there was none.
    pub(super) const fn theirs(&self) -> &Bytes {
        &self.theirs
    }

    /// A description came. An empty one says nothing.
    pub(super) fn heard(&mut self, theirs: &[u8]) {
        if !theirs.is_empty() {
            // Copied, so that the buffer of the packet is free again.
            self.theirs = Bytes::copy_from_slice(theirs);
        }
    }

    /// We sent it this description of our own.
    pub(super) fn said(&mut self, ours: &[u8]) {
        let origin = lines(ours).find_map(|line| line.strip_prefix("o="));
        let mut numbers = origin.into_iter().flat_map(|origin| origin.split(' ')).skip(1);
        let mut number = || numbers.next().and_then(|text| text.parse().ok());
        self.origin = number().zip(number()).or(self.origin);
        self.media = media(ours).map(Box::from).collect();
    }

    /// Another phone's description as our offer to this one.
    pub(super) fn offer(&mut self, description: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        let before = std::mem::take(&mut self.media);
        let count = before.len().max(media(description).count());
        self.write(description, &before, count, entropy)
    }

    /// Another phone's description as our answer to this one's last.
    pub(super) fn answer(&mut self, description: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        let theirs = self.theirs.clone();
        let offered: Vec<Box<str>> = media(&theirs).map(Box::from).collect();
        self.write(description, &offered, offered.len(), entropy)
    }

    /// Writes a description with `count` media: what is beyond is left out, what is missing is refused in the words of `known`.
    fn write(
        &mut self,
        description: &[u8],
        known: &[Box<str>],
        count: usize,
        entropy: &mut Entropy,
    ) -> Vec<u8> {
        let (id, version) = self.origin.unwrap_or_else(|| (entropy.next_u64() >> 2, 0));
        self.origin = Some((id, version + 1));
        let mut text = String::with_capacity(description.len() + 32);
        let (mut seen, mut named) = (0, false);
        for line in lines(description) {
            if line.starts_with("m=") {
                seen += 1;
            }
            if seen > count {
                break;
            }
            match line.strip_prefix("o=").filter(|_| !named) {
                Some(origin) => {
                    named = true;
                    let place: Vec<&str> = origin.split(' ').skip(3).collect();
                    // Writing to a String cannot fail.
                    let _ = write!(text, "o=- {id} {} {}\r\n", version + 1, place.join(" "));
                }
                None => {
                    text.push_str(line);
                    text.push_str("\r\n");
                }
            }
        }
        for line in known.iter().take(count).skip(seen) {
            let mut parts = line.split(' ');
            let (kind, _port) = (parts.next().unwrap_or("m=audio"), parts.next());
            let rest: Vec<&str> = parts.collect();
            let _ = write!(text, "{kind} 0 {}\r\n", rest.join(" "));
        }
        self.media = media(text.as_bytes()).map(Box::from).collect();
        text.into_bytes()
    }
}

fn lines(description: &[u8]) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(description).unwrap_or_default();
    text.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty())
}

fn media(description: &[u8]) -> impl Iterator<Item = &str> {
    lines(description).filter(|line| line.starts_with("m=")).take(MOST_MEDIA)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"v=0\r\no=ann 7 8 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\
        a=sendrecv\r\n";
    const TWO: &[u8] =
        b"v=0\no=bob 1 2 IN IP4 192.0.2.2\ns=-\nc=IN IP4 192.0.2.2\nt=0 0\nm=audio 5000 RTP/AVP 8 0\n\
        a=sendrecv\nm=video 5002 RTP/AVP 96\na=rtpmap:96 VP8/90000\n";

    fn text(octets: Vec<u8>) -> String {
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn a_phone_sees_one_session_with_rising_versions_and_no_fewer_media() {
        let mut entropy = Entropy::from_number(1);
        let mut bob = Face::of(TWO);
        bob.said(b"v=0\r\no=- 55 3 IN IP4 192.0.2.9\r\nm=audio 6000 RTP/AVP 8\r\nm=video 0 RTP/AVP 96\r\n");
        let offer = text(bob.offer(ONE, &mut entropy));
        assert!(offer.contains("o=- 55 4 IN IP4 192.0.2.1\r\n"), "{offer}");
        assert!(offer.ends_with("a=sendrecv\r\nm=video 0 RTP/AVP 96\r\n"), "{offer}");
        assert!(text(bob.offer(ONE, &mut entropy)).contains("o=- 55 5 "));
    }

    #[test]
    fn an_answer_has_the_media_of_the_offer() {
        let mut entropy = Entropy::from_number(1);
        let answer = text(Face::of(ONE).answer(TWO, &mut entropy));
        assert!(answer.ends_with("m=audio 5000 RTP/AVP 8 0\r\na=sendrecv\r\n"), "{answer}");
        let answer = text(Face::of(TWO).answer(ONE, &mut entropy));
        assert_eq!(answer.matches("m=").count(), 2, "{answer}");
        for garbage in [&b""[..], b"\xff\xfe", b"o=", b"m=", b"o= m=\r\n\r\nm=\r\n"] {
            let mut face = Face::of(garbage);
            face.said(garbage);
            face.answer(garbage, &mut entropy);
            face.offer(garbage, &mut entropy);
        }
    }
}
