"""Near misses, lists of words, and what declarations are called. No meaning."""

from __future__ import annotations

from collections.abc import Iterable

from rldsl.syntax import tree

MANY = 400
LONGEST = 80


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean `x`?` for the nearest known word, or an empty text."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near is not None else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`; None where none is near. The same letters in another order or case are near
    however short the word. Long lists are searched among words that begin or
    end alike, so that a file with thousands of mistakes is answered as quickly as one with one."""
    from difflib import get_close_matches  # only where there is a mistake
    words = sorted(set(known))
    if len(words) > MANY:
        words = [other for other in words if _looks_alike(word, other)][:MANY]
    near = get_close_matches(word[:LONGEST], words, n=1, cutoff=0.6)
    return near[0] if near else next((other for other in words if sorted(other.lower()) == sorted(word.lower())), None)


def _looks_alike(word: str, other: str) -> bool:
    return abs(len(word) - len(other)) <= 2 and (word[:2] == other[:2] or word[-2:] == other[-2:])


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
