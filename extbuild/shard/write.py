"""Writing a compiled model as files: graph, tokenizer and shards."""

from pathlib import Path

from extbuild.artifacts import CompiledModel, Shard, ShardedModel
from extbuild.files import sha256_bytes, storage_errors
from extbuild.shard.plan import plan_shards

GRAPH_FILE = "graph.onnx"
TOKENIZER_FILE = "tokenizer.json"


def write_model(model: CompiledModel, directory: Path, max_shard_bytes: int) -> ShardedModel:
    """Write `model` into the empty folder `directory`, made if it is missing.

    The hash of the whole model is that of the lines ``<sha256>  <file>`` of its files, in this
    order: graph, tokenizer, shards.
    """
    weights = memoryview(model.weights)
    packed_bytes = len(model.graph) + len(model.tokenizer_json) + len(weights)
    shards = []
    with storage_errors(directory, need_bytes=packed_bytes):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / GRAPH_FILE).write_bytes(model.graph)
        (directory / TOKENIZER_FILE).write_bytes(model.tokenizer_json)
        for piece in plan_shards(len(weights), max_shard_bytes):
            data = weights[piece.offset : piece.offset + piece.bytes]
            (directory / piece.file).write_bytes(data)
            shards.append(Shard(piece.file, piece.offset, piece.bytes, sha256_bytes(data)))
    lines = [
        f"{sha256_bytes(model.graph)}  {GRAPH_FILE}",
        f"{sha256_bytes(model.tokenizer_json)}  {TOKENIZER_FILE}",
        *(f"{shard.sha256}  {shard.file}" for shard in shards),
    ]
    return ShardedModel(
        name=model.name,
        task=model.task,
        directory=directory,
        shards=tuple(shards),
        weights_bytes=len(weights),
        packed_bytes=packed_bytes,
        sha256=sha256_bytes("\n".join(lines).encode()),
    )
