import base64
import json
from pathlib import Path

from extbuild.browsers.chromium import extension_id, read_net_log
from extbuild.browsers.session import Request


def test_the_id_of_an_extension_with_a_key_is_that_of_chromiums_own_test(tmp_path: Path) -> None:
    """``GenerateId("test")`` in components/crx_file/id_util_unittest.cc."""
    manifest = {"key": base64.b64encode(b"test").decode()}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert extension_id(tmp_path) == "jpignaibiiemhngfjkcpokkamffknabf"


def test_without_a_key_the_id_depends_on_the_folder(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "manifest.json").write_text("{}")
    one, two = map(extension_id, folders)
    assert one != two
    assert len(one) == 32


def test_a_network_log_names_each_request_and_who_made_it(tmp_path: Path) -> None:
    log = {
        "constants": {"logEventTypes": {"URL_REQUEST_START_JOB": 7, "OTHER": 8}},
        "events": [
            {"type": 7, "params": {"url": "http://a/", "initiator": "chrome-extension://x"}},
            {"type": 7, "params": {"url": "http://b/", "initiator": "not an origin"}},
            {"type": 7, "params": {}},
            {"type": 7},
            {"type": 8, "params": {"url": "http://c/", "initiator": "http://page"}},
        ],
    }
    file = tmp_path / "net-log.json"
    file.write_text(json.dumps(log))
    assert read_net_log(file) == (
        Request("http://a/", "chrome-extension://x"),
        Request("http://b/", ""),
    )
