"""What the pages of runs and of scorings share: their templates, specs with their words marked, long texts cut short."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

LONGEST = 1600  # characters of a text that are shown
_TOKENS = re.compile(
    r"(?P<comment>\#[^\n]*)|(?P<string>\"(?:\\.|[^\"\\\n])*\")|(?P<number>\b\d+(?:\.\d+)?(?:e-?\d+)?\b)"
    r"|(?P<word>\b(?:import|data|policy|critic|scorer|embedder|judge|rollout|response|given|reward|rubric|fn|extern|let"
    r"|state|sampler|objective|for|maximize|minimize|guard|else|stop|skip|warn|train|repeat|stage|draw|update|with|every"
    r"|when|reset|evaluate|save|eval|on|report|plan|test|expect|param|from|in|weight|penalty|veto|gate)\b)"
)


def highlight(text: str) -> Markup:
    """The spec's text, escaped, its words, numbers, texts and comments marked; no mark crosses a line."""
    parts, end = [], 0
    for match in _TOKENS.finditer(text):
        parts.append(escape(text[end : match.start()]))
        parts.append(Markup('<span class="{}">{}</span>').format(match.lastgroup, match[0]))
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def page_template(name: str, filters: Mapping[str, Callable[..., str]]) -> Any:
    """A page of `codegen/report`: everything is escaped, `short` cuts long texts. Kept for the next report of this process."""
    return _template(name, tuple(sorted(filters.items())))


@lru_cache(maxsize=8)
def _template(name: str, filters: tuple[tuple[str, Callable[..., str]], ...]) -> Any:
    environment = Environment(
        loader=FunctionLoader(_read_template), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["short"] = shorten
    environment.filters.update(filters)
    return environment.get_template(name)


def _read_template(name: str) -> str:
    """In a wheel `codegen` lies in the package, in a checkout beside it."""
    package = Path(__file__).parents[1]
    found = next(
        base / "codegen" / name for base in (package, package.parent) if (base / "codegen" / name).is_file()
    )
    return found.read_text("utf-8")


def shorten(text: str) -> str:
    """At most `LONGEST` characters, and how many more there are."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} more characters)"
