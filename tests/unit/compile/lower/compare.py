"""A graph run by onnxruntime against its Program run in numpy."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from extbuild.compile.lower import Lowered, lower
from extbuild.compile.program import Kind, serialize
from extbuild.compile.program_check import check, parse
from extbuild.ort import Session
from tests.unit.compile.lower.executor import Executor

TEXTS = [[2, 40, 57, 90, 41, 3], [5, 8, 13, 21], [34, 55, 6, 7, 8, 9, 10, 11, 3]]


def lowered(model: ir.Model, **limits: int) -> Lowered:
    """The Program, checked, with every node of the graph accounted for."""
    found = lower(model, "tiny", **limits)
    assert isinstance(found, Lowered), found.reason
    check(found.program)
    data = serialize(found.program)
    assert serialize(parse(data)) == data
    nodes = {name for names in found.nodes for name in names}
    told = nodes | set(found.structure) | set(found.rearranged)
    assert told == {node.name for node in model.graph}
    return found


def largest_error(model: ir.Model, found: Lowered) -> float:
    """Largest difference over the spread of what onnxruntime gives."""
    session = Session(ir.to_proto(model).SerializeToString())
    compare = _encoder if found.program.kind is Kind.ENCODER else _decoder
    expected, result = compare(session, model, Executor(found.program, found.weights))
    assert result.shape == expected.shape
    return float(np.abs(result - expected).max() / np.ptp(expected))


def _encoder(
    session: Session, model: ir.Model, executor: Executor
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    longest = max(len(text) for text in TEXTS)
    ids = np.asarray([text + [0] * (longest - len(text)) for text in TEXTS], np.int64)
    lengths = np.asarray([len(text) for text in TEXTS])[:, None]
    mask = (np.arange(longest)[None, :] < lengths).astype(np.int64)
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    given = {name: value for name, value in feeds.items() if name in session.inputs}
    expected = np.asarray(session.run(given)[0])
    if expected.ndim == 3:
        expected = np.concatenate(
            [row[: len(text)] for row, text in zip(expected, TEXTS, strict=True)]
        )
    return expected, executor.encode(TEXTS)


def _decoder(
    session: Session, model: ir.Model, executor: Executor
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Whole text in three pieces, with the cache between them; all positions but one are wanted."""
    shapes = {
        str(value.name): (1, value.shape[1], 0, value.shape[3])
        for value in model.graph.inputs
        if str(value.name).startswith("past") and value.shape is not None
    }
    cache = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    expected, results, past = [], [], 0
    for piece in (TEXTS[2][:4], TEXTS[2][4:5], TEXTS[0]):
        wanted = list(range(len(piece)))[::-1]
        feeds = {
            "input_ids": np.asarray([piece]),
            "position_ids": np.arange(past, past + len(piece))[None],
            "attention_mask": np.ones((1, past + len(piece)), np.int64),
            "logits_index": np.asarray(wanted),
        }
        given = {name: value for name, value in feeds.items() if name in session.inputs}
        logits, *grown = session.run({**given, **cache})
        cache = dict(zip(cache, (np.asarray(one, np.float32) for one in grown), strict=True))
        logits = np.asarray(logits)[0]
        expected.append(logits if "logits_index" in session.inputs else logits[wanted])
        results.append(executor.decode(piece, wanted))
        past += len(piece)
    return np.concatenate(expected), np.concatenate(results)
