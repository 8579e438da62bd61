"""Starting the browser of a target."""

from collections.abc import Sequence
from pathlib import Path

from extbuild.artifacts import TargetName
from extbuild.browsers.chromium import start_chromium
from extbuild.browsers.firefox import start_firefox
from extbuild.browsers.programs import Programs
from extbuild.browsers.session import Browser


def start(
    target: TargetName,
    programs: Programs,
    packages: Sequence[Path],
    *,
    record_requests: bool = False,
) -> Browser:
    """A new browser with a fresh profile and ``packages`` (archives or directories) loaded."""
    match target:
        case "chrome":
            return start_chromium(programs, packages, record_requests=record_requests)
        case "firefox":
            return start_firefox(programs, packages, record_requests=record_requests)
