"""What the engine answers when it refuses: the names of extension_src/engine/engine.h."""

from collections.abc import Callable
from enum import IntEnum


class Code(IntEnum):
    """Negative results of the engine's calls; a test compares them with the header."""

    OK = 0
    NOT_A_PROGRAM = -1
    BAD_HEADER = -2
    BAD_WEIGHT = -3
    BAD_SLOT = -4
    BAD_OPERATION = -5
    BAD_LIMITS = -6
    NO_MEMORY = -7
    NOT_OPEN = -8
    ALREADY_OPEN = -9
    BAD_ID = -10
    BAD_LENGTH = -11
    BAD_STREAM = -12
    BAD_OUTPUT = -13
    CACHE_FULL = -14
    TOO_LONG = -15
    NOT_FINITE = -16
    BAD_ARGUMENT = -17


class Mode(IntEnum):
    """How the engine's own loop chooses tokens."""

    GREEDY = 0
    TOP = 1
    BEAM_2 = 2


VERSION = 1
MAX_STEPS = 256
STEP_TOP = 8


class EngineError(Exception):
    """A call that the engine refused, or in which it trapped.

    ``code`` says why, None for a trap; ``word`` where in the Program, if there. Programs are made
    by this project, so this is a bug of ours and keeps its traceback; who judges models by it
    catches it.
    """

    def __init__(
        self, call: str, code: int | None, *, word: int | None = None, said: str = ""
    ) -> None:
        known = [value for value in Code if value == code]
        self.code = known[0] if known else None
        self.word = word
        name = said or (f"code {code}" if self.code is None else self.code.name)
        super().__init__(f"{call}: {name}" + ("" if word is None else f" at word {word}"))
        self._made_of = (call, code, word, said)

    def __reduce__(self) -> tuple[Callable[..., "EngineError"], tuple[object, ...]]:
        """Exceptions are sent between processes: ``inv eval`` judges rows side by side."""
        return _again, self._made_of


def _again(call: str, code: int | None, word: int | None, said: str) -> EngineError:
    return EngineError(call, code, word=word, said=said)
