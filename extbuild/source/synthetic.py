"""Seeded tiny models, written as whole Hugging Face directories: what tests and trials build from.

Same architectures, file names and tensor names as real models, only small; the tokenizers are
trained here on a text of our own. Two calls with one seed write the same bytes.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from extbuild.artifacts import Task

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
TEXT = (
    "The morning train was late again, so we walked along the river and talked about the garden.",
    "Thank you for your help with the report; I will send the new version before noon tomorrow.",
    "Could you please tell me whether the meeting on Thursday is still at ten o'clock?",
    "She wrote a long letter to her brother, who lives near the harbour with two old dogs.",
    "You are a useless idiot and nobody wants to read the nonsense that you write here.",
    "What a stupid thing to say, you clown; shut up and leave this page.",
    "We planted beans, peas and onions, and the rain did the rest of the work for us.",
    "The book that you gave me last week was much better than I had expected it to be.",
    "I will find you and you will be sorry, you miserable little coward.",
    "Please let me know if there is anything else that I can do to help you with this.",
)
HIDDEN = 32


def write_tiny_moderation(directory: Path, seed: int = 0) -> None:
    """A 2-layer BERT classifier with six labels and a WordPiece tokenizer, under 200 KB."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _wordpiece()
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": 64,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": tokenizer.token_to_id("[PAD]"),
        "problem_type": "multi_label_classification",
        "id2label": {str(index): label for index, label in enumerate(LABELS)},
    }
    weights = _bert_weights(tokenizer.get_vocab_size(), np.random.default_rng(seed))
    _write(directory, config, tokenizer, weights)


def write_tiny_completion(directory: Path, seed: int = 0) -> None:
    """A 2-layer Llama decoder, tied embeddings, grouped queries, byte-level BPE; under 200 KB."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_bpe()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 2 * HIDDEN,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 64,
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    weights = _llama_weights(tokenizer.get_vocab_size(), np.random.default_rng(seed))
    _write(directory, config, tokenizer, weights)


def write_tiny_fixtures(file: Path, task: Task) -> None:
    """An ``eval.jsonl`` in the form that ``inv eval`` reads, made of the built-in text."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = [{"text": text} for text in TEXT]
    if task == "moderation":
        for index, row in enumerate(rows):
            rude = index in (4, 5, 8)
            row["labels"] = {
                label: int(rude and (label != "threat" or index == 8)) for label in LABELS
            }
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _wordpiece() -> Tokenizer:
    # Made by hand: the WordPiece trainer of the library breaks ties by hash order, so that
    # two of its runs differ.
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalizer = normalizers.BertNormalizer(lowercase=True)
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    lines = [pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(line)) for line in TEXT]
    counts = Counter(word for line in lines for word, _ in line)
    letters = sorted({letter for word in counts for letter in word})
    words = sorted(
        (word for word in counts if len(word) > 1), key=lambda word: (-counts[word], word)
    )
    entries = [*specials, *letters, *(f"##{letter}" for letter in letters), *words][:256]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(specials)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _byte_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def _bert_weights(vocab: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    weights = {
        "bert.embeddings.word_embeddings.weight": _normal(rng, vocab, HIDDEN),
        "bert.embeddings.position_embeddings.weight": _normal(rng, 64, HIDDEN),
        "bert.embeddings.token_type_embeddings.weight": _normal(rng, 2, HIDDEN),
    }
    linears = {"bert.pooler.dense": (HIDDEN, HIDDEN), "classifier": (len(LABELS), HIDDEN)}
    norms = ["bert.embeddings.LayerNorm"]
    for index in range(2):
        layer = f"bert.encoder.layer.{index}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            linears[f"{layer}.attention.{name}"] = (HIDDEN, HIDDEN)
        linears[f"{layer}.intermediate.dense"] = (2 * HIDDEN, HIDDEN)
        linears[f"{layer}.output.dense"] = (HIDDEN, 2 * HIDDEN)
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name, shape in linears.items():
        weights[f"{name}.weight"] = _normal(rng, *shape)
        weights[f"{name}.bias"] = _normal(rng, shape[0])
    for name in norms:
        weights[f"{name}.weight"] = 1 + _normal(rng, HIDDEN)
        weights[f"{name}.bias"] = _normal(rng, HIDDEN)
    return weights


def _llama_weights(vocab: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    weights = {
        "model.embed_tokens.weight": _normal(rng, vocab, HIDDEN),
        "model.norm.weight": 1 + _normal(rng, HIDDEN),
    }
    for index in range(2):
        layer = f"model.layers.{index}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{layer}.{name}.weight"] = 1 + _normal(rng, HIDDEN)
        shapes = {
            "self_attn.q_proj": (HIDDEN, HIDDEN),
            "self_attn.k_proj": (HIDDEN // 2, HIDDEN),
            "self_attn.v_proj": (HIDDEN // 2, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HIDDEN),
            "mlp.gate_proj": (2 * HIDDEN, HIDDEN),
            "mlp.up_proj": (2 * HIDDEN, HIDDEN),
            "mlp.down_proj": (HIDDEN, 2 * HIDDEN),
        }
        for name, shape in shapes.items():
            weights[f"{layer}.{name}.weight"] = _normal(rng, *shape)
    return weights


def _normal(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return (0.2 * rng.standard_normal(shape)).astype(np.float32)


def _write(
    directory: Path,
    config: dict[str, object],
    tokenizer: Tokenizer,
    weights: dict[str, NDArray[np.float32]],
) -> None:
    text = json.dumps(config, indent=2) + "\n"
    (directory / "config.json").write_text(text, encoding="utf-8")
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    stored = {name: value.astype(np.float16) for name, value in sorted(weights.items())}
    save_file(stored, directory / "model.safetensors")
