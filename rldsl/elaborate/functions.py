"""What can be said of a `.rl` function before it is called: its types, doubled names, and names that nothing declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rldsl.diagnostics import Label, error
from rldsl.elaborate.builtins import BUILTIN_NAMES, HOST_NAMES, LATER, NAMESPACES
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.lookup import CONSTANTS, LEVELS, OPTION_WORDS, unknown_name
from rldsl.elaborate.parameters import ELEMENTS, TYPE_WORDS
from rldsl.elaborate.setting_values import SCHEDULES
from rldsl.elaborate.typing import interval_of, level_of_type, report_extra
from rldsl.resolve.names import did_you_mean, listed
from rldsl.resolve.uses import names_below
from rldsl.rewards.signatures import PRIMITIVES
from rldsl.source import Span
from rldsl.syntax import tree

CHOICES = frozenset(word for primitive in PRIMITIVES.values() for parameter in primitive.parameters
                    for word in parameter.choices)
OWN_WORDS = frozenset({*BUILTIN_NAMES, *HOST_NAMES, *NAMESPACES, *LEVELS, *OPTION_WORDS, *CONSTANTS, *LATER, *SCHEDULES,
                       *CHOICES})


def check_function(ctx: Context, env: Environment, function: tree.Function) -> None:
    """Types that do not exist, and names that are given twice."""
    named = [(parameter.name, parameter.span) for parameter in function.parameters]
    check_doubled(ctx, named, "parameter")
    check_doubled(ctx, [(let.name, let.span) for let in function.lets], "`let`")
    for parameter in function.parameters:
        if parameter.type is not None:
            _check_type(ctx, env, parameter.type)
    if function.result is not None:
        _check_type(ctx, env, function.result)


def check_doubled(ctx: Context, named: Iterable[tuple[str, Span]], what: str) -> None:
    """Reports names that stand for two things in one body."""
    first: dict[str, Span] = {}
    for name, span in named:
        if name in first:
            ctx.report(error("RL012", f"`{name[:24]}` is the name of two {what}s", span, "the second one",
                             others=[Label(first[name], "the first one")], why="a name stands for one thing.",
                             fix=f"rename one of them, for example `{name[:30]}_2`"))
        first.setdefault(name, span)


def _check_type(ctx: Context, env: Environment, written: tree.TypeExpr) -> None:
    if written.element not in TYPE_WORDS:
        ctx.report(error("RL029", f"there is no type `{written.element[:30]}`", env.span(written), "this type",
                         why=f"parameters are {listed(TYPE_WORDS)}.",
                         fix=did_you_mean(written.element, TYPE_WORDS) or "`Real`"))
    elif written.extra:
        report_extra(ctx, env, written)
    if written.optional:
        ctx.report(error("RL029", "a function takes what is absent as it is", env.span(written), "this type",
                         why="whether a value may be absent follows from the call; only an `extern fn` declares it.",
                         fix=f"`{written.element}`"))
    level_of_type(ctx, env, written)
    if written.interval is not None and interval_of(ctx, env, written.interval) is not None \
            and written.element not in ELEMENTS - {"Text", "Json"}:
        ctx.report(error("RL029", f"{written.element} has no range", env.span(written), "this type",
                         why="ranges are of numbers.", fix=f"`{written.element}`"))


def check_uncalled(ctx: Context) -> None:
    """Unknown names in functions that nothing calls; in all others they were found when a call was expanded."""
    for item in ctx.root.tree.items:
        if isinstance(item, tree.Function) and id(item) not in ctx.calls.called:
            for name in _free_names(item):
                if not _is_known(ctx, name.text):
                    ctx.report(unknown_name(ctx, Environment(ctx.root), name.text, name.span))


def _is_known(ctx: Context, word: str) -> bool:
    root, prelude = ctx.root, ctx.modules.prelude
    return (word in OWN_WORDS or word in root.bindings or word in root.modules or word in root.missing
            or (prelude is not None and word in prelude.bindings))


def _free_names(function: tree.Function) -> Iterator[tree.Name]:
    hidden: set[str] = set()
    for parameter in function.parameters:
        yield from _names(parameter.default, hidden)
    hidden |= {parameter.name for parameter in function.parameters}
    for let in function.lets:
        yield from _names(let.value, hidden)
        hidden.add(let.name)
    yield from _names(function.body, hidden)


def _names(node: object, hidden: set[str]) -> Iterator[tree.Name]:
    return (name for name in names_below(node) if name.text not in hidden)
