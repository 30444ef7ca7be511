//! Choosing the best of several final responses (RFC 3261 16.7, 6).

/// Whether the caller still wants an answer; it changes what is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Yes.
    Answer,
    /// No: it cancelled, and waits for 487.
    Cancelled,
}

/// The place of a final response other than 2xx among others; the lowest is best.
pub(crate) const fn rank(status: u16, wish: Wish) -> u8 {
    match (status, wish) {
        (487, Wish::Cancelled) => 0,
        (600..=699, _) => 1,
        (300..=399, _) => 2,
        // They tell the caller what to do better.
        (401 | 407 | 415 | 420 | 484, _) => 3,
        // They say nothing about the user, only about one device.
        (408 | 480 | 481 | 487, _) => 5,
        (400..=499, _) => 4,
        // RFC 3261 16.7, 6: 503 is about one server, not about us.
        (503, _) => 7,
        (_, _) => 6,
    }
}

/// The status that goes upstream for the best response (RFC 3261 16.7, 6: never 503).
pub(crate) const fn upstream(status: u16) -> u16 {
    match status {
        503 => 500,
        status => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(statuses: &[u16], wish: Wish) -> u16 {
        let best = statuses.iter().copied().min_by_key(|status| rank(*status, wish));
        upstream(best.unwrap())
    }

    #[test]
    fn the_best_response_is_chosen() {
        for (statuses, expected) in [
            (&[486, 603][..], 603),
            (&[404, 302], 302),
            (&[302, 600], 600),
            (&[486, 401], 401),
            (&[401, 407], 401),
            (&[407, 401], 407),
            (&[486, 480], 486),
            (&[480, 486], 486),
            (&[408, 486], 486),
            (&[487, 486], 486),
            (&[486, 404], 486),
            (&[500, 486], 486),
            (&[503, 500], 500),
            (&[503, 504], 504),
            (&[503], 500),
            (&[408, 503], 408),
            (&[415, 486], 415),
            (&[699, 606], 699),
        ] {
            assert_eq!(best(statuses, Wish::Answer), expected, "{statuses:?}");
        }
    }

    #[test]
    fn whoever_cancels_gets_487() {
        for statuses in [&[486, 487][..], &[603, 487], &[408, 487], &[302, 487]] {
            assert_eq!(best(statuses, Wish::Cancelled), 487, "{statuses:?}");
        }
        assert_eq!(best(&[486, 408], Wish::Cancelled), 486);
    }
}
