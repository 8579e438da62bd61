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
    software_gpu: bool = False,
) -> Browser:
    """A new browser with a fresh profile and ``packages`` (archives or directories) loaded.

    With `software_gpu` WebGPU works on a machine without a GPU, slowly; else it has no adapter
    there. Without packages it is a plain browser, whose ``origin`` means nothing.
    """
    match target:
        case "chrome":
            return start_chromium(
                programs, packages, record_requests=record_requests, software_gpu=software_gpu
            )
        case "firefox":
            return start_firefox(
                programs, packages, record_requests=record_requests, software_gpu=software_gpu
            )
