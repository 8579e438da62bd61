"""What a sentence-transformers directory says besides config.json: pooling and normalisation.

``modules.json`` lists the steps of the model: Transformer, Pooling and perhaps Normalize; the
folder of the Pooling step, ``1_Pooling`` by habit, has a config.json of its own. A directory
without these files is pooled by the mean, which is what sentence-transformers does with it.
"""

import json
from pathlib import Path

from extbuild.errors import SourceError
from extbuild.source.builders.pooling import Pooling
from extbuild.source.config_json import ModelConfig, parse_config

MODULES_FILE = "modules.json"
POOLING_FOLDER = "1_Pooling"
MODES = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}


def read_pooling(config: ModelConfig) -> Pooling:
    """How the directory of ``config`` pools; SourceError for a step that has no form here."""
    directory = Path(config.place).parent
    steps = _steps(directory / MODULES_FILE)
    kinds = [kind for kind, _ in steps]
    if kinds not in ([], ["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise SourceError(
            str(directory / MODULES_FILE),
            "must list Transformer, Pooling and at most Normalize",
            found=", ".join(kinds),
            do="export the model as model.onnx",
        )
    folder = dict(steps).get("Pooling", POOLING_FOLDER)
    file = directory / folder / "config.json"
    if file.is_file():
        mode = _mode(parse_config(file, file.read_bytes()), config.whole("hidden_size"))
    elif steps:
        raise SourceError(str(file), f"is missing, though {MODULES_FILE} names it")
    else:
        mode = "mean"
    return Pooling("first" if mode == "cls" else "mean", unit="Normalize" in kinds)


def _steps(file: Path) -> list[tuple[str, str]]:
    """Class name and folder of each step, in order; empty where there is no such file."""
    if not file.is_file():
        return []
    try:
        listed = json.loads(file.read_bytes())
        return [(str(step["type"]).rsplit(".", 1)[-1], str(step["path"])) for step in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            str(file),
            'must list steps with "type" and "path"',
            found=str(error),
            do="copy the file again",
        ) from error


def _mode(config: ModelConfig, hidden: int) -> str:
    """``mean`` or ``cls``, from the newer ``pooling_mode`` or from the older flags."""
    width = config.whole("word_embedding_dimension", default=hidden)
    if width != hidden:
        raise config.wrong("word_embedding_dimension", f"must be hidden_size {hidden}", width)
    if config.values.get("pooling_mode") is not None:
        return config.one_of("pooling_mode", MODES)
    flags = [
        key for key, value in config.values.items() if key.startswith("pooling_mode_") and value
    ]
    for mode, flag in MODES.items():
        if flags == [flag]:
            return mode
    raise config.wrong(
        "pooling_mode",
        f"must be one of {' or '.join(MODES.values())} alone",
        flags,
        "export the model as model.onnx",
    )
