from random import Random

from hypothesis import given
from hypothesis import strategies as st

from extbuild.train.augment import (
    MASKS,
    VARIANTS,
    AugmentShares,
    augmented,
    obfuscated,
    plain_style,
    real_masks,
)

NONE = AugmentShares(plain=0, masks_replaced=0, obfuscated_harmful=0, obfuscated_benign=0)


def test_plain_style_is_what_the_lower_cased_sources_look_like() -> None:
    assert plain_style("Well, THAT'S it!") == "well that's it"


def test_plain_style_keeps_masks() -> None:
    assert plain_style("See <url>, @user!") == "see <url> @user"


def test_real_masks_leave_no_mask_behind() -> None:
    text = "mail <email> or @user, see <URL> and <number> <user>"
    assert not any(MASKS.search(real_masks(text, Random(seed))) for seed in range(50))


def test_every_variant_changes_a_word_sometimes() -> None:
    for variant in VARIANTS:
        assert any(variant("idiots", Random(seed)) != "idiots" for seed in range(20)), variant


@given(st.text(max_size=80), st.integers(0, 1000))
def test_obfuscation_takes_any_text(text: str, seed: int) -> None:
    assert isinstance(obfuscated(text, Random(seed)), str)


def test_short_words_are_left_alone() -> None:
    assert obfuscated("you are a fox", Random(1)) == "you are a fox"


def test_no_shares_no_change() -> None:
    assert augmented("You, <url>!", True, Random(1), NONE) == "You, <url>!"


def test_equal_seeds_give_equal_texts() -> None:
    text = "This is a rather ordinary sentence for <user>."
    first = [augmented(text, True, Random(seed), AugmentShares()) for seed in range(20)]
    second = [augmented(text, True, Random(seed), AugmentShares()) for seed in range(20)]
    assert first == second
    assert len(set(first)) > 3


def test_harmful_texts_are_obfuscated_more_often() -> None:
    def share(is_harmful: bool) -> int:
        shares = AugmentShares(plain=0, masks_replaced=0)
        text = "complete nonsense written here"
        return sum(augmented(text, is_harmful, Random(s), shares) != text for s in range(600))

    assert share(True) > share(False) > 0
