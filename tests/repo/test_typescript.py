import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pytest

SOURCE = "extension_src/src/"
# A context is what a browser isolates; each is bundled by itself from its main.ts.
CONTEXTS = (
    "background",
    "offscreen",
    "worker",
    "content/moderation",
    "content/completion",
    "ui/popup",
    "ui/options",
)
SHARED = {"protocol", "lib", "generated", "host", "router", "ui"}
IMPORT = re.compile(r"(?:from|import)\s*\(?\s*\"([^\"]+)\"")
IMPORT_TYPE = re.compile(r"\bimport type [^;]*;")
COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`\w])//[^\n]*", re.DOTALL)
ORT_CODE = re.compile(r"\bimport\b(?!\s+type\b)[^;]*\"onnxruntime-")
BROWSER_API = re.compile(r"(?<![\w.\"'`/])(?:chrome|browser)\.\w")


@pytest.fixture(scope="module")
def sources(texts: Mapping[str, str]) -> Mapping[str, str]:
    """Code of the extension without its comments, by path below src/."""
    return {
        path.removeprefix(SOURCE): COMMENT.sub("", text)
        for path, text in texts.items()
        if path.startswith(SOURCE) and path.endswith(".ts") and not path.endswith(".d.ts")
    }


def _context(path: str) -> str | None:
    return next((context for context in CONTEXTS if path.startswith(f"{context}/")), None)


def _imports(sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for path, text in sources.items():
        for name in IMPORT.findall(text):
            yield path, name


def test_contexts_never_import_one_another(sources: Mapping[str, str]) -> None:
    wrong = []
    for path, name in _imports(sources):
        if not name.startswith("."):
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        other = _context(target)
        if other is not None and other != _context(path):
            wrong.append(f"{path} imports {target}")
        assert target in sources or target.endswith(".json"), f"{path} imports {target}"
    assert wrong == []


def test_code_outside_the_contexts_is_in_a_shared_folder(sources: Mapping[str, str]) -> None:
    folders = {PurePosixPath(path).parts[0] for path in sources if _context(path) is None}
    assert folders - SHARED - {"content"} == set()


def test_onnxruntime_is_behind_its_backend(sources: Mapping[str, str], root: Path) -> None:
    """Code of it is bundled only with what `#ort` stands for; its types may be named beside it."""
    users = {path for path, name in _imports(sources) if name.startswith("onnxruntime-")}
    assert {PurePosixPath(path).parent.as_posix() for path in users} == {"worker/backends"}
    package = json.loads((root / "extension_src/package.json").read_text())
    flavours = {posixpath.relpath(file, "./src") for file in package["imports"]["#ort"].values()}
    assert {path for path in users if ORT_CODE.search(sources[path])} == flavours - {
        "worker/backends/ort_none.ts"
    }


def test_the_packages_description_enters_at_the_top_only(sources: Mapping[str, str]) -> None:
    users = {path for path, name in _imports(sources) if name == "#runtime"}
    assert all(path.endswith("/main.ts") for path in users), users


def test_browser_apis_stay_at_the_edge(sources: Mapping[str, str]) -> None:
    allowed = ("host/", "background/", "ui/", "protocol/endpoint.ts")
    users = {path for path, text in sources.items() if BROWSER_API.search(text)}
    assert {path for path in users if not path.startswith(allowed)} == set()


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        ("no any", r"[:<(,|&]\s*any\b(?!\s*\()|\bas any\b"),
        ("no default exports", r"\bexport\s+default\b"),
        ("no suppressed type errors", r"@ts-(?:ignore|expect-error|nocheck)"),
        (
            "no markup from text",
            r"\.(?:innerHTML|outerHTML)\s*=|insertAdjacentHTML|document\.write",
        ),
    ],
)
def test_house_rules_of_typescript(texts: Mapping[str, str], rule: str, pattern: str) -> None:
    wrong = [
        path
        for path, text in texts.items()
        if path.startswith(SOURCE) and path.endswith(".ts") and not path.endswith(".d.ts")
        if re.search(pattern, text if rule.startswith("no supp") else COMMENT.sub("", text))
    ]
    assert wrong == [], rule
