"""Pictures of what is under test, for people to look at."""

from collections.abc import Callable
from pathlib import Path

from extbuild.browsers import Browser, ColourScheme
from tests.e2e.harness.waiting import until

Shot = Callable[[str], None]

SCHEMES: tuple[ColourScheme, ...] = ("dark", "light")  # light last, which is what tests go on with

_AT_REST = "return document.getAnimations().every(({ playState }) => playState !== 'running')"


def take(browser: Browser, folder: Path, name: str) -> None:
    """Store what is seen now as ``name-light.png`` and ``name-dark.png``."""
    driver = browser.driver
    for scheme in SCHEMES:
        browser.prefer_colours(scheme)
        until(driver, "nothing moves", lambda: driver.execute_script(_AT_REST))
        assert driver.save_screenshot(str(folder / f"{name}-{scheme}.png"))
