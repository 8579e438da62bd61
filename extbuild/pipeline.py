"""The build: every stage in its order, and the only place that puts them together.

::

    models:    load -> compress -> compile -> prove -> evaluate (gate, budget) -> shard
    browsers:  runtime, scripts, assets, manifest -> preflight -> package
    dist:      everything is written beside dist/ and takes its place in one step at the end

Whatever goes wrong on the way, an earlier dist/ is what it was.
"""

import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from extbuild.artifacts import Bundle, QualityMetric, ShardedModel, Variant
from extbuild.budget import require_budget
from extbuild.bundle.assets import copy_assets, static_files, write_licences
from extbuild.bundle.engine import is_built, shipped_engine, write_engine
from extbuild.bundle.manifest import make_manifest
from extbuild.bundle.runtime import (
    RuntimeModel,
    make_runtime,
    model_folder,
    needs_of,
    runtime_text,
)
from extbuild.bundle.scripts import bundle_scripts, install_packages
from extbuild.cache import Cache
from extbuild.config.load import Project
from extbuild.errors import StorageError
from extbuild.evaluate.gate import require_quality
from extbuild.files import (
    exclusive,
    list_files,
    recover_directory,
    remove_tree,
    require_space,
    storage_errors,
    swap_directory,
    tree_bytes,
    uninterrupted,
    write_atomic,
)
from extbuild.package.archive import checksums, compressor, packed_parts, write_archive
from extbuild.package.preflight import check_packed, preflight
from extbuild.package.verify import verify_archive
from extbuild.prepare import Modules, PreparedModel, prepare, quality
from extbuild.process import Node, Runner
from extbuild.progress import Stages
from extbuild.report.html import report_html
from extbuild.report.record import BuildReport, ModelReport, PackageReport, report_json
from extbuild.shard.verify import verify_package
from extbuild.shard.write import write_model
from extbuild.targets import TARGETS
from extbuild.targets.base import Target

# Shards are written once and copied into each package; an archive is never larger than its files.
_COPIES_PER_TARGET = 2
# ONNX Runtime Web, scripts and pages of one package, rounded up.
_FIXED_BYTES_PER_TARGET = 30_000_000
_STAGES_PER_MODEL = 6
_STAGES_PER_TARGET = 4


@dataclass(frozen=True, slots=True)
class Workshop:
    """Folders that a build uses: all on one file system, all ignored by git."""

    root: Path

    @property
    def source(self) -> Path:
        """The extension's TypeScript, pages and npm packages."""
        return self.root / "extension_src"

    @property
    def dist(self) -> Path:
        """What a build gives."""
        return self.root / "dist"

    @property
    def drafts(self) -> Path:
        """Folders of builds under way, and of builds that were killed."""
        return self.root / ".extbuild" / "drafts"

    @property
    def previous(self) -> Path:
        """The old dist/, for the moment in which the new one takes its place."""
        return self.drafts / "previous-dist"

    @property
    def cache_directory(self) -> Path:
        """Results of stages, on disk."""
        return self.root / ".extbuild" / "cache"

    @property
    def cache(self) -> Cache:
        """Results of stages."""
        return Cache(self.cache_directory)

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the project's lock: one build at a time, and the others are told."""
        busy = StorageError(str(self.root), "another build is running here", do="wait for its end")
        return exclusive(self.root / ".extbuild" / "lock", busy)


@dataclass(frozen=True, slots=True)
class Tools:
    """Programs that a build runs, as parameters so that tests can bring their own."""

    node: Node
    runner: Runner


@dataclass(frozen=True, slots=True)
class _Packed:
    """A prepared model on disk."""

    prepared: PreparedModel
    sharded: ShardedModel
    quality: Mapping[str, QualityMetric]


def engine_modules(project: Project, runner: Runner, stages: Stages) -> Modules:
    """The engine's variants, compiled when they are first asked for, as a stage of their own."""
    place = Workshop(project.root)

    @functools.cache
    def modules() -> Mapping[Variant, bytes]:
        if not project.extension.engine:
            return {}
        if is_built(place.source, place.cache):
            stages.found("engine")
            return shipped_engine(place.source, place.cache, runner)
        with stages.stage("engine"):
            return shipped_engine(place.source, place.cache, runner)

    return modules


def build(project: Project, tools: Tools, stages: Stages) -> BuildReport:
    """Build every package of `project` into dist/; all of it or nothing."""
    place = Workshop(project.root)
    with storage_errors(project.root), place.exclusive():
        recover_directory(place.dist, place.previous)
        remove_tree(place.drafts)
        place.drafts.mkdir(parents=True)
        place.cache.prune()
        with tempfile.TemporaryDirectory(dir=place.drafts, prefix="build-") as draft:
            report = _build(project, place, Path(draft), tools, stages)
            with uninterrupted():
                swap_directory(Path(draft) / "dist", place.dist, place.previous)
                remove_tree(Path(draft) / "models")
    return report


def _build(
    project: Project, place: Workshop, draft: Path, tools: Tools, stages: Stages
) -> BuildReport:
    extension = project.extension
    stages.plan(
        2 + _STAGES_PER_MODEL * len(project.models) + _STAGES_PER_TARGET * len(extension.targets)
    )
    with stages.stage("npm packages"):
        install_packages(place.source, node=tools.node, runner=tools.runner)
    modules = engine_modules(project, tools.runner, stages)
    prepared = [prepare(entry, modules, place.cache, stages) for entry in project.models]
    for model in prepared:
        require_budget(model)
    judged = [(model, quality(model, place.cache, stages)) for model in prepared]
    for model, metrics in judged:
        require_quality(model.entry.place, metrics)
    _require_space(draft, prepared, len(extension.targets))
    packed = [_shard(project, model, metrics, draft, stages) for model, metrics in judged]
    dist = draft / "dist"
    packages = [
        _package(project, place, TARGETS[name], packed, modules, dist, tools, stages)
        for name in extension.targets
    ]
    report = BuildReport(
        name=extension.name,
        version=project.version,
        models=tuple(_model_report(model) for model in packed),
        packages=tuple(packages),
        stages=stages.times,
        tools={"compressor": compressor()},
    )
    sums = checksums([(package.file, package.sha256) for package in packages])
    write_atomic(dist / "SHA256SUMS", sums.encode())
    write_atomic(dist / "report.json", report_json(report).encode())
    write_atomic(dist / "report.html", report_html(report).encode())
    return report


def _require_space(draft: Path, models: Sequence[PreparedModel], targets: int) -> None:
    weights = sum(model.packed_bytes for model in models)
    copies = 1 + _COPIES_PER_TARGET * targets
    require_space(draft, weights * copies + _COPIES_PER_TARGET * targets * _FIXED_BYTES_PER_TARGET)


def _shard(
    project: Project,
    prepared: PreparedModel,
    metrics: Mapping[str, QualityMetric],
    draft: Path,
    stages: Stages,
) -> _Packed:
    name = prepared.entry.name
    with stages.stage(f"shard {name}"):
        sharded = write_model(
            prepared.compiled, draft / model_folder(name), project.extension.max_shard_bytes
        )
    return _Packed(prepared, sharded, metrics)


def _package(
    project: Project,
    place: Workshop,
    target: Target,
    models: Sequence[_Packed],
    modules: Modules,
    dist: Path,
    tools: Tools,
    stages: Stages,
) -> PackageReport:
    """One browser's package: an unpacked folder, checked, and the archive made from it."""
    extension, features = project.extension, [model.sharded.task for model in models]
    unpacked = dist / target.name / "unpacked"
    described = [_runtime_model(model) for model in models]
    needs = needs_of(described)
    with stages.stage(f"assets {target.name}"):
        copy_assets(target, place.source, unpacked, needs.ort)
        engine = write_engine(modules(), target, unpacked) if needs.engine else None
        for model in models:
            shutil.copytree(model.sharded.directory, unpacked / model_folder(model.sharded.name))
        runtime = make_runtime(extension, project.version, described, engine)
        write_atomic(unpacked / "runtime.json", runtime_text(runtime).encode())
        manifest = make_manifest(
            extension, project.version, target, features, static_files(place.source)
        )
        write_atomic(unpacked / "manifest.json", manifest.text.encode())
    with stages.stage(f"scripts {target.name}"):
        npm_packages = bundle_scripts(
            target,
            features,
            needs,
            place.source,
            unpacked,
            node=tools.node,
            runner=tools.runner,
        )
        write_licences(project.root, place.source, npm_packages, needs.ort, unpacked)
    bundle = Bundle(target.name, unpacked, list_files(unpacked))
    with stages.stage(f"preflight {target.name}"):
        preflight(bundle)
    with stages.stage(f"package {target.name}"):
        file = dist / target.name / f"{extension.slug}-{project.version}.{target.suffix}"
        package = write_archive(bundle, file)
        check_packed(package)
    return PackageReport(
        target=target.name,
        file=file.relative_to(dist).as_posix(),
        bytes=package.bytes,
        sha256=package.sha256,
        unpacked_bytes=tree_bytes(unpacked),
        parts=packed_parts(package),
        permissions=manifest.reasons,
    )


def _runtime_model(model: _Packed) -> RuntimeModel:
    prepared = model.prepared
    return RuntimeModel(
        sharded=model.sharded,
        params=prepared.params,
        webgpu=prepared.entry.recipe.runtime.webgpu,
        values=dataclasses.asdict(prepared.settings),
    )


def _model_report(model: _Packed) -> ModelReport:
    prepared, compiled, recipe = (
        model.prepared,
        model.prepared.compiled,
        model.prepared.entry.recipe,
    )
    return ModelReport(
        name=recipe.name,
        task=recipe.task,
        params=prepared.params,
        source_bytes=prepared.source_bytes,
        packed_bytes=model.sharded.packed_bytes,
        budget_bytes=recipe.budget.max_packed_bytes,
        sha256=model.sharded.sha256,
        parts=prepared.parts,
        operators=compiled.operators,
        shards=model.sharded.shards,
        passes=prepared.passes,
        quality=model.quality,
        backend=compiled.backend,
        not_lowered=compiled.not_lowered,
        operations=prepared.operations,
        arena_bytes=prepared.proof.arena_bytes,
        golden_cases=prepared.proof.cases,
        golden_tolerance=prepared.proof.tolerance,
        golden_max_error=prepared.proof.max_error,
    )


def verify(project: Project) -> Mapping[str, int]:
    """Check every archive and every unpacked file in dist/; bytes checked by browser.

    Model files are compared with runtime.json, archives with SHA256SUMS, and every other file with
    the archive of its browser.
    """
    dist = Workshop(project.root).dist
    for target in project.extension.targets:
        verify_package(dist / target / "unpacked")
    return {target: verify_archive(dist, target) for target in project.extension.targets}
