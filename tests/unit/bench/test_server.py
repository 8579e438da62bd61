from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from extbuild.bench.server import find, serving


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    for name, text in (("site/page.html", "page"), ("models/a/b.bin", "bytes"), ("secret", "no")):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return {"": tmp_path / "site", "models": tmp_path / "models"}


def test_the_first_segment_chooses_the_folder(folders: dict[str, Path], tmp_path: Path) -> None:
    assert find(folders, "/page.html?x=1") == tmp_path / "site/page.html"
    assert find(folders, "/models/a/b.bin") == tmp_path / "models/a/b.bin"


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/models", "/../secret", "/models/%2e%2e/secret", "/%2e%2e/secret"]
)
def test_nothing_else_is_served(folders: dict[str, Path], path: str) -> None:
    assert find(folders, path) is None


def test_pages_are_isolated_so_that_they_may_share_memory(folders: dict[str, Path]) -> None:
    with serving(folders) as address:
        place = urlsplit(address)
        assert place.hostname == "127.0.0.1"
        connection = HTTPConnection(place.hostname, place.port or 0, timeout=10)
        connection.request("GET", "/page.html")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"page")
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        connection.request("GET", "/nothing")
        missing = connection.getresponse()
        missing.read()
        assert missing.status == 404
        connection.close()
