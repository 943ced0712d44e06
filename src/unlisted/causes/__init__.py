"""Who did it: evidence, shares with intervals, verdict."""
