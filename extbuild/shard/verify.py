"""Comparing files on disk with what was planned and written."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from extbuild.config.runtime import (
    EngineVariants,
    FileEntry,
    ModelFiles,
    Runtime,
    ShardEntry,
    WeightsBlob,
)
from extbuild.errors import ShardError
from extbuild.files import human_bytes, list_files, sha256_file

RUNTIME_FILE = "runtime.json"
_REBUILD = "build again: ./inv build"


def verify_package(unpacked: Path) -> int:
    """Check every model file that ``runtime.json`` of an unpacked extension names.

    Gives the number of bytes checked. Raises `ShardError` for a file that is missing, changed,
    of another size or not named, and for shards that leave a hole or overlap.
    """
    place = unpacked / RUNTIME_FILE
    try:
        runtime = Runtime.model_validate_json(place.read_bytes())
    except FileNotFoundError:
        raise ShardError(str(place), "missing", do="build first: ./inv build") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ShardError(
            str(place), f"not a runtime description: {first['msg']}", do=_REBUILD
        ) from error
    models = runtime.models
    files = [model.files for model in (models.moderation, models.completion) if model is not None]
    checked = sum(verify_model(unpacked, model) for model in files)
    return checked + sum(_check_file(unpacked, entry) for entry in engine_files(runtime.engine))


def engine_files(variants: EngineVariants | None) -> tuple[FileEntry, ...]:
    """The engine's files in a package."""
    if variants is None:
        return ()
    entries = (variants.simd, variants.relaxed, variants.threads)
    return tuple(entry for entry in entries if entry is not None)


def verify_model(root: Path, model: ModelFiles) -> int:
    """Check one model's files below `root` against `model`; gives the number of bytes checked."""
    folder = Path(model.tokenizer.file).parent
    if model.engine is None and model.ort is None:
        raise ShardError(f"{root / folder}", "holds files for no backend", do=_REBUILD)
    entries: list[FileEntry | ShardEntry] = [model.tokenizer, model.golden]
    if model.engine is not None:
        entries += [model.engine.program, *_shards(model.engine.weights, root / folder)]
    if model.ort is not None:
        entries += [model.ort.graph, *_shards(model.ort.weights, root / folder)]
        entries += [model.ort.graph_f16] if model.ort.graph_f16 else []
    checked = sum(_check_file(root, entry) for entry in entries)
    named = {entry.file for entry in entries}
    for file in list_files(root / folder):
        path = (folder / file).as_posix()
        if path not in named:
            raise ShardError(f"{root / path}", f"not named by {RUNTIME_FILE}", do=_REBUILD)
    return checked


def _shards(weights: WeightsBlob, place: Path) -> tuple[ShardEntry, ...]:
    _check_ranges(weights.shards, weights.bytes, str(place))
    return weights.shards


def _check_ranges(shards: Sequence[ShardEntry], weights_bytes: int, place: str) -> None:
    end = 0
    for shard in shards:
        if shard.offset != end:
            kind = "leaves a hole" if shard.offset > end else "overlaps the one before it"
            raise ShardError(
                f"{place}: {shard.file}",
                f"{kind}: it must begin at byte {end}",
                found=str(shard.offset),
                do=_REBUILD,
            )
        end += shard.bytes
    if end != weights_bytes:
        raise ShardError(
            place,
            f"the shards must hold {weights_bytes} bytes of weights",
            found=str(end),
            do=_REBUILD,
        )


def _check_file(root: Path, entry: FileEntry | ShardEntry) -> int:
    """Compare one file with its entry; gives its size."""
    path = root / entry.file
    if not path.is_file():
        raise ShardError(str(path), "missing", do=_REBUILD)
    size = path.stat().st_size
    if size != entry.bytes:
        raise ShardError(
            str(path),
            f"must have {entry.bytes} bytes ({human_bytes(entry.bytes)})",
            found=str(size),
            do=_REBUILD,
        )
    digest = sha256_file(path)
    if digest != entry.sha256:
        raise ShardError(
            str(path),
            f"changed since it was written: SHA-256 must be {entry.sha256[:16]}…",
            found=f"{digest[:16]}…",
            do=_REBUILD,
        )
    return size
