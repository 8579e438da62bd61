"""What is asked of both peers: how much at once, and how often."""

from tokenizers import Tokenizer

from extbuild.bench.workload import prompt_of, text_of

TEXT_TOKENS = 64
PROMPT_TOKENS = 48
BATCHES = (1, 16)
TEXT_RUNS = 15
SUGGEST_RUNS = 16
COLD_RUNS = 5
MAX_WORDS = 32  # as many as the extension's protocol allows: only max_new_tokens ends the text

PROMPT_SHAPE = f"{PROMPT_TOKENS} tokens of prompt"


def batch_shape(size: int) -> str:
    """How a batch is called in rows."""
    return f"{size} x {TEXT_TOKENS} tokens"


def batch_texts(tokenizer: Tokenizer, size: int, run: int) -> list[str]:
    """The texts of one batch; no two runs or sizes share one."""
    seeds = range(size)
    return [text_of(tokenizer, TEXT_TOKENS, 100_000 * size + 1000 * run + seed) for seed in seeds]


def prompts(tokenizer: Tokenizer) -> list[str]:
    """The prompts of all runs."""
    return [prompt_of(tokenizer, PROMPT_TOKENS, seed) for seed in range(SUGGEST_RUNS)]


def next_keystroke(prompt: str) -> str:
    """The prompt when the person goes on writing: a space, which begins the next word."""
    return f"{prompt} "
