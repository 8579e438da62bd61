"""A silent page of the extension, kept open in a tab of its own: tests ask from here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from extbuild.browsers import Browser
from extbuild.browsers.engine import SILENT_PAGE, Answer, Call, converse

_CLEAR = "const [done] = arguments; chrome.storage.local.clear().then(done, done);"

_SAVE = """
const [settings, done] = arguments;
chrome.storage.local.set({ settings }).then(() => done(null), (error) => done(String(error)));
"""

_STORED = "const [done] = arguments; chrome.storage.local.get().then(done);"

# The tab of the page under test is the only one beside the desk.
_TABS = """
const [done] = arguments;
Promise.all([chrome.tabs.query({}), chrome.tabs.getCurrent()]).then(([tabs, own]) =>
  done(tabs.filter(({ id }) => id !== own.id).map(({ id }) => id)));
"""


class Desk:
    """Where the extension is asked and set right between tests."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        browser.driver.get(browser.url(SILENT_PAGE))
        self._handle = browser.driver.current_window_handle

    @contextmanager
    def open(self) -> Iterator[None]:
        """Sit at the desk for the block, then go back to the tab from before."""
        driver = self._browser.driver
        before = driver.current_window_handle
        driver.switch_to.window(self._handle)
        try:
            yield
        finally:
            driver.switch_to.window(before)

    def forget_settings(self) -> None:
        """As if nobody had ever changed a setting."""
        with self.open():
            error = self._browser.driver.execute_async_script(_CLEAR)
            assert error is None, error

    def save_settings(self, changes: Mapping[str, object]) -> None:
        """As if these had been chosen on the options page, and nothing else."""
        with self.open():
            error = self._browser.driver.execute_async_script(_SAVE, {"format": 1, **changes})
            assert error is None, error

    def stored(self) -> Mapping[str, object]:
        """Everything that the extension has stored."""
        with self.open():
            return cast("Mapping[str, object]", self._browser.driver.execute_async_script(_STORED))

    def tab_id(self) -> int:
        """The browser's number of the tab under test."""
        with self.open():
            (tab,) = self._browser.driver.execute_async_script(_TABS)
            return int(tab)

    def ask(self, calls: Sequence[Call]) -> list[Answer]:
        """Call the engine, one call after the other."""
        with self.open():
            return converse(self._browser.driver, calls)
