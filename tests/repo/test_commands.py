import ast
import os
import subprocess
from pathlib import Path

import pytest

STUB = """\
#!/bin/sh
# Stands in for Python: knows its version, makes a .venv of stubs, and notes what pip is asked for.
case "$*" in
  -c*version_info*) exit {too_old} ;;
  -c*venv*) exit {no_venv} ;;
  -c*pip*) exit 0 ;;
  --version) echo "Python 3.99" ;;
  "-m venv --clear .venv")
    rm -rf .venv
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python ;;
  "-m invoke "*) shift 2; echo "ran: $*" ;;
  *pip*) echo "$*" >> pip.log ;;
esac
"""


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    """A folder with nothing but the script and a pyproject.toml."""
    (tmp_path / "inv").write_bytes((root / "inv").read_bytes())
    (tmp_path / "inv").chmod(0o755)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("")
    return tmp_path


def _run(
    project: Path, *arguments: str, too_old: int = 0, no_venv: int = 0
) -> subprocess.CompletedProcess[str]:
    stubs = project / "stubs"
    stubs.mkdir(exist_ok=True)
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        (stubs / name).write_text(STUB.format(too_old=too_old, no_venv=no_venv))
        (stubs / name).chmod(0o755)
    return subprocess.run(
        ["./inv", *arguments],
        cwd=project,
        env={"PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def _installs(project: Path) -> list[str]:
    return [line.split()[-1] for line in (project / "pip.log").read_text().splitlines()]


def test_the_first_run_installs_and_later_runs_do_not(project: Path) -> None:
    first, second = _run(project, "build"), _run(project, "build", "--json")
    assert (first.returncode, first.stdout) == (0, "ran: build\n")
    assert (second.returncode, second.stdout, second.stderr) == (0, "ran: build --json\n", "")
    assert _installs(project) == ["."]


def test_a_builder_is_spared_the_test_tools(project: Path) -> None:
    for command in ("build", "test", "test", "check", "train"):
        assert _run(project, command).returncode == 0
    assert _installs(project) == [".", ".[test]", ".[train]"]


def test_a_changed_pyproject_is_installed_again(project: Path) -> None:
    _run(project, "build")
    (project / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    _run(project, "build")
    assert _installs(project) == [".", "."]


def test_changed_constraints_are_installed_again(project: Path) -> None:
    _run(project, "build")
    (project / "constraints.txt").write_text("invoke==3.0.3\n")
    _run(project, "build")
    assert _installs(project) == [".", "."]


def test_an_environment_that_was_cut_short_is_made_again(project: Path) -> None:
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = _run(project, "build")
    assert (done.returncode, done.stdout) == (0, "ran: build\n")


def test_a_later_command_brings_its_tools_too(project: Path) -> None:
    assert _run(project, "clean", "test").returncode == 0
    assert _installs(project) == [".[test]"]


def test_an_old_python_is_told(project: Path) -> None:
    done = _run(project, "build", too_old=1)
    assert done.returncode == 1
    assert done.stderr == "inv: Python 3.11 or newer is needed; install it and run ./inv again\n"


def test_a_missing_venv_module_is_told(project: Path) -> None:
    done = _run(project, "build", no_venv=1)
    assert done.returncode == 1
    assert "Python's venv module is missing; on Debian: apt-get install python3-venv" in done.stderr


def test_tasks_are_one_call_each(root: Path) -> None:
    tree = ast.parse((root / "tasks.py").read_text())
    tasks = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
    assert {len(task.body) for task in tasks} == {2}
    assert all(ast.get_docstring(task) for task in tasks)
