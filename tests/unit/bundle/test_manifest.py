import json
from collections.abc import Mapping, Sequence

import pytest

from extbuild.artifacts import TargetName, Task
from extbuild.bundle.manifest import make_manifest
from extbuild.bundle.permissions import reasons_for
from extbuild.config.schema import ExtensionConfig
from extbuild.errors import BundleError
from extbuild.targets import TARGETS

EXTENSION = ExtensionConfig(
    name="Sidelight",
    description="What it does.",
    models=("moderation", "completion"),
    targets=("chrome", "firefox"),
    max_shard_bytes=1_000_000,
    firefox_id="sidelight@example.org",
    chrome_min_version="116",
    firefox_min_version="140.0",
)
STATIC = [f"icons/icon-{size}.png" for size in (16, 32, 48, 128)]
BOTH: tuple[Task, ...] = ("moderation", "completion")


def _keys(
    target: TargetName, features: Sequence[Task] = BOTH, static: Sequence[str] = STATIC
) -> Mapping[str, object]:
    manifest = make_manifest(EXTENSION, "1.2", TARGETS[target], features, static)
    keys: Mapping[str, object] = json.loads(manifest.text)
    return keys


def test_chrome_gets_a_service_worker_and_firefox_an_event_page() -> None:
    chrome, firefox = _keys("chrome"), _keys("firefox")
    assert chrome["background"] == {"service_worker": "background.js"}
    assert chrome["minimum_chrome_version"] == "116"
    assert "browser_specific_settings" not in chrome
    assert firefox["background"] == {"scripts": ["background.js"]}
    assert firefox["browser_specific_settings"] == {
        "gecko": {
            "id": "sidelight@example.org",
            "strict_min_version": "140.0",
            "data_collection_permissions": {"required": ["none"]},
        }
    }
    assert "minimum_chrome_version" not in firefox


@pytest.mark.parametrize("target", ["chrome", "firefox"])
def test_nothing_is_asked_for_beyond_what_has_a_reason(target: TargetName) -> None:
    manifest = make_manifest(EXTENSION, "1.2", TARGETS[target], BOTH, STATIC)
    expected = {"chrome": ["storage", "offscreen"], "firefox": ["storage"]}[target]
    assert manifest.keys["permissions"] == expected
    for key in ("host_permissions", "optional_permissions", "web_accessible_resources"):
        assert key not in manifest.keys
    assert list(manifest.reasons) == [*expected, "<all_urls>"]


@pytest.mark.parametrize("feature", BOTH)
def test_a_feature_can_ship_alone(feature: Task) -> None:
    scripts = _keys("chrome", [feature])["content_scripts"]
    assert isinstance(scripts, list)
    assert [script["js"] for script in scripts] == [[f"content-{feature}.js"]]


def test_the_policy_names_no_origin_but_the_extensions_own() -> None:
    policies = _keys("firefox")["content_security_policy"]
    assert isinstance(policies, dict)
    policy = policies["extension_pages"]
    assert "script-src 'self' 'wasm-unsafe-eval'" in policy
    assert policy.startswith("default-src 'none'")
    sources = {source for directive in policy.split("; ") for source in directive.split(" ")[1:]}
    assert sources == {"'none'", "'self'", "'wasm-unsafe-eval'", "data:"}


def test_translations_set_the_default_language() -> None:
    assert "default_locale" not in _keys("chrome")
    assert _keys("chrome", static=[*STATIC, "_locales/en/messages.json"])["default_locale"] == "en"


def test_a_missing_icon_is_named() -> None:
    with pytest.raises(BundleError, match=r"extension_src/static/icons/icon-48\.png: icon is miss"):
        _keys("chrome", static=[file for file in STATIC if "48" not in file])


def test_a_permission_without_a_reason_is_refused() -> None:
    with pytest.raises(BundleError, match="a permission without a reason, got 'tabs'"):
        reasons_for(["storage", "tabs"])
