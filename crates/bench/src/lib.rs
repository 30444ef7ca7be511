//! Figures: Hookswitch beside its peers, in the same run.
