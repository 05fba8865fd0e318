"""What a module offers, for `explain std.advantage`: its comment, and each function with its form and first sentence."""

from __future__ import annotations

import re
import textwrap

from rldsl.source import Source
from rldsl.stdlib_page import first_sentence
from rldsl.syntax import tree
from rldsl.syntax.parse import parse

WIDTH = 100


def module_text(source: Source) -> str | None:
    """The module for people: no tests, no bodies. None where it declares no function."""
    module, _ = parse(source)
    if module is None or not any(isinstance(item, (tree.Function, tree.Extern)) for item in module.items):
        return None
    parts = [f"{source.name}  sha256 {source.digest[:16]}", *([_filled(module.doc, "")] if module.doc else [])]
    for item in module.items:
        if isinstance(item, (tree.Function, tree.Extern)):
            said = first_sentence(item.doc)
            parts.append(_filled(form_of(source, item), "    ") + (f"\n{_filled(said, '  ', '  ')}" if said else ""))
    return "\n\n".join(parts)


def form_of(source: Source, item: tree.Function | tree.Extern) -> str:
    """`fn twice(x: Real) -> Real`: a declaration up to its body, on one line."""
    match item:
        case tree.Function(lets=lets, body=body):
            end = min([body.span.start, *(let.span.start for let in lets)])
        case tree.Extern(source=given):
            end = given.span.start
    text = re.sub(r"\s+", " ", source.text[item.span.start:end]).rstrip(" ={(")
    return re.sub(r",? \)", ")", text.replace("( ", "("))


def _filled(text: str, later: str, first: str = "") -> str:
    paragraphs = [textwrap.fill(" ".join(part.split()), WIDTH, initial_indent=first, subsequent_indent=later,
                                break_long_words=False, break_on_hyphens=False) for part in text.split("\n\n")]
    return "\n\n".join(paragraphs)
