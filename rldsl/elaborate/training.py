"""The `train` block: statements with their counts and settings resolved and their names held against what exists."""

from __future__ import annotations

from typing import assert_never

from rldsl.diagnostics import Label, error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.derived_models import kind_of
from rldsl.elaborate.expressions import elaborate, numeric
from rldsl.elaborate.setting_values import Bare, is_rejected, setting_value
from rldsl.elaborate.settings import fits, settings_of
from rldsl.elaborate.settings_tables import MOST, OPTIMIZER, UPDATE
from rldsl.elaborate.values import FailedValue
from rldsl.graph import steps
from rldsl.graph.spec import Invocation, Schedule, Settings, Stored
from rldsl.graph.steps import Step
from rldsl.resolve.names import did_you_mean, listed, word_for
from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.types import BATCH, Element, Type

EXAMPLES = {"eval": "`eval heldout on unseen { report mean(correct) }`", "state": "`state seen: Real = 0`",
            "objective": "`objective pg for actor { maximize … }`"}


def declare_train(ctx: Context, env: Environment, body: tuple[tree.Statement, ...]) -> tuple[Step, ...]:
    """The steps of a block; statements with mistakes are reported and left out."""
    found = [_step(ctx, env, statement) for statement in body]
    return tuple(step for step in found if step is not None)


def _step(ctx: Context, env: Environment, statement: tree.Statement) -> Step | None:
    match statement:
        case tree.Repeat():
            count = _count(ctx, env, statement.count)
            body = declare_train(ctx, env, statement.body)
            return None if count is None else steps.Repeat(count, body, statement.span)
        case tree.StageOf():
            return steps.StageStep(statement.name, declare_train(ctx, env, statement.body), statement.span)
        case tree.Every():
            count = _count(ctx, env, statement.count)
            body = declare_train(ctx, env, statement.body)
            return None if count is None else steps.Every(count, body, statement.span)
        case tree.When():
            return _when(ctx, env, statement)
        case tree.Draw():
            return _draw(ctx, env, statement)
        case tree.Update():
            return _update(ctx, env, statement)
        case tree.Reset():
            return _reset(ctx, env, statement)
        case tree.Evaluate():
            return _evaluate(ctx, env, statement)
        case tree.Save():
            return steps.Save(statement.span)
        case tree.AssignStatement():
            found = next_state(ctx, env, statement.name, statement.value, statement.span)
            return None if found is None else steps.Assign(*found, statement.span)
        case _:
            assert_never(statement)


def _count(ctx: Context, env: Environment, expr: tree.Expr) -> int | None:
    value = setting_value(ctx, env, expr)
    if is_rejected(value):
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value <= MOST and value == int(value):
        return int(value)
    shown = f"`{value[:30]}` is no number, and no `param` is called that." if isinstance(value, Bare) else \
        "a schedule changes over training, and a count does not." if isinstance(value, Schedule) else \
        f"it says how often, from 1 to {MOST:,.0f} times."
    ctx.report(error("RL018", "a whole number above 0 is needed", expr.span, "this count", why=shown,
                     fix="`repeat 200 { … }`, or a `param` of type Int"))
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
    return steps.When(key, body, statement.span)


def _draw(ctx: Context, env: Environment, statement: tree.Draw) -> Step | None:
    count = _count(ctx, env, statement.count)
    if statement.unit not in ("prompts", "prompt", "rows", "row"):
        ctx.report(error("RL018", "prompts are drawn", statement.span, f"`{statement.unit}` cannot be drawn"[:40],
                         why="an iteration starts from rows of the data.", fix="`draw 64 prompts`"))
        return None
    data = declared(ctx, env, statement.data, tree.Data, statement.span) if statement.data is not None else None
    sampler = declared(ctx, env, statement.sampler, tree.Sampler, statement.span) if statement.sampler is not None else None
    if count is None or (data is None) != (statement.data is None) or (sampler is None) != (statement.sampler is None):
        return None
    return steps.Draw(count, data, sampler, statement.span)


def declared(ctx: Context, env: Environment, name: str, kind: type[tree.Declaration], span: Span) -> str | None:
    """By which name the tables know the declaration of that kind; None after a report, or where it failed."""
    bound = env.scope.bindings.get(name)
    word = kind.__name__.lower()
    if bound is not None and isinstance(bound[1], kind):
        value = elaborate(ctx, env, tree.Name(name, span=span))
        return None if isinstance(value, FailedValue) else ctx.naming.of(bound[0], name)
    if name in env.scope.missing:
        return None
    known = [entry for entry, (_, item) in env.scope.bindings.items() if isinstance(item, kind)]
    what = f"`{name}`, a {word_for(bound[1])}" if bound is not None else f"no {word} of that name"
    ctx.report(error("RL011", f"there is no {word} `{name[:30]}`", span, what,
                     why=f"the spec declares {listed(known)}." if known else f"the spec declares no {word}.",
                     fix=_meant(name, known) or EXAMPLES.get(word, "declare it")))
    return None


def _meant(name: str, known: list[str]) -> str:
    """The declaration that a name was to be: the nearest, or the only one."""
    return did_you_mean(name, known) or (f"did you mean `{known[0]}`?" if len(known) == 1 else "")


def _update(ctx: Context, env: Environment, statement: tree.Update) -> Step | None:
    settings = settings_of(ctx, env, statement.settings, UPDATE, "an update")
    settings = _with_optimizer(ctx, env, statement, settings)
    model = declared(ctx, env, statement.model, tree.Model, statement.span)
    objective = declared(ctx, env, statement.objective, tree.Objective, statement.span)
    if model is None or objective is None:
        return None
    own = ctx.tables.objectives.get(objective)
    if own is not None and ctx.root_model(own) != ctx.root_model(model):
        ctx.report(error("RL038", f"`{statement.objective[:24]}` trains another model", statement.span, "this update",
                         why=f"`{statement.objective}` is an objective for `{own}`.",
                         fix=f"`update {own} with {statement.objective}`"))
        return None
    root = ctx.tables.models[ctx.root_model(model)]
    if root.frozen:
        what = kind_of(root.follows)
        ctx.report(error("RL203", "a frozen model cannot be updated", statement.span, f"`{statement.model}`"[:40],
                         others=[Label(root.span, what)], why=f"its weights are {what}.",
                         fix=f"update the model that it {'follows' if root.follows is not None else 'was taken from'}"))
        return None
    on = None
    if statement.on is not None:
        on = declared(ctx, env, statement.on, tree.Buffer, statement.span)
        if on is None:
            return None
        ctx.defer("buffer", f"`update … on {statement.on}` type-checks, but buffers are not built yet", statement.span)
    return steps.Update(model, objective, settings, on, statement.span)


def _with_optimizer(ctx: Context, env: Environment, statement: tree.Update, settings: Settings) -> Settings:
    optimizer = dict(settings).get("optimizer")
    written = next((entry.value for entry in statement.settings if entry.name == "optimizer"), None)
    if isinstance(optimizer, Invocation) and written is not None:
        as_written = setting_value(ctx, env, written)  # durations are numbers in what is kept
        assert isinstance(as_written, Invocation)
        _check_optimizer(ctx, env, as_written, written)
    elif written is None:
        ctx.report(error("RL021", "an update needs an optimizer", statement.span, "no optimizer is set",
                         why="the learning rate decides what is learned; nothing is assumed.",
                         fix="{ optimizer: adamw(lr: 1e-6) }"))
    return settings


def _check_optimizer(ctx: Context, env: Environment, optimizer: Invocation, written: tree.Expr) -> None:
    places = {argument.name: argument.value.span for argument in written.arguments} if isinstance(written, tree.Call) else {}
    for name, value in optimizer.named:
        if name in OPTIMIZER:
            fits(ctx, env, value, OPTIMIZER[name], name, places.get(name, written.span), optimizer.name)
        else:
            ctx.report(error("RL021", f"`{optimizer.name}` has no argument `{name[:20]}`"[:60],
                             places.get(name, written.span), "this argument", why=f"it takes {listed(OPTIMIZER)}.",
                             fix=did_you_mean(name, OPTIMIZER) or "delete it"))
    if optimizer.positional:
        ctx.report(error("RL021", f"`{optimizer.name}` takes its arguments by name"[:60], places.get(None, written.span),
                         "this one has no name", why=f"it takes {listed(OPTIMIZER)}.", fix="`adamw(lr: 1e-6)`"))
    elif not any(name == "lr" for name, _ in optimizer.named):
        ctx.report(error("RL021", f"`{optimizer.name}` needs `lr`"[:60], written.span, "this optimizer",
                         why="the learning rate decides what is learned; nothing is assumed.", fix="`adamw(lr: 1e-6)`"))


def _reset(ctx: Context, env: Environment, statement: tree.Reset) -> Step | None:
    names = [declared(ctx, env, name, tree.Model, statement.span) for name in (statement.model, statement.to)]
    model, to = names
    if model is None or to is None:
        return None
    first, second = (ctx.tables.models[name] for name in (model, to))
    if first.role is not second.role or ctx.root_model(model) == ctx.root_model(to):
        same = first.role is second.role
        ctx.report(error("RL032", "these are the same weights" if same else "these weights do not fit each other",
                         statement.span, "this reset",
                         why=f"`{statement.model}` and `{statement.to}` are two names of one model." if same
                         else f"`{statement.model}` is a {first.role.value}, `{statement.to}` a {second.role.value}.",
                         fix="`reset ref to actor`, with `policy ref = frozen(actor)`"))
        return None
    if isinstance(first.follows, Stored):
        ctx.report(error("RL032", "a stored version is not reset", statement.span, f"`{statement.model}` changes by itself"[:40],
                         others=[Label(first.span, "declared here")],
                         why="at each iteration it becomes the weights of an earlier one.",
                         fix=f"`{first.role.value} {statement.model} = frozen({first.base})`, which is reset where you say"))
        return None
    return steps.Reset(model, to, statement.span)


def _evaluate(ctx: Context, env: Environment, statement: tree.Evaluate) -> Step | None:
    name = declared(ctx, env, statement.name, tree.Eval, statement.span)
    return None if name is None else steps.Evaluate(name, statement.span)


def next_state(ctx: Context, env: Environment, name: str, value: tree.Expr, span: Span) -> tuple[str, int] | None:
    """A state by the name of its table, and the node of its next value."""
    known = declared(ctx, env, name, tree.State, span)
    key = numeric(ctx, env, value)
    found: Type = ctx.type_of(key)
    state = ctx.tables.states.get(known) if known is not None else None
    if state is None or found.is_error:
        return None
    if found.axis != BATCH or found.is_live:
        ctx.report(error("RL039", "a state is one frozen number", value.span, f"this is {found}"[:40],
                         why="it is kept over iterations and in the checkpoint.", fix="reduce it: `mean(…)`"))
        return None
    if state.type.element is not Element.REAL and found.element not in (state.type.element, Element.BOOL):
        ctx.report(error("RL039", f"`{name[:24]}` is kept as {state.type.element.value}", value.span, f"this is {found}",
                         others=[Label(state.span, "declared here")], why="its next value has to be of its own kind.",
                         fix=f"`state {name}: Real = …`"))
        return None
    return state.name, key
