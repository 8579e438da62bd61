"""The extension's TypeScript: its own tests, one by one, and its types."""

import re
from pathlib import Path

import pytest

from tests.node import EXTENSION, run_node

HERE = Path(__file__).parent
TEST_FILES = sorted(HERE.rglob("*.test.ts"))


@pytest.mark.parametrize(
    "file", [pytest.param(file, id=file.relative_to(HERE).as_posix()) for file in TEST_FILES]
)
def test_node_tests_pass(file: Path) -> None:
    ended = run_node(["--test", "--test-reporter=tap", file])
    assert ended.code == 0, ended.output[-6000:] + ended.errors[-2000:]
    counts = dict(re.findall(r"^# (pass|skipped|todo) (\d+)$", ended.output, re.MULTILINE))
    assert int(counts["pass"]) > 0, f"{file}: holds no test"
    assert (counts["skipped"], counts["todo"]) == ("0", "0"), f"{file}: leaves tests out"


def test_types_hold() -> None:
    tsc = EXTENSION / "node_modules" / "typescript" / "bin" / "tsc"
    ended = run_node([tsc, "--noEmit", "--project", EXTENSION / "tsconfig.json"])
    assert ended.code == 0, ended.output
