"""Asking the engine of a running extension, from one of its own pages, as its user interface does.

The messages are those of ``extension_src/src/protocol/messages.ts``; times are taken inside the
page, so WebDriver's round trips are not in them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selenium.webdriver.remote.webdriver import WebDriver

SILENT_PAGE = "THIRD_PARTY_NOTICES.txt"
"""A document of the extension without a script of its own, which would keep the background up."""

# One port per page. Like protocol/client.ts: when the background ends, the port is lost, of which
# the page is told a little later; a call that it leaves unanswered is made again on a new one.
_CONVERSE = """
const [calls, done] = arguments;
const open = async () => {
  await chrome.runtime.sendMessage({ kind: "host.ensure", req: {} });
  const port = chrome.runtime.connect({ name: "measure" });
  const waiting = new Map();
  port.onMessage.addListener((message) => waiting.get(message.id)?.(message));
  port.onDisconnect.addListener(() => {
    delete window.extbuildPort;
    for (const settle of waiting.values()) settle(null);
  });
  return { port, waiting, next: 1 };
};
const send = async (name, req) => {
  const line = (window.extbuildPort ??= await open());
  const id = line.next++;
  return new Promise((settle) => {
    line.waiting.set(id, (message) => settle(line.waiting.delete(id) && message));
    line.port.postMessage({ kind: "call", id, name, req });
  });
};
const call = async ([name, req]) => {
  const started = performance.now();
  let message = null;
  for (let sends = 0; message === null && sends < 3; sends += 1) message = await send(name, req);
  const ms = performance.now() - started;
  const error = message === null ? "the port was lost three times" : message.error?.message;
  return { res: message?.res ?? null, error: error ?? null, ms };
};
(async () => {
  const answers = [];
  for (const one of calls) answers.push(await call(one));
  return answers;
})().then(done, (error) => done(String(error)));
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One call by its name in ``Calls`` and its request."""

    name: str
    req: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and the time from asking to having it in the page, opening included, ms."""

    res: object
    ms: float


def converse(driver: WebDriver, calls: Sequence[Call]) -> list[Answer]:
    """Make ``calls`` one after the other from the extension's page in the current tab."""
    said = driver.execute_async_script(_CONVERSE, [[call.name, dict(call.req)] for call in calls])
    if isinstance(said, str):
        raise RuntimeError(f"the extension's page cannot reach its host: {said}")
    for call, answer in zip(calls, said, strict=True):
        if answer["error"] is not None:
            raise RuntimeError(f"{call.name}: {answer['error']}")
    return [Answer(answer["res"], float(answer["ms"])) for answer in said]
