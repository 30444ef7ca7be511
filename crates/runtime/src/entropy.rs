//! The operating system's chance, as seeds for [`Entropy`].

use hookswitch_machine::Entropy;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error(
    "the operating system gave no random bytes ({0}): without them identifiers and keys could be guessed, so nothing is started"
)]
pub struct NoEntropy(getrandom::Error);

/// The generators of one machine. They are independent: an observer who sees many identifiers learns nothing about keys.
#[derive(Debug)]
pub struct Seeds {
    /// For tags, branches, Call-IDs, jitter, hash keys.
    pub identifiers: Entropy,
    /// For SRTP keys, nonces and tokens.
    pub keys: Entropy,
}

/// Two fresh generators, each with its own 256 bits from the operating system.
///
/// # Errors
/// [`NoEntropy`] if the operating system has none to give.
pub fn from_system() -> Result<Seeds, NoEntropy> {
    Ok(Seeds { identifiers: fresh()?, keys: fresh()? })
}

/// One fresh generator.
///
/// # Errors
/// [`NoEntropy`] if the operating system has none to give.
pub fn fresh() -> Result<Entropy, NoEntropy> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(NoEntropy)?;
    Ok(Entropy::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generators_differ() {
        let Seeds { mut identifiers, mut keys } = from_system().unwrap();
        assert_ne!(identifiers.next_u64(), keys.next_u64());
    }
}
