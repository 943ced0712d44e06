"""Near-duplicate messages: fingerprint and index."""
