"""``manifest.json`` (Manifest V3) of each browser, made from one configuration."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from extbuild.artifacts import Task
from extbuild.bundle.permissions import reasons_for
from extbuild.config.schema import ExtensionConfig
from extbuild.errors import BundleError
from extbuild.targets.base import Target

ICON_SIZES = (16, 32, 48, 128)
POPUP_PAGE = "ui/popup.html"
OPTIONS_PAGE = "ui/options.html"
DEFAULT_LOCALE = "en"
EVERY_PAGE = "<all_urls>"

# 'wasm-unsafe-eval' lets WebAssembly compile and nothing else. No remote origin in any directive:
# even a bug could not fetch code or send text out. data: images are the icons inside style sheets.
_CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "'self'",
    "connect-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest, and why it asks for what it asks for."""

    keys: Mapping[str, object]
    reasons: Mapping[str, str]

    @property
    def text(self) -> str:
        """The file, with its keys in the order in which people read them."""
        return json.dumps(self.keys, indent=2, ensure_ascii=False) + "\n"


def make_manifest(
    extension: ExtensionConfig,
    version: str,
    target: Target,
    features: Collection[Task],
    static_files: Collection[str],
) -> Manifest:
    """The manifest of `target` for an extension with `features`.

    `static_files` are the paths of extension_src/static, which is where icons, pages and
    translations come from.
    """
    icons = _icons(static_files)
    keys: dict[str, object] = {
        "manifest_version": 3,
        "name": extension.name,
        "version": version,
        "description": extension.description,
        "icons": icons,
        **target.manifest(extension),
        "action": {
            "default_title": extension.name,
            "default_icon": icons,
            "default_popup": POPUP_PAGE,
        },
        "options_ui": {"page": OPTIONS_PAGE, "open_in_tab": True},
        "permissions": list(target.permissions),
        "content_scripts": [content_script(task) for task in sorted(features, reverse=True)],
        "content_security_policy": {
            "extension_pages": "; ".join(
                f"{directive} {sources}" for directive, sources in _CONTENT_SECURITY_POLICY.items()
            )
        },
    }
    if f"_locales/{DEFAULT_LOCALE}/messages.json" in static_files:
        keys["default_locale"] = DEFAULT_LOCALE
    return Manifest(keys, reasons_for([*target.permissions, EVERY_PAGE]))


def content_script(task: Task) -> dict[str, object]:
    """How a feature's script gets into pages.

    Frames without an address of their own (about:blank, srcdoc, blob:, data:) belong to the page
    that made them and are covered with it. Scripts start before the page's own: completion has to
    see a password field before it can be shown as text, and moderation the first text there is.
    """
    return {
        "matches": [EVERY_PAGE],
        "js": [f"content-{task}.js"],
        "run_at": "document_start",
        "all_frames": True,
        "match_about_blank": True,
        "match_origin_as_fallback": True,
    }


def _icons(static_files: Collection[str]) -> dict[str, str]:
    icons = {str(size): f"icons/icon-{size}.png" for size in ICON_SIZES}
    for file in icons.values():
        if file not in static_files:
            raise BundleError(f"extension_src/static/{file}", "icon is missing", do="add it")
    return icons
