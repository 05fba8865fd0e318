"""What holds for every text: formatting keeps the meaning and the comments, and twice is once."""

from __future__ import annotations

import random
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rldsl.source import Source
from rldsl.syntax import tree
from rldsl.syntax.format import format_module
from rldsl.syntax.parse import parse, syntax_table
from rldsl.syntax.tokens import END, Comment, Token, read_tokens
from tests.golden import sources
from tests.syntax.generate import modules, text_of

ACCEPTED = [path.read_text(encoding="utf-8") for path in sources(Path(__file__).parent / "accept")]
SLOW = settings(max_examples=60)


def parsed(text: str) -> tree.Module:
    module, found = parse(Source("a.rl", text))
    assert module is not None and not found, (text, found)
    return module


def formatted(text: str) -> str:
    found, _ = format_module(Source("a.rl", text))
    assert found is not None
    return found


def comments_of(text: str) -> list[str]:
    comments: list[Comment] = []
    for _ in read_tokens(text, 0, syntax_table().keywords, comments):
        pass
    return [comment.text.rstrip() for comment in comments]


def with_noise(text: str, chance: random.Random) -> str:
    """The same tokens with other blanks, line ends and comments; a `(` stays on its line, or off it."""
    table = syntax_table()
    tokens = [token for token in read_tokens(text, 0, table.keywords, []) if token.kind != END]
    pieces: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        pieces += [_gap(text, before, token, chance), token.text]
    return "".join(pieces) + chance.choice(["", "\n", " # end", "\n\n# end\n"])


def _gap(text: str, before: Token | None, token: Token, chance: random.Random) -> str:
    if before is None:
        return chance.choice(["", "\n\n", "# top\n\n"])
    if token.kind == "CALL":
        return ""
    if token.text == "(" and "\n" in text[before.end : token.start]:
        return "\n"
    if token.text == "(" or chance.random() < 0.7:
        return " "
    return chance.choice(["\n", "\n\n\n", "\t", " # note\n", "\n# note\n", "\n\n## note\n\n", " #\n#\n", "   # a\n\n  # b\n"])


@SLOW
@given(modules)
def test_a_printed_tree_is_read_as_itself(module: tree.Module) -> None:
    assert parsed(text_of(module)) == module


@SLOW
@given(modules)
def test_a_formatted_tree_is_read_as_itself_and_formats_to_itself(module: tree.Module) -> None:
    once = formatted(text_of(module))
    assert parsed(once) == module
    assert formatted(once) == once


@settings(SLOW, max_examples=25)
@given(st.sampled_from(ACCEPTED), st.integers(0, 2**32))
def test_blanks_and_comments_change_neither_meaning_nor_stability(text: str, seed: int) -> None:
    noisy = with_noise(text, random.Random(seed))
    assert parsed(noisy) == parsed(text)
    once = formatted(noisy)
    assert parsed(once) == parsed(text)
    assert formatted(once) == once
    assert comments_of(once) == comments_of(noisy)


@SLOW
@given(modules, st.integers(0, 2**32))
def test_comments_anywhere_in_a_tree_survive(module: tree.Module, seed: int) -> None:
    noisy = with_noise(text_of(module), random.Random(seed))
    once = formatted(noisy)
    assert parsed(once) == module
    assert formatted(once) == once
    assert comments_of(once) == comments_of(noisy)


def test_documentation_survives_formatting() -> None:
    for text in ACCEPTED:
        before, after = parsed(text), parsed(formatted(text))
        assert (before.doc, [item.doc for item in before.items]) == (after.doc, [item.doc for item in after.items])


def test_tokens_are_read_without_possessive_groups_that_may_fail_halfway() -> None:
    """Up to Python 3.11.4 such a group keeps what it has taken: `1.` would be a number. A gap's alternatives never fail halfway."""
    text = (Path(__file__).parents[2] / "rldsl" / "syntax" / "tokens.py").read_text(encoding="utf-8")
    pattern = text[text.index("_TOKEN = re.compile"):text.index("re.VERBOSE")]
    assert re.findall(r"\)[?*+]\+", pattern) == []
