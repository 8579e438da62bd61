"""What people do wrong, and what happens to them: one clear line, and dist/ as it was."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx_ir as ir
import pytest

from extbuild import cli
from extbuild.errors import StorageError
from extbuild.files import exclusive, list_files, remove_tree, sha256_file
from extbuild.source.load import load_source

BUILD = (
    "import sys; from pathlib import Path; from extbuild import cli; "
    "sys.exit(cli.guarded(lambda: cli.build(Path(sys.argv[1]), as_json=True)))"
)


def _content(directory: Path) -> dict[str, str]:
    return {file: sha256_file(directory / file) for file in list_files(directory)}


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def _truncate_weights(project: Path) -> None:
    file = project / "models/moderation/source/model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _misspell_a_key(project: Path) -> None:
    _replace(project / "models/moderation/recipe.toml", "max_tokens", "max_token")


def _ask_the_impossible(project: Path) -> None:
    _replace(project / "models/moderation/recipe.toml", "2_000_000", "1_000")


def _ask_a_little_too_much(project: Path) -> None:
    _replace(project / "models/completion/recipe.toml", "2_000_000", "70_000")


def _set_a_gate_that_no_model_passes(project: Path) -> None:
    with (project / "models/completion/recipe.toml").open("a") as recipe:
        recipe.write("\n[gates.top1_agreement]\nmax_drop = 0.0\n")


def _bring_an_operator_that_no_backend_has(project: Path) -> None:
    source = project / "models/moderation/source"
    graph = load_source(source, "moderation", "moderation").graph
    node = next(node for node in graph.graph if node.op_type == "Tanh")
    node.domain, node.op_type = "com.example", "Magic"
    graph.opset_imports["com.example"] = 1
    (source / "model.safetensors").unlink()
    ir.save(graph, source / "model.onnx")


def _take_the_tokenizer_of_another_model(project: Path) -> None:
    name = "source/tokenizer.json"
    shutil.copy(project / "models/moderation" / name, project / "models/completion" / name)


def _lose_the_fixtures(project: Path) -> None:
    (project / "models/moderation/fixtures/eval.jsonl").unlink()


def _lose_the_tokenizer(project: Path) -> None:
    (project / "models/completion/source/tokenizer.json").unlink()


def _break_a_script(project: Path) -> None:
    (project / "extension_src/src/worker/main.ts").write_text("const = 1;\n")


def _call_home(project: Path) -> None:
    with (project / "extension_src/src/worker/main.ts").open("a") as script:
        script.write('\nvoid fetch("https://tracker.example/hit");\n')


# (what went wrong, what the one line says)
MISTAKES: Sequence[tuple[Callable[[Path], None], Sequence[str]]] = [
    (_truncate_weights, ["model.safetensors"]),
    (
        _misspell_a_key,
        [
            "models/moderation/recipe.toml: moderation.max_token: unknown key, got 'max_token'; "
            "did you mean 'max_tokens'?"
        ],
    ),
    (_ask_the_impossible, ["models/moderation/recipe.toml: budget", "1000"]),
    (
        _ask_a_little_too_much,
        [
            "models/completion/recipe.toml: budget.max_packed_bytes: the packed model must fit in",
            "weights ",
            "largest weights: ",
            "add the pass block_4bit",
        ],
    ),
    (
        _set_a_gate_that_no_model_passes,
        ["models/completion/recipe.toml: compression must keep the quality", "top1_agreement"],
    ),
    (
        _bring_an_operator_that_no_backend_has,
        ["node classifier/Tanh: must be an operator that ONNX Runtime Web has", "::Magic"],
    ),
    (
        _take_the_tokenizer_of_another_model,
        ["models/completion/source/tokenizer.json: must have a token for each of the"],
    ),
    (_lose_the_fixtures, ["models/moderation/recipe.toml: fixtures: names no file"]),
    (_lose_the_tokenizer, ["models/completion/source/tokenizer.json"]),
    (_break_a_script, ["esbuild failed", "src/worker/main.ts:1:"]),
    (_call_home, ["worker.js: a package must not name remote addresses, got 'https://tracker"]),
]


@pytest.mark.parametrize(
    ("mistake", "says"), MISTAKES, ids=[mistake.__name__[1:] for mistake, _ in MISTAKES]
)
def test_a_mistake_is_told_and_dist_is_what_it_was(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    mistake: Callable[[Path], None],
    says: Sequence[str],
) -> None:
    before = _content(project / "dist")
    mistake(project)
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    for text in says:
        assert text in told
    assert "Traceback" not in told
    assert _content(project / "dist") == before
    assert list((project / ".extbuild/drafts").iterdir()) == []


def test_an_impossible_budget_is_refused_before_anything_is_compressed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.clean(project)
    _ask_the_impossible(project)
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 1
    assert "compress" not in capsys.readouterr().out


def test_a_shard_that_changed_on_disk_is_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.guarded(lambda: cli.verify(project)) == 0
    shard = project / "dist/firefox/unpacked/models/completion/weights-001.bin"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    assert cli.guarded(lambda: cli.verify(project)) == 1
    assert "weights-001.bin: changed since it was written" in capsys.readouterr().err


def test_an_archive_that_changed_on_disk_is_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project / "dist/firefox/tiny-9.8.7.xpi").open("ab") as archive:
        archive.write(b"more")
    assert cli.guarded(lambda: cli.verify(project)) == 1
    assert "tiny-9.8.7.xpi: changed since it was written" in capsys.readouterr().err


def test_a_spoiled_cache_is_noticed_and_made_again(project: Path) -> None:
    [entry] = (project / ".extbuild/cache").glob("compile-moderation-*")
    (entry / "files/weights.bin").write_bytes(b"spoiled")
    before = (project / "dist/SHA256SUMS").read_text()
    assert cli.guarded(lambda: cli.build(project, as_json=False)) == 0
    assert (project / "dist/SHA256SUMS").read_text() == before


def test_a_second_build_at_the_same_time_is_sent_away(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = StorageError("unused", "unused")
    with exclusive(project / ".extbuild/lock", busy):
        assert cli.guarded(lambda: cli.build(project, as_json=False)) == 1
    assert "another build is running here; wait for its end" in capsys.readouterr().err


def _limit_files_to_200_kb() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_a_disk_that_takes_no_more_is_told_and_dist_is_what_it_was(
    project: Path, root: Path
) -> None:
    """The limit on file size makes the kernel refuse a write in the middle, as a full disk does."""
    before = _content(project / "dist")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(project)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_limit_files_to_200_kb,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "a file grew over the size limit of this process" in done.stderr
    assert "Traceback" not in done.stderr
    assert _content(project / "dist") == before
    assert list((project / ".extbuild/drafts").iterdir()) == []


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("compile completion", signal.SIGINT),
        ("scripts chrome", signal.SIGTERM),
        ("package firefox", signal.SIGINT),
    ],
)
def test_an_interrupted_build_leaves_dist_as_it_was(
    project: Path, root: Path, stage: str, number: signal.Signals
) -> None:
    before = _content(project / "dist")
    remove_tree(project / ".extbuild/cache")
    _replace(project / "pyproject.toml", "9.8.7", "9.9.0")
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, str(project)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        for line in running.stdout:
            if json.loads(line) == {"event": "started", "stage": stage}:
                os.kill(running.pid, number)
                break
        told = running.stderr.read()
    assert told == "interrupted; dist/ is unchanged\n"
    assert running.returncode == 130
    assert _content(project / "dist") == before
    assert list((project / ".extbuild/drafts").iterdir()) == []
