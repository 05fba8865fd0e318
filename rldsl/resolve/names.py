"""Free names of syntax, and near misses. Pure walks over the tree; no meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from difflib import get_close_matches

from rldsl.syntax import tree


def names_in(node: object) -> Iterator[str]:
    """Every bare name that occurs below `node`, in order, with repeats. Iterative: any depth."""
    waiting: list[object] = [node]
    while waiting:
        current = waiting.pop()
        match current:
            case tree.Name(text=text):
                yield text
            case tree.Node():
                waiting.extend(getattr(current, item.name) for item in reversed(fields(current)) if item.name != "span")
            case tuple():
                waiting.extend(reversed(current))
            case _:
                pass


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean \\`x\\`?` for the nearest known word, or an empty text."""
    near = get_close_matches(word, sorted(set(known)), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""


def listed(words: Iterable[str], most: int = 12) -> str:
    """`a, b, c` in order, cut after `most`."""
    all_words = list(words)
    shown = ", ".join(f"`{word}`" for word in all_words[:most])
    return shown + (", …" if len(all_words) > most else "")


def declared_name(item: tree.Item) -> str | None:
    """The name that a declaration brings into its module, if it brings one."""
    match item:
        case (tree.Param() | tree.Data() | tree.Model() | tree.Rollout() | tree.Response() | tree.Rubric() | tree.Reward()
              | tree.Let() | tree.Function() | tree.Extern() | tree.State() | tree.Sampler() | tree.Buffer()
              | tree.Objective() | tree.Eval()):
            return item.name
        case _:
            return None


def word_for(item: tree.Item) -> str:
    """The word by which a declaration is called in messages."""
    match item:
        case tree.Model():
            return item.role
        case tree.Function():
            return "fn"
        case _:
            return type(item).__name__.lower()
