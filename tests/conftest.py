"""Fixtures for every folder of tests."""

import signal
from pathlib import Path

import pytest

# A shell without job control starts background jobs with SIGINT ignored, and their children inherit
# that. Tests of interruptions need the state of a job in the foreground.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parent.parent
