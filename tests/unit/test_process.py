import sys
from pathlib import Path

import pytest

from extbuild.errors import ToolError
from extbuild.process import Finished, check, find_node, run


def test_a_program_gets_its_input_and_gives_its_output(tmp_path: Path) -> None:
    script = "import os, sys; print(sys.stdin.read(), os.environ['EXTRA'], os.getcwd())"
    done = run([sys.executable, "-c", script], cwd=tmp_path, env={"EXTRA": "yes"}, stdin="in")
    assert done == Finished(0, f"in yes {tmp_path}\n", "")


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no-such-program: cannot be run: No such file"):
        run(["no-such-program"], cwd=tmp_path)


def test_a_failure_shows_the_last_lines_of_what_was_said() -> None:
    said = "\n".join(f"line {number}" for number in range(100))
    with pytest.raises(ToolError) as caught:
        check(Finished(2, "", said), place="tool", wrong="it failed", do="look")
    assert str(caught.value).startswith("tool: it failed, got exit code 2; look\n")
    assert "line 99" in str(caught.value)
    assert "line 80" not in str(caught.value)


def test_node_comes_with_the_python_environment(tmp_path: Path) -> None:
    node = find_node()
    script = "console.log(process.versions.node.split('.')[0] >= 22)"
    assert run([str(node.program), "-e", script], cwd=tmp_path, env=node.env).output == "true\n"
