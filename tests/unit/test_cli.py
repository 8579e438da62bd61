import os
import signal
from pathlib import Path

import pytest

from extbuild import cli
from extbuild.errors import ConfigError, ContractError


def test_an_error_of_a_person_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> int:
        raise ConfigError("recipe.toml: name", "is wrong", found="'x'", do="mend it")

    assert cli.guarded(fail) == 1
    assert capsys.readouterr().err == "error: recipe.toml: name: is wrong, got 'x'; mend it\n"


def test_a_bug_of_ours_keeps_its_traceback() -> None:
    def fail() -> int:
        raise ContractError("a pass broke its promise")

    with pytest.raises(ContractError):
        cli.guarded(fail)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_one_line_and_exit_code_130(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    def interrupt() -> int:
        os.kill(os.getpid(), number)
        return 0

    assert cli.guarded(interrupt) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("data", "out", "option"), [("", "out.json", "--data FILE.jsonl"), ("in", "", "--json OUT")]
)
def test_an_evaluation_says_what_it_needs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: str, out: str, option: str
) -> None:
    code = cli.guarded(lambda: cli.evaluate(tmp_path, "moderation", data=data, out=out))
    assert code == 1
    assert f"add {option}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "out", "told"),
    [("missing.jsonl", "out.json", "missing.jsonl: is missing"), ("in.jsonl", ".", "is a folder")],
)
def test_an_evaluation_that_cannot_end_does_not_begin(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: str, out: str, told: str
) -> None:
    """There is no project in the folder: reading one would be the first of the work."""
    (tmp_path / "in.jsonl").write_text("{}")
    files = {"data": str(tmp_path / data), "out": str(tmp_path / out)}
    assert cli.guarded(lambda: cli.evaluate(tmp_path, "moderation", **files)) == 1
    assert told in capsys.readouterr().err


def test_measurements_that_cannot_be_written_do_not_begin(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.guarded(lambda: cli.bench(tmp_path, out=str(tmp_path))) == 1
    assert "is a folder; name a file in it" in capsys.readouterr().err


def test_generated_types_are_written_where_the_extension_reads_them(tmp_path: Path) -> None:
    assert cli.generate(tmp_path) == 0
    written = (tmp_path / "extension_src/src/generated/runtime.ts").read_text()
    assert "export interface Runtime {" in written


def test_an_evaluations_numbers_are_told_without_its_rows() -> None:
    result = {"name": "m", "n": 3, "auc": {"mean": 0.5, "none": None}, "rows": [{"p": 0.1}]}
    assert [line.split() for line in cli.figures(result)] == [["n", "3"], ["auc.mean", "0.5000"]]
