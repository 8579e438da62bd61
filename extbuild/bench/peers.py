"""The peers of each model: who runs it, in which form, and what a browser needs to open it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from extbuild.artifacts import Variant
from extbuild.bench.forms import (
    BATCH_TOKENS,
    CONTEXT_TOKENS,
    MAX_TEXT_TOKENS,
    Form,
    Shelf,
    Subject,
)
from extbuild.bench.in_browser import Opening, PeerKind, PeerLimits
from extbuild.bench.native_peers import LlamaCpp, NativeOrt
from extbuild.bench.random_models import DecoderSizes
from extbuild.config.recipe import PassSpec
from extbuild.errors import ContractError
from extbuild.process import Runner

MODELS = "models"
"""First path segment of the shelf's files on the server."""


@dataclass(frozen=True, slots=True)
class BrowserPeer:
    """A peer in a browser; ``opening`` makes its files when it is first called."""

    name: str
    opening: Callable[[], Opening]


@dataclass(frozen=True, slots=True)
class NativePeer:
    """A peer outside the browsers, loaded by ``load``."""

    name: str
    load: Callable[[], NativeOrt | LlamaCpp]


class Peers:
    """Who runs a subject. ``root`` is the folder of the shelf."""

    def __init__(self, shelf: Shelf, root: Path, runner: Runner) -> None:
        self._shelf, self._root, self._runner = shelf, root, runner

    def engine(self, subject: Subject, name: str, passes: Sequence[PassSpec]) -> BrowserPeer:
        """Our engine on a model that went through the passes of a recipe."""

        def opening() -> Opening:
            folder = self._shelf.engine(subject, tuple(passes))
            return _plain("engine", subject, self._address(folder))

        return BrowserPeer(name, opening)

    def engine_form(self, subject: Subject, form: Form, *, threads: int = 1) -> BrowserPeer:
        """Our engine on a form that other peers have too."""

        def opening() -> Opening:
            address = self._address(self._shelf.engine_form(subject, form))
            variant: Variant | None = "threads" if threads > 1 else None
            return replace(_plain("engine", subject, address), threads=threads, variant=variant)

        return BrowserPeer(f"engine {form}", opening)

    def ort_web(self, subject: Subject, form: Form) -> BrowserPeer:
        """onnxruntime-web on WASM."""

        def opening() -> Opening:
            address = self._address(self._shelf.ort(subject, form))
            return _plain("onnxruntime-web", subject, address)

        return BrowserPeer(f"onnxruntime-web {form}", opening)

    def transformers(self, subject: Subject) -> BrowserPeer:
        """@huggingface/transformers on WASM, with 8-bit weights."""

        def opening() -> Opening:
            address = self._address(self._shelf.transformers(subject))
            return _plain("transformers.js", subject, address)

        return BrowserPeer("transformers.js int8", opening)

    def wllama(self, subject: Subject, sizes: DecoderSizes) -> BrowserPeer:
        """llama.cpp on WASM."""

        def opening() -> Opening:
            file = self._shelf.gguf(subject, sizes)
            return _plain("wllama", subject, self._address(file).rstrip("/"))

        return BrowserPeer("wllama Q4_0", opening)

    def floors(self, subject: Subject, sizes: DecoderSizes) -> list[BrowserPeer]:
        """What there is without an engine."""

        def javascript() -> Opening:
            return _plain("javascript", subject, "", sizes.matrices())

        def scalar() -> Opening:
            return _plain("scalar", subject, "", sizes.matrices())

        return [BrowserPeer("JavaScript int8", javascript), BrowserPeer("scalar WASM int8", scalar)]

    def native_ort(self, subject: Subject, form: Form) -> NativePeer:
        """Native onnxruntime."""

        def load() -> NativeOrt:
            folder = self._shelf.ort(subject, form)
            return NativeOrt(folder, limits_of(subject), vocab_of(subject))

        return NativePeer(f"onnxruntime {form}", load)

    def llama_cpp(self, subject: Subject, sizes: DecoderSizes) -> NativePeer:
        """Native llama.cpp, where its Python package is installed."""
        return NativePeer(
            "llama.cpp Q4_0", lambda: LlamaCpp(self._shelf.gguf(subject, sizes), self._runner)
        )

    def _address(self, path: Path) -> str:
        return f"/{MODELS}/{path.relative_to(self._root).as_posix()}/"


def _plain(
    kind: PeerKind, subject: Subject, model: str, matrices: Sequence[tuple[int, int]] = ()
) -> Opening:
    return Opening(
        kind=kind,
        task=subject.task,
        model=model,
        vocab=vocab_of(subject),
        limits=limits_of(subject),
        matrices=matrices,
    )


def vocab_of(subject: Subject) -> int:
    """Rows of the embedding table."""
    return _whole(subject, "vocab_size")


def limits_of(subject: Subject) -> PeerLimits:
    """What the engine's arena and cache are made for."""
    if subject.task == "moderation":
        return PeerLimits(max_tokens=MAX_TEXT_TOKENS, batch_tokens=BATCH_TOKENS)
    heads = _whole(subject, "num_attention_heads")
    return PeerLimits(
        layers=_whole(subject, "num_hidden_layers"),
        kv_heads=_whole(subject, "num_key_value_heads"),
        head_dim=_whole(subject, "hidden_size") // heads,
        cache_tokens=CONTEXT_TOKENS,
    )


def _whole(subject: Subject, key: str) -> int:
    value = subject.config().get(key)
    if not isinstance(value, int):
        raise ContractError(f"{subject.name}: config.json has no {key}")
    return value
