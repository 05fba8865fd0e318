"""Arguments of model constructors (`tiny(…)`, `hf(…)`, `openai(…)`), held against the tables of `rollouts.signatures`."""

from __future__ import annotations

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.settings import Allowed, _trouble
from rldsl.elaborate.settings_tables import CHARACTERS, TINY, required_in
from rldsl.graph.spec import Invocation
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rollouts.signatures import CHARACTERS_ARGUMENTS, TINY_ARGUMENTS
from rldsl.syntax import tree

OPENAI = {"model": Allowed("text"), "base_url": Allowed("any"), "key": Allowed("any")}


def check_constructor(ctx: Context, env: Environment, at: tree.Expr, source: Invocation) -> None:
    """Reports arguments that are missing, unknown or do not fit."""
    match source.name:
        case "tiny":
            _check(ctx, at, source, TINY, required_in(TINY_ARGUMENTS))
            tokenizer = source.get("tokenizer")
            if isinstance(tokenizer, Invocation):
                named = _named(tokenizer, tuple(CHARACTERS))
                _check(ctx, at, named, CHARACTERS, required_in(CHARACTERS_ARGUMENTS))
        case "hf":
            _check(ctx, at, _named(source, ("folder",)), {"folder": Allowed("text")}, ("folder",))
        case "openai":
            _check(ctx, at, source, OPENAI, ("model",))
        case _:
            pass


def _named(source: Invocation, words: tuple[str, ...]) -> Invocation:
    return Invocation(source.name, (), (*zip(words, source.positional, strict=False), *source.named))


def _check(ctx: Context, at: tree.Expr, source: Invocation, allowed: dict[str, Allowed],
           required: tuple[str, ...]) -> None:
    given = dict(source.named)
    if source.positional:
        ctx.report(error("RL021", f"`{source.name}` takes its arguments by name"[:60], at.span, "one has no name",
                         why=f"it takes {listed(allowed)}.", fix=f"`{source.name}({next(iter(allowed))}: …)`"))
    for name, value in given.items():
        if name not in allowed:
            ctx.report(error("RL021", f"`{source.name}` has no argument `{name[:20]}`"[:60], at.span, "this argument",
                             why=f"it takes {listed(allowed)}.", fix=did_you_mean(name, allowed) or "delete it"))
        elif (trouble := _trouble(value, allowed[name])) is not None:
            ctx.report(error("RL018", f"`{name}` of `{source.name}` does not fit"[:60], at.span, f"`{name}` here"[:40],
                             why=trouble, fix=f"`{name}: …`"))
    missing = [name for name in required if name not in given]
    if missing and not source.positional:
        ctx.report(error("RL021", f"`{source.name}` needs `{missing[0]}`"[:60], at.span, "it is missing here",
                         why=f"it takes {listed(allowed)}.", fix=f"`{source.name}({missing[0]}: …)`"))
