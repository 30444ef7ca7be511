//! The service provider interface: the vocabulary and the contract between applications and providers.
