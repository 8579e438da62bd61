"""The engine's modules, for the tests that run them in Node."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from extbuild.artifacts import Variant
from extbuild.bundle.engine import shipped_engine
from extbuild.cache import Cache
from extbuild.process import run


@pytest.fixture(scope="session")
def engine(root: Path) -> Mapping[Variant, bytes]:
    """Each shipped variant; the cache is that of tests/unit/engine."""
    cache = Cache(root / ".extbuild" / "engine-tests", max_bytes=20_000_000)
    return shipped_engine(root / "extension_src", cache, run)
