from extbuild.bench.shapes import BATCHES, ROUNDS, batches, cold_seeds, prompts
from tests.unit.bench.test_workload import tokenizer_of

TOKENIZER = tokenizer_of("the", "and", "for", "you", "school", "street", "music", "letter")


def test_no_text_is_asked_twice_so_that_no_cache_can_answer() -> None:
    texts = [
        text
        for turn in range(ROUNDS)
        for size in BATCHES
        for batch in batches(TOKENIZER, size, turn)
        for text in batch
    ]
    asked = texts + [prompt for turn in range(ROUNDS) for prompt in prompts(TOKENIZER, turn)]
    assert len(set(asked)) == len(asked)


def test_a_cold_extension_is_asked_what_nobody_asked_before() -> None:
    seeds = [seed for turn in range(ROUNDS) for seed in cold_seeds(turn)]
    assert len(set(seeds)) == len(seeds)
    assert all(seed < 0 for seed in seeds)
