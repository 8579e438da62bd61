import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from extbuild.artifacts import Bundle, Package
from extbuild.bundle.runtime import RuntimeModel, make_runtime, runtime_text
from extbuild.errors import PackageError, ShardError
from extbuild.files import list_files
from extbuild.package.page import read_page
from extbuild.package.preflight import check_packed, manifest_paths, preflight
from extbuild.shard.write import write_model
from tests.packages import ENCODER, EXTENSION, compiled_model

MANIFEST = {
    "manifest_version": 3,
    "version": "1.0",
    "default_locale": "en",
    "description": "__MSG_extension_description__",
    "icons": {"16": "icons/icon-16.png"},
    "background": {"service_worker": "background.js"},
    "options_ui": {"page": "ui/options.html"},
    "content_scripts": [{"matches": ["<all_urls>"], "js": ["content-moderation.js"]}],
}
OPTIONS = """\
<!doctype html>
<html><head><link rel="stylesheet" href="options.css"></head>
<body><img src="/icons/icon-16.png" alt=""><script src="options.js"></script></body></html>
"""
MESSAGES = {"extension_description": {"message": "What it does."}}
FILES = {
    "_locales/en/messages.json": json.dumps(MESSAGES),
    "manifest.json": json.dumps(MANIFEST),
    "background.js": "chrome.runtime.getURL('offscreen.html');",
    "content-moderation.js": "const svg = 'http://www.w3.org/2000/svg';",
    "icons/icon-16.png": "png",
    "ui/options.html": OPTIONS,
    "ui/options.css": "body { background: url('../icons/icon-16.png') }",
    "ui/options.js": "console.info('options');",
}


def manifest_with(**keys: object) -> str:
    return json.dumps({**MANIFEST, **keys})


Make = Callable[[Mapping[str, str]], Bundle]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def bundle(changes: Mapping[str, str]) -> Bundle:
        sharded = write_model(compiled_model(engine=b"w" * 100), tmp_path / "models/moderation", 64)
        described = RuntimeModel(sharded, 1, "never", ENCODER)
        runtime = make_runtime(EXTENSION, "1.0", [described], None)
        for name, text in {**FILES, "runtime.json": runtime_text(runtime), **changes}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Bundle("chrome", tmp_path, list_files(tmp_path))

    return bundle


def test_a_sound_bundle_passes(make: Make) -> None:
    preflight(make({}))


def test_a_copied_file_may_hold_code_that_nothing_runs_if_it_is_listed(make: Make) -> None:
    preflight(make({"ort/ort-wasm-simd-threaded.asyncify.mjs": "new Function(names)"}))


# (file, its text, what the error says)
REFUSED = [
    (
        "manifest.json",
        FILES["manifest.json"].replace("background.js", "backgrund.js"),
        "manifest.json: background.service_worker: names a file that is not in the package, "
        "got backgrund.js",
    ),
    (
        "ui/options.html",
        OPTIONS.replace("options.js", "missing.js"),
        "ui/options.html: names a file that is not in the package, got ui/missing.js",
    ),
    (
        "ui/options.html",
        OPTIONS.replace("options.js", "https://cdn.example/options.js"),
        "names a file that is not in the package",
    ),
    ("ui/options.css", "@import url(other.css)", "ui/options.css: names a file that is not in"),
    (
        "background.js",
        "import('https://cdn.example/more.js')",
        "background.js: a package must not name remote addresses, "
        "got 'https://cdn.example/more.js'",
    ),
    ("background.js", "fetch(`wss://host/${x}`)", "must not name remote addresses, got 'wss://ho"),
    (
        "content-moderation.js",
        "x = 'http://www.w3.org/2000/svg/x.js'",
        "must not name remote addresses",
    ),
    ("background.js", "fetch('//host/hit')", "must not name remote addresses, got \"'//host/hit"),
    ("background.js", "navigator.sendBeacon(`//${host}`)", "got '`//${host}'"),
    ("background.js", "fetch('https:' + path)", "got \"'https:'\""),
    ("ui/options.html", OPTIONS.replace("/icons", "//host/icons"), "not in the package"),
    ("ui/options.css", '@import "https://host/a.css";', "not in the package"),
    ("ui/options.css", "@import '//host/a.css';", "not in the package, got host/a.css"),
    (
        "manifest.json",
        manifest_with(browser_specific_settings={"gecko": {"update_url": "https://host/"}}),
        "manifest.json: browser_specific_settings.gecko.update_url: a package must not name",
    ),
    (
        "manifest.json",
        manifest_with(externally_connectable={"matches": ["https://host/*"]}),
        "manifest.json: externally_connectable: a package must not name remote addresses",
    ),
    (
        "manifest.json",
        manifest_with(content_security_policy={"extension_pages": "script-src https://host"}),
        "manifest.json: content_security_policy.extension_pages: a package must not name",
    ),
    ("ui/options.html", OPTIONS.replace("<body>", "<body onload=x()>"), "forbids inline scripts"),
    ("ui/options.html", OPTIONS.replace("</head>", "<style></style></head>"), "got <style>"),
    ("ui/options.html", OPTIONS.replace("</head>", "<script>1</script></head>"), "got <script>"),
    ("ui/options.js", "const f = new Function('return 1')", "code made from text is forbidden"),
    ("ort/other.mjs", "new Function(x)", "code made from text is forbidden, got new Function("),
    ("ui/options.js", "eval('1')", "code made from text is forbidden, got eval("),
    ("ui/options.js", "window.eval('1')", "code made from text is forbidden, got window.eval"),
    ("ui/options.js", "new globalThis.Function('1')", "forbidden, got globalThis.Function"),
    ("ui/options.js", "self['eval']('1')", "code made from text is forbidden, got ['eval']"),
    ("ui/options.js", "(0,eval)('1')", "code made from text is forbidden, got (0,eval)"),
    ("ui/options.js", "(0, window.eval)('1')", "code made from text is forbidden, got "),
    ("ui/options.js", "'-----BEGIN RSA PRIVATE KEY-----'", "holds a private key"),
    ("ui/options.js", f"'ghp_{'a' * 36}'", "holds a token of GitHub"),
    ("ui/options.js", " " * 5_000_000, "stores take at most 5.0 MB in one text file"),
    ("_locales/en/messages.json", "{}", "manifest.json needs a message, got extension_description"),
    ("_locales/en/messages.json", "{", "en/messages.json: not valid JSON: "),
    ("data.json.gz", "packed", "stores refuse compressed files inside a package"),
]


@pytest.mark.parametrize(("file", "text", "says"), REFUSED, ids=[case[2][:50] for case in REFUSED])
def test_what_a_store_refuses_is_found_first(make: Make, file: str, text: str, says: str) -> None:
    with pytest.raises(PackageError) as caught:
        preflight(make({file: text}))
    assert says in str(caught.value)


def test_a_changed_shard_is_found(make: Make) -> None:
    bundle = make({})
    shard = bundle.directory / "models/moderation/weights-001.bin"
    shard.write_bytes(b"x" * shard.stat().st_size)
    with pytest.raises(ShardError, match=r"weights-001\.bin: changed since it was written"):
        preflight(bundle)


@pytest.mark.parametrize(
    "text",
    [
        "object.evaluate(1)",
        "node.eval(1)",
        "function f() {}",
        "medieval (x)",
        "is(0, evaluate)",
        "path.split('//')",
        "location.protocol.startsWith('http')",
    ],
)
def test_code_that_only_looks_forbidden_passes(make: Make, text: str) -> None:
    preflight(make({"ui/options.js": text}))


def test_an_archive_over_the_stores_limit_is_refused() -> None:
    with pytest.raises(PackageError, match=r"at most 200\.0 MB, got 200\.0 MB"):
        check_packed(Package("chrome", Path("a.zip"), 200_000_001, "00"))


def test_every_path_of_a_manifest_is_seen() -> None:
    manifest = {
        "action": {"default_popup": "ui/popup.html"},
        "default_locale": "en",
        "content_scripts": [{"matches": ["https://*/*"], "js": ["a.js"], "css": ["a.css"]}],
    }
    assert dict(manifest_paths(manifest)) == {
        "action.default_popup": "ui/popup.html",
        "content_scripts[0].js[0]": "a.js",
        "content_scripts[0].css[0]": "a.css",
        "default_locale": "_locales/en/messages.json",
    }


def test_a_page_is_read_into_what_it_loads_and_what_is_inline() -> None:
    page = read_page('<img src="data:,"><link href=a.css><p style="color:red"><script>1</script>')
    assert page.links == ("a.css",)
    assert page.inline == ("style= in <p>", "<script>")
