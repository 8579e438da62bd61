"""The engine's modules, built from extension_src/engine."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from extbuild.bundle.engine import Build, build_engine
from extbuild.cache import Cache
from extbuild.process import run

BUILDS: tuple[Build, ...] = ("simd", "relaxed", "threads", "debug")


@pytest.fixture(scope="session")
def modules(root: Path) -> Mapping[Build, bytes]:
    cache = Cache(root / ".extbuild" / "engine-tests", max_bytes=20_000_000)
    return build_engine(root / "extension_src", cache, run, builds=BUILDS)


@pytest.fixture(params=BUILDS)
def module(request: pytest.FixtureRequest, modules: Mapping[Build, bytes]) -> bytes:
    """Each variant in turn."""
    return modules[request.param]
