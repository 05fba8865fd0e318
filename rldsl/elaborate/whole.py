"""A whole module to a `Spec`: declarations in the order of their needs, then what acts on them, then one graph."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from rldsl.diagnostics import Diagnostic, error, sort_diagnostics
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.declare import value_of_declaration
from rldsl.elaborate.declare_later import check_retries
from rldsl.elaborate.expressions import as_key, check_numeric
from rldsl.elaborate.functions import check_function, check_uncalled
from rldsl.elaborate.naming import Naming
from rldsl.elaborate.objectives import declare_eval, declare_guard, declare_objective
from rldsl.elaborate.rubrics import check_rubrics
from rldsl.elaborate.setting_values import setting_value
from rldsl.elaborate.settings import fits
from rldsl.elaborate.settings_tables import DEVICES, PLAN
from rldsl.elaborate.tests import declare_test
from rldsl.elaborate.training import declare_train, declared, next_state
from rldsl.elaborate.values import FailedValue, GraphValue, Value
from rldsl.graph.spec import Deferred, EvalSpec, GuardSpec, NamedValue, ObjectiveSpec, Spec, TestSpec
from rldsl.graph.steps import Assign, Every, Repeat, StageStep, Step, When
from rldsl.infer.builder import Builder
from rldsl.resolve.dependencies import dependency_order
from rldsl.resolve.modules import ModuleTable, Scope
from rldsl.resolve.names import did_you_mean, listed
from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.types import Stage

_T = TypeVar("_T")

_KINDS = (("Int", r"-?\d{1,12}"), ("Real", r"-?\d{1,12}(?:\.\d{1,12})?(?:e-?\d{1,3})?"), ("Bool", "true|false"))
FRAMES = 20_000  # of Python, for expressions within expressions up to `MOST_NESTING`


def elaborate_spec(modules: ModuleTable, root: Scope,
                   overrides: Mapping[str, str]) -> tuple[Spec, tuple[Diagnostic, ...]]:
    """The spec of `root` and everything that was found wrong with it. The spec is whole where nothing was."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), FRAMES))  # raised and left: other threads may be as deep
    ctx = Context(modules, root, Builder(stage=Stage.DATA), overrides, Naming(root))
    order = dependency_order(root)
    ctx.found.extend(order.circles)
    ctx.circular = order.circular
    ctx.trained = _trained(ctx)
    for scope, item in order.items:
        _declare(ctx, scope, item)
    check_retries(ctx)
    spec = _acting(ctx)
    check_uncalled(ctx)
    check_rubrics(ctx)
    _check_overrides(ctx)
    return spec, sort_diagnostics(ctx.found)


def _declare(ctx: Context, scope: Scope, item: tree.Item) -> None:
    env = Environment(scope)
    if isinstance(item, tree.Function):
        check_function(ctx, env, item)
    else:
        value = value_of_declaration(ctx, env, scope, item, str(getattr(item, "name", "")), item)
        if isinstance(item, (tree.Let, tree.Reward)):
            _check_value(ctx, env, item, value)


def _check_value(ctx: Context, env: Environment, item: tree.Let | tree.Reward, value: Value) -> None:
    """A `let` names a value, a `reward` a number."""
    if isinstance(item, tree.Let) and not isinstance(value, FailedValue):
        as_key(ctx, env, value, item.value)
    elif not isinstance(value, FailedValue):
        check_numeric(ctx, as_key(ctx, env, value, item.value, "a number"), item.value.span)


def _named_items(ctx: Context, kind: type[_T]) -> Iterator[tuple[Scope, _T]]:
    """The declarations of a kind that the spec itself has or imports by name, its own first."""
    for scope, item in ctx.root.bindings.values():
        if isinstance(item, kind):
            yield scope, item


def _trained(ctx: Context) -> frozenset[str]:
    """Models that an objective names, by their own weights."""
    found = (_own_weights(ctx, scope, item.model) for scope, item in _named_items(ctx, tree.Objective))
    return frozenset(name for name in found if name is not None)


def _own_weights(ctx: Context, scope: Scope, word: str) -> str | None:
    """The model whose weights the model of that name uses; None for what is no model, or defined in a circle."""
    seen: set[str] = set()
    while word not in seen:
        seen.add(word)
        owner, item = scope.bindings.get(word, (scope, None))
        match item:
            case tree.Model(derived=True, origin=tree.Name(text=base)):
                scope, word = owner, base
            case tree.Model(name=name):
                return ctx.naming.of(owner, name)
            case _:
                return None
    return None


def _acting(ctx: Context) -> Spec:
    """Objectives, guards, evals, states, training and tests, and the graph that all of them share."""
    env = Environment(ctx.root)
    items = ctx.root.tree.items
    objectives = tuple(_objectives(ctx))
    guards = tuple(guard for item in items if isinstance(item, tree.Guard)
                   if (guard := declare_guard(ctx, env, item)) is not None)
    evals = tuple(found for scope, item in _named_items(ctx, tree.Eval)
                  if (found := declare_eval(ctx, Environment(scope), item)) is not None)
    _next_states(ctx, env)
    train = _train(ctx, env)
    plan = _plan(ctx, env)
    tests = tuple(declare_test(ctx, env, item) for item in items if isinstance(item, tree.Test))
    return _assemble(ctx, objectives, guards, evals, train, tests, plan)


def _objectives(ctx: Context) -> Iterator[ObjectiveSpec]:
    for scope, item in _named_items(ctx, tree.Objective):
        found = declare_objective(ctx, Environment(scope), item)
        if found is not None:
            ctx.tables.objectives[found.name] = found.model
            yield found


def _next_states(ctx: Context, env: Environment) -> None:
    for item in ctx.root.tree.items:
        if isinstance(item, tree.Assign):
            found = next_state(ctx, env, item.name, item.value, item.span)
            if found is not None:
                _assign(ctx, item, *found)


def _assign(ctx: Context, item: tree.Assign, name: str, key: int) -> None:
    state = ctx.tables.states[name]
    if state.next is not None:
        ctx.report(error("RL012", f"`{item.name[:30]}` is assigned twice", item.span, "the second time",
                         why="a state gets one next value for each iteration.", fix="combine the two"))
    ctx.tables.states[name] = replace(state, next=key)


def _train(ctx: Context, env: Environment) -> tuple[Step, ...]:
    blocks = [item for item in ctx.root.tree.items if isinstance(item, tree.Train)]
    for block in blocks[1:]:
        ctx.report(error("RL012", "there are two `train` blocks", block.span, "the second one",
                         why="a spec trains once, from top to bottom.", fix="join them, with a `stage` for each part"))
    return declare_train(ctx, env, blocks[0].body) if blocks else ()


def _plan(ctx: Context, env: Environment) -> tuple[tuple[str, object], ...]:
    settings: dict[str, object] = {}
    blocks = [item for item in ctx.root.tree.items if isinstance(item, tree.Plan)]
    for item in blocks:
        ctx.defer("plan", "`plan` is read and checked, but running on a cluster is not built yet; delete it to run the"
                          " same spec on this machine", item.span)
        for setting in item.settings:
            _check_planned(ctx, env, setting, settings)
            settings[setting.name] = str(type(setting.value).__name__)
    for item in blocks[1:]:
        ctx.report(error("RL012", "there are two `plan` blocks", item.span, "the second one",
                         why="a spec runs on one set of machines.", fix="join them"))
    return tuple(settings.items())


def _check_planned(ctx: Context, env: Environment, setting: tree.PlanSetting, seen: dict[str, object]) -> None:
    if setting.name in seen:
        ctx.report(error("RL017", f"`{setting.name[:30]}` is set twice", setting.span, "the second time",
                         why="one setting, one value.", fix="delete one of them"))
    if setting.name.startswith("place "):
        declared(ctx, env, setting.name.removeprefix("place "), tree.Model, setting.span)
    elif setting.name not in PLAN:
        ctx.report(error("RL017", f"a plan has no setting `{setting.name[:20]}`", setting.span, "nothing reads this setting",
                         why=f"it has {listed(PLAN)}.", fix=did_you_mean(setting.name, PLAN) or "delete it"))
    if isinstance(setting.value, tree.Cluster):
        for count in (setting.value.nodes, setting.value.devices):
            fits(ctx, env, setting_value(ctx, env, count), DEVICES, "cluster", count.span)
    else:
        setting_value(ctx, env, setting.value)


def _check_overrides(ctx: Context) -> None:
    params = [name for name, (_, item) in ctx.root.bindings.items() if isinstance(item, tree.Param)]
    for name, given in ctx.overrides.items():
        if name not in params:
            start = Span(ctx.root.name, 0, 0)
            ctx.report(error("RL019", f"there is no parameter `{name[:30]}`", start, "set from outside",
                             why=f"`--set` sets what a spec declares as `param`: here {listed(params) if params else 'nothing'}.",
                             fix=did_you_mean(name, params) or _declared(name, given)))


def _declared(name: str, given: str) -> str:
    """A parameter of the kind that is given, to be declared."""
    value, short = given.strip(), name[:30]
    kind = next((kind for kind, form in _KINDS if re.fullmatch(form, value)), None)
    declaration = f"param {short}: Real = …" if kind is None else f"param {short}: {kind} = {value}"
    return f"declare it, `{declaration}`, and write `{short}` where its value belongs"


# ------------------------------------------------------------------ the whole
def _assemble(ctx: Context, objectives: tuple[ObjectiveSpec, ...], guards: tuple[GuardSpec, ...],
              evals: tuple[EvalSpec, ...], train: tuple[Step, ...], tests: tuple[TestSpec, ...],
              plan: tuple[tuple[str, object], ...]) -> Spec:
    rewards = tuple(_values(ctx, tree.Reward))
    lets = tuple(_values(ctx, tree.Let))
    tables = ctx.tables
    roots = [named.key for named in (*rewards, *lets)]
    roots += [key for spec in tables.responses.values() for key in (spec.prompt, spec.text) if key is not None]
    roots += [term.key for objective in objectives for term in objective.terms]
    roots += [let.key for objective in objectives for let in objective.lets]
    roots += [key for guard in guards for key in (guard.key, guard.measure) if key is not None]
    roots += [key for entry in evals for _, key in entry.reports]
    roots += [state.next for state in tables.states.values() if state.next is not None]
    roots += [state.key for state in tables.states.values()] + [param.key for param in tables.params.values()]
    roots += list(_keys_of(train))
    roots += [criterion.amount for rubric in tables.rubrics.values() for criterion in rubric.criteria]
    axes = {axis.name: axis for spec in tables.responses.values() for axis in spec.token_axis.chain()}
    axes |= {spec.axis.name: spec.axis for spec in tables.data.values()}
    return Spec(ctx.root.source, dict(ctx.modules.sources), ctx.builder.graph(roots), tuple(tables.params.values()),
                tuple(tables.data.values()), tuple(tables.models.values()), tuple(tables.responses.values()),
                rewards, lets, tuple(tables.states.values()), tuple(tables.externs.values()), tuple(tables.rubrics.values()),
                objectives, guards, evals, tests, train, plan, _unique(ctx.deferred), axes, frozenset(ctx.used_params))  # type: ignore[arg-type]


def _unique(deferred: list[Deferred]) -> tuple[Deferred, ...]:
    return tuple(sorted(dict.fromkeys(deferred), key=lambda entry: entry.span))


def _values(ctx: Context, kind: type[tree.Let] | type[tree.Reward]) -> Iterator[NamedValue]:
    for scope, item in _named_items(ctx, kind):
        value = ctx.values.get((scope.name, item.name))
        if isinstance(value, GraphValue) and not ctx.type_of(value.key).is_error:
            held_out = isinstance(item, tree.Reward) and item.held_out
            yield NamedValue(item.name, value.key, item.span, item.doc, held_out)


def _keys_of(steps: tuple[Step, ...]) -> Iterator[int]:
    for step in steps:
        match step:
            case When(condition=condition, body=body):
                yield condition
                yield from _keys_of(body)
            case Repeat(body=body) | StageStep(body=body) | Every(body=body):
                yield from _keys_of(body)
            case Assign(key=key):
                yield key
            case _:
                pass
