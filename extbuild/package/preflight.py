"""What browsers and stores would refuse, found before anything is packed.

Each rule is a function from a bundle to nothing or a `PackageError`; `RULES` is the whole list.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from extbuild.artifacts import Bundle, Package
from extbuild.errors import PackageError
from extbuild.files import human_bytes
from extbuild.package.page import Page, read_page
from extbuild.shard.verify import verify_package

_MB = 1_000_000
_MIB = 1 << 20

# addons.mozilla.org, https://extensionworkshop.com/documentation/publish/ and the limits compiled
# into its linter: 200 MB packed, 250 MB unpacked, text files under 5 MB, files up to 100 MiB.
MAX_PACKED_BYTES = 200 * _MB
MAX_UNPACKED_BYTES = 250 * _MB
MAX_FILE_BYTES = 100 * _MIB
MAX_TEXT_BYTES = 5 * _MB

_MESSAGE = re.compile(r"__MSG_(\w+)__")
_SCRIPTS = frozenset({".js", ".mjs"})
_TEXTS = frozenset({".js", ".mjs", ".json", ".html", ".css", ".svg"})
_LOADING = frozenset({".js", ".mjs", ".html", ".css", ".svg"})

_URL = re.compile(r"(?:https?|wss?|ftp)://[^\s\"'`<>\\)]*", re.IGNORECASE)

INERT_URLS: Mapping[str, str] = {
    "http://www.w3.org/2000/svg": "namespace of SVG: a name, never fetched",
    "http://www.w3.org/1999/xhtml": "namespace of HTML: a name, never fetched",
    "https://web.dev/cross-origin-isolation-guide/": "text of a warning in ONNX Runtime Web",
}
"""Addresses that may stand in a script because nothing loads them, each with its reason.

They are compared as a whole, so ``http://www.w3.org/2000/svg/x.js`` is refused.
"""

# A string of a scheme alone waits for a host to be added; one that begins with // brings the host
# and takes the scheme of the page.
_PART_OF_URL = re.compile(
    r"[\"'`](?:(?:https?|wss?|ftp):/{0,2}[\"'`]|//[\w\[$][^\s\"'`<>\\)]*)", re.IGNORECASE
)
# By name, by way of the global object, and as a value: (0, eval)(…).
_DYNAMIC_CODE = re.compile(
    r"(?<![\w$.])(?:eval\s*\(|(?:new\s+)?Function\s*\()"
    r"|\b(?:window|globalThis|self|global|top|parent|frames)\s*(?:\?\.|\.)\s*(?:eval|Function)\b"
    r"|\[\s*[\"'`](?:eval|Function)[\"'`]\s*\]"
    r"|\(\s*\d+\s*,\s*(?:[\w$]+\.)*(?:eval|Function)\s*\)"
)
_CALLER = (
    "Emscripten makes a function from text where C++ calls a method of a JavaScript value, which "
    "only its WebNN backend does; we do not ask for that, and the policy of our pages forbids it"
)
INERT_CODE: Mapping[str, str] = {
    "ort/ort-wasm-simd-threaded.asyncify.mjs": _CALLER,
    "ort/ort-wasm-simd-threaded.jspi.mjs": _CALLER,
}
"""Copied files that may hold code made from text because nothing runs it, each with its reason."""

_CSS_URL = re.compile(
    r"(?:url\(\s*['\"]?|@import\s*['\"])([^'\")]+)(?:['\"]?\s*\)|['\"])", re.IGNORECASE
)
_SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access key of AWS": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a token of GitHub": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "a token of Hugging Face": re.compile(r"\bhf_[A-Za-z0-9]{34}\b"),
}


def preflight(bundle: Bundle) -> None:
    """Raise the first `PackageError` or `ShardError` that `bundle` deserves."""
    for rule in RULES:
        rule(bundle)


def check_packed(package: Package) -> None:
    """The one limit that is about the archive."""
    if package.bytes > MAX_PACKED_BYTES:
        raise PackageError(
            package.file.name,
            f"stores take at most {human_bytes(MAX_PACKED_BYTES)}",
            found=human_bytes(package.bytes),
            do="compress a model further, or ship fewer models",
        )


def _named_files_exist(bundle: Bundle) -> None:
    present = set(bundle.files)
    for place, path in _named_paths(bundle):
        if path not in present:
            raise PackageError(
                f"{bundle.target}: {place}", "names a file that is not in the package", found=path
            )


def _messages_are_defined(bundle: Bundle) -> None:
    """Browsers refuse a manifest whose default language lacks one of its messages."""
    manifest = _read_json(bundle, "manifest.json")
    needed = set(_MESSAGE.findall(json.dumps(manifest)))
    if "default_locale" not in manifest:
        return
    file = f"_locales/{manifest['default_locale']}/messages.json"
    missing = sorted(needed - set(_read_json(bundle, file)))
    if missing:
        raise PackageError(
            f"{bundle.target}: {file}", "manifest.json needs a message", found=missing[0]
        )


def _models_are_whole(bundle: Bundle) -> None:
    verify_package(bundle.directory)


def _nothing_is_remote(bundle: Bundle) -> None:
    for file, text in _texts(bundle, _LOADING):
        for found in (*_URL.finditer(text), *_PART_OF_URL.finditer(text)):
            if found[0] not in INERT_URLS:
                raise PackageError(
                    f"{bundle.target}: {file}",
                    "a package must not name remote addresses",
                    found=repr(found[0][:80]),
                    do="load it from the package, or list it in extbuild/package/preflight.py with "
                    "the reason why nothing fetches it",
                )


def _manifest_stays_at_home(bundle: Bundle) -> None:
    """No update from elsewhere, no web page that may talk to the extension, no remote source.

    Patterns of pages (``matches``, ``host_permissions``) are addresses too, and no one loads them.
    """
    manifest = _read_json(bundle, "manifest.json")
    for key, value in _values(manifest):
        name = key.rpartition(".")[2]
        policy = key.startswith("content_security_policy") and isinstance(value, str)
        if name in ("update_url", "externally_connectable") or (policy and _URL.search(str(value))):
            raise PackageError(
                f"{bundle.target}: manifest.json: {key}",
                "a package must not name remote addresses",
                found=repr(value)[:80],
                do="remove it",
            )


def _pages_obey_the_policy(bundle: Bundle) -> None:
    """The content security policy would silently drop inline code and styles."""
    for file, page in _pages(bundle):
        if page.inline:
            raise PackageError(
                f"{bundle.target}: {file}",
                "the content security policy forbids inline scripts, handlers and styles",
                found=page.inline[0],
                do="move it into a file",
            )


def _no_dynamic_code(bundle: Bundle) -> None:
    for file, text in _texts(bundle, _SCRIPTS):
        found = _DYNAMIC_CODE.search(text)
        if found and file not in INERT_CODE:
            raise PackageError(
                f"{bundle.target}: {file}", "code made from text is forbidden", found=found[0]
            )


def _no_secrets(bundle: Bundle) -> None:
    for file, text in _texts(bundle, _TEXTS):
        for kind, pattern in _SECRETS.items():
            if pattern.search(text):
                raise PackageError(f"{bundle.target}: {file}", f"holds {kind}", do="remove it")


def _sizes_fit_the_stores(bundle: Bundle) -> None:
    sizes = {file: (bundle.directory / file).stat().st_size for file in bundle.files}
    for file, size in sizes.items():
        text = PurePosixPath(file).suffix in _TEXTS
        limit = MAX_TEXT_BYTES - 1 if text else MAX_FILE_BYTES
        if size > limit:
            raise PackageError(
                f"{bundle.target}: {file}",
                f"stores take at most {human_bytes(limit)} in one {'text ' if text else ''}file",
                found=human_bytes(size),
                do="a smaller vocabulary" if file.endswith("tokenizer.json") else "split it",
            )
    total = sum(sizes.values())
    if total > MAX_UNPACKED_BYTES:
        raise PackageError(
            f"{bundle.target}: package",
            f"stores take at most {human_bytes(MAX_UNPACKED_BYTES)} unpacked",
            found=human_bytes(total),
            do="compress a model further, or ship fewer models",
        )


def _no_archives_inside(bundle: Bundle) -> None:
    for file in bundle.files:
        if PurePosixPath(file).suffix in {".gz", ".br", ".zip", ".xz", ".zst"}:
            raise PackageError(
                f"{bundle.target}: {file}", "stores refuse compressed files inside a package"
            )


RULES: tuple[Callable[[Bundle], None], ...] = (
    _named_files_exist,
    _messages_are_defined,
    _models_are_whole,
    _nothing_is_remote,
    _manifest_stays_at_home,
    _pages_obey_the_policy,
    _no_dynamic_code,
    _no_secrets,
    _sizes_fit_the_stores,
    _no_archives_inside,
)


def _read_json(bundle: Bundle, file: str) -> dict[str, Any]:
    try:
        value = json.loads((bundle.directory / file).read_bytes())
    except ValueError as error:
        raise PackageError(f"{bundle.target}: {file}", f"not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise PackageError(f"{bundle.target}: {file}", "must be a JSON object")
    return value


def _texts(bundle: Bundle, suffixes: frozenset[str]) -> Iterator[tuple[str, str]]:
    for file in bundle.files:
        if PurePosixPath(file).suffix in suffixes:
            yield file, (bundle.directory / file).read_text(encoding="utf-8")


def _pages(bundle: Bundle) -> Iterator[tuple[str, Page]]:
    for file, text in _texts(bundle, frozenset({".html"})):
        yield file, read_page(text)


def _named_paths(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """(who names it, path in the package) for every file that something in the package needs."""
    manifest = _read_json(bundle, "manifest.json")
    for key, path in manifest_paths(manifest):
        yield f"manifest.json: {key}", path
    for file, page in _pages(bundle):
        for link in page.links:
            yield file, _resolve(file, link)
    for file, text in _texts(bundle, frozenset({".css"})):
        for found in _CSS_URL.finditer(text):
            if not found[1].startswith(("data:", "#")):
                yield file, _resolve(file, found[1])


def manifest_paths(manifest: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """(key, path) for every value of a manifest that is a file of the package."""
    files = re.compile(r"\.(?:js|mjs|css|html|png|svg|json|wasm)$")

    for key, value in _values(manifest):
        if isinstance(value, str) and files.search(value):
            yield key, value.removeprefix("/")
    if "default_locale" in manifest:
        yield "default_locale", f"_locales/{manifest['default_locale']}/messages.json"


def _values(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """(key, value) of everything inside a JSON value, at any depth: ``icons.16``, ``js[0]``."""
    if isinstance(value, Mapping):
        inside = [(f"{key}.{name}" if key else str(name), inner) for name, inner in value.items()]
    elif isinstance(value, list):
        inside = [(f"{key}[{index}]", inner) for index, inner in enumerate(value)]
    else:
        return
    for name, inner in inside:
        yield name, inner
        yield from _values(inner, name)


def _resolve(page: str, link: str) -> str:
    """Path in the package of a link in a file of it; a leading slash means the package's root."""
    path = re.split(r"[?#]", link, maxsplit=1)[0]
    if path.startswith("/"):
        return path.lstrip("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
