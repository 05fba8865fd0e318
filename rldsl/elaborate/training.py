"""The `train` block: statements with their counts and settings resolved and their names held against what exists."""

from __future__ import annotations

from typing import assert_never

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate, numeric
from rldsl.elaborate.settings import setting_value, settings_of
from rldsl.elaborate.settings_tables import OPTIMIZER, UPDATE
from rldsl.elaborate.values import ModelValue
from rldsl.graph import spec
from rldsl.graph.spec import Invocation, Settings, Step
from rldsl.resolve.names import did_you_mean, listed
from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.types import BATCH, Element, Type


def declare_train(ctx: Context, env: Environment, body: tuple[tree.Statement, ...]) -> tuple[Step, ...]:
    """The steps of a block; statements with mistakes are reported and left out."""
    steps = [_step(ctx, env, statement) for statement in body]
    return tuple(step for step in steps if step is not None)


def _step(ctx: Context, env: Environment, statement: tree.Statement) -> Step | None:
    match statement:
        case tree.Repeat():
            count = _count(ctx, env, statement.count)
            body = declare_train(ctx, env, statement.body)
            return None if count is None else spec.Repeat(count, body, statement.span)
        case tree.StageOf():
            return spec.StageStep(statement.name, declare_train(ctx, env, statement.body), statement.span)
        case tree.Every():
            count = _count(ctx, env, statement.count)
            body = declare_train(ctx, env, statement.body)
            return None if count is None else spec.Every(count, body, statement.span)
        case tree.When():
            return _when(ctx, env, statement)
        case tree.Draw():
            return _draw(ctx, env, statement)
        case tree.Update():
            return _update(ctx, env, statement)
        case tree.Reset():
            return _reset(ctx, env, statement)
        case tree.Evaluate():
            return _evaluate(ctx, statement)
        case tree.Save():
            return spec.Save(statement.span)
        case tree.AssignStatement():
            key = next_state(ctx, env, statement.name, statement.value, statement.span)
            return None if key is None else spec.Assign(statement.name, key, statement.span)
        case _:
            assert_never(statement)


def _count(ctx: Context, env: Environment, expr: tree.Expr) -> int | None:
    value = setting_value(ctx, env, expr)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, float) and value >= 1 and value == int(value):
        return int(value)
    ctx.report(error("RL018", "a whole number above 0 is needed", expr.span, "this count",
                     why="it says how often.", fix="`repeat 200 { … }`"))
    return None


def _when(ctx: Context, env: Environment, statement: tree.When) -> Step | None:
    key = numeric(ctx, env, statement.condition)
    found = ctx.type_of(key)
    body = declare_train(ctx, env, statement.body)
    if found.is_error:
        return None
    if found.axis != BATCH or found.element is not Element.BOOL:
        ctx.report(error("RL036", "`when` asks one condition", statement.condition.span, f"this is {found}"[:40],
                         why="it is looked at once, where it stands.", fix="`when mean(correct) < 0.2 { … }`"))
        return None
    return spec.When(key, body, statement.span)


def _draw(ctx: Context, env: Environment, statement: tree.Draw) -> Step | None:
    count = _count(ctx, env, statement.count)
    if statement.unit not in ("prompts", "prompt", "rows", "row"):
        ctx.report(error("RL018", "prompts are drawn", statement.span, f"`{statement.unit}` cannot be drawn"[:40],
                         why="an iteration starts from rows of the data.", fix="`draw 64 prompts`"))
        return None
    for name, kind, table in ((statement.data, "data", tree.Data), (statement.sampler, "sampler", tree.Sampler)):
        if name is not None and not _declared(ctx, env, name, kind, table, statement.span):
            return None
    return None if count is None else spec.Draw(count, statement.data, statement.sampler, statement.span)


def _declared(ctx: Context, env: Environment, name: str, word: str, kind: type, span: Span) -> bool:
    bound = env.scope.bindings.get(name)
    if bound is not None and isinstance(bound[1], kind):
        elaborate(ctx, env, tree.Name(name, span=span))
        return True
    known = [entry for entry, (_, item) in env.scope.bindings.items() if isinstance(item, kind)]
    ctx.report(error("RL011", f"there is no {word} `{name[:30]}`", span, "this name",
                     why=f"the spec declares {listed(known)}." if known else f"the spec declares no {word}.",
                     fix=did_you_mean(name, known) or "declare it"))
    return False


def _update(ctx: Context, env: Environment, statement: tree.Update) -> Step | None:
    settings = settings_of(ctx, env, statement.settings, UPDATE, "an update")
    settings = _with_optimizer(ctx, statement, settings)
    if not _declared(ctx, env, statement.model, "model", tree.Model, statement.span) or \
            not _declared(ctx, env, statement.objective, "objective", tree.Objective, statement.span):
        return None
    own = ctx.tables.objectives.get(statement.objective)
    if own is not None and ctx.root_model(own) != ctx.root_model(statement.model):
        ctx.report(error("RL038", f"`{statement.objective[:24]}` trains another model", statement.span, "this update",
                         why=f"`{statement.objective}` is an objective for `{own}`.",
                         fix=f"`update {own} with {statement.objective}`"))
        return None
    if ctx.tables.models[statement.model].frozen:
        ctx.report(error("RL203", "a frozen model cannot be updated", statement.span, f"`{statement.model}`"[:40],
                         why="its weights are a snapshot.", fix="update the model that it was taken from"))
        return None
    if statement.on is not None:
        if not _declared(ctx, env, statement.on, "buffer", tree.Buffer, statement.span):
            return None
        ctx.defer("buffer", f"`update … on {statement.on}` type-checks, but buffers are not built yet", statement.span)
    return spec.Update(statement.model, statement.objective, settings, statement.on, statement.span)


def _with_optimizer(ctx: Context, statement: tree.Update, settings: Settings) -> Settings:
    found = dict(settings)
    optimizer = found.get("optimizer")
    span = next((entry.span for entry in statement.settings if entry.name == "optimizer"), statement.span)
    if optimizer is None:
        if not any(entry.name == "optimizer" for entry in statement.settings):
            ctx.report(error("RL021", "an update needs an optimizer", statement.span, "no optimizer is set",
                             why="the learning rate decides what is learned; nothing is assumed.",
                             fix="{ optimizer: adamw(lr: 1e-6) }"))
        return settings
    assert isinstance(optimizer, Invocation)
    _check_optimizer(ctx, optimizer, span)
    return tuple(found.items())


def _check_optimizer(ctx: Context, optimizer: Invocation, span: Span) -> None:
    from rldsl.elaborate.settings import _trouble
    for name, value in optimizer.named:
        if name not in OPTIMIZER:
            ctx.report(error("RL021", f"`{optimizer.name}` has no argument `{name[:20]}`"[:60], span, "this optimizer",
                             why=f"it takes {listed(OPTIMIZER)}.", fix=did_you_mean(name, OPTIMIZER) or "delete it"))
        elif (trouble := _trouble(value, OPTIMIZER[name])) is not None:
            ctx.report(error("RL018", f"`{name}` of `{optimizer.name}` does not fit"[:60], span, "this optimizer",
                             why=trouble, fix=f"`{name}: {OPTIMIZER[name].example or '…'}`"))
    if optimizer.positional or optimizer.get("lr") is None:
        ctx.report(error("RL021", f"`{optimizer.name}` needs `lr`"[:60], span, "this optimizer",
                         why="the learning rate decides what is learned; nothing is assumed.", fix="`adamw(lr: 1e-6)`"))


def _reset(ctx: Context, env: Environment, statement: tree.Reset) -> Step | None:
    for name in (statement.model, statement.to):
        if not _declared(ctx, env, name, "model", tree.Model, statement.span):
            return None
        if not isinstance(elaborate(ctx, env, tree.Name(name, span=statement.span)), ModelValue):
            return None
    return spec.Reset(statement.model, statement.to, statement.span)


def _evaluate(ctx: Context, statement: tree.Evaluate) -> Step | None:
    bound = ctx.root.bindings.get(statement.name)
    if bound is None or not isinstance(bound[1], tree.Eval):
        known = [name for name, (_, item) in ctx.root.bindings.items() if isinstance(item, tree.Eval)]
        ctx.report(error("RL011", f"there is no eval `{statement.name[:30]}`", statement.span, "this name",
                         why=f"the spec declares {listed(known)}." if known else "the spec declares no eval.",
                         fix=did_you_mean(statement.name, known)
                         or f"`eval {statement.name} on … {{ report mean(correct) }}`"))
        return None
    return spec.Evaluate(statement.name, statement.span)


def next_state(ctx: Context, env: Environment, name: str, value: tree.Expr, span: Span) -> int | None:
    """The node of a state's next value."""
    if not _declared(ctx, env, name, "state", tree.State, span):
        return None
    state = ctx.tables.states.get(name)
    key = numeric(ctx, env, value)
    found: Type = ctx.type_of(key)
    if state is None or found.is_error:
        return None
    if found.axis != BATCH or found.is_live:
        ctx.report(error("RL039", "a state is one frozen number", value.span, f"this is {found}"[:40],
                         why="it is kept over iterations and in the checkpoint.", fix="reduce it: `mean(…)`"))
        return None
    return key
