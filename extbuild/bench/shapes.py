"""What is asked of both peers: how much at once, and how often."""

from tokenizers import Tokenizer

from extbuild.bench.workload import prompt_of, text_of

TEXT_TOKENS = 64
PROMPT_TOKENS = 48
BATCHES = (1, 16)
# The peers take turns, so that a machine that is busy for a while is busy for each of them.
ROUNDS = 3
# In each round:
TEXT_RUNS = 5
SUGGEST_RUNS = 6
COLD_RUNS = 2
MAX_WORDS = 32  # as many as the extension's protocol allows: only max_new_tokens ends the text

PROMPT_SHAPE = f"{PROMPT_TOKENS} tokens of prompt"


def batch_shape(size: int) -> str:
    """How a batch is called in rows."""
    return f"{size} x {TEXT_TOKENS} tokens"


def batches(tokenizer: Tokenizer, size: int, turn: int) -> list[list[str]]:
    """The batches of one round, no two texts alike. The first, which is one more, is not timed.

    It is the first of its shape, for which the engine also plans its memory.
    """
    first = 1_000_000 * size + 10_000 * turn
    return [
        [text_of(tokenizer, TEXT_TOKENS, first + 100 * run + index) for index in range(size)]
        for run in range(TEXT_RUNS + 1)
    ]


def prompts(tokenizer: Tokenizer, turn: int) -> list[str]:
    """The prompts of one round."""
    first = turn * SUGGEST_RUNS
    return [prompt_of(tokenizer, PROMPT_TOKENS, first + run) for run in range(SUGGEST_RUNS)]


def cold_seeds(turn: int) -> range:
    """Seeds of what a stopped extension is asked in one round; unlike all of the above."""
    return range(-1 - COLD_RUNS * (turn + 1), -1 - COLD_RUNS * turn)


def next_keystroke(prompt: str) -> str:
    """The prompt when the person goes on writing: a space, which begins the next word."""
    return f"{prompt} "
