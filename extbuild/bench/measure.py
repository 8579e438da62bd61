"""The parts of the benchmark: each opens what it needs, measures and closes it again."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selenium.webdriver import Chrome, Firefox

from extbuild.artifacts import TargetName
from extbuild.bench.compare import Comparison, Found, Say, compare
from extbuild.bench.footprint import engine_sizes, footprints
from extbuild.bench.forms import Shelf, Subject
from extbuild.bench.goals import ENGINE_DECODER
from extbuild.bench.in_browser import BenchPage
from extbuild.bench.peers import Peers
from extbuild.bench.plan import TINY, Plan
from extbuild.bench.server import serving
from extbuild.bench.sweeps import over_batches, over_sizes, over_threads
from extbuild.browsers import Browser, Programs, start
from extbuild.config.load import ModelEntry, Project

SCRIPT_DEADLINE_S = 300


@dataclass(frozen=True, slots=True)
class Bench:
    """What every part needs. ``site`` is what the server serves, models included."""

    project: Project
    plan: Plan
    shelf: Shelf
    peers: Peers
    programs: Mapping[TargetName, Programs]
    site: Mapping[str, Path]
    say: Say

    @contextmanager
    def pages(self) -> Iterator[dict[str, BenchPage]]:
        """The benchmark's page in a fresh browser of each kind, by the browser's name."""
        with ExitStack() as stack:
            address = stack.enter_context(serving(self.site))
            pages = {}
            for target, programs in self.programs.items():
                browser = stack.enter_context(start(target, programs, []))
                browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
                pages[browser_name(browser)] = BenchPage(browser.driver, address)
            yield pages

    @contextmanager
    def page(self, target: TargetName) -> Iterator[tuple[BenchPage, int]]:
        """The page in one fresh browser, and the process id of its WebDriver program."""
        with serving(self.site) as address, start(target, self.programs[target], []) as browser:
            browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
            yield BenchPage(browser.driver, address), driver_pid(browser)

    def own(self, task: str) -> ModelEntry | None:
        """The project's own model for a task."""
        return next((one for one in self.project.models if one.recipe.task == task), None)


def decoder(bench: Bench) -> Found:
    """A decoder of a well-known shape, beside every peer that runs decoders."""
    sizes, peers = bench.plan.decoder, bench.peers
    subject = bench.shelf.random(sizes)
    comparison = Comparison(
        subject,
        [
            peers.engine_form(subject, "int4"),
            peers.engine_form(subject, "int8"),
            *(peers.ort_web(subject, form) for form in ("int8", "fp32", "int4")),
            peers.transformers(subject),
            peers.wllama(subject, sizes),
            *peers.floors(subject, sizes),
        ],
        [
            peers.native_ort(subject, "int4"),
            peers.native_ort(subject, "int8"),
            peers.llama_cpp(subject, sizes),
        ],
    )
    return _compared(bench, comparison)


def encoder(bench: Bench) -> Found:
    """An encoder of a well-known shape, beside every peer that runs encoders."""
    peers = bench.peers
    subject = bench.shelf.random(bench.plan.encoder)
    comparison = Comparison(
        subject,
        [
            peers.engine_form(subject, "int8"),
            *(peers.ort_web(subject, form) for form in ("int8", "fp32", "int4")),
            peers.transformers(subject),
        ],
        [peers.native_ort(subject, "int8"), peers.native_ort(subject, "fp32")],
    )
    return _compared(bench, comparison)


def own_model(bench: Bench, task: str) -> Found:
    """The project's own model as its recipe makes it, beside ONNX Runtime on 8-bit weights."""
    entry = bench.own(task)
    if entry is None:
        return Found()
    subject = Subject(entry.name, entry.recipe.task, entry.source_directory, None)
    comparison = Comparison(
        subject,
        [
            bench.peers.engine(subject, "engine, as shipped", entry.recipe.passes),
            bench.peers.ort_web(subject, "int8"),
        ],
        [bench.peers.native_ort(subject, "int8")],
    )
    return _compared(bench, comparison)


def memory(bench: Bench) -> Found:
    """Peaks of the decoder's peers, each in a browser of its own.

    The engine with next to no weights shows how much of its peak depends on none: the worker, and
    the browser's own code for WASM, which counts once it is used.
    """
    subject = bench.shelf.random(bench.plan.decoder)
    peers = [
        bench.peers.engine_form(subject, "int4"),
        bench.peers.ort_web(subject, "int8"),
        bench.peers.ort_web(subject, "int4"),
        bench.peers.wllama(subject, bench.plan.decoder),
    ]
    with bench.pages() as pages:
        names = {name: name.partition(" ")[0] for name in pages}
    targets = {target: target for target in bench.programs}
    browsers = {
        name: partial(bench.page, targets[target])
        for name, short in names.items()
        for target in targets
        if target == short
    }
    workload = bench.plan.workload
    found = footprints(subject, peers, browsers, workload, bench.say)
    tiny = bench.shelf.random(TINY)
    control = [bench.peers.engine_form(tiny, "int4")]
    found += footprints(tiny, control, browsers, workload, bench.say)
    folder = bench.shelf.engine_form(subject, "int4")
    module = (bench.site[""] / "engine" / "relaxed.wasm").read_bytes()
    sizes = engine_sizes(subject, ENGINE_DECODER, folder, module, list(browsers), workload.prompt)
    return found + Found(tuple(sizes))


def sweeps(bench: Bench) -> Found:
    """How the engine's cost grows."""
    plan, say = bench.plan, bench.say
    with bench.pages() as pages:
        found = over_batches(bench.shelf, bench.peers, plan.encoder, pages, plan.workload, say)
        sizes = tuple(sizes for sizes in plan.sizes if sizes != plan.decoder)
        found += over_sizes(bench.shelf, bench.peers, sizes, pages, plan.workload, say)
        chrome = {name: page for name, page in pages.items() if name.startswith("chrome")}
        models = (plan.decoder, plan.encoder)
        cores = os.cpu_count() or 1
        return found + over_threads(
            bench.shelf, bench.peers, models, chrome, cores, plan.workload, say
        )


def browser_name(browser: Browser) -> str:
    """``chrome 156``: the target and its major version."""
    version = str(browser.driver.capabilities["browserVersion"]).partition(".")[0]
    return f"{browser.target} {version}"


def driver_pid(browser: Browser) -> int:
    """Process id of the program that started the browser, and so is above all of its processes."""
    driver = browser.driver
    if not isinstance(driver, Chrome | Firefox):
        raise TypeError(f"unknown driver {driver!r}")
    return int(driver.service.process.pid)


def _compared(bench: Bench, comparison: Comparison) -> Found:
    for peer in comparison.browser_peers:
        bench.say(f"prepare {comparison.subject.name} for {peer.name}")
        peer.opening()
    with bench.pages() as pages:
        return compare(
            comparison, pages, bench.plan.workload, rounds=bench.plan.rounds, say=bench.say
        )
