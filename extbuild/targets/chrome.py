"""Chrome, Chromium, Edge: a service worker, and an offscreen document that hosts the models."""

from collections.abc import Mapping

from extbuild.config.schema import ExtensionConfig
from extbuild.targets.base import Target


def _manifest(extension: ExtensionConfig) -> Mapping[str, object]:
    return {
        "minimum_chrome_version": extension.chrome_min_version,
        "background": {"service_worker": "background.js"},
    }


# 116: first with runtime.getContexts(), by which the service worker finds its offscreen document.
CHROME = Target(
    name="chrome",
    suffix="zip",
    condition="chrome",
    esbuild_target="chrome116",
    permissions=("storage", "offscreen"),
    offscreen=True,
    shared_memory=True,
    manifest=_manifest,
)
