//! One shard: provider and telephony wired together behind the Machine trait.
