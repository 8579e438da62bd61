"""tokenizer.json: readable, and made for the embedding table beside it."""

import json
from pathlib import Path
from types import TracebackType

from tokenizers import Tokenizer

from extbuild.errors import SourceError
from extbuild.source.config_json import ModelConfig


def parse_tokenizer(file: Path, content: bytes) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json``; SourceError if the file is not one."""
    try:
        values = json.loads(content)
    except ValueError as error:
        raise SourceError(str(file), f"is not JSON ({error})", do="restore the file") from error
    if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
        raise SourceError(
            str(file),
            'must hold a "model" of the tokenizers library',
            do="save it with tokenizer.save()",
        )
    with _RustErrors(file):
        return Tokenizer.from_str(content.decode("utf-8"))


class _RustErrors:
    """Turns the bare ``Exception`` of the tokenizers library, and nothing else, into a SourceError.

    A context manager, because an ``except`` clause for a bare ``Exception`` would also catch every
    other error.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is Exception:
            raise SourceError(
                str(self._file),
                "is refused by the tokenizers library",
                found=str(error),
                do="save it with tokenizer.save()",
            ) from error


def check_vocabulary(file: Path, tokenizer: Tokenizer, config: ModelConfig, rows: int) -> None:
    """Every id has its row in the embedding table, and every row its token.

    Rows added as padding must be declared: ``"extbuild": {"padding_rows": n}`` in config.json;
    otherwise a tokenizer of another model with a slightly smaller vocabulary would pass.
    """
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    used = max(vocabulary.values(), default=-1) + 1
    padding = config.block("extbuild").whole("padding_rows", least=0, default=0)
    if used + padding == rows:
        return
    found = f"{used:,} tokens" + (f" and {padding:,} declared padding rows" if padding else "")
    do = "use the tokenizer.json that the model was trained with"
    if used < rows:
        do += f', or declare "extbuild": {{"padding_rows": {rows - used}}} in config.json'
    raise SourceError(
        str(file), f"must have a token for each of the {rows:,} embedding rows", found=found, do=do
    )
