"""Runs that several tests look at."""

from pathlib import Path

import pytest

from unlisted_sandbox.result import Options

from .runs import Run, once


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for all workers of this test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "runs"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def quiet(shared: Path) -> Run:
    """The small world, three platforms, nobody disturbs."""
    return once(shared, "quiet", Options())


@pytest.fixture(scope="session")
def stalled(shared: Path) -> Run:
    """The same, the product's process stopped for 0.3 s at random moments."""
    return once(shared, "stalled", Options(stall=True))
