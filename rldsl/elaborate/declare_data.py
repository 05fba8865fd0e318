"""Data and extern functions: what comes from outside, held against what sources give and what foreign code promises."""

from __future__ import annotations

from rldsl.data.signatures import SOURCES, SourceSignature, match_arguments
from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.recorded import RESPONSE_FIELDS
from rldsl.elaborate.setting_values import is_rejected, setting_value, settled
from rldsl.elaborate.settings import Allowed, fits, settings_of
from rldsl.elaborate.settings_tables import EXTERN, of_elements
from rldsl.elaborate.typing import WRITTEN, level_of_type, plain_type
from rldsl.elaborate.values import ExternValue, FailedValue, Value
from rldsl.graph.spec import DataSpec, ExternSpec, FieldSpec, Invocation
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rewards.signatures import check_constant
from rldsl.syntax import tree
from rldsl.types import BATCH, Axis, Element, Level

PLAIN = Allowed("any")


def declare_data(ctx: Context, env: Environment, item: tree.Data) -> str:
    """`data problems from jsonl("…") { question: Text }`; by which name it is known."""
    name = ctx.own_name(env, item.name)
    axis = Axis(name, Level.PROMPT, name, BATCH)
    fields = _fields(ctx, env, item)
    source = setting_value(ctx, env, item.source)
    if isinstance(source, Invocation):
        _check_source(ctx, env, item, source, {field.name: field for field in fields})
    elif not is_rejected(source):
        ctx.report(error("RL031", "data comes from a source", item.source.span, "this is not a source",
                         why=f"sources are {listed(sorted(SOURCES))}.", fix='`from jsonl("data.jsonl")`'))
    found = settled(source)
    kept = found if isinstance(found, Invocation) else Invocation("jsonl")
    ctx.tables.data[name] = DataSpec(name, kept, tuple(fields), axis, item.span)
    return name


def _fields(ctx: Context, env: Environment, item: tree.Data) -> list[FieldSpec]:
    found: dict[str, FieldSpec] = {}
    for field in item.fields:
        kind = plain_type(ctx, env, field.type, "a column", tuple(WRITTEN), ranged=False, levelled=True)
        each = _is_of_completions(ctx, env, field)
        if field.name in found:
            ctx.report(error("RL012", f"the field `{field.name[:24]}` is declared twice", field.span,
                             "the second declaration", why="a column has one type.", fix="delete one of them"))
        else:
            # a column of an unknown type is kept, so that its uses are not reported as well
            found[field.name] = FieldSpec(field.name, kind.element if kind is not None else Element.NONE, field.target,
                                          field.span, each)
    if not item.fields:
        ctx.report(error("RL031", f"`{item.name[:30]}` declares no fields", item.span, "this data set",
                         why="the schema is checked before a model loads.", fix="{ question: Text  answer: Text target }"))
    return list(found.values())


def _is_of_completions(ctx: Context, env: Environment, field: tree.DataField) -> bool:
    """Whether a column has a value for each completion of a row: `label: Bool @ sample`."""
    level = level_of_type(ctx, env, field.type)
    if level is None:
        return False
    if level is not Level.SAMPLE or field.type.level != level.word:
        ctx.report(error("RL029", "a column belongs to rows or to completions", env.span(field.type), f"@ {field.type.level}"[:40],
                         why="a row of the data is a prompt; what differs among its completions stands at the samples.",
                         fix=f"`{field.type.element} @ sample`, read as `y.{field.name}`; of a list `Json @ sample`"))
    elif field.name in RESPONSE_FIELDS:
        ctx.report(error("RL012", f"a response has a `{field.name}` of its own", field.span, "this field",
                         why=f"a field of completions is read through them, and `y.{field.name}` is what was recorded.",
                         fix=f"declare it by another name, and `rldsl score --map NAME={field.name}`"))
    return True


def _check_source(ctx: Context, env: Environment, item: tree.Data, source: Invocation,
                  fields: dict[str, FieldSpec]) -> None:
    signature = SOURCES.get(source.name)
    if signature is None:
        ctx.report(error("RL031", f"there is no source `{source.name[:30]}`", item.source.span, "this source",
                         why=f"sources are {listed(sorted(SOURCES))}.",
                         fix=did_you_mean(source.name, SOURCES) or '`from jsonl("data.jsonl")`'))
        return
    matched = match_arguments(signature.parameters, len(source.positional), [name for name, _ in source.named],
                              others=signature.others)
    if matched.problems:
        ctx.report(error("RL021", f"`{source.name}` is called with other arguments"[:60], item.source.span, "this source",
                         why="; ".join(matched.problems) + ".", fix=signature.doc.split(".")[0]))
        return
    _check_constants(ctx, env, item.source, source, signature, matched.names)
    known = dict(signature.columns)
    for name in fields if known else ():
        if name not in known:
            ctx.report(error("RL701", f"the data has no field `{name[:30]}`", fields[name].span, "no such column",
                             why=f"`{source.name}` gives {listed(known)}.", fix=did_you_mean(name, known) or "drop it"))


def _check_constants(ctx: Context, env: Environment, at: tree.Expr, source: Invocation, signature: SourceSignature,
                     names: tuple[str, ...]) -> None:
    written = at.arguments if isinstance(at, tree.Call) else ()
    in_order = sorted(written, key=lambda argument: argument.name is not None)
    known = {parameter.name: of_elements(parameter.elements) for parameter in signature.parameters}
    for name, value, argument in zip(names, (*source.positional, *(value for _, value in source.named)), in_order, strict=True):
        rule = known.get(name, PLAIN)
        if fits(ctx, env, value, rule, name, argument.value.span, source.name) and isinstance(value, str):
            trouble = check_constant(source.name, name, value)
            if trouble is not None:
                ctx.report(error("RL018", f"`{name}` of `{source.name}` does not fit"[:60], argument.value.span, "this value",
                                 why=trouble + ".", fix=f'`{source.name}("module:function")`'))


# ------------------------------------------------------------------ externs
def declare_extern(ctx: Context, env: Environment, item: tree.Extern) -> Value:
    """`extern fn score(text: Text) -> Real in [0, 1] = python("module:function") { timeout: 5s }`."""
    name = ctx.own_name(env, item.name)
    result = plain_type(ctx, env, item.result, "what foreign code gives", ("Real", "Int", "Bool", "Text"), absent=True)
    source = _function_named(ctx, env, item)
    settings = settings_of(ctx, env, item.settings, EXTERN, "an extern")
    parameters = _parameters(ctx, env, item)
    if result is None or source is None or parameters is None:
        return FailedValue()
    ctx.tables.externs[name] = ExternSpec(name, source, parameters, result, settings, item.span)
    return ExternValue(name)


def _function_named(ctx: Context, env: Environment, item: tree.Extern) -> Invocation | None:
    source = setting_value(ctx, env, item.source)
    if is_rejected(source):
        return None
    trouble = "foreign code is a function of a module of the project."
    found = settled(source)
    if isinstance(found, Invocation) and found.name == "python" and len(found.positional) == 1 and not found.named \
            and isinstance(found.positional[0], str):
        wrong = check_constant("verify.python", "function", found.positional[0])
        if wrong is None:
            return found
        trouble = wrong + "."
    ctx.report(error("RL031", "an extern names a Python function", item.source.span, "this is none", why=trouble,
                     fix='`= python("module:function")`'))
    return None


def _parameters(ctx: Context, env: Environment, item: tree.Extern) -> tuple[tuple[str, Element], ...] | None:
    found: dict[str, Element] = {}
    fine = True
    for parameter in item.parameters:
        kind = None
        if parameter.type is None:
            ctx.report(error("RL029", f"`{parameter.name[:30]}` needs a type", parameter.span, "this parameter",
                             why="what crosses into foreign code is checked.", fix=f"`{parameter.name}: Text`"))
        else:
            kind = plain_type(ctx, env, parameter.type, "what foreign code is given", tuple(WRITTEN), ranged=False)
        if parameter.default is not None:
            ctx.report(error("RL029", "an extern has no defaults", parameter.span, "this parameter",
                             why="the Python function has its own; here every argument is written.",
                             fix=f"`{parameter.name}: {parameter.type.element if parameter.type else 'Text'}`"))
        elif parameter.name in found:
            ctx.report(error("RL012", f"`{parameter.name[:24]}` is a parameter twice", parameter.span, "the second one",
                             why="each argument has its own name.", fix="rename it"))
        elif kind is not None:
            found[parameter.name] = kind.element
            continue
        fine = False
    if not item.parameters:
        ctx.report(error("RL029", "an extern takes at least one argument", item.span, "this extern",
                         why="it is called once for each place of what it is given.", fix="`extern fn f(text: Text) -> …`"))
        fine = False
    return tuple(found.items()) if fine else None
