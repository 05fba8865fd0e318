"""Objectives, guards and evals: scalars that something is done with."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from rldsl.diagnostics import Label, error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import as_key, elaborate, numeric
from rldsl.elaborate.faults import unreduced
from rldsl.elaborate.functions import check_doubled
from rldsl.elaborate.settings import settings_of
from rldsl.elaborate.settings_tables import EVAL
from rldsl.elaborate.values import DataValue, FailedValue, GraphValue, ModelValue, Value, describe
from rldsl.graph.model import Leaf, Read, Reduction, SourceKind
from rldsl.graph.spec import EvalSpec, GuardSpec, NamedValue, ObjectiveSpec, Role, TermSpec
from rldsl.resolve.names import did_you_mean, listed
from rldsl.source import Source, Span
from rldsl.syntax import tree
from rldsl.types import BATCH, Element, Stage


def declare_objective(ctx: Context, env: Environment, item: tree.Objective) -> ObjectiveSpec | None:
    """`objective grpo for actor { let … maximize label: … }`."""
    check_doubled(ctx, [(entry.name, entry.span) for entry in item.items if isinstance(entry, tree.Let)], "`let`")
    model = _trained_model(ctx, env, item)
    if model is None:
        return None
    inner = Environment(env.scope, {}, None, model)
    local: dict[str, Value] = {}
    inner = replace(inner, local=local)  # grows with the lets; nothing else sees it
    kept, ctx.builder.stage = ctx.builder.stage, Stage.UPDATE
    lets: list[NamedValue] = []
    terms: dict[str, TermSpec] = {}
    labels: set[str] = set()
    for entry in item.items:
        if isinstance(entry, tree.Let):
            local[entry.name] = _let(ctx, inner, entry, lets)
        else:
            _term(ctx, inner, entry, terms, labels)
    ctx.builder.stage = kept
    if not any(isinstance(entry, tree.Term) for entry in item.items):
        ctx.report(error("RL035", f"`{item.name[:30]}` has no term", item.span, "this objective",
                         why="an objective maximises or minimises something.", fix="`maximize surrogate: mean(…)`"))
    return ObjectiveSpec(item.name, model, tuple(terms.values()), tuple(lets), item.span, item.doc)


def _trained_model(ctx: Context, env: Environment, item: tree.Objective) -> str | None:
    model = elaborate(ctx, env, tree.Name(item.model, span=item.span))
    if isinstance(model, FailedValue):
        return None
    if not isinstance(model, ModelValue):
        ctx.report(error("RL032", f"`{item.model[:30]}` is no model", item.span, f"it is {describe(model)}",
                         why="gradients flow into the model that is named after `for`.",
                         fix=f"`objective {item.name} for actor`"))
        return None
    spec = ctx.tables.models[model.name]
    if spec.role not in (Role.POLICY, Role.CRITIC, Role.SCORER):
        ctx.report(error("RL032", f"a {spec.role.value} is not trained"[:60], item.span, f"`{item.model}` is a {spec.role.value}",
                         others=[Label(spec.span, "declared here")], why="policies, critics and scorers are.",
                         fix=f"`objective {item.name} for actor`"))
        return None
    return model.name


def _let(ctx: Context, env: Environment, entry: tree.Let, lets: list[NamedValue]) -> Value:
    value = elaborate(ctx, env, entry.value)
    if not isinstance(value, FailedValue):
        key = as_key(ctx, env, value, entry.value)
        value = GraphValue(key)
        if not ctx.type_of(key).is_error:
            ctx.builder.rename(key, entry.name)
            lets.append(NamedValue(entry.name, key, entry.span, entry.doc))
    return value


def _term(ctx: Context, env: Environment, entry: tree.Term, terms: dict[str, TermSpec], labels: set[str]) -> None:
    key = numeric(ctx, env, entry.value)
    found = ctx.type_of(key)
    label = entry.label or next(name for number in count(len(labels) + 1) if (name := f"term_{number}") not in labels)
    if label in labels:
        ctx.report(error("RL012", f"two terms are called `{label[:30]}`", entry.span, "the second one",
                         why="each term is logged under its label.", fix="another label"))
    elif found.is_error:
        pass
    elif found.axis != BATCH:
        ctx.report(unreduced(entry.value.span, found.axis, entry.label or ""))
    else:
        terms[label] = TermSpec(label, entry.direction == "maximize", key, entry.span)
    labels.add(label)


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
    data = _measured_on(ctx, env, item)
    reports: dict[str, int] = {}
    fine = True
    if not item.reports:
        ctx.report(error("RL035", f"`{item.name[:30]}` reports nothing", item.span, "this eval",
                         why="an eval says what it measures.", fix="`report mean(correct)`"))
    for report in item.reports:
        key = numeric(ctx, env, report.value)
        label = report.label or text_at(ctx.sources_of(env), report.value.span)
        fine = fine and not ctx.type_of(key).is_error
        if label in reports:
            ctx.report(error("RL012", f"two reports are called `{label[:30]}`", report.span, "the second one",
                             why="each number is logged under its label.", fix="another label: `report second: …`"))
        elif not ctx.type_of(key).is_error:
            reports[label] = key if ctx.type_of(key).axis == BATCH else \
                ctx.builder.reduce(Reduction.MEAN, key, BATCH, span=report.span)
    if data is None or not fine or not reports:
        return None
    instead = _written_over(ctx, item, data, list(reports.values()))
    return None if instead is None else EvalSpec(item.name, data, instead, settings, tuple(reports.items()), item.span)


def _measured_on(ctx: Context, env: Environment, item: tree.Eval) -> str | None:
    """The table's name of the data set."""
    bound = env.scope.bindings.get(item.data)
    if bound is not None and isinstance(bound[1], tree.Data):
        value = elaborate(ctx, env, tree.Name(item.data, span=item.span))
        return value.name if isinstance(value, DataValue) else None
    if item.data not in env.scope.missing:
        data = [name for name, (_, found) in env.scope.bindings.items() if isinstance(found, tree.Data)]
        ctx.report(error("RL011", f"there is no data `{item.data[:30]}`", item.span, "measured on an unknown data set",
                         why=f"data sets are {listed(data)}." if data else "the spec declares no data.",
                         fix=did_you_mean(item.data, data) or "declare it"))
    return None


def _written_over(ctx: Context, item: tree.Eval, data: str, keys: list[int]) -> str | None:
    """The data set whose rows the reported values belong to."""
    found = sorted(data_of(ctx, keys))
    if len(found) == 1 and _same_schema(ctx, item, data, found[0]):
        return found[0]
    if len(found) != 1:
        ctx.report(error("RL037", "what this eval measures is not clear", item.span,
                         f"it reads {len(found)} data sets", why=f"it reads {listed(found) or 'none'}; the rows of"
                         f" `{item.data}` take the place of those of one data set.", fix="report values of one rollout"))
    return None


def _same_schema(ctx: Context, item: tree.Eval, data: str, other: str) -> bool:
    own = {(field.name, field.element) for field in ctx.tables.data[data].fields}
    missing = [field.name for field in ctx.tables.data[other].fields if (field.name, field.element) not in own]
    if not missing:
        return True
    ctx.report(error("RL701", f"`{item.data[:20]}` has no field `{missing[0][:20]}`", item.span, "measured on this data",
                     others=[Label(ctx.tables.data[other].span, f"written over `{other[:20]}`, which has it")],
                     why="the rows of one take the place of those of the other, so they need the same columns.",
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
