"""Peers in a real browser: the pages of extension_src/bench, driven one command at a time.

Times are taken inside the pages' workers, so WebDriver's round trips are not in them.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from selenium.common.exceptions import TimeoutException
from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.artifacts import Task, Variant

PeerKind = Literal["engine", "onnxruntime-web", "transformers.js", "wllama", "javascript", "scalar"]

_ASK = """
const [command, done] = arguments;
bench(command).then(done, (error) => done({ value: null, error: String(error) }));
"""


class PeerError(Exception):
    """A peer that could not be opened or asked; the message is its own."""


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """Limits that the engine's arena and cache are made for; see backends/backend.ts."""

    layers: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    cache_tokens: int = 0
    max_tokens: int = 0
    batch_tokens: int = 0
    pad_id: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """``Opening`` of extension_src/bench/protocol.ts; ``model`` is a path of the server."""

    kind: PeerKind
    task: Task
    model: str
    vocab: int
    limits: PeerLimits
    threads: int = 1
    variant: Variant | None = None
    matrices: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """Milliseconds of reading the prompt, and of each token after the first."""

    prefill_ms: float
    token_ms: tuple[float, ...]


class BenchPage:
    """The benchmark's page in the current tab of a browser."""

    def __init__(self, driver: WebDriver, address: str) -> None:
        self._driver = driver
        self._address = address
        self._names = itertools.count()
        self.reload()

    def reload(self) -> None:
        """A new page, which ends every peer of the old one."""
        self._driver.get(f"{self._address}/page.html")

    def open(self, opening: Opening) -> "OpenPeer":
        """Load a model in a worker of its own."""
        name = f"peer {next(self._names)}"
        described = {**asdict(opening), "model": f"{self._address}{opening.model}"}
        title = self.ask({"name": "open", "peer": name, "opening": described})
        return OpenPeer(self, name, str(title))

    def ask(self, command: Mapping[str, object]) -> object:
        """One command's answer; PeerError if it is an error."""
        try:
            answer = self._driver.execute_async_script(_ASK, command)
        except TimeoutException as error:
            raise PeerError(f"no answer to {command['name']!r} in time") from error
        if answer["error"] is not None:
            raise PeerError(str(answer["error"]))
        value: object = answer["value"]
        return value


class OpenPeer:
    """A model loaded in one peer. ``title`` is what the peer calls itself."""

    def __init__(self, page: BenchPage, name: str, title: str) -> None:
        self._page, self._name = page, name
        self.title = title

    def generate(self, seed: int, *, prompt_tokens: int, steps: int, max_ms: float) -> Generated:
        """Read a prompt that no other seed has, and go on greedily."""
        generating = {"seed": seed, "promptTokens": prompt_tokens, "steps": steps, "maxMs": max_ms}
        told = self._ask("generate", generating=generating)
        if not isinstance(told, dict):
            raise PeerError(f"{self.title} told no times")
        return Generated(float(told["prefillMs"]), tuple(map(float, told["tokenMs"])))

    def encode(self, seed: int, *, texts: int, tokens: int) -> float:
        """Milliseconds of one batch of ``texts`` rows of ``tokens`` ids."""
        encoding = {"seed": seed, "texts": texts, "tokens": tokens}
        told = self._ask("encode", encoding=encoding)
        if not isinstance(told, int | float):
            raise PeerError(f"{self.title} told no time")
        return float(told)

    def memory(self) -> Mapping[str, float]:
        """What the peer knows of its own memory, bytes."""
        told = self._ask("memory")
        return told if isinstance(told, dict) else {}

    def close(self) -> None:
        """End the worker and free what it holds."""
        self._ask("close")

    def _ask(self, command: str, **more: object) -> object:
        return self._page.ask({"name": command, "peer": self._name, **more})
