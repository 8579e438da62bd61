"""Model directories: what is read from them, and how each fault in them is told."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from safetensors.numpy import load_file, save_file

from extbuild.artifacts import Task
from extbuild.errors import SourceError
from extbuild.source.load import load_source
from extbuild.source.synthetic import write_tiny_completion, write_tiny_moderation

Damage = Callable[[Path], None]


def write(task: Task, directory: Path) -> None:
    (write_tiny_moderation if task == "moderation" else write_tiny_completion)(directory)


def config(**changes: object) -> Damage:
    """Set keys of config.json; a key set to ... is deleted."""

    def damage(directory: Path) -> None:
        file = directory / "config.json"
        values = json.loads(file.read_text()) | changes
        kept = {key: value for key, value in values.items() if value is not ...}
        file.write_text(json.dumps(kept))

    return damage


def tensors(change: Callable[[dict], object]) -> Damage:
    def damage(directory: Path) -> None:
        stored = load_file(directory / "model.safetensors")
        change(stored)
        save_file(stored, directory / "model.safetensors")

    return damage


def delete(name: str) -> Damage:
    return lambda directory: (directory / name).unlink()


def cut(name: str, keep: int) -> Damage:
    def damage(directory: Path) -> None:
        file = directory / name
        file.write_bytes(file.read_bytes()[:keep])

    return damage


def overwrite(name: str, text: str) -> Damage:
    return lambda directory: (directory / name).write_text(text)


def shorter_vocabulary(directory: Path) -> None:
    file = directory / "tokenizer.json"
    values = json.loads(file.read_text())
    last = max(values["model"]["vocab"], key=values["model"]["vocab"].__getitem__)
    del values["model"]["vocab"][last]
    file.write_text(json.dumps(values))


def with_nan(stored: dict) -> None:
    stored["classifier.bias"][0] = np.nan


FAULTS: list[tuple[str, Task, Damage, list[str]]] = [
    ("no config", "moderation", delete("config.json"), ["config.json: is missing"]),
    ("no tokenizer", "moderation", delete("tokenizer.json"), ["tokenizer.json: is missing"]),
    (
        "no weights",
        "moderation",
        delete("model.safetensors"),
        ["holds no model.safetensors", "model.onnx"],
    ),
    (
        "truncated data",
        "moderation",
        cut("model.safetensors", 40_000),
        ["model.safetensors: is truncated: its header says", "got 40,000 bytes"],
    ),
    (
        "truncated header",
        "completion",
        cut("model.safetensors", 100),
        ["is truncated", "got 100 bytes"],
    ),
    ("empty file", "completion", cut("model.safetensors", 0), ["is truncated", "got 0 bytes"]),
    (
        "not safetensors",
        "completion",
        overwrite("model.safetensors", "version https://git-lfs"),
        ["is not a safetensors file"],
    ),
    ("config not JSON", "moderation", overwrite("config.json", "{"), ["config.json: is not JSON"]),
    (
        "tokenizer not JSON",
        "moderation",
        overwrite("tokenizer.json", "{"),
        ["tokenizer.json: is not JSON"],
    ),
    (
        "tokenizer refused by its library",
        "moderation",
        overwrite("tokenizer.json", '{"model": {"type": "Nonsense"}}'),
        ["tokenizer.json: is refused by the tokenizers library"],
    ),
    (
        "tokenizer of another size",
        "moderation",
        shorter_vocabulary,
        [
            "tokenizer.json: must have a token for each of the",
            "embedding rows",
            '"padding_rows": 1',
        ],
    ),
    (
        "unknown family",
        "moderation",
        config(architectures=["BertForSequenceClasification"]),
        ["config.json: architectures", "did you mean BertForSequenceClassification"],
    ),
    (
        "family of the other task",
        "completion",
        config(architectures=["BertForSequenceClassification"]),
        ["must fit the recipe's task completion"],
    ),
    (
        "size missing",
        "completion",
        config(intermediate_size=...),
        ["intermediate_size: must be a whole number", "got nothing"],
    ),
    (
        "size of the wrong kind",
        "completion",
        config(hidden_size="big"),
        ["hidden_size: must be a whole number", 'got "big"'],
    ),
    (
        "sizes that contradict the weights",
        "completion",
        config(intermediate_size=65),
        ["mlp.gate_proj.weight: must be 65 x 32 according to config.json, got 64 x 32"],
    ),
    (
        "heads that do not divide",
        "moderation",
        config(num_attention_heads=5),
        ["num_attention_heads: must divide hidden_size 32, got 5"],
    ),
    (
        "more layers than weights",
        "moderation",
        config(num_hidden_layers=3),
        ["lacks the tensor bert.encoder.layer.2", "nearest name in the file"],
    ),
    (
        "fewer layers than weights",
        "completion",
        config(num_hidden_layers=1),
        ["holds 9 tensors that config.json has no place for"],
    ),
    (
        "rotary scaling of another kind",
        "completion",
        config(rope_scaling={"type": "longrope", "factor": 2}),
        ["rope_scaling: rope_type: must be one of default, linear", 'got "longrope"'],
    ),
    (
        "labels with a hole",
        "moderation",
        config(id2label={"0": "toxic", "2": "threat"}),
        ["id2label: must name every logit"],
    ),
    (
        "not a number",
        "moderation",
        tensors(with_nan),
        ["classifier.bias: must hold finite numbers"],
    ),
    (
        "a head that is not the tied table",
        "completion",
        tensors(
            lambda stored: stored.update(
                {"lm_head.weight": stored["model.embed_tokens.weight"] + 1}
            )
        ),
        ["lm_head.weight: must equal model.embed_tokens.weight"],
    ),
]


@pytest.mark.parametrize(
    ("task", "damage", "told"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_is_told_in_one_line_that_names_its_place(
    tmp_path: Path, task: Task, damage: Damage, told: list[str]
) -> None:
    write(task, tmp_path)
    damage(tmp_path)
    with pytest.raises(SourceError) as caught:
        load_source(tmp_path, "tiny", task)
    message = str(caught.value)
    assert [part for part in told if part not in message] == []
    assert str(tmp_path) in message
    assert "\n" not in message


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a directory"):
        load_source(tmp_path / "nowhere", "tiny", "moderation")


@pytest.mark.parametrize("task", ["moderation", "completion"])
def test_one_seed_writes_the_same_bytes_twice_and_another_does_not(
    tmp_path: Path, task: Task
) -> None:
    writer = write_tiny_moderation if task == "moderation" else write_tiny_completion
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        writer(tmp_path / name, seed)
    a, b, c = (content(tmp_path / name) for name in "abc")
    assert a == b != c
    assert sum(file.stat().st_size for file in (tmp_path / "a").iterdir()) < 300_000


def content(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_the_source_counts_its_weights_once(tmp_path: Path) -> None:
    write_tiny_completion(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    source = load_source(tmp_path, "tiny", "completion")
    assert source.params == sum(value.size for value in stored.values())
    assert source.source_bytes == (tmp_path / "model.safetensors").stat().st_size


def test_a_tied_head_that_is_stored_again_counts_once(tmp_path: Path) -> None:
    write_tiny_completion(tmp_path)
    params = load_source(tmp_path, "tiny", "completion").params
    again = tensors(lambda kept: kept.update({"lm_head.weight": kept["model.embed_tokens.weight"]}))
    again(tmp_path)
    assert load_source(tmp_path, "tiny", "completion").params == params


def test_declared_padding_rows_need_no_token(tmp_path: Path) -> None:
    write_tiny_moderation(tmp_path)
    shorter_vocabulary(tmp_path)
    config(extbuild={"padding_rows": 1})(tmp_path)
    assert load_source(tmp_path, "tiny", "moderation").params > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "bfloat16"])
def test_weights_are_read_from_every_float_type(tmp_path: Path, dtype: object) -> None:
    write_tiny_moderation(tmp_path)
    half = weights(tmp_path)
    if dtype == "bfloat16":
        as_bfloat16(tmp_path / "model.safetensors")
        assert np.abs(weights(tmp_path) - half).max() < 0.01
        return
    stored = load_file(tmp_path / "model.safetensors")
    wider = {name: value.astype(dtype) for name, value in stored.items()}
    save_file(wider, tmp_path / "model.safetensors")
    assert (weights(tmp_path) == half).all()


def weights(directory: Path) -> np.ndarray:
    graph = load_source(directory, "tiny", "moderation").graph.graph
    held = graph.initializers["bert.pooler.dense.weight"].const_value
    assert held is not None
    assert held.dtype == ir.DataType.FLOAT
    return held.numpy()


def as_bfloat16(file: Path) -> None:
    """Rewrite a float16 file by hand: numpy has no such type."""
    stored = load_file(file)
    header, blob = {}, b""
    for name, value in stored.items():
        data = (value.astype(np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
        offsets = [len(blob), len(blob) + len(data)]
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": offsets}
        blob += data
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + blob)


def test_weights_in_several_files_are_read_by_their_index(tmp_path: Path) -> None:
    write_tiny_completion(tmp_path)
    whole = load_source(tmp_path, "tiny", "completion")
    stored = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = sorted(stored)
    places = {name: f"part-{index % 2}.safetensors" for index, name in enumerate(names)}
    for part in set(places.values()):
        save_file({name: stored[name] for name in names if places[name] == part}, tmp_path / part)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert load_source(tmp_path, "tiny", "completion").params == whole.params
    (tmp_path / "part-1.safetensors").unlink()
    with pytest.raises(SourceError, match=r"part-1\.safetensors: is missing"):
        load_source(tmp_path, "tiny", "completion")
