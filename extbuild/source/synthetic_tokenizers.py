"""Tokenizers of the tiny models, made from a text of our own: WordPiece and byte-level BPE."""

from collections import Counter

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

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


def wordpiece() -> Tokenizer:
    """As BERT's: lower case, [CLS] and [SEP] around a text."""
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


def byte_bpe() -> Tokenizer:
    """As GPT-2's, with ``<|endoftext|>`` as id 0."""
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
