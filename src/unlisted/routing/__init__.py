"""Which address: pools, keyed rotation, rest."""
