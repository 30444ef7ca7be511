//! Between the two rates of telephony, a frame at a time.

/// From one rate to another that is its half, its double or the same; the lengths say which.
pub fn convert(from: &[i16], to: &mut [i16]) {
    if from.len() == to.len() {
        to.copy_from_slice(from);
    } else if from.len() > to.len() {
        for (slot, two) in to.iter_mut().zip(from.chunks_exact(2)) {
            let [first, second] = two else { continue };
            *slot = ((i32::from(*first) + i32::from(*second)) / 2) as i16;
        }
    } else {
        for (i, slots) in to.chunks_exact_mut(2).enumerate() {
            let this = from.get(i).copied().unwrap_or(0);
            let next = from.get(i + 1).copied().unwrap_or(this);
            if let [first, second] = slots {
                *first = this;
                *second = ((i32::from(this) + i32::from(next)) / 2) as i16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_halved_doubled_or_copied() {
        let (mut half, mut same, mut double) = ([0; 2], [0; 4], [0; 8]);
        convert(&[1, 3, 10, 20], &mut half);
        convert(&[1, 3, 10, 20], &mut same);
        convert(&[0, 10, 20, 30], &mut double);
        assert_eq!(half, [2, 15]);
        assert_eq!(same, [1, 3, 10, 20]);
        assert_eq!(double, [0, 5, 10, 15, 20, 25, 30, 30]);
    }
}
