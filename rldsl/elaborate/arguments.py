"""Binds the arguments of a call to parameters, by place and by name. Reports what is missing, unknown or twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.resolve.names import did_you_mean, listed
from rldsl.syntax import tree

Bound: TypeAlias = dict[str, tree.Expr]


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter: its name, whether a value must be given, whether only by name."""

    name: str
    required: bool = True
    only_named: bool = False


def slots(text: str) -> tuple[Slot, ...]:
    """Slots from a short signature: `x, per:?, where:?` (`:` only by name, `?` may be left out)."""
    found = []
    for part in text.replace(" ", "").split(","):
        if part:
            found.append(Slot(part.rstrip(":?"), not part.endswith("?"), ":" in part))
    return tuple(found)


def bind(ctx: Context, env: Environment, call: tree.Call, parameters: Sequence[Slot],
         name: str) -> Bound | None:
    """Expressions by parameter name; None where a mistake was reported."""
    bound: Bound = {}
    positional = [slot.name for slot in parameters if not slot.only_named]
    fine = True
    for index, argument in enumerate(entry for entry in call.arguments if entry.name is None):
        if index >= len(positional):
            fine = _too_many(ctx, env, argument, name, parameters)
            break
        bound[positional[index]] = argument.value
    for argument in call.arguments:
        if argument.name is not None:
            fine = _bind_named(ctx, env, argument, argument.name, bound, parameters, name) and fine
    missing = [slot for slot in parameters if slot.required and slot.name not in bound]
    if missing and fine:
        shown = ", ".join(f"{slot.name}: …" if slot.only_named else slot.name for slot in parameters)
        lacking = ", ".join(f"{slot.name}: …" for slot in missing)
        ctx.report(error("RL021", f"`{name}` needs `{missing[0].name}`"[:60], env.span(call),
                         f"`{missing[0].name}` is missing here"[:40], others=env.labels(call, "in here"),
                         why=f"its form is `{name}({shown})`.", fix=f"`{name}({'…, ' if call.arguments else ''}{lacking})`"))
    return bound if fine and not missing else None


def _too_many(ctx: Context, env: Environment, argument: tree.Argument, name: str, parameters: Sequence[Slot]) -> bool:
    shown = ", ".join(f"{slot.name}:" if slot.only_named else slot.name for slot in parameters)
    ctx.report(error("RL021", f"`{name}` takes fewer arguments"[:60], env.span(argument), "one too many",
                     why=f"its form is `{name}({shown})`.", fix="drop it, or give it by name"))
    return False


def _bind_named(ctx: Context, env: Environment, argument: tree.Argument, word: str, bound: Bound,
                parameters: Sequence[Slot], name: str) -> bool:
    names = [slot.name for slot in parameters]
    if word not in names:
        ctx.report(error("RL021", f"`{name}` has no argument `{word[:24]}`"[:60], env.span(argument),
                         "this argument is not known", why=f"it takes {listed(names)}.",
                         fix=did_you_mean(word, names) or f"one of {listed(names, 6)}"))
        return False
    if word in bound:
        ctx.report(error("RL021", f"`{word[:30]}` is given twice", env.span(argument), "the second time",
                         why="one argument, one value.", fix="drop one of them"))
        return False
    bound[word] = argument.value
    return True
