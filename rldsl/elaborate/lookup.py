"""What a name or a field stands for. Declarations are elaborated before by `declare`; nothing is built twice."""

from __future__ import annotations

import math

from rldsl.diagnostics import Diagnostic, Label, error
from rldsl.elaborate.builtins import BUILTIN_NAMES, HOST_NAMES, LATER, NAMESPACES
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.faults import unknown_field
from rldsl.elaborate.recorded import field_of_completion, not_sampled, recorded, support_field
from rldsl.elaborate.setting_values import SCHEDULES
from rldsl.elaborate.values import (
    BoundsValue,
    BuiltinValue,
    DataValue,
    FailedValue,
    GraphValue,
    HostValue,
    LevelValue,
    ModelValue,
    NamespaceValue,
    OtherValue,
    ResponseValue,
    Value,
    WordValue,
    describe,
)
from rldsl.graph.model import Constant, SourceKind
from rldsl.graph.spec import DataSpec
from rldsl.resolve.modules import Scope
from rldsl.resolve.names import did_you_mean, listed
from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.types import (
    BINARY,
    EVERYTHING,
    Element,
    Interval,
    Level,
    Stage,
    Type,
)

LEVELS = {level.word: level for level in Level}
OPTION_WORDS = frozenset({"start", "end"})
CONSTANTS = {"inf": math.inf, "absent": math.nan}
MOST_GUESSES = 100


def lookup_name(ctx: Context, env: Environment, name: tree.Name) -> Value:
    """Local names, then the module's, then the prelude's, then the language's own words."""
    word = name.text
    if word in env.local:
        return env.local[word]
    bound = env.scope.bindings.get(word)
    if word in env.scope.missing:
        return FailedValue()  # its import failed
    if bound is None and ctx.modules.prelude is not None and env.scope is not ctx.modules.prelude:
        bound = ctx.modules.prelude.bindings.get(word)
    if bound is not None:
        return lookup_declaration(ctx, env, bound[0], bound[1], word, name)
    if word in env.scope.modules:
        return NamespaceValue(word, env.scope.modules[word])
    return _own_word(ctx, env, name)


def _own_word(ctx: Context, env: Environment, name: tree.Name) -> Value:
    word = name.text
    if word in BUILTIN_NAMES:
        return BuiltinValue(word)
    if word in HOST_NAMES:
        return HostValue(word)
    if word in NAMESPACES:
        return NamespaceValue(word)
    if word in LEVELS:
        return LevelValue(LEVELS[word])
    if word in OPTION_WORDS:
        return WordValue(word)
    if word == "absent":
        return GraphValue(ctx.builder.add(Constant(math.nan), type=Type(Element.REAL, optional=True), span=env.span(name)))
    if word in CONSTANTS:
        return GraphValue(ctx.builder.constant(CONSTANTS[word], env.span(name)))
    if word in SCHEDULES:
        ctx.report(error("RL020", "a schedule is the value of a `param`", env.span(name), "not a value of its own",
                         others=env.labels(name, "in here"), why="a schedule is a number that changes over training, and has"
                         " a name.", fix="`param beta: Real = linear(0.1 -> 0, steps: 500)`, and `beta` here"))
        return FailedValue()
    if word in LATER:
        ctx.report(error("RL030", f"`{word}` is not built yet"[:60], env.span(name), "this function comes later",
                         why=LATER[word], fix="leave it out for now, or write it as an `extern fn`"))
        return FailedValue()
    _report_unknown(ctx, env, name)
    return FailedValue()


def _report_unknown(ctx: Context, env: Environment, name: tree.Name) -> None:
    ctx.report(unknown_name(ctx, env, name.text, env.span(name), env.labels(name, "in here")))


def unknown_name(ctx: Context, env: Environment, word: str, span: Span, others: tuple[Label, ...] = ()) -> Diagnostic:
    """RL011, with the nearest name; of very many mistakes the last ones go without."""
    ctx.unknown += 1
    near = ""
    if ctx.unknown <= MOST_GUESSES:
        known = [*env.local, *env.scope.bindings, *env.scope.modules, *BUILTIN_NAMES, *HOST_NAMES, *NAMESPACES, *LEVELS]
        if ctx.modules.prelude is not None:
            known += ctx.modules.prelude.bindings
        near = _library_home(word) or did_you_mean(word, known)
    return error("RL011", f"nothing here is called `{word[:30]}`", span, "this name is not declared", others=others,
                 why=f"this file declares {env.scope.listed_names}.", fix=near or f"declare it: `let {word[:30]} = …`")


def _library_home(word: str) -> str:
    from rldsl.elaborate.library import library_index
    home = library_index().get(word)
    return f"`import {home} ({word})`" if home is not None else ""


def lookup_declaration(ctx: Context, env: Environment, scope: Scope, item: tree.Item, word: str,
                       at: tree.Node) -> Value:
    """The value of a declaration, which `declare` has elaborated or which is elaborated now."""
    from rldsl.elaborate.declare import value_of_declaration
    return value_of_declaration(ctx, env, scope, item, word, at)


def lookup_field(ctx: Context, env: Environment, field: tree.Field, base: Value) -> Value:
    """`y.text`, `problems.answer`, `verify.math`, `bounds.low`."""
    match base:
        case FailedValue():
            return base
        case NamespaceValue(name=name, scope=None):
            return _host_field(ctx, env, field, name)
        case NamespaceValue(scope=Scope() as scope):
            return _module_field(ctx, env, field, scope)
        case DataValue(name=name):
            return _data_field(ctx, env, field, name)
        case ResponseValue(name=name):
            return _response_field(ctx, env, field, name)
        case BoundsValue() if field.name in ("low", "high"):
            return GraphValue(base.low if field.name == "low" else base.high)
        case _:
            ctx.report(error("RL023", f"this has no field `{field.name[:30]}`", env.span(field.base),
                             f"this is {describe(base)}",
                             why="data sets, responses, ranges and modules have fields.", fix=_field_hint(base)))
            return FailedValue()


def _field_hint(base: Value) -> str:
    match base:
        case ModelValue(name=name):
            return f"`logp({name}, y)` reads it"
        case OtherValue(name=name):
            return f"see the declaration of `{name}`"
        case _:
            return "use it without the dot"


def _host_field(ctx: Context, env: Environment, field: tree.Field, namespace: str) -> Value:
    full = f"{namespace}.{field.name}"
    if full in HOST_NAMES:
        return HostValue(full)
    if full in LATER:
        ctx.report(error("RL030", f"`{full}` is not built yet"[:60], env.span(field), "this function comes later",
                         why=LATER[full], fix="leave it out for now, or write it as an `extern fn`"))
        return FailedValue()
    own = [name.split(".", 1)[1] for name in HOST_NAMES if name.startswith(namespace + ".")]
    ctx.report(error("RL011", f"`{namespace}` has no `{field.name[:30]}`"[:60], env.span(field),
                     "this name is not known", why=f"`{namespace}` has {listed(sorted(own))}.",
                     fix=did_you_mean(field.name, own) or f"one of {listed(sorted(own), 4)}"))
    return FailedValue()


def _module_field(ctx: Context, env: Environment, field: tree.Field, scope: Scope) -> Value:
    bound = scope.bindings.get(field.name)
    if bound is not None:
        return lookup_declaration(ctx, env, bound[0], bound[1], field.name, field)
    if field.name in scope.missing:
        return FailedValue()
    ctx.report(error("RL014", f"`{scope.name}` has no `{field.name}`"[:60], env.span(field),
                     "this name is not declared there", why=f"it declares {scope.listed_names}.",
                     fix=did_you_mean(field.name, scope.bindings) or "one of those"))
    return FailedValue()


def _data_field(ctx: Context, env: Environment, field: tree.Field, name: str) -> Value:
    data = ctx.tables.data[name]
    columns = ctx.tables.columns
    if name not in columns:
        columns[name] = {column.name: column for column in data.fields}
    found = columns[name].get(field.name)
    if found is not None and found.element is Element.NONE:
        return FailedValue()
    if found is None:
        names = [column.name for column in data.fields]
        ctx.report(unknown_field(env.span(field), data.span, name, field.name, names,
                                 did_you_mean(field.name, names)))
        return FailedValue()
    if found.each:
        ctx.report(_of_completions(ctx, env, field, data))
        return FailedValue()
    kind = Type(found.element, BINARY if found.element is Element.BOOL else EVERYTHING, data.axis, stage=Stage.DATA)
    return GraphValue(ctx.builder.leaf(SourceKind.DATA, name, field.name, kind, env.span(field)))


def _of_completions(ctx: Context, env: Environment, field: tree.Field, data: DataSpec) -> Diagnostic:
    """RL104 of a field `@ sample` that is read of the row."""
    name = next((entry.name for entry in ctx.tables.responses.values() if entry.prompt_axis == data.axis), "y")
    return error("RL104", f"`{field.name[:24]}` belongs to each completion", env.span(field), "read here of the row",
                 others=[Label(next(entry.span for entry in data.fields if entry.name == field.name), "declared `@ sample`")],
                 why="a row has many completions, each with a value of its own.", fix=f"`{name}.{field.name}`")


def _response_field(ctx: Context, env: Environment, field: tree.Field, name: str) -> Value:
    response = ctx.tables.responses[name]
    match field.name:
        case "text" if response.text is not None:
            return GraphValue(response.text)
        case "prompt":
            return GraphValue(response.prompt)
        case "length":
            return GraphValue(ctx.builder.size(response.token_axis, response.sample_axis, env.span(field)))
        case "uniform":
            kind = Type(Element.REAL, Interval(0.0, 1.0, high_open=True), response.token_axis, stage=Stage.ROLLOUT)
            return GraphValue(ctx.builder.leaf(SourceKind.RECORDED, name, "uniform", kind, env.span(field)))
        case "ids" | "prompt_ids":
            kind = Type(Element.JSON, axis=response.sample_axis, stage=Stage.ROLLOUT)
            return GraphValue(ctx.builder.leaf(SourceKind.RECORDED, name, field.name, kind, env.span(field)))
        case "text" | "logp" | "finished" if response.is_sampled:
            return GraphValue(recorded(ctx, env, field, response))
        case "support" if response.is_sampled:
            return support_field(ctx, env, field, response)
        case "logp" | "finished" | "support":
            return not_sampled(ctx, env, field, response)
        case _:
            return field_of_completion(ctx, env, field, response)
