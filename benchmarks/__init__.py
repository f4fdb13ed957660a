"""The speed figures of the README, each measured beside its peer in the same run."""
