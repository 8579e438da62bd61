"""``inv bench``: the engine and its peers in both browsers and natively, in one run."""

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from extbuild.artifacts import TargetName
from extbuild.bench import measure
from extbuild.bench.compare import Found
from extbuild.bench.forms import Shelf
from extbuild.bench.goals import engine_ratios
from extbuild.bench.html import bench_html
from extbuild.bench.measure import Bench
from extbuild.bench.ort_package import build_without_engine
from extbuild.bench.packages import measure_packages
from extbuild.bench.peers import MODELS, Peers
from extbuild.bench.plan import plan_of
from extbuild.bench.rows import as_json, ratios_of, rows_of
from extbuild.bench.site import build_site
from extbuild.bench.table import everything
from extbuild.browsers import Programs, find_programs
from extbuild.browsers.programs import ThisMachine
from extbuild.cache import Cache
from extbuild.config.load import Project
from extbuild.files import write_atomic
from extbuild.pipeline import Tools, Workshop
from extbuild.process import find_node, run
from extbuild.progress import Silent, Stages

# Most that extension / native may be, by the name of the ratio. None is set.
GOALS: Mapping[str, float] = {}
_SHELF_BYTES = 20_000_000_000
FOLDER = ".extbuild/bench"
"""The benchmark's own folder in the project: models of the peers, its site, the other package."""


def bench(project: Project, out: Path, stages: Stages, *, quick: bool, only: Sequence[str]) -> int:
    """Measure, print it, write ``out`` and dist/bench.html; 1 if a goal is not reached."""
    plan = plan_of(quick=quick, only=only)
    place = Workshop(project.root)
    folder = project.root / FOLDER
    tools = Tools(find_node(), run)
    programs: dict[TargetName, Programs] = {
        target: find_programs(target, ThisMachine(run)) for target in project.extension.targets
    }
    stages.plan(1 + len(plan.parts) + ("extension" in plan.parts))
    shelf_cache = Cache(folder / MODELS, max_bytes=_SHELF_BYTES)
    shelf_cache.prune()
    with place.exclusive(), stages.stage("pages and peers"):
        site = build_site(place.source, folder / "site", place.cache, node=tools.node, runner=run)
    shelf = Shelf(shelf_cache, project.extension)
    found = Found()
    for part in plan.parts:
        if part == "extension":
            with stages.stage("package without the engine"):
                other = folder / "without-engine"
                silent = Stages(Silent())
                without_engine = build_without_engine(project.root, other, tools, silent)
        with stages.stage(part) as say:
            if part == "extension":
                found += measure_packages(place.dist, without_engine, programs, plan.rounds, say)
                continue
            setup = Bench(
                project=project,
                plan=plan,
                shelf=shelf,
                peers=Peers(shelf, folder / MODELS, run),
                programs=programs,
                site={**site, MODELS: folder / MODELS},
                say=say,
            )
            found += _PARTS[part](setup)
    return _report(found, programs, place, out)


_PARTS: Mapping[str, Callable[[Bench], Found]] = {
    "decoder": measure.decoder,
    "encoder": measure.encoder,
    "completion": partial(measure.own_model, task="completion"),
    "moderation": partial(measure.own_model, task="moderation"),
    "memory": measure.memory,
    "sweeps": measure.sweeps,
}


def _report(
    found: Found, programs: Mapping[TargetName, Programs], place: Workshop, out: Path
) -> int:
    rows = rows_of(found.samples)
    ratios = (*engine_ratios(rows, list(programs)), *ratios_of(rows, GOALS))
    Console().print(everything(rows, ratios, found.missing))
    text = json.dumps(as_json(rows, ratios, found.missing), indent=1, allow_nan=False)
    write_atomic(out.absolute(), f"{text}\n".encode())
    page = bench_html(rows, ratios, found.missing, _machine())
    place.dist.mkdir(exist_ok=True)
    write_atomic(place.dist / "bench.html", page.encode())
    return 1 if any(ratio.passed is False for ratio in ratios) else 0


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} logical processors, {platform.system()}"
