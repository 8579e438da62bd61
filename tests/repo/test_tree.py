import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from extbuild.bundle.typescript import OUTPUT, runtime_types

MAX_LINES = 400
MAX_MODELS_BYTES = 48 * 1024 * 1024
CODE = (".py", ".ts", ".mjs")

# Character classes keep these patterns from finding themselves.
REGISTRIES = re.compile(
    r"https?://[\w.-]*(?:npmj[s]|pyp[i]|pythonhoste[d]|debia[n])\.", re.IGNORECASE
)
MACHINE = re.compile(r"(?<![\w.-])/(?:wor[k]|roo[t]|hom[e]/\w+)/")
LOOSE = {
    "sleeps": r"\btime\.slee[p]\(|\bfrom time import slee[p]",
    "skipped tests": r"pytest\.(?:mark\.)?(?:ski[p]|xfai[l])|\b(?:it|test|describe)\.ski[p]\(",
    "notes to self": r"\b(?:TO[D]O|FIXM[E]|XX[X])\b|NotImplementedErro[r]",
    "suppressed checks": r"#\s*typ[e]:\s*ignore|#\s*noq[a]",
    "swallowed errors": r"except\s+(?:Base)?Exceptio[n]\s*:\s*(?:\n\s*)?pass|except\s*:",
}


def test_generated_types_are_fresh(root: Path) -> None:
    fresh = (root / OUTPUT).read_text(encoding="utf-8") == runtime_types()
    assert fresh, f"{OUTPUT} is older than extbuild/config/runtime.py: run ./inv generate"


def test_no_registry_is_named(texts: Mapping[str, str]) -> None:
    wrong = {path: found[0] for path, text in texts.items() if (found := REGISTRIES.search(text))}
    assert wrong == {}


def test_no_path_of_a_developers_machine_is_named(texts: Mapping[str, str]) -> None:
    wrong = {path: found[0] for path, text in texts.items() if (found := MACHINE.search(text))}
    assert wrong == {}


def test_the_lock_file_works_with_any_registry(root: Path) -> None:
    lock = json.loads((root / "extension_src/package-lock.json").read_text())
    resolved = [path for path, package in lock["packages"].items() if "resolved" in package]
    assert resolved == [], "keep omit-lockfile-registry-resolved=true in extension_src/.npmrc"
    unlocked = [
        path for path, package in lock["packages"].items() if path and "integrity" not in package
    ]
    assert unlocked == []


def test_models_stay_small_enough_to_clone(root: Path, tracked: tuple[str, ...]) -> None:
    total = sum((root / path).stat().st_size for path in tracked if path.startswith("models/"))
    assert total <= MAX_MODELS_BYTES


def test_files_have_one_subject(texts: Mapping[str, str]) -> None:
    long = {
        path: lines
        for path, text in texts.items()
        if path.endswith(CODE) and (lines := text.count("\n")) > MAX_LINES
    }
    assert long == {}


@pytest.mark.parametrize("kind", LOOSE)
def test_nothing_is_left_loose(texts: Mapping[str, str], kind: str) -> None:
    wrong = {
        path: found[0]
        for path, text in texts.items()
        if path.endswith(CODE) and (found := re.search(LOOSE[kind], text))
    }
    assert wrong == {}


@pytest.mark.parametrize("script", ["inv", ".ci/run"])
def test_scripts_can_be_run(root: Path, script: str) -> None:
    path = root / script
    assert path.stat().st_mode & 0o111
    assert path.read_text().startswith("#!/bin/sh\n")
