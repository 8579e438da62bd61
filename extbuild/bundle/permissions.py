"""Every permission with its reason. What has no reason here cannot be asked for."""

from collections.abc import Iterable, Mapping

from extbuild.errors import BundleError

REASONS: Mapping[str, str] = {
    "storage": "keeps your switches and thresholds in this browser; no page text is stored",
    "offscreen": "Chrome ends a service worker after 30 s; models live in a hidden page instead",
    "<all_urls>": "comments and text fields are on every site; text is read in the page, goes to "
    "the models inside this extension and nowhere else",
}


def reasons_for(permissions: Iterable[str]) -> dict[str, str]:
    """The reason of each permission, in the order given; `BundleError` for one without."""
    reasons = {}
    for permission in permissions:
        if permission not in REASONS:
            raise BundleError(
                "manifest.json: permissions",
                "a permission without a reason",
                found=repr(permission),
                do="remove it, or give its reason in extbuild/bundle/permissions.py",
            )
        reasons[permission] = REASONS[permission]
    return reasons
