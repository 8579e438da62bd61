"""Firefox: an event page that hosts the models itself."""

from collections.abc import Mapping

from extbuild.config.schema import ExtensionConfig
from extbuild.targets.base import Target


def _manifest(extension: ExtensionConfig) -> Mapping[str, object]:
    return {
        "browser_specific_settings": {
            "gecko": {
                "id": extension.firefox_id,
                "strict_min_version": extension.firefox_min_version,
                # Required by addons.mozilla.org since 2025: nothing leaves the browser.
                "data_collection_permissions": {"required": ["none"]},
            }
        },
        "background": {"scripts": ["background.js"]},
    }


FIREFOX = Target(
    name="firefox",
    suffix="xpi",
    condition="firefox",
    esbuild_target="firefox128",
    permissions=("storage",),
    offscreen=False,
    shared_memory=False,
    manifest=_manifest,
)
