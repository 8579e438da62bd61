"""Peers of one model, measured in turns: a machine that is busy for a while is busy for each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from extbuild.bench.forms import Subject
from extbuild.bench.goals import DECODE, ENCODE, PREFILL
from extbuild.bench.in_browser import BenchPage, Generated, PeerError
from extbuild.bench.peers import BrowserPeer, NativePeer
from extbuild.bench.rows import Missing, Sample

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked of a peer in one round.

    A decoder reads ``prompt_tokens`` and writes up to ``steps`` more, for about ``max_ms`` at most.
    An encoder scores ``texts`` of ``text_tokens`` each.
    """

    prompt_tokens: int = 64
    steps: int = 16
    max_ms: float = 1500.0
    texts: int = 32
    text_tokens: int = 64

    @property
    def batch(self) -> str:
        """How the encoder's batch is called in rows."""
        return f"{self.texts} x {self.text_tokens} tokens"

    @property
    def prompt(self) -> str:
        """How the decoder's prompt is called in rows."""
        return f"{self.prompt_tokens} tokens"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model and those who run it."""

    subject: Subject
    browser_peers: Sequence[BrowserPeer]
    native_peers: Sequence[NativePeer] = ()
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured, and what could not be."""

    samples: tuple[Sample, ...] = ()
    missing: tuple[Missing, ...] = ()

    def __add__(self, other: "Found") -> "Found":
        """Both together."""
        return Found(self.samples + other.samples, self.missing + other.missing)


class Runs(Protocol):
    """A loaded model, in a browser or not."""

    def generate(self, seed: int, *, prompt_tokens: int, steps: int, max_ms: float) -> Generated:
        """Read a prompt and go on greedily."""

    def encode(self, seed: int, *, texts: int, tokens: int) -> float:
        """Milliseconds of one batch."""

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True, slots=True)
class _Entrant:
    """One peer in one place, loaded; ``blank`` says whose its samples are."""

    model: Runs
    blank: Sample

    def samples(self, subject: Subject, workload: Workload, seed: int) -> list[Sample]:
        if subject.task == "moderation":
            ms = self.model.encode(seed, texts=workload.texts, tokens=workload.text_tokens)
            return [encoded(ms, workload, self.blank)]
        told = self.model.generate(
            seed,
            prompt_tokens=workload.prompt_tokens,
            steps=workload.steps,
            max_ms=workload.max_ms,
        )
        return list(decoded(told, workload, self.blank))


def compare(
    comparison: Comparison,
    pages: Mapping[str, BenchPage],
    workload: Workload,
    *,
    rounds: int,
    say: Say,
) -> Found:
    """Samples of ``rounds`` rounds, after one that does not count. Peers are closed at the end."""
    missing: list[Missing] = []
    entrants = list(_open(comparison, pages, missing, say))
    samples: list[Sample] = []
    for turn in range(rounds + 1):
        for entrant in list(entrants):
            blank = entrant.blank
            say(f"round {turn} of {rounds}: {blank.peer}, {blank.browser or 'native'}")
            try:
                measured = entrant.samples(comparison.subject, workload, turn + 1)
            except PeerError as error:
                entrants.remove(entrant)
                missing.append(_lost(blank, error))
                continue
            if turn:
                samples += measured
    for entrant in entrants:
        entrant.model.close()
    return Found(tuple(samples), tuple(missing))


def decoded(told: Generated, workload: Workload, blank: Sample) -> Iterator[Sample]:
    """Samples of one generation; ``blank`` says whose they are."""
    rates = tuple(1000 / ms for ms in told.token_ms if ms > 0)
    yield replace(
        blank, metric=DECODE, shape=f"after {workload.prompt}", values=rates, unit="tokens/s"
    )
    rate = workload.prompt_tokens * 1000 / told.prefill_ms
    yield replace(blank, metric=PREFILL, shape=workload.prompt, values=(rate,), unit="tokens/s")


def encoded(ms: float, workload: Workload, blank: Sample) -> Sample:
    """The sample of one batch."""
    rate = workload.texts * 1000 / ms
    return replace(blank, metric=ENCODE, shape=workload.batch, values=(rate,), unit="texts/s")


def _open(
    comparison: Comparison, pages: Mapping[str, BenchPage], missing: list[Missing], say: Say
) -> Iterator[_Entrant]:
    """Load every peer in every place; those that cannot be loaded are ``missing``."""
    subject, threads = comparison.subject.name, comparison.threads
    places: list[tuple[Sample, Callable[[], Runs]]] = [
        (Sample(subject, native.name, "", "", (), None, threads=threads), native.load)
        for native in comparison.native_peers
    ]
    for peer in comparison.browser_peers:
        places += [
            (
                Sample(subject, peer.name, "", "", (), browser, threads=threads),
                partial(_opened, page, peer),
            )
            for browser, page in pages.items()
        ]
    for blank, load in places:
        say(f"open {blank.peer}, {blank.browser or 'native'}")
        try:
            model = load()
        except PeerError as error:
            missing.append(_lost(blank, error))
        else:
            yield _Entrant(model, blank)


def _opened(page: BenchPage, peer: BrowserPeer) -> Runs:
    return page.open(peer.opening())


def _lost(blank: Sample, error: PeerError) -> Missing:
    reason = str(error).strip().split("\n")[0]
    return Missing(blank.subject, blank.peer, blank.browser, reason)
