"""Which browser and which WebDriver program to run, installing them where that can be done.

Looked for in this order, each of the two separately:

1. the environment: ``EXTBUILD_CHROMIUM``, ``EXTBUILD_FIREFOX``, ``SE_CHROMEDRIVER``,
   ``SE_GECKODRIVER``;
2. ``PATH``;
3. ``apt-get install``, for root on Debian and its descendants;
4. Selenium Manager, which downloads into its own cache in the home directory.

Branded Google Chrome is not looked for: since version 137 it ignores ``--load-extension``.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.selenium_manager import SeleniumManager

from extbuild.artifacts import TargetName
from extbuild.errors import ToolError
from extbuild.process import Runner, check


@dataclass(frozen=True, slots=True)
class Programs:
    """A browser and the WebDriver program that drives it."""

    browser: Path
    driver: Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """One program by its names: in the environment, in ``PATH`` and among Debian's packages."""

    variable: str
    names: tuple[str, ...]
    debian: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """What one target needs; ``manager`` is Selenium Manager's name for the browser."""

    browser: Wanted
    driver: Wanted
    manager: str


PAIRS: Mapping[TargetName, Pair] = {
    "chrome": Pair(
        Wanted("EXTBUILD_CHROMIUM", ("chromium", "chromium-browser"), "chromium"),
        Wanted("SE_CHROMEDRIVER", ("chromedriver",), "chromium-driver"),
        "chrome",
    ),
    "firefox": Pair(
        Wanted("EXTBUILD_FIREFOX", ("firefox-esr", "firefox"), "firefox-esr"),
        Wanted("SE_GECKODRIVER", ("geckodriver",), None),
        "firefox",
    ),
}


class Machine(Protocol):
    """What the search needs of the computer it runs on."""

    def variable(self, name: str) -> str | None:
        """Value of an environment variable."""

    def which(self, name: str) -> Path | None:
        """A program in ``PATH``."""

    def apt_install(self, packages: Sequence[str]) -> bool:
        """Install Debian packages; False where that is not ours to do."""

    def selenium_manager(self, name: str, browser: Path | None) -> Programs | None:
        """The browser, downloaded where ``browser`` is None, and a driver that fits it.

        ``name`` is Selenium Manager's; None where it cannot help.
        """


def find_programs(target: TargetName, machine: Machine) -> Programs:
    """The browser and driver for ``target``. Raises ``ToolError`` where there is no way to one."""
    pair = PAIRS[target]
    found = (_local(pair.browser, machine), _local(pair.driver, machine))
    missing = [w for w, path in zip((pair.browser, pair.driver), found, strict=True) if not path]
    packages = [wanted.debian for wanted in missing if wanted.debian]
    if packages and machine.apt_install(packages):
        found = (_local(pair.browser, machine), _local(pair.driver, machine))
    if None in found and (managed := machine.selenium_manager(pair.manager, found[0])):
        found = (found[0] or managed.browser, found[1] or managed.driver)
    browser, driver = found
    if browser and driver:
        return Programs(browser, driver)
    wanted = pair.driver if browser else pair.browser
    raise ToolError(
        wanted.names[0],
        "must be installed to run the extension in a browser",
        found=f"none in PATH, and {wanted.variable} is not set",
        do=f"install {wanted.debian or wanted.names[0]}, or set {wanted.variable} to its path",
    )


def _local(wanted: Wanted, machine: Machine) -> Path | None:
    """The program if the environment names it or ``PATH`` holds it."""
    if given := machine.variable(wanted.variable):
        path = machine.which(given)
        if path is None:
            raise ToolError(
                wanted.variable,
                "must be the path of a program",
                found=given,
                do="correct it or unset it",
            )
        return path
    return next((path for name in wanted.names if (path := machine.which(name))), None)


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """The computer that the tests run on."""

    run: Runner

    def variable(self, name: str) -> str | None:
        """Value of an environment variable; an empty one counts as not set."""
        return os.environ.get(name) or None

    def which(self, name: str) -> Path | None:
        """A program by name or path."""
        path = shutil.which(name)
        return Path(path) if path else None

    def apt_install(self, packages: Sequence[str]) -> bool:
        """Install with apt-get where this process is root and there is one."""
        if os.geteuid() != 0 or self.which("apt-get") is None:
            return False
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        for verb in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = self.run(["apt-get", *verb], cwd=Path("/"), env=quiet)
            check(
                done,
                place=f"apt-get {verb[0]}",
                wrong=f"cannot install {', '.join(packages)}",
                do="install them by hand",
            )
        return True

    def selenium_manager(self, name: str, browser: Path | None) -> Programs | None:
        """Ask Selenium Manager, which keeps what it downloads in the home directory.

        Its download of "chrome" is Chrome for Testing, which loads unpacked extensions.
        """
        known = ["--browser-path", str(browser)] if browser else ["--force-browser-download"]
        try:
            paths = SeleniumManager().binary_paths(["--browser", name, "--avoid-stats", *known])
        except WebDriverException:
            return None
        return Programs(Path(paths["browser_path"]), Path(paths["driver_path"]))
