"""Runs TypeScript files under the build's own Node, which strips their types."""

from collections.abc import Sequence
from pathlib import Path

from extbuild.process import Finished, find_node, run

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ROOT / "extension_src"


def run_node(arguments: Sequence[str | Path], *, stdin: str = "") -> Finished:
    """How Node ended; the caller judges its exit code."""
    argv = [str(find_node().program), *map(str, arguments)]
    return run(argv, cwd=EXTENSION, stdin=stdin)


def node_json(script: Path, stdin: str) -> str:
    """What a script printed. Fails with the script's own words when it failed."""
    ended = run_node([script], stdin=stdin)
    assert ended.code == 0, ended.errors[-4000:]
    return ended.output
