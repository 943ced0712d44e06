"""What was read of one file and what was not, so that a reader can say it instead of hiding it.

Counts without end, samples up to `SAMPLES`, each cut to `SAMPLE_CHARS`. Refuses nothing.
"""

from dataclasses import dataclass, field

SAMPLES = 20
SAMPLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Sample:
    """A line that was not read: its number in the file, why, and how it begins."""

    line: int
    why: str
    text: str


@dataclass(slots=True)
class Tally:
    """lines: seen. attempts: yielded. other: well formed, but about no delivery or no message.
    not_read: lines that should have told something and could not be trusted."""

    lines: int = 0
    attempts: int = 0
    other: int = 0
    not_read: int = 0
    samples: list[Sample] = field(default_factory=list)

    def miss(self, line: int, why: str, text: str) -> None:
        """Count a line as not read and keep it if there is room."""
        self.not_read += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(Sample(line, why, text[:SAMPLE_CHARS]))
