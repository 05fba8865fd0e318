"""Random texts: never an exception, never more than two seconds. `RLDSL_FUZZ=100000` for the long run."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from rldsl.assets import asset_path
from rldsl.diagnostics.render import render_diagnostics
from rldsl.diagnostics.to_json import diagnostics_to_json
from rldsl.source import Source
from rldsl.syntax.format import format_module
from rldsl.syntax.parse import parse, syntax_table
from rldsl.syntax.tokens import read_tokens
from tests.golden import sources

COUNT = int(os.environ.get("RLDSL_FUZZ", "3000"))
SEED = int(os.environ.get("RLDSL_FUZZ_SEED", "1"))
FOLDERS = (Path(__file__).parent / "accept", Path(__file__).parent / "reject", asset_path("grammar", "mistakes"))
TEXTS = [path.read_bytes().decode("utf-8") for folder in FOLDERS for path in sources(folder)]
ODD = ["\0", "\ud800", "\ufeff", "\r", "\t", "\u202e", "é", "世", '"', "'", "\\", "#", "##", "\n", "\n\n", "(", ")", "{", "}",
       "[", "]", ",", ":", "..", "->", "<-", "=", "==", "- ", "else", "given", "1e999", "3x", "16 prompts", "let", "@"]


def pieces_of(text: str) -> list[str]:
    return [token.text for token in read_tokens(text, 0, syntax_table().keywords, [])]


PIECES = sorted({piece for text in TEXTS for piece in pieces_of(text) if len(piece) < 40})


def mutated(chance: random.Random) -> str:
    """A part of a known text with a few pieces removed, doubled, swapped, replaced or put in."""
    text = chance.choice(TEXTS)
    start = chance.randrange(max(1, len(text) - 400))
    parts = list(text[start : start + 400]) if chance.random() < 0.3 else pieces_of(text)[: chance.randrange(4, 120)]
    glue = "" if parts and len(parts[0]) == 1 and chance.random() < 0.9 else chance.choice([" ", "\n", "  "])
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(parts) + 1)
        match chance.randrange(4):
            case 0:
                del parts[place : place + chance.randrange(1, 4)]
            case 1:
                parts[place:place] = parts[place : place + 3]
            case 2:
                parts.insert(place, chance.choice(ODD))
            case _:
                parts.insert(place, chance.choice(PIECES))
    return glue.join(parts)


def soup(chance: random.Random) -> str:
    """Pieces in no order at all."""
    return chance.choice(["", " ", "\n"]).join(chance.choice(PIECES + ODD) for _ in range(chance.randrange(60)))


def answer(text: str) -> None:
    """All that may be asked of a text."""
    source = Source("a.rl", text)
    module, found = parse(source)
    assert module is not None
    render_diagnostics(found, {"a.rl": source}, color=True).encode("utf-8")
    diagnostics_to_json(found, {"a.rl": source})
    for diagnostic in found:
        assert len(diagnostic.title) <= 60 and len(diagnostic.primary.text) <= 40, diagnostic
        assert 0 <= diagnostic.primary.span.start <= diagnostic.primary.span.end <= len(text)
    if not found:
        once, _ = format_module(source)
        assert once is not None and parse(Source("a.rl", once)) [0] == module
        assert format_module(Source("a.rl", once))[0] == once


@pytest.mark.slow
def test_random_texts_are_answered_without_an_exception_in_two_seconds() -> None:
    chance = random.Random(SEED)
    for number in range(COUNT):
        text = mutated(chance) if number % 4 else soup(chance)
        start = time.process_time()
        try:
            answer(text)
        except Exception as fault:
            raise AssertionError(f"text {number} of seed {SEED}: {text!r}") from fault
        assert time.process_time() - start < 2, text
