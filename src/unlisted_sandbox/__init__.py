"""A small internet on loopback: an opponent in its own process, not a part of the product."""
