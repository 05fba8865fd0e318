"""Models, rollouts and given responses: what is written, held against what exists."""

from __future__ import annotations

from rldsl.diagnostics import Label, error
from rldsl.elaborate.constructors import check_constructor
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.declare_later import note_retry
from rldsl.elaborate.derived_models import Derived, derived_from
from rldsl.elaborate.expressions import elaborate, graph_value
from rldsl.elaborate.setting_values import is_rejected, setting_value, settled
from rldsl.elaborate.settings import settings_of
from rldsl.elaborate.settings_tables import JUDGE, LOCAL_JUDGE, MODELS, ROLLOUT, required_in
from rldsl.elaborate.supports import checked_rule
from rldsl.elaborate.values import FailedValue, ModelValue, ResponseValue, Value, describe
from rldsl.graph.spec import Invocation, ModelSpec, ResponseSpec, Role, Settings
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rewards.judging.signatures import is_remote
from rldsl.rollouts.signatures import SAMPLING_SETTINGS
from rldsl.syntax import tree
from rldsl.types import BATCH, Axis, Element, Level

ORIGINS = {"policy": ("tiny", "hf"), "critic": ("tiny", "hf"), "scorer": ("tiny", "hf"), "embedder": ("tiny", "hf"),
           "judge": ("openai", "hf", "tiny")}
READERS = ("policy", "critic", "scorer", "embedder")  # what has tokens
ALIKE = frozenset({Role.POLICY, Role.JUDGE})  # a judge may be a policy's weights in another role


def declare_model(ctx: Context, env: Environment, item: tree.Model) -> str:
    """`policy actor from tiny(…) { … }`, `policy ref = ema(actor, rate: 0.01)`, `policy q = actor with { … }`; its name."""
    name = ctx.own_name(env, item.name)
    settings = _settings(ctx, env, item)
    role = Role(item.role)
    derived = derived_from(ctx, env, item) if item.derived else Derived(None, False)
    base, origin = derived.base, None
    if not item.derived:
        found = _origin(ctx, env, item)
        base, origin = (found, None) if isinstance(found, str) else (None, found)
    if base is not None:
        _check_role(ctx, item, role, base)
    shares = item.derived and not derived.frozen and base is not None
    ctx.tables.models[name] = ModelSpec(name, role, origin, base, derived.frozen, shares, settings, item.span, derived.follows)
    return name


def _settings(ctx: Context, env: Environment, item: tree.Model) -> Settings:
    """Those of the block and of `with`. A judge has others over HTTP than as a model of this process."""
    if item.role != "judge":
        table, who = MODELS[item.role], "an embedder" if item.role == "embedder" else f"a {item.role}"
        found = settings_of(ctx, env, item.settings, table, who) + settings_of(ctx, env, item.overrides, table, "`with`")
        _check_sides(ctx, item)
        return found
    is_http = not item.derived and isinstance(item.origin, tree.Call) and isinstance(item.origin.callee, tree.Name) \
        and item.origin.callee.text == "openai"
    where = "a judge over HTTP" if is_http else "a local judge"
    found = settings_of(ctx, env, (*item.overrides, *item.settings), JUDGE if is_http else LOCAL_JUDGE, where)
    _check_budget(ctx, item, found)
    return found


def _check_sides(ctx: Context, item: tree.Model) -> None:
    """A scorer's two tokens are named together; labels have a name of their own."""
    given = {setting.name: setting for setting in (*item.settings, *item.overrides)}
    words = [word for word in ("good", "bad") if word in given]
    alone = words[0] if len(words) == 1 else None
    mixed = "positive" if words and "positive" in given else None
    for word in (alone, mixed):
        if word is not None and item.role == "scorer":
            why = "the score is the log-odds of `good` against `bad`: both are tokens that a language model may say next." \
                if word == alone else "labels are a classifier's, tokens a language model's."
            ctx.report(error("RL018", f"`{word}` of a scorer does not stand like this", given[word].span, "this setting", why=why,
                             fix='`good: "+", bad: "-"`; or `positive: "LABEL_1"`'))
            return


def _check_budget(ctx: Context, item: tree.Model, settings: Settings) -> None:
    given = dict(settings)
    if "most_money" in given and not any(isinstance(price := given.get(name), int | float) and price > 0
                                         for name in ("price_in", "price_out")):
        written = next(setting for setting in (*item.overrides, *item.settings) if setting.name == "most_money")
        ctx.report(error("RL018", "`most_money` needs a price", written.span, "no price is set",
                         why="without one every call costs 0, and this limit is never reached.",
                         fix="`price_in: 0.15, price_out: 0.6` (money for a million tokens)"))


def _check_role(ctx: Context, item: tree.Model, role: Role, base: str) -> None:
    other = ctx.tables.models.get(base)
    if other is None or other.role is role or {other.role, role} <= ALIKE:
        return
    ctx.report(error("RL032", f"a {role.value} is not made from a {other.role.value}"[:60], item.origin.span,
                     f"`{base}`"[:40], others=[Label(other.span, f"declared as a {other.role.value}")],
                     why=f"a {role.value} and a {other.role.value} end in different layers.",
                     fix=f"`{other.role.value} {item.name} = …`, or an origin of its own"))


def _origin(ctx: Context, env: Environment, item: tree.Model) -> Invocation | str | None:
    if isinstance(item.origin, tree.Name) and item.origin.text in env.scope.bindings:
        value = elaborate(ctx, env, item.origin)
        if isinstance(value, ModelValue):
            return value.name
        if isinstance(value, FailedValue):
            return None
    source = setting_value(ctx, env, item.origin)
    if is_rejected(source):
        return None
    allowed = ORIGINS[item.role]
    if not isinstance(source, Invocation) or source.name not in allowed:
        name = source.name if isinstance(source, Invocation) else ""
        ctx.report(error("RL032", f"a {item.role} does not come from there"[:60], item.origin.span, "this origin",
                         why=f"a {item.role} comes from {listed(allowed)}.",
                         fix=did_you_mean(name, allowed) or f"`{item.role} {item.name} from {allowed[0]}(…)`"))
        return None
    check_constructor(ctx, env, item.origin, source)
    kept = settled(source)
    return kept if isinstance(kept, Invocation) else None


# ------------------------------------------------------------------ responses
def declare_rollout(ctx: Context, env: Environment, item: tree.Rollout) -> Value:
    """`rollout y ~ actor(problems.question) { samples: 8, max_tokens: 64 }`."""
    name = ctx.own_name(env, item.name)
    policy = _policy(ctx, env, item)
    prompt = _prompt(ctx, env, item)
    settings = _sampling(ctx, env, item)
    deferred = tuple(sorted({entry.name for entry in item.settings if entry.name in ROLLOUT and ROLLOUT[entry.name].later}))
    if item.retry is not None:
        deferred += ("retry",)
        note_retry(ctx, env, item)
    if policy is None or prompt is None:
        return FailedValue()
    rows = ctx.type_of(prompt).axis
    sample, token = _axes(name, rows, "turns" in deferred)
    ctx.tables.responses[name] = ResponseSpec(name, policy, prompt, None, rows, sample, token, settings, deferred, item.span)
    return ResponseValue(name)


def _sampling(ctx: Context, env: Environment, item: tree.Rollout) -> Settings:
    settings = settings_of(ctx, env, item.settings, ROLLOUT, "a rollout")
    names = {setting.name for setting in item.settings}
    for required in required_in(SAMPLING_SETTINGS):
        if required not in names:
            ctx.report(error("RL021", f"a rollout needs `{required}`"[:60], item.span, f"`{required}` is not set",
                             why="where an answer is cut changes what is learned.", fix=f"{{ {required}: 64 }}"))
    settings = checked_rule(ctx, env, item, settings)
    found = dict(settings)
    least, most = found.get("min_tokens"), found.get("max_tokens")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        ctx.report(error("RL018", "`min_tokens` is above `max_tokens`", item.span, "no answer can be drawn",
                         why=f"an answer has {least} tokens at least and {most} at most.", fix=f"`min_tokens: {most}` or less"))
    return settings


def _axes(name: str, prompt: Axis, turns: bool) -> tuple[Axis, Axis]:
    sample = Axis(f"{name}.sample", Level.SAMPLE, name, prompt)
    above = Axis(f"{name}.turn", Level.TURN, name, sample) if turns else sample
    return sample, Axis(f"{name}.token", Level.TOKEN, name, above)


def _policy(ctx: Context, env: Environment, item: tree.Rollout) -> str | None:
    found = elaborate(ctx, env, item.policy)
    model = ctx.tables.models.get(found.name) if isinstance(found, ModelValue) else None
    if model is not None and is_remote(model.origin):
        ctx.report(error("RL032", "a judge over HTTP gives no tokens", item.policy.span, f"`{model.name}` is asked over HTTP"[:40],
                         others=[Label(model.span, "declared here")],
                         why="a rollout needs the tokens that were drawn, and how likely they were.",
                         fix=f"`rollout {item.name} ~ actor(problems.question) {{ … }}`"))
        return None
    if model is not None and model.role in (Role.POLICY, Role.JUDGE):
        return model.name
    if not isinstance(found, FailedValue):
        shown = f"this is a {model.role.value}" if model is not None else f"this is {describe(found)}"
        ctx.report(error("RL032", "a rollout is drawn from a policy", item.policy.span, shown,
                         why="`~` draws answers from the policy that is called.",
                         fix=f"`rollout {item.name} ~ actor(problems.question) {{ … }}`"))
    return None


def _prompt(ctx: Context, env: Environment, item: tree.Rollout) -> int | None:
    if len(item.arguments) != 1 or item.arguments[0].name is not None:
        ctx.report(error("RL021", "a rollout takes one prompt", item.span, "the policy is called here",
                         why="the prompt is one text; texts are joined with `+`.",
                         fix=f"`rollout {item.name} ~ actor(problems.question)`"))
        return None
    return row_text(ctx, env, item.arguments[0].value, "prompt")


def row_text(ctx: Context, env: Environment, expr: tree.Expr, what: str) -> int | None:
    """The text that an expression gives for each row; None after a report."""
    value = elaborate(ctx, env, expr)
    if isinstance(value, ResponseValue):
        expr = tree.Field(expr, "text", span=expr.span)
    key = graph_value(ctx, env, expr, "a text")
    found = ctx.type_of(key)
    if found.is_error:
        return None
    if found.element not in (Element.TEXT, Element.JSON) or found.axis == BATCH or found.axis.level > Level.SAMPLE:
        ctx.report(error("RL033", f"the {what} is a text for each row", env.span(expr), f"this is {found}"[:40],
                         why=f"a {what} comes from a field of the data, or from another response.",
                         fix="`problems.question`"))
        return None
    return key


def declare_response(ctx: Context, env: Environment, item: tree.Response) -> Value:
    """`response win = pairs.chosen given pairs.prompt [for actor]`: tokens of the text, one answer for each row."""
    name = ctx.own_name(env, item.name)
    text, prompt = row_text(ctx, env, item.text, "answer"), row_text(ctx, env, item.prompt, "prompt")
    model = _only_reader(ctx, env, item) if item.model is None else _tokenizer_of(ctx, env, item, item.model)
    if text is None or prompt is None or model is None:
        return FailedValue()
    rows = ctx.type_of(text).axis
    if rows.is_within(ctx.type_of(prompt).axis):
        prompt = ctx.builder.spread(prompt, rows, item.span)
    else:
        ctx.report(error("RL033", "answer and prompt stand on different rows", item.span,
                         f"{rows} and {ctx.type_of(prompt).axis}"[:40], why="each answer needs its own prompt.",
                         fix="take both from the same data set"))
        return FailedValue()
    token = Axis(f"{name}.token", Level.TOKEN, name, rows)
    ctx.tables.responses[name] = ResponseSpec(name, model, prompt, text, rows, rows, token, (), (), item.span)
    return ResponseValue(name)


def _tokenizer_of(ctx: Context, env: Environment, item: tree.Response, word: str) -> str | None:
    value = elaborate(ctx, env, tree.Name(word, span=item.span))
    if isinstance(value, ModelValue):
        return value.name
    if not isinstance(value, FailedValue):
        ctx.report(error("RL032", f"`{word[:30]}` is no model", item.span, f"it is {describe(value)}"[:40],
                         why="`for` names the policy whose tokens these are.",
                         fix=f"`response {item.name} = … given … for actor`"))
    return None


def _only_reader(ctx: Context, env: Environment, item: tree.Response) -> str | None:
    """The one policy with a tokenizer of its own; in a spec without policies, the one critic or scorer."""
    models = {name: bound[1] for name, bound in env.scope.bindings.items()
              if isinstance(bound[1], tree.Model) and not bound[1].derived and bound[1].role in READERS}
    own = [name for name, model in models.items() if model.role == "policy"] or list(models)
    if len(own) == 1:
        value = elaborate(ctx, env, tree.Name(own[0], span=item.span))
        return value.name if isinstance(value, ModelValue) else None
    ctx.report(error("RL034", "whose tokens these are is not clear" if own else "there is no model to read this text",
                     item.span, "this response", why=f"the spec has {len(own)} models with a tokenizer of their own.",
                     fix=f"`response {item.name} = … given … for {own[0] if own else 'actor'}`"))
    return None
