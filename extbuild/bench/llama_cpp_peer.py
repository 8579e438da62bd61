"""llama.cpp by way of llama-cpp-python, as a program: ``FILE SEED PROMPT_TOKENS STEPS REPACK``.

Prints one JSON object, ``{"prefill_ms", "token_ms"}``. One thread. ``REPACK`` 0 leaves weights in
the file's own layout, for machines that stop its fastest kernels.
"""

import json
import sys
from time import perf_counter

import llama_cpp

from extbuild.bench.native_peers import token_ids

_CONTEXT = 512


def main(file: str, seed: int, prompt_tokens: int, steps: int, repack: int) -> None:
    """Load, warm up, measure, print."""
    llama_cpp.llama_backend_init()
    model_options = llama_cpp.llama_model_default_params()
    model_options.n_gpu_layers = 0
    model_options.use_extra_bufts = bool(repack)
    model = llama_cpp.llama_model_load_from_file(file.encode(), model_options)
    options = llama_cpp.llama_context_default_params()
    options.n_ctx, options.n_threads, options.n_threads_batch = _CONTEXT, 1, 1
    context = llama_cpp.llama_init_from_model(model, options)
    vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))

    def append(ids: list[int]) -> int:
        array = (llama_cpp.llama_token * len(ids))(*ids)
        code = llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(ids)))
        if code:
            raise RuntimeError(f"llama_decode gave {code}")
        logits = llama_cpp.llama_get_logits_ith(context, -1)
        return max(range(0, vocab, 64), key=logits.__getitem__)  # any token will do

    ms: list[float] = []
    for _ in range(2):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        ids, ms = token_ids(seed, prompt_tokens, vocab), []
        for _ in range(steps + 1):
            started = perf_counter()
            following = append(ids)
            ms.append((perf_counter() - started) * 1000)
            ids = [following]
    print(json.dumps({"prefill_ms": ms[0], "token_ms": ms[1:]}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
