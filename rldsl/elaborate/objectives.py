"""Objectives, guards and evals: scalars that something is done with."""

from __future__ import annotations

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate, numeric
from rldsl.elaborate.faults import unreduced
from rldsl.elaborate.settings import settings_of
from rldsl.elaborate.settings_tables import EVAL
from rldsl.elaborate.values import FailedValue, GraphValue, ModelValue
from rldsl.graph.model import Leaf, Read, Reduction, SourceKind
from rldsl.graph.spec import EvalSpec, GuardSpec, NamedValue, ObjectiveSpec, TermSpec
from rldsl.resolve.names import did_you_mean, listed
from rldsl.source import Source, Span
from rldsl.syntax import tree
from rldsl.types import BATCH, Element, Stage


def declare_objective(ctx: Context, env: Environment, item: tree.Objective) -> ObjectiveSpec | None:
    """`objective grpo for actor { let … maximize label: … }`."""
    model = elaborate(ctx, env, tree.Name(item.model, span=item.span))
    if not isinstance(model, ModelValue):
        if not isinstance(model, FailedValue):
            ctx.report(error("RL032", f"`{item.model[:30]}` is no model", item.span, "an objective is for a model",
                             why="gradients flow into the model that is named after `for`.",
                             fix=f"`objective {item.name} for actor`"))
        return None
    inner = Environment(env.scope, {}, None, item.model)
    kept, ctx.builder.stage = ctx.builder.stage, Stage.UPDATE
    lets: list[NamedValue] = []
    terms: list[TermSpec] = []
    for entry in item.items:
        if isinstance(entry, tree.Let):
            inner = _let(ctx, inner, entry, lets)
        else:
            _term(ctx, inner, entry, terms)
    ctx.builder.stage = kept
    if not any(isinstance(entry, tree.Term) for entry in item.items):
        ctx.report(error("RL035", f"`{item.name[:30]}` has no term", item.span, "this objective",
                         why="an objective maximises or minimises something.", fix="`maximize surrogate: mean(…)`"))
    return ObjectiveSpec(item.name, item.model, tuple(terms), tuple(lets), item.span, item.doc)


def _let(ctx: Context, env: Environment, entry: tree.Let, lets: list[NamedValue]) -> Environment:
    value = elaborate(ctx, env, entry.value)
    if isinstance(value, GraphValue):
        ctx.builder.rename(value.key, entry.name)
        lets.append(NamedValue(entry.name, value.key, entry.span, entry.doc))
    return env.with_local(entry.name, value)


def _term(ctx: Context, env: Environment, entry: tree.Term, terms: list[TermSpec]) -> None:
    key = numeric(ctx, env, entry.value)
    found = ctx.type_of(key)
    label = entry.label or f"term_{len(terms) + 1}"
    if any(term.label == label for term in terms):
        ctx.report(error("RL012", f"two terms are called `{label[:30]}`", entry.span, "the second one",
                         why="each term is logged under its label.", fix="another label"))
    elif found.is_error:
        pass
    elif found.axis != BATCH:
        ctx.report(unreduced(entry.value.span, found.axis, entry.label or ""))
    else:
        terms.append(TermSpec(label, entry.direction == "maximize", key, entry.span))


# ------------------------------------------------------------------ guards
def declare_guard(ctx: Context, env: Environment, item: tree.Guard) -> GuardSpec | None:
    """`guard mean(k3(actor, ref, y)) < 2.0 else stop`."""
    key = numeric(ctx, env, item.condition)
    found = ctx.type_of(key)
    if found.is_error:
        return None
    if found.axis != BATCH or found.element is not Element.BOOL:
        ctx.report(error("RL036", "a guard watches one condition", item.condition.span, f"this is {found}"[:40],
                         why="it is looked at once for each iteration.", fix="`guard mean(x) < 2.0 else stop`"))
        return None
    measure = None
    if isinstance(item.condition, tree.Binary) and item.condition.operator in ("<", "<=", ">", ">="):
        measure = numeric(ctx, env, item.condition.left)
    return GuardSpec(key, measure, text_at(ctx.sources_of(env), item.condition.span), item.action.word, item.span)


def text_at(source: Source, span: Span) -> str:
    """The text of a span on one line."""
    return " ".join(source.text[span.start:span.end].split())


# ------------------------------------------------------------------ evals
def declare_eval(ctx: Context, env: Environment, item: tree.Eval) -> EvalSpec | None:
    """`eval heldout on data { samples: 16 report mean(correct), pass_at(8, correct) }`."""
    settings = settings_of(ctx, env, item.settings, EVAL, "an eval")
    bound = env.scope.bindings.get(item.data)
    if bound is None or not isinstance(bound[1], tree.Data):
        data = [name for name, (_, found) in env.scope.bindings.items() if isinstance(found, tree.Data)]
        ctx.report(error("RL011", f"there is no data `{item.data[:30]}`", item.span, "measured on an unknown data set",
                         why=f"data sets are {listed(data)}.", fix=did_you_mean(item.data, data) or "declare it"))
        return None
    elaborate(ctx, env, tree.Name(item.data, span=item.span))
    reports: list[tuple[str, int]] = []
    for report in item.reports:
        key = numeric(ctx, env, report.value)
        label = report.label or text_at(ctx.sources_of(env), report.value.span)
        if ctx.type_of(key).is_error:
            continue
        if ctx.type_of(key).axis != BATCH:
            key = ctx.builder.reduce(Reduction.MEAN, key, BATCH, span=report.span)
        reports.append((label, key))
    instead = _written_over(ctx, item, [key for _, key in reports])
    return None if instead is None else EvalSpec(item.name, item.data, instead, settings, tuple(reports), item.span)


def _written_over(ctx: Context, item: tree.Eval, keys: list[int]) -> str | None:
    """The data set whose rows the reported values belong to."""
    found = sorted(data_of(ctx, keys))
    if len(found) == 1 and _same_schema(ctx, item, found[0]):
        return found[0]
    if len(found) != 1:
        ctx.report(error("RL037", "what this eval measures is not clear", item.span,
                         f"it reads {len(found)} data sets", why=f"it reads {listed(found)}; the rows of `{item.data}` take"
                         " the place of those of one data set.", fix="report values of one rollout"))
    return None


def _same_schema(ctx: Context, item: tree.Eval, other: str) -> bool:
    own = {(field.name, field.element) for field in ctx.tables.data[item.data].fields}
    missing = [field.name for field in ctx.tables.data[other].fields if (field.name, field.element) not in own]
    if not missing:
        return True
    ctx.report(error("RL701", f"`{item.data[:20]}` has no field `{missing[0][:20]}`", item.span, "measured on this data",
                     why=f"the reported values were written over `{other}`, which has it.",
                     fix=f"declare `{missing[0]}` in `{item.data}`, or measure on another data set"))
    return False


def data_of(ctx: Context, keys: list[int]) -> set[str]:
    """The data sets that nodes need, through responses as well."""
    found: set[str] = set()
    waiting, seen = list(keys), set()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        node = ctx.node(key)
        waiting.extend(node.inputs)
        match node.operation:
            case Leaf(kind=SourceKind.DATA, owner=owner):
                found.add(owner)
            case Leaf(kind=SourceKind.RECORDED, owner=owner) | Read(response=owner):
                waiting.extend(_needs_of(ctx, owner))
            case _:
                pass
        for axis in node.type.axis.chain():
            if axis.owner in ctx.tables.responses:
                waiting.extend(_needs_of(ctx, axis.owner))
            elif axis.owner in ctx.tables.data:
                found.add(axis.owner)
    return found


def _needs_of(ctx: Context, response: str) -> list[int]:
    spec = ctx.tables.responses[response]
    return [spec.prompt, *([spec.text] if spec.text is not None else [])]
