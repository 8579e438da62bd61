"""Both browsers, once per session, with the packages from dist/ in them; a fresh tab per test."""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.artifacts import TargetName
from extbuild.browsers import Browser, Programs, find_programs, start
from extbuild.browsers.programs import ThisMachine
from extbuild.config.load import load_project
from extbuild.config.runtime import Runtime
from extbuild.pipeline import Tools, build
from extbuild.process import find_node, run
from extbuild.progress import Silent, Stages
from tests.e2e.harness.desk import Desk
from tests.e2e.harness.screens import Shot, take
from tests.e2e.harness.server import Site, serve_site

SCRIPT_DEADLINE_S = 60
WINDOW_PX = (1100, 800)


@pytest.fixture(scope="session")
def packages(root: Path) -> Mapping[TargetName, Path]:
    """The archives in dist/, built now if they are missing or stale."""
    report = build(load_project(root), Tools(find_node(), run), Stages(Silent()))
    return {package.target: root / "dist" / package.file for package in report.packages}


@pytest.fixture(scope="session")
def shipped(packages: Mapping[TargetName, Path]) -> Runtime:
    """What the packages say about their models: the same in each."""
    found = []
    for file in packages.values():
        with zipfile.ZipFile(file) as archive:
            found.append(Runtime.model_validate_json(archive.read("runtime.json")))
    assert all(runtime.models == found[0].models for runtime in found)
    return found[0]


@pytest.fixture(scope="session")
def programs() -> Callable[[TargetName], Programs]:
    """Finds, or installs, the programs of a target."""
    return lambda target: find_programs(target, ThisMachine(run))


@pytest.fixture(scope="session", params=["chrome", "firefox"])
def target(request: pytest.FixtureRequest) -> TargetName:
    name: TargetName = request.param
    return name


@pytest.fixture(scope="session")
def browser(
    target: TargetName,
    packages: Mapping[TargetName, Path],
    programs: Callable[[TargetName], Programs],
) -> Iterator[Browser]:
    """A browser that lives as long as the tests of its target."""
    with start(target, programs(target), [packages[target]]) as browser:
        browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
        yield browser


@pytest.fixture(scope="session")
def desk(browser: Browser) -> Desk:
    return Desk(browser)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with serve_site() as site:
        yield site


@pytest.fixture
def tab(browser: Browser, desk: Desk) -> Iterator[WebDriver]:
    """The driver, in a new tab of a browser whose extension nobody has configured.

    What a test did to the window, the colours or the settings ends with it.
    """
    driver = browser.driver
    desk.forget_settings()
    home = driver.current_window_handle
    browser.new_tab()
    driver.set_window_size(*WINDOW_PX)
    browser.prefer_colours("light")
    yield driver
    for handle in driver.window_handles:
        if handle != home:
            driver.switch_to.window(handle)
            driver.close()
    driver.switch_to.window(home)


@pytest.fixture
def shot(root: Path, browser: Browser) -> Shot:
    """Stores what is seen now, in both colour schemes, for people to look at."""
    folder = root / ".extbuild" / "screenshots" / browser.target
    folder.mkdir(parents=True, exist_ok=True)
    return partial(take, browser, folder)
