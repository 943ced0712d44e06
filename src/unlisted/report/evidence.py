"""Where in the logs a figure is from: how many attempts, and a bounded sample of their lines."""

import msgspec
import numpy as np

from unlisted.report.cells import Cells

SAMPLE = 8


class Evidence(msgspec.Struct, frozen=True):
    """`lines` are (number of the file, line); first and last are always among them."""

    count: int
    lines: tuple[tuple[int, int], ...]


def evidence_of(cells: Cells, sample: int = SAMPLE) -> Evidence:
    """Of cells in time order: the first lines of cells spread evenly over them."""
    if not len(cells):
        return Evidence(0, ())
    places = np.unique(np.linspace(0, len(cells) - 1, min(sample, len(cells))).round().astype(int))
    lines = tuple((int(cells.file[i]), int(cells.line[i])) for i in places)
    return Evidence(cells.total(), lines)
