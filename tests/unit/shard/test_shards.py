import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extbuild.artifacts import ShardedModel, Variant
from extbuild.bundle.engine import write_engine
from extbuild.bundle.runtime import RuntimeModel, make_runtime, runtime_text
from extbuild.errors import ShardError
from extbuild.files import tree_bytes
from extbuild.shard.plan import plan_shards
from extbuild.shard.verify import verify_package
from extbuild.shard.write import write_model
from extbuild.targets import TARGETS
from tests.packages import ENCODER, EXTENSION, compiled_model

WEIGHTS = bytes(range(256)) * 10
MODEL_BYTES = len(WEIGHTS) + 9 + len(b"programgraphgolden{}")


@given(weights=st.integers(0, 10_000), limit=st.integers(1, 3_000))
def test_shards_cover_the_weights_without_hole_or_overlap(weights: int, limit: int) -> None:
    plan = plan_shards(weights, limit, "weights")
    ends = [0, *(piece.offset + piece.bytes for piece in plan)]
    assert [piece.offset for piece in plan] == ends[:-1]
    assert ends[-1] == weights
    assert all(0 < piece.bytes <= limit for piece in plan)
    assert len({piece.file for piece in plan}) == len(plan)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An unpacked package: the engine, and a model with three shards for it and one for ORT."""
    sharded = _sharded(tmp_path / "models/moderation", max_shard_bytes=1000)
    modules: dict[Variant, bytes] = {"simd": b"s", "relaxed": b"re", "threads": b"thr"}
    engine = write_engine(modules, TARGETS["chrome"], tmp_path)
    described = RuntimeModel(sharded, 7, "measure", ENCODER)
    runtime = make_runtime(EXTENSION, "1.0", [described], engine)
    (tmp_path / "runtime.json").write_text(runtime_text(runtime))
    return tmp_path


def _sharded(directory: Path, max_shard_bytes: int) -> ShardedModel:
    return write_model(compiled_model(engine=WEIGHTS, ort=b"v" * 9), directory, max_shard_bytes)


def test_a_written_model_is_the_plan_on_disk(tmp_path: Path) -> None:
    sharded = _sharded(tmp_path, max_shard_bytes=1000)
    assert sharded.engine is not None
    assert [shard.bytes for shard in sharded.engine.shards] == [1000, 1000, 560]
    blob = b"".join((tmp_path / shard.file).read_bytes() for shard in sharded.engine.shards)
    assert blob == WEIGHTS
    assert sharded.ort is not None
    assert [shard.file for shard in sharded.ort.shards] == ["graph-000.bin"]
    assert sharded.shards == (*sharded.engine.shards, *sharded.ort.shards)
    assert sharded.packed_bytes == MODEL_BYTES == tree_bytes(tmp_path)


def test_the_models_hash_names_its_content(tmp_path: Path) -> None:
    first = _sharded(tmp_path / "a", max_shard_bytes=1000)
    assert _sharded(tmp_path / "b", max_shard_bytes=1000).sha256 == first.sha256
    assert _sharded(tmp_path / "c", max_shard_bytes=900).sha256 != first.sha256


def test_an_untouched_package_is_accepted(package: Path) -> None:
    assert verify_package(package) == MODEL_BYTES + len(b"srethr")


def _flip_a_bit(package: Path) -> None:
    shard = package / "models/moderation/weights-001.bin"
    data = bytearray(shard.read_bytes())
    data[500] ^= 1
    shard.write_bytes(data)


def _truncate(package: Path) -> None:
    shard = package / "models/moderation/weights-002.bin"
    shard.write_bytes(shard.read_bytes()[:-1])


def _remove(package: Path) -> None:
    (package / "models/moderation/weights-000.bin").unlink()


def _add(package: Path) -> None:
    (package / "models/moderation/weights-003.bin").write_bytes(b"more")


def _change_tokenizer(package: Path) -> None:
    (package / "models/moderation/tokenizer.json").write_bytes(b"[]")


def _edit_runtime(package: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    file = package / "runtime.json"
    runtime = json.loads(file.read_text())
    edit(runtime["models"]["moderation"]["files"])
    file.write_text(json.dumps(runtime))


def _engine_weights(files: dict[str, Any]) -> dict[str, Any]:
    weights: dict[str, Any] = files["engine"]["weights"]
    return weights


def _make_hole(package: Path) -> None:
    def edit(files: dict[str, Any]) -> None:
        _engine_weights(files)["shards"][1]["offset"] += 8

    _edit_runtime(package, edit)


def _overlap(package: Path) -> None:
    def edit(files: dict[str, Any]) -> None:
        _engine_weights(files)["shards"][1]["offset"] -= 8

    _edit_runtime(package, edit)


def _promise_more(package: Path) -> None:
    def edit(files: dict[str, Any]) -> None:
        _engine_weights(files)["bytes"] += 1

    _edit_runtime(package, edit)


def _no_backend(package: Path) -> None:
    _edit_runtime(package, lambda files: files.update(engine=None, ort=None))


def _change_engine(package: Path) -> None:
    (package / "engine/relaxed.wasm").write_bytes(b"er")


def _change_golden(package: Path) -> None:
    (package / "models/moderation/golden.json").write_bytes(b"goldex")


def _remove_graph_shard(package: Path) -> None:
    (package / "models/moderation/graph-000.bin").unlink()


def _unknown_key(package: Path) -> None:
    _edit_runtime(package, lambda files: files.update(wheights=1))


DAMAGE = [
    (_flip_a_bit, "weights-001.bin: changed since it was written: SHA-256 must be"),
    (_truncate, "weights-002.bin: must have 560 bytes (560 B), got 559"),
    (_remove, "weights-000.bin: missing"),
    (_add, "weights-003.bin: not named by runtime.json"),
    (_change_tokenizer, "tokenizer.json: changed since it was written"),
    (_make_hole, "weights-001.bin: leaves a hole: it must begin at byte 1000, got 1008"),
    (_overlap, "weights-001.bin: overlaps the one before it: it must begin at byte 1000, got 992"),
    (_promise_more, "the shards must hold 2561 bytes of weights, got 2560"),
    (_no_backend, "moderation: holds files for no backend"),
    (_change_engine, "relaxed.wasm: changed since it was written"),
    (_change_golden, "golden.json: changed since it was written"),
    (_remove_graph_shard, "graph-000.bin: missing"),
    (_unknown_key, "runtime.json: not a runtime description"),
]


@pytest.mark.parametrize(
    ("damage", "says"), DAMAGE, ids=[damage.__name__[1:] for damage, _ in DAMAGE]
)
def test_a_damaged_package_is_refused_with_its_file(
    package: Path, damage: Callable[[Path], None], says: str
) -> None:
    damage(package)
    with pytest.raises(ShardError) as caught:
        verify_package(package)
    assert says in str(caught.value)
    assert "./inv build" in str(caught.value)
