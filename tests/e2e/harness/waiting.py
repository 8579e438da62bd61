"""Conditions with deadlines. Nothing here waits longer than it has to."""

from collections.abc import Callable
from typing import TypeVar

from selenium.common.exceptions import (
    DetachedShadowRootException,
    NoSuchElementException,
    NoSuchShadowRootException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

Found = TypeVar("Found")

DEADLINE_S = 30.0  # a cold model on two busy cores; a warm one answers within a second
POLL_S = 0.05
_NOT_YET = (
    DetachedShadowRootException,
    NoSuchElementException,
    NoSuchShadowRootException,
    StaleElementReferenceException,
)


def until(
    driver: WebDriver, what: str, condition: Callable[[], Found], seconds: float = DEADLINE_S
) -> Found:
    """The first true value of ``condition``; fails with ``what`` that should have come true."""
    wait = WebDriverWait(driver, seconds, POLL_S, ignored_exceptions=_NOT_YET)
    try:
        return wait.until(lambda _: condition())
    except TimeoutException:
        raise AssertionError(f"not within {seconds:.0f} s: {what}") from None


def never(driver: WebDriver, what: str, condition: Callable[[], object], seconds: float) -> None:
    """Watches for ``seconds`` and fails as soon as ``condition`` is true.

    For things that must not appear: choose ``seconds`` from how long it takes where they should.
    """
    wait = WebDriverWait(driver, seconds, POLL_S, ignored_exceptions=_NOT_YET)
    try:
        wait.until(lambda _: condition())
    except TimeoutException:
        return
    raise AssertionError(f"must never happen: {what}")
