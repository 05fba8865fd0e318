"""What a function of the language means, as a hash: its body over arguments that stand for any argument.

A function is elaborated with symbols for its parameters, at every level at which it type-checks, so that neither the names of its
parameters nor the way it is written enter the hash; what it calls enters by what it means. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from rldsl.canonical.meaning import Meaning, World
from rldsl.canonical.polynomial import digest_of
from rldsl.canonical.symbols import Arrangement, Fixed, Place, Symbols
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate
from rldsl.elaborate.naming import Naming
from rldsl.elaborate.values import BoundsValue, FunctionValue, GraphValue, Value
from rldsl.infer.builder import Builder
from rldsl.resolve.modules import ModuleTable, Scope
from rldsl.syntax import tree
from rldsl.types import Level, Stage, Type

LEVELS = (Level.PROMPT, Level.SAMPLE, Level.BATCH)
PLACES = (Level.TOKEN, Level.SAMPLE, Level.PROMPT, Level.BATCH)
CALLEES = ("tanh", "mean", "min")  # a function of one value, of many, of two
MOST_TRIES = 400


@dataclass(frozen=True, slots=True)
class Definition:
    """A function by its module and name, and the hash of what it means; None where no arguments that were tried fit it.
    `results` are the types of what it gives, by the arguments for which it does."""

    name: str
    digest: str | None
    results: tuple[tuple[Arrangement, Type], ...] = field(default=(), compare=False)

    @property
    def short(self) -> str:
        """The first eight digits of the hash."""
        return "no hash: no arguments fit it" if self.digest is None else self.digest[:8]


def definition_of(modules: ModuleTable, scope: Scope, function: tree.Function) -> Definition:
    """The definition of a function."""
    name = f"{scope.name}{'.' if scope.name.startswith('std.') else ':'}{function.name}"
    found = [(arrangement, result) for arrangement in _uniform(function)
             if (result := _result(modules, scope, function, arrangement)) is not None]
    if not found:
        mixed = ((arrangement, result) for arrangement in _mixed(function)
                 if (result := _result(modules, scope, function, arrangement)) is not None)
        found = [first] if (first := next(mixed, None)) is not None else []
    if not found:
        return Definition(name, None)
    defaults = (str(index) for index, parameter in enumerate(function.parameters) if parameter.default is not None)
    words = [f"{arrangement} {digest}" for arrangement, (digest, _) in found]
    results = tuple((arrangement, kind) for arrangement, (_, kind) in found)
    return Definition(name, digest_of("definition", *words, "defaults", *defaults), results)


# ------------------------------------------------------------------ what is tried
def _uniform(function: tree.Function) -> Iterator[Arrangement]:
    """All numbers without a level at one level, for each level."""
    free = sum(_is_free(parameter) for parameter in function.parameters)
    for place in PLACES if free else PLACES[:1]:
        yield from _arrangements(function, (place,) * free)


def _mixed(function: tree.Function) -> Iterator[Arrangement]:
    """Numbers without a level at levels of their own, or as constants: for what a function needs to know beforehand."""
    free = sum(_is_free(parameter) for parameter in function.parameters)
    tried = (arrangement for places in product((*PLACES, *Fixed), repeat=free) for arrangement in _arrangements(function, places))
    return (arrangement for arrangement, _ in zip(tried, range(MOST_TRIES), strict=False))


def _arrangements(function: tree.Function, places: tuple[Place, ...]) -> Iterator[Arrangement]:
    kinds = [parameter.type.element if parameter.type is not None else "" for parameter in function.parameters]
    for levels in product(LEVELS, repeat=kinds.count("Level")):
        for is_sampled in (True, False) if "Response" in kinds else (True,):
            for callees in product(CALLEES, repeat=kinds.count("Function")):
                yield Arrangement(places, levels, is_sampled, callees)


def _is_free(parameter: tree.Parameter) -> bool:
    return parameter.type is None or (parameter.type.element in ("Real", "Int", "Bool") and parameter.type.level is None)


# ------------------------------------------------------------------ one of them
def _result(modules: ModuleTable, scope: Scope, function: tree.Function, arrangement: Arrangement) -> tuple[str, Type] | None:
    """The hash and the type of what a function gives for these arguments; None where they do not fit."""
    ctx = Context(modules, scope, Builder(stage=Stage.UPDATE), {}, Naming(scope))
    symbols = Symbols(ctx, arrangement)
    local: dict[str, Value] = {"#": FunctionValue(function, scope)}
    local |= {f"#{index}": symbols.value(index, parameter) for index, parameter in enumerate(function.parameters)}
    call = tree.Call(tree.Name("#"), tuple(tree.Argument(tree.Name(f"#{index}")) for index in range(len(function.parameters))))
    result = elaborate(ctx, Environment(scope, local, trained=symbols.trained), call)
    if ctx.found:
        return None
    params = {spec.name: spec.value for spec in ctx.tables.params.values()}
    meaning = Meaning(ctx.builder.graph(), World(params=params, is_symbolic=True))
    match result:
        case GraphValue(key=key):
            return meaning.digest(key), ctx.type_of(key)
        case BoundsValue(low=low, high=high):
            return digest_of("bounds", meaning.digest(low), meaning.digest(high)), ctx.type_of(low)
        case _:
            return None
