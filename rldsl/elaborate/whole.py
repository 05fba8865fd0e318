"""A whole module to a `Spec`: declarations in the order of their needs, then what acts on them, then one graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rldsl.diagnostics import Diagnostic, error, sort_diagnostics
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.declare import value_of_declaration
from rldsl.elaborate.objectives import declare_eval, declare_guard, declare_objective
from rldsl.elaborate.settings_tables import PLAN
from rldsl.elaborate.tests import declare_test
from rldsl.elaborate.training import declare_train, next_state
from rldsl.elaborate.values import FailedValue, GraphValue
from rldsl.graph.spec import (
    Assign,
    Deferred,
    EvalSpec,
    Every,
    GuardSpec,
    NamedValue,
    ObjectiveSpec,
    Repeat,
    Spec,
    StageStep,
    Step,
    TestSpec,
    When,
)
from rldsl.infer.builder import Builder
from rldsl.resolve.dependencies import dependency_order
from rldsl.resolve.modules import ModuleTable, Scope
from rldsl.resolve.names import did_you_mean, listed
from rldsl.syntax import tree
from rldsl.types import Stage


def elaborate_spec(modules: ModuleTable, root: Scope,
                   overrides: Mapping[str, str]) -> tuple[Spec, tuple[Diagnostic, ...]]:
    """The spec of `root` and everything that was found wrong with it. The spec is whole where nothing was."""
    ctx = Context(modules, root, Builder(stage=Stage.DATA), overrides, _trained(root))
    order, circles, circular = dependency_order(root)
    ctx.found.extend(circles)
    for scope, item in order:
        _declare_in_order(ctx, scope, item, circular)
    spec = _acting(ctx, Environment(root))
    _check_overrides(ctx)
    return spec, sort_diagnostics(ctx.found)


def _declare_in_order(ctx: Context, scope: Scope, item: tree.Item, circular: set[tuple[str, str]]) -> None:
    name = str(getattr(item, "name", ""))
    if (scope.name, name) in circular:
        ctx.values[scope.name, name] = FailedValue()
    elif not isinstance(item, tree.Function):
        value_of_declaration(ctx, Environment(scope), scope, item, name, item)


def _trained(root: Scope) -> frozenset[str]:
    """Models that an objective or an update of the root file names, by their own weights."""
    named = {item.model for item in root.tree.items if isinstance(item, tree.Objective)}
    models = {item.name: item for item in root.tree.items if isinstance(item, tree.Model)}
    found = set()
    for name in named:
        own = name
        while own in models and models[own].derived and isinstance(origin := models[own].origin, tree.Name):
            own = origin.text
        found.add(own)
    return frozenset(found)


def _acting(ctx: Context, env: Environment) -> Spec:
    """Objectives, guards, evals, states, training and tests, and the graph that all of them share."""
    items = ctx.root.tree.items
    ctx.tables.objectives = {item.name: item.model for item in items if isinstance(item, tree.Objective)}
    found = [declare_objective(ctx, env, item) for item in items if isinstance(item, tree.Objective)]
    objectives = tuple(entry for entry in found if entry is not None)
    guards = tuple(guard for item in items if isinstance(item, tree.Guard)
                   if (guard := declare_guard(ctx, env, item)) is not None)
    evals = tuple(entry for item in items if isinstance(item, tree.Eval)
                  if (entry := declare_eval(ctx, env, item)) is not None)
    _next_states(ctx, env)
    train = _train(ctx, env)
    plan = _plan(ctx, env)
    tests = tuple(declare_test(ctx, env, item) for item in items if isinstance(item, tree.Test))
    return _assemble(ctx, objectives, guards, evals, train, tests, plan)


def _next_states(ctx: Context, env: Environment) -> None:
    for item in ctx.root.tree.items:
        if isinstance(item, tree.Assign):
            key = next_state(ctx, env, item.name, item.value, item.span)
            state = ctx.tables.states.get(item.name)
            if key is not None and state is not None:
                if state.next is not None:
                    ctx.report(error("RL012", f"`{item.name[:30]}` is assigned twice", item.span, "the second time",
                                     why="a state gets one next value for each iteration.", fix="combine the two"))
                ctx.tables.states[item.name] = replace(state, next=key)


def _train(ctx: Context, env: Environment) -> tuple[Step, ...]:
    blocks = [item for item in ctx.root.tree.items if isinstance(item, tree.Train)]
    for block in blocks[1:]:
        ctx.report(error("RL012", "there are two `train` blocks", block.span, "the second one",
                         why="a spec trains once, from top to bottom.", fix="join them, with a `stage` for each part"))
    return declare_train(ctx, env, blocks[0].body) if blocks else ()


def _plan(ctx: Context, env: Environment) -> tuple[tuple[str, object], ...]:
    settings: dict[str, object] = {}
    for item in ctx.root.tree.items:
        if isinstance(item, tree.Plan):
            ctx.defer("plan", "`plan` is read and checked, but running on a cluster is not built yet; delete it to run the"
                              " same spec on this machine", item.span)
            for setting in item.settings:
                if setting.name not in PLAN:
                    ctx.report(error("RL017", f"a plan has no setting `{setting.name[:20]}`"[:60], setting.span,
                                     "nothing reads this setting", why=f"it has {listed(PLAN)}.",
                                     fix=did_you_mean(setting.name, PLAN) or "delete it"))
                settings[setting.name] = str(type(setting.value).__name__)
    return tuple(settings.items())


def _check_overrides(ctx: Context) -> None:
    params = {item.name: item for item in ctx.root.tree.items if isinstance(item, tree.Param)}
    for name in ctx.overrides:
        if name not in params:
            ctx.report(error("RL019", f"there is no parameter `{name[:30]}`", ctx.root.tree.span, "set from outside",
                             why=f"the spec declares {listed(params)}." if params else "the spec declares no `param`.",
                             fix=did_you_mean(name, params) or f"`param {name}: Real = …`"))


# ------------------------------------------------------------------ the whole
def _assemble(ctx: Context, objectives: tuple[ObjectiveSpec, ...], guards: tuple[GuardSpec, ...],
              evals: tuple[EvalSpec, ...], train: tuple[Step, ...], tests: tuple[TestSpec, ...],
              plan: tuple[tuple[str, object], ...]) -> Spec:
    rewards = tuple(_named(ctx, tree.Reward))
    lets = tuple(_named(ctx, tree.Let))
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
    axes = {axis.name: axis for spec in tables.responses.values() for axis in spec.token_axis.chain()}
    axes |= {spec.axis.name: spec.axis for spec in tables.data.values()}
    return Spec(ctx.root.source, dict(ctx.modules.sources), ctx.builder.graph(roots), tuple(tables.params.values()),
                tuple(tables.data.values()), tuple(tables.models.values()), tuple(tables.responses.values()),
                rewards, lets, tuple(tables.states.values()), tuple(tables.externs.values()), objectives, guards, evals,
                tests, train, plan, _unique(ctx.deferred), axes, frozenset(ctx.used_params))  # type: ignore[arg-type]


def _unique(deferred: list[Deferred]) -> tuple[Deferred, ...]:
    return tuple(sorted(dict.fromkeys(deferred), key=lambda entry: entry.span))


def _named(ctx: Context, kind: type) -> Iterator[NamedValue]:
    for item in ctx.root.tree.items:
        if isinstance(item, kind) and isinstance(item, (tree.Let, tree.Reward)):
            value = ctx.values.get((ctx.root.name, item.name))
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
