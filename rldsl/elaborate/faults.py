"""The messages of elaboration whose wording needs more than a line. Each returns a diagnostic; none decides anything."""

from __future__ import annotations

from rldsl.diagnostics import Diagnostic, Label, error
from rldsl.resolve.names import listed
from rldsl.source import Span
from rldsl.types import Axis, Type


def mixed_levels(span: Span, coarse_span: Span, coarse: Type, fine: Type, fine_word: str) -> Diagnostic:
    """RL102."""
    return error(
        "RL102", "these two terms live on different levels", span, f"one side is {coarse.axis}, one {fine.axis}",
        others=[Label(coarse_span, f"live, one value per {coarse.axis.level.word}")],
        why=f"spreading a live value of `{coarse.axis}` over `{fine.axis}` by `+` or `-` multiplies its gradient by the"
            " number of places it is copied to.",
        fix=f"reduce the finer side, for example `mean(…, per: {coarse.axis.level.word})`, or say"
            f" `spread(…, to: {fine_word})` if the copies are meant")


def foreign_origin(span: Span, left: tuple[Span, Axis], right: tuple[Span, Axis]) -> Diagnostic:
    """RL103."""
    if left[1].size is not None and right[1].size is not None:
        return _other_parts(span, left, right)
    if left[1].level == right[1].level and left[1].level.word == "token":
        title = "these are tokens of different texts"
    else:
        title = "these values belong to different origins"
    return error(
        "RL103", title, span, f"`{left[1]}` meets `{right[1]}`",
        others=[Label(left[0], f"@ {left[1]}"), Label(right[0], f"@ {right[1]}")],
        why=f"place i of `{left[1]}` has nothing to do with place i of `{right[1]}`.",
        fix="reduce each to a level that both share first, for example `sum(…, per: sample)`")


def _other_parts(span: Span, left: tuple[Span, Axis], right: tuple[Span, Axis]) -> Diagnostic:
    words = [f"{axis.size} {axis.level.words}" + (f" of `{axis.maker}`" if axis.maker else "") for _, axis in (left, right)]
    return error(
        "RL103", "these are parts of different things", span, f"{words[0]} meet {words[1]}"[:40],
        others=[Label(at, f"@ {axis}"[:40]) for at, axis in (left, right)],
        why="part i of one has nothing to do with part i of the other.",
        fix="reduce each first, for example `sum(…, per: sample)`, or give both the same number of members")


def unreduced(span: Span, axis: Axis, label: str) -> Diagnostic:
    """RL101."""
    return error(
        "RL101", f"the objective still has one value per {axis.level.word}", span, f"this is @ {axis}",
        why="a mean over tokens, over answers or over a constant length weighs answers differently: of one answer of 10"
            " and one of 1000 tokens, the token mean gives them 1 % and 99 %, the mean of means 50 % each.",
        fix="`mean(x)` (every token counts the same), `mean(mean(x, per: sample))` (every answer), or"
            f" `mean(sum(x, per: sample)) / 4096` (a constant length){' in `' + label + '`' if label else ''}")


def unknown_field(span: Span, base_span: Span, owner: str, name: str, known: list[str], near: str) -> Diagnostic:
    """RL701."""
    shown = listed(known)
    return error(
        "RL701", f"the data has no field `{name[:30]}`", span, "this field is not declared",
        others=[Label(base_span, f"`{owner[:20]}` is declared here")], why=f"`{owner}` has {shown}." if known else
        f"`{owner}` declares no fields.", fix=near or f"declare it: `{name}: Text`")
