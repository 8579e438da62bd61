import tomllib

import pytest

from extbuild.bench.ort_package import without_engine
from extbuild.bench.plan import PARTS, plan_of
from extbuild.errors import ConfigError


def test_everything_is_measured_unless_parts_are_named() -> None:
    assert tuple(plan_of(quick=False, only=[]).parts) == PARTS
    assert plan_of(quick=False, only=["memory"]).parts == ["memory"]


def test_an_unknown_part_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"got 'decodr'.*decoder"):
        plan_of(quick=False, only=["decodr"])


@pytest.mark.parametrize("said", ["", "engine = true\n"])
def test_the_other_package_differs_by_one_line(said: str) -> None:
    text = f'[project]\nname = "x"\n[tool.extbuild]\n{said}name = "X"\n[tool.other]\na = 1\n'
    settled = tomllib.loads(without_engine(text))
    assert settled["tool"]["extbuild"] == {"engine": False, "name": "X"}
    assert settled["tool"]["other"] == {"a": 1}
