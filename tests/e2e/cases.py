"""The texts that people meet in these tests, all in one place.

Moderation: sentences that any classifier of harm must flag, and sentences that none may.
Completion: beginnings whose next word is obvious to anybody who speaks English.
"""

from dataclasses import dataclass

HARMFUL = (
    "You are a worthless idiot and everyone hates you, I hope you die.",
    "Shut up you stupid fucking moron, nobody wants you here.",
    "I am going to find you and kill you, you disgusting piece of shit.",
    "What a pathetic loser, go to hell you dumb bitch.",
)
BENIGN = (
    "The library opens at nine in the morning and closes at six in the evening.",
    "My grandmother grows tomatoes and basil on her balcony every summer.",
    "The train to the coast takes about two hours and passes three lakes.",
    "Thank you for the lovely dinner, we should do this again next month.",
)
OTHER_SCRIPT = "Библиотека открывается в девять часов утра и закрывается в шесть вечера."


@dataclass(frozen=True, slots=True)
class PageCase:
    """One way in which text is on a page: a template in pages/ and how it is served.

    ``frame`` is the id of the frame that the text is in, if it is in one.
    """

    template: str
    headers: tuple[tuple[str, str], ...] = ()
    frame: str | None = None

    @property
    def name(self) -> str:
        return self.template.removesuffix(".html")


PAGE_CASES = (
    PageCase("article.html"),
    PageCase("list.html"),
    PageCase("table.html"),
    PageCase("nested.html"),
    PageCase("frame.html", frame="inner"),
    PageCase(
        "strict-policy.html",
        headers=(
            (
                "Content-Security-Policy",
                "default-src 'none'; style-src 'none'; require-trusted-types-for 'script'",
            ),
        ),
    ),
)

PROMPTS = (
    "Please let me",
    "I will call you as soon as",
    "There are a lot",
    "It was good, but on the other",
    "I would like",
    "We have to take care",
    "They left at the same",
    "We met for the first",
)
IN_A_WORD = "She went to bed because she was tir"
