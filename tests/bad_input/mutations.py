"""Known specs with a few of their words removed, doubled, swapped or replaced, and the question put to each of them."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from rldsl.assets import asset_path
from rldsl.compiler import CheckResult, check_source
from rldsl.diagnostics.render import render_diagnostics
from rldsl.diagnostics.to_json import diagnostics_to_json
from rldsl.loading import project_loader
from rldsl.resolve.modules import Loader
from rldsl.source import Source
from rldsl.syntax.parse import syntax_table
from rldsl.syntax.tokens import read_tokens

TESTS = Path(__file__).parent.parent
PROGRAMS = TESTS / "checks" / "programs"
FOLDERS = (TESTS.parent / "examples", asset_path("stdlib"), PROGRAMS, TESTS / "elaborate" / "accepted",
           TESTS / "elaborate" / "rejected", TESTS / "elaborate" / "typed")
ODD = ("0", "1", "-1", "1e308", "inf", "absent", "true", '""', '"x"', "prompt", "token", "batch", "y", "actor", "mean", "else 0",
       "else skip", "given", "0 .. 1", "[1]", "[[0.5]] @ token", "5s", "linear(1 -> 0, steps: 5)", "frozen", "live", "_", "std")


@cache
def texts() -> tuple[str, ...]:
    """The specs that mutations start from."""
    return tuple(path.read_text(encoding="utf-8") for folder in FOLDERS for path in sorted(folder.glob("*.rl")))


@cache
def loader() -> Loader:
    """Imports of mutated specs are looked up beside the programs of the checks."""
    return project_loader(PROGRAMS)


def mutated(chance: random.Random) -> str:
    """A known spec with one to six changes; its lines stay lines."""
    text = chance.choice(texts())
    pieces = _pieces(text)
    words = [piece for piece, is_word in pieces if is_word]
    parts = [piece for piece, _ in pieces]
    places = [index for index, (_, is_word) in enumerate(pieces) if is_word]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        place, other = chance.choice(places), chance.choice(places)
        match chance.randrange(9):
            case 0:
                parts[place] = ""
            case 1:
                parts[place], parts[other] = parts[other], parts[place]
            case 2:
                parts[place] = f"{parts[place]} {parts[place]}"
            case 3:
                parts[place] = chance.choice(words)
            case 4:
                parts[place] = f" {chance.choice(ODD)} "
            case _:
                parts[place] = chance.choice([word for word in words if _sort(word) == _sort(parts[place])] or words)
    return "".join(parts)


def _sort(word: str) -> str:
    """Names, numbers and texts, or the sign itself."""
    return "name" if word[:1].isalpha() else "number" if word[:1].isdigit() else word[:1]


def _pieces(text: str) -> list[tuple[str, bool]]:
    """The text cut into words and what stands between them."""
    found: list[tuple[str, bool]] = []
    end = 0
    for token in read_tokens(text, 0, syntax_table().keywords, []):
        found += [(text[end:token.start], False), (token.text, True)]
        end = token.start + len(token.text)
    return [*found, (text[end:], False)]


def answer(text: str) -> CheckResult:
    """All that may be asked of a spec; every finding keeps the limits and points into a text that is there."""
    result = check_source(Source("a.rl", text), loader())
    render_diagnostics(result.diagnostics, result.sources, color=False, limit=100)
    diagnostics_to_json(result.diagnostics, result.sources)
    for finding in result.diagnostics:
        span = finding.primary.span
        assert finding.why and finding.fix, finding
        assert len(finding.title) <= 60 and all(len(label.text) <= 40 for label in (finding.primary, *finding.others)), finding
        assert 0 <= span.start <= span.end <= len(result.sources[span.file].text), finding
    return result
