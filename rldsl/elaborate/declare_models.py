"""Data, models, rollouts, responses and externs: what is written, held against what exists."""

from __future__ import annotations

from rldsl.data.signatures import SOURCES, match_arguments
from rldsl.diagnostics import error
from rldsl.elaborate.constructors import check_constructor
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate, graph_value
from rldsl.elaborate.settings import setting_value, settings_of
from rldsl.elaborate.settings_tables import EXTERN, JUDGE, MODEL, ROLLOUT, required_in
from rldsl.elaborate.typing import WRITTEN, type_of_expr
from rldsl.elaborate.values import FailedValue, ModelValue, ResponseValue, describe
from rldsl.graph.spec import DataSpec, ExternSpec, FieldSpec, Invocation, ModelSpec, ResponseSpec, Role
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rollouts.signatures import SAMPLING_SETTINGS
from rldsl.syntax import tree
from rldsl.types import BATCH, Axis, Element, Level

ORIGINS = {"policy": ("tiny", "hf"), "critic": ("tiny", "hf"), "scorer": ("tiny", "hf"), "embedder": ("tiny", "hf"),
           "judge": ("openai", "hf", "tiny")}


# ------------------------------------------------------------------ data
def declare_data(ctx: Context, env: Environment, item: tree.Data) -> None:
    """`data problems from jsonl("…") { question: Text }`."""
    axis = Axis(item.name, Level.PROMPT, item.name, BATCH)
    fields = tuple(_fields(ctx, env, item))
    source = setting_value(ctx, env, item.source)
    if isinstance(source, Invocation):
        _check_source(ctx, env, item, source, {field.name: field for field in fields})
    elif source is not None:
        ctx.report(error("RL031", "data comes from a source", item.source.span, "this is not a source",
                         why=f"sources are {listed(sorted(SOURCES))}.", fix='`from jsonl("data.jsonl")`'))
    found = source if isinstance(source, Invocation) else Invocation("jsonl")
    ctx.tables.data[item.name] = DataSpec(item.name, found, fields, axis, item.span)


def _fields(ctx: Context, env: Environment, item: tree.Data) -> list[FieldSpec]:
    found: dict[str, FieldSpec] = {}
    for field in item.fields:
        kind = type_of_expr(ctx, env, field.type)
        if field.name in found:
            ctx.report(error("RL012", f"the field `{field.name[:24]}` is declared twice", field.span,
                             "the second declaration", why="a column has one type.", fix="delete one of them"))
        elif kind is not None:
            found[field.name] = FieldSpec(field.name, kind.element, field.target, field.span)
    if not item.fields:
        ctx.report(error("RL031", f"`{item.name[:30]}` declares no fields", item.span, "this data set",
                         why="the schema is checked before a model loads.", fix="{ question: Text  answer: Text target }"))
    return list(found.values())


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
    known = dict(signature.columns)
    for name in fields if known else ():
        if name not in known:
            ctx.report(error("RL701", f"the data has no field `{name[:30]}`", fields[name].span, "no such column",
                             why=f"`{source.name}` gives {listed(known)}.", fix=did_you_mean(name, known) or "drop it"))


# ------------------------------------------------------------------ models
def declare_model(ctx: Context, env: Environment, item: tree.Model) -> None:
    """`policy actor from tiny(…) { … }`, `policy ref = frozen(actor)`, `policy q = actor with { … }`."""
    allowed = JUDGE if item.role == "judge" else MODEL
    settings = settings_of(ctx, env, item.settings, allowed, f"a {item.role}")
    if item.overrides:
        settings += settings_of(ctx, env, item.overrides, {**MODEL, "system": MODEL["system"]}, "`with`")
    base, frozen, shares = _base(ctx, env, item) if item.derived else (None, False, False)
    origin = None if item.derived else _origin(ctx, env, item)
    role = Role(item.role)
    if isinstance(origin, str):
        base, frozen, shares, origin = origin, False, False, None
    if role in (Role.SCORER, Role.EMBEDDER, Role.JUDGE):
        ctx.defer(item.role, f"the {item.role} `{item.name}` type-checks, but {item.role}s are not built yet", item.span)
    ctx.tables.models[item.name] = ModelSpec(item.name, role, origin, base, frozen, shares, settings, item.span)


def _base(ctx: Context, env: Environment, item: tree.Model) -> tuple[str | None, bool, bool]:
    match item.origin:
        case tree.Call(callee=tree.Name(text="frozen"), arguments=(tree.Argument(value=inner, name=None),)):
            value = elaborate(ctx, env, inner)
            if isinstance(value, ModelValue):
                return value.name, True, False
        case tree.Name():
            value = elaborate(ctx, env, item.origin)
            if isinstance(value, ModelValue):
                return value.name, False, True
        case _:
            value = elaborate(ctx, env, item.origin)
    if not isinstance(value, FailedValue):
        ctx.report(error("RL032", "a model is derived from a model", item.origin.span, f"this is {describe(value)}",
                         why="`=` names another model: a snapshot or another role of the same weights.",
                         fix=f"`{item.role} {item.name} = frozen(actor)`"))
    return None, True, False


def _origin(ctx: Context, env: Environment, item: tree.Model) -> Invocation | str | None:
    if isinstance(item.origin, tree.Name):
        value = elaborate(ctx, env, item.origin)
        if isinstance(value, ModelValue):
            return value.name
    source = setting_value(ctx, env, item.origin) if not isinstance(item.origin, tree.Name) else None
    allowed = ORIGINS[item.role]
    if not isinstance(source, Invocation) or source.name not in allowed:
        name = source.name if isinstance(source, Invocation) else ""
        ctx.report(error("RL032", f"a {item.role} does not come from there"[:60], item.origin.span, "this origin",
                         why=f"a {item.role} comes from {listed(allowed)}.",
                         fix=did_you_mean(name, allowed) or f"`{item.role} {item.name} from {allowed[0]}(…)`"))
        return None
    check_constructor(ctx, env, item.origin, source)
    return source


# ------------------------------------------------------------------ responses
def declare_rollout(ctx: Context, env: Environment, item: tree.Rollout) -> bool:
    """`rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64 }`."""
    policy = elaborate(ctx, env, item.policy)
    prompt = _prompt(ctx, env, item)
    settings = settings_of(ctx, env, item.settings, ROLLOUT, "a rollout")
    names = {setting.name for setting in item.settings}
    for name in required_in(SAMPLING_SETTINGS):
        if name not in names:
            ctx.report(error("RL021", f"a rollout needs `{name}`"[:60], item.span, f"`{name}` is not set",
                             why="where an answer is cut changes what is learned.", fix=f"{{ {name}: 64 }}"))
    if not isinstance(policy, ModelValue):
        _not_a_policy(ctx, env, item, policy)
        return False
    if prompt is None:
        return False
    deferred = tuple(name for name in names if name in ROLLOUT and ROLLOUT[name].later)
    if item.retry is not None:
        deferred += ("retry",)
        ctx.defer("retry", f"`retry` of `{item.name}` type-checks, but retries are not built yet", item.retry.span)
    axes = _axes(item.name, ctx.type_of(prompt).axis, "turns" in names)
    ctx.tables.responses[item.name] = ResponseSpec(item.name, policy.name, prompt, None, ctx.type_of(prompt).axis,
                                                   axes[0], axes[1], settings, deferred, item.span)
    return True


def _axes(name: str, prompt: Axis, turns: bool) -> tuple[Axis, Axis]:
    sample = Axis(f"{name}.sample", Level.SAMPLE, name, prompt)
    above = Axis(f"{name}.turn", Level.TURN, name, sample) if turns else sample
    return sample, Axis(f"{name}.token", Level.TOKEN, name, above)


def _not_a_policy(ctx: Context, env: Environment, item: tree.Rollout, found: object) -> None:
    if not isinstance(found, FailedValue):
        ctx.report(error("RL032", "a rollout is drawn from a policy", item.policy.span, "this is no policy",
                         why="`~` draws answers from the policy that is called.",
                         fix=f"`rollout {item.name} ~ actor(problems.question) {{ … }}`"))


def _prompt(ctx: Context, env: Environment, item: tree.Rollout) -> int | None:
    if len(item.arguments) != 1 or item.arguments[0].name is not None:
        ctx.report(error("RL021", "a rollout takes one prompt", item.span, "the policy is called here",
                         why="the prompt is one text; texts are joined with `+`.",
                         fix=f"`rollout {item.name} ~ actor(problems.question)`"))
        return None
    return _row_text(ctx, env, item.arguments[0].value, "prompt")


def _row_text(ctx: Context, env: Environment, expr: tree.Expr, what: str) -> int | None:
    value = elaborate(ctx, env, expr)
    if isinstance(value, ResponseValue):
        expr = tree.Field(expr, "text", span=expr.span)
    key = graph_value(ctx, env, expr, "a text")
    found = ctx.type_of(key)
    if found.is_error:
        return None
    if found.element not in (Element.TEXT, Element.JSON) or found.axis == BATCH:
        ctx.report(error("RL033", f"the {what} is a text for each row", env.span(expr), f"this is {found}"[:40],
                         why=f"a {what} comes from a field of the data, or from another response.",
                         fix="`problems.question`"))
        return None
    return key


def declare_response(ctx: Context, env: Environment, item: tree.Response) -> bool:
    """`response win = pairs.chosen given pairs.prompt [for actor]`: tokens of the text, one answer for each row."""
    text, prompt = _row_text(ctx, env, item.text, "answer"), _row_text(ctx, env, item.prompt, "prompt")
    model = item.model or _only_policy(ctx, item)
    if text is None or prompt is None or model is None:
        return False
    if ctx.type_of(text).axis != ctx.type_of(prompt).axis:
        ctx.report(error("RL033", "answer and prompt stand on different rows", item.span,
                         f"{ctx.type_of(text).axis} and {ctx.type_of(prompt).axis}"[:40],
                         why="each answer needs its own prompt.", fix="take both from the same data set"))
        return False
    rows = ctx.type_of(text).axis
    token = Axis(f"{item.name}.token", Level.TOKEN, item.name, rows)
    ctx.tables.responses[item.name] = ResponseSpec(item.name, model, prompt, text, rows, rows, token, (), (), item.span)
    return True


def _only_policy(ctx: Context, item: tree.Response) -> str | None:
    policies = [entry for entry in ctx.root.tree.items if isinstance(entry, tree.Model) and entry.role == "policy"]
    own = [entry.name for entry in policies if not entry.derived]
    if len(own) == 1:
        elaborate(ctx, Environment(ctx.root), tree.Name(own[0], span=item.span))
        return own[0]
    ctx.report(error("RL034", "whose tokens these are is not clear" if own else "there is no policy to read this text",
                     item.span, "this response", why=f"the spec has {len(own)} policies with a tokenizer of their own.",
                     fix=f"`response {item.name} = … given … for {own[0] if own else 'actor'}`"))
    return None


# ------------------------------------------------------------------ externs
def declare_extern(ctx: Context, env: Environment, item: tree.Extern) -> bool:
    """`extern fn score(text: Text) -> Real in [0, 1] = python("module:function") { timeout: 5s }`."""
    result = type_of_expr(ctx, env, item.result)
    source = setting_value(ctx, env, item.source)
    settings = settings_of(ctx, env, item.settings, EXTERN, "an extern")
    fine = isinstance(source, Invocation) and source.name == "python" and len(source.positional) == 1
    if not fine:
        ctx.report(error("RL031", "an extern names a Python function", item.source.span, "this is none",
                         why="foreign code is a function of a module of the project.",
                         fix='`= python("module:function")`'))
    parameters = []
    for parameter in item.parameters:
        element = WRITTEN.get(parameter.type.element) if parameter.type is not None else None
        if element is None:
            ctx.report(error("RL029", f"`{parameter.name}` needs a type"[:60], parameter.span, "this parameter",
                             why="what crosses into foreign code is checked.", fix=f"`{parameter.name}: Text`"))
            return False
        parameters.append((parameter.name, element))
    if result is None or not isinstance(source, Invocation) or not fine:
        return False
    ctx.tables.externs[item.name] = ExternSpec(item.name, source, tuple(parameters), result, settings, item.span)
    return True
