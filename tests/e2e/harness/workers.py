"""The workers of the extension as the browser itself sees them, and how to make one hang."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast
from urllib.request import urlopen

from selenium.webdriver import Chrome
from selenium.webdriver import Firefox as FirefoxDriver
from websocket import WebSocket, create_connection  # what Selenium itself speaks through

from extbuild.browsers import Browser
from extbuild.browsers.chromium import OFFSCREEN

ANSWER_DEADLINE_S = 10

# Threads by their names in the process that runs all extensions; ours is the only one with workers.
_FIREFOX = """
const [done] = arguments;
ChromeUtils.requestProcInfo().then(({ children }) =>
  done(children
    .filter(({ type }) => type === "extension")
    .flatMap(({ threads }) => threads)
    .filter(({ name }) => name.startsWith("DOM Worker")).length));
"""

# In a task of the worker's own: Chromium does not end a worker within one of its debugger's.
_HANG = "void setTimeout(() => { for (;;); })"


def running_workers(browser: Browser) -> int:
    """Dedicated workers that the host page of the first extension has now, and their helpers."""
    driver = browser.driver
    if isinstance(driver, FirefoxDriver):
        with driver.context(FirefoxDriver.CONTEXT_CHROME):
            return cast("int", driver.execute_async_script(_FIREFOX))
    targets = _targets(browser)
    host = _host(browser, targets)
    return sum(
        target["type"] == "worker" and target.get("parentFrameId") == host for target in targets
    )


def hang_worker(browser: Browser) -> None:
    """Make the engine's worker in Chromium run a loop without an end, as a bug of it might."""
    with _devtools(browser) as devtools:
        host = _host(browser, _targets(browser))
        session = devtools.call("Target.attachToTarget", {"targetId": host, "flatten": True})
        devtools.call(
            "Target.setAutoAttach",
            {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": True},
            str(session["sessionId"]),
        )
        worker = devtools.event("Target.attachedToTarget", {"type": "worker"})
        devtools.call("Runtime.evaluate", {"expression": _HANG}, str(worker["sessionId"]))


def _targets(browser: Browser) -> list[Mapping[str, str]]:
    driver = browser.driver
    assert isinstance(driver, Chrome)
    found = driver.execute_cdp_cmd("Target.getTargets", {"filter": [{}]})
    return cast("list[Mapping[str, str]]", found["targetInfos"])


def _host(browser: Browser, targets: list[Mapping[str, str]]) -> str | None:
    """The DevTools target of the offscreen document; None while there is none."""
    pages = (target for target in targets if target["url"].startswith(browser.origin + "/"))
    return next((page["targetId"] for page in pages if page["type"] == OFFSCREEN), None)


class _DevTools:
    """Chromium's DevTools protocol with sessions, which chromedriver's commands do not have."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._sent = 0
        self._events: list[Mapping[str, object]] = []

    def send(self, method: str, params: Mapping[str, object], session: str | None = None) -> int:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        return self._sent

    def call(
        self, method: str, params: Mapping[str, object], session: str | None = None
    ) -> Mapping[str, object]:
        """The result of a command."""
        number = self.send(method, params, session)
        while (message := json.loads(self._socket.recv())).get("id") != number:
            self._events.append(message)
        return cast("Mapping[str, object]", message["result"])

    def event(self, method: str, target: Mapping[str, str]) -> Mapping[str, object]:
        """The parameters of the first event about such a target that has come or comes next."""
        while True:
            message = self._events.pop(0) if self._events else json.loads(self._socket.recv())
            params = message.get("params", {})
            about = params.get("targetInfo", {})
            if message.get("method") == method and target.items() <= about.items():
                return cast("Mapping[str, object]", params)


@contextmanager
def _devtools(browser: Browser) -> Iterator[_DevTools]:
    address = browser.driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
    with urlopen(f"http://{address}/json/version", timeout=ANSWER_DEADLINE_S) as answer:
        url = json.load(answer)["webSocketDebuggerUrl"]
    socket = create_connection(url, timeout=ANSWER_DEADLINE_S, suppress_origin=True)
    try:
        yield _DevTools(socket)
    finally:
        socket.close()
