import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
BASES = ("", "extbuild", "extension_src", "extension_src/src", "tests")
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
PATH = re.compile(r"^\.?[\w@][\w@./-]*/[\w@./-]*$|^[\w-]+\.(?:py|ts|mjs|md|toml|html|css)$")
SYMBOL = re.compile(r"^[A-Za-z]\w*(?:\(\))?$")
# Made by a build or by a person, or written in the documents as an example.
MADE = re.compile(r"^(?:dist|models/<|\.venv|node_modules|\.extbuild)|<|\*")


def _without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def _spans(text: str) -> Iterator[str]:
    yield from SPAN.findall(_without_blocks(text))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_in_documents_exist(
    root: Path, tracked: tuple[str, ...], texts: Mapping[str, str], document: str
) -> None:
    names = [span for span in _spans(texts[document]) if PATH.match(span) and not MADE.search(span)]
    names += LINK.findall(texts[document])
    in_the_tree = {path.rsplit("/", 1)[-1] for path in tracked}
    missing = [
        name
        for name in names
        if not any((root / base / name).exists() for base in BASES)
        and ("/" in name or name not in in_the_tree)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_symbols_in_documents_exist(texts: Mapping[str, str], document: str) -> None:
    code = "\n".join(
        text
        for path, text in texts.items()
        if path.endswith((".py", ".ts", ".toml", ".json", ".mjs"))
    )
    words = set(re.findall(r"\w+", code))
    symbols = {
        span.removesuffix("()")
        for span in _spans(texts[document])
        if SYMBOL.match(span) and ("_" in span or re.search(r"[a-z][A-Z]|\(\)$", span))
    }
    assert sorted(symbols - words) == []
