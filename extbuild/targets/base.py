"""What a browser needs to be told differently. Adding a browser is adding one value of `Target`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from extbuild.artifacts import TargetName
from extbuild.config.schema import ExtensionConfig


@dataclass(frozen=True, slots=True)
class Target:
    """One browser.

    ``condition`` chooses files in package.json's "imports" (``#host``); ``esbuild_target`` is the
    syntax level that scripts are written down to. ``permissions`` are granted at installation, and
    each has its reason in bundle/permissions.py. ``offscreen`` says whether the host page is an
    offscreen document, which then is a script and a page of its own.
    ``shared_memory`` says whether the browser lets extensions share memory between threads.
    ``manifest`` gives the keys that only this browser has.
    """

    name: TargetName
    suffix: str
    condition: str
    esbuild_target: str
    permissions: tuple[str, ...]
    offscreen: bool
    shared_memory: bool
    manifest: Callable[[ExtensionConfig], Mapping[str, object]]
