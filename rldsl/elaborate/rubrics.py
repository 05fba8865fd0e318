"""`rubric` declarations: criteria with their marks, scales and amounts, who judges, how it is asked."""

from __future__ import annotations

from dataclasses import replace

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate, numeric
from rldsl.elaborate.setting_values import is_rejected, setting_value
from rldsl.elaborate.settings import settings_of
from rldsl.elaborate.settings_tables import RUBRIC
from rldsl.elaborate.values import FailedValue, ModelValue, RubricValue, Value, describe
from rldsl.graph.spec import CriterionSpec, Invocation, Role, RubricSpec, SettingValue
from rldsl.resolve.names import did_you_mean
from rldsl.rewards.rubrics.asked import Asked
from rldsl.rewards.rubrics.scale import BINARY_SCALE, MOST_NUMBERS, Scale, as_numbers, as_words
from rldsl.syntax import tree
from rldsl.types import BATCH, Type

MOST_CRITERIA = 100
SCALE_FIX = "`scale: binary`, `scale: 1 .. 10` or `scale: ordinal(no: 0, partly: 0.5, yes: 1)`"
EXAMPLE = '"States the final answer" weight 1'


def declare_rubric(ctx: Context, env: Environment, item: tree.Rubric) -> Value:
    """`rubric clear judged by grader { "criterion" weight 3 … }`."""
    name = ctx.own_name(env, item.name)
    asked = _asked(ctx, env, item)
    criteria = _criteria(ctx, env, item, asked)
    judge = _judge(ctx, env, item)
    if judge is None or criteria is None:
        return FailedValue()
    spec = RubricSpec(name, judge, criteria, replace(asked, judge=judge).constants, item.span, item.doc)
    if not _can_be_weighed(ctx, item, spec):
        return FailedValue()
    ctx.tables.rubrics[name] = spec
    return RubricValue(name)


def check_rubrics(ctx: Context) -> None:
    """A rubric without criteria gets them from calls; one that no call gives any says nothing."""
    for name, rubric in ctx.tables.rubrics.items():
        if not rubric.criteria and name not in ctx.called_rubrics:
            ctx.report(error("RL035", f"`{name[:30]}` has no criterion", rubric.span, "this rubric",
                             why="a judge is asked about criteria, one by one; here are none, and no call brings any.",
                             fix=f"`{EXAMPLE}`, or `{name}(y.text, criteria: problems.rubrics)`"))


def _judge(ctx: Context, env: Environment, item: tree.Rubric) -> str | None:
    value = elaborate(ctx, env, tree.Name(item.judge, span=item.judge_span)) if item.judge in env.scope.bindings else None
    model = ctx.tables.models.get(value.name) if isinstance(value, ModelValue) else None
    if isinstance(value, FailedValue) or item.judge in env.scope.missing:
        return None
    if model is not None and model.role is Role.JUDGE:
        return model.name
    judges = [name for name, (_, found) in env.scope.bindings.items()
              if isinstance(found, tree.Model) and found.role == "judge"]
    what = f"it is a {model.role.value}" if model is not None else "judged by an unknown model" if value is None \
        else f"it is {describe(value)}"
    ctx.report(error("RL011", f"there is no judge `{item.judge[:30]}`", item.judge_span, what[:40],
                     why="a rubric is read by a judge.", fix=did_you_mean(item.judge, judges)
                     or f"`judge {item.judge} from openai(model: \"…\", base_url: env(\"JUDGE_URL\"))`"))
    return None


def _asked(ctx: Context, env: Environment, item: tree.Rubric) -> Asked:
    """How the rubric asks; what is wrong with its settings is reported."""
    found = dict(settings_of(ctx, env, item.settings, RUBRIC, "a rubric"))
    votes = given if isinstance(given := found.get("votes"), int) else 1
    votes_by = str(found.get("votes_by") or "")
    written = {setting.name: setting for setting in item.settings}
    if (votes > 1) != bool(votes_by) and {"votes", "votes_by"} & set(found):
        at = written["votes" if votes > 1 else "votes_by"]
        title = "several votes become one number somehow" if votes > 1 else "one vote needs no `votes_by`"
        ctx.report(error("RL021", title, at.span, "the votes", why="`mean` and `median` are of the numbers, `majority` is the most"
                         " frequent one, `min` the lowest.", fix="`votes: 3` and `votes_by: majority`"))
        votes_by = "mean"
    scale = _scale(ctx, env, written["scale"].value) if "scale" in written else BINARY_SCALE
    return Asked("", scales=(scale or BINARY_SCALE,), together=found.get("ask") != "each", votes=votes,
                 votes_by=votes_by if votes > 1 else "", shuffle=found.get("shuffle") is True, reason=found.get("reason") is True,
                 quote=found.get("quote") is True, instructions=str(found.get("instructions") or ""))


# ------------------------------------------------------------------ criteria
def _criteria(ctx: Context, env: Environment, item: tree.Rubric, asked: Asked) -> tuple[CriterionSpec, ...] | None:
    seen: set[str] = set()
    found: list[CriterionSpec] = []
    for criterion in item.criteria:
        if not criterion.text.strip():
            ctx.report(error("RL018", "this criterion is empty", criterion.span, "nothing to judge by",
                             why="the judge reads this text.", fix=EXAMPLE))
        elif criterion.text in seen:
            ctx.report(error("RL012", "this criterion is written twice", criterion.span, "the second time",
                             why="each criterion counts once.", fix="delete one, or add up their weights"))
        else:
            scale = _own_scale(ctx, env, criterion, asked.scales[0])
            amount = _amount(ctx, env, criterion, replace(asked, scales=(scale,)))
            found += [CriterionSpec(criterion.text, criterion.mark, amount, scale.setting, criterion.span)]
        seen.add(criterion.text)
    if len(found) > MOST_CRITERIA:
        ctx.report(error("RL035", f"`{item.name[:30]}` has {len(found)} criteria", item.span, "this rubric",
                         why=f"a judge is asked about {MOST_CRITERIA} at most.", fix="several rubrics"))
        return None
    broken = len(found) < len(item.criteria) or any(ctx.type_of(criterion.amount).is_error for criterion in found)
    return None if broken else tuple(found)


def _own_scale(ctx: Context, env: Environment, criterion: tree.Criterion, usual: Scale) -> Scale:
    settings_of(ctx, env, criterion.settings, {"scale": RUBRIC["scale"]}, "a criterion")
    written = next((setting.value for setting in criterion.settings if setting.name == "scale"), None)
    return usual if written is None else _scale(ctx, env, written) or usual


def _amount(ctx: Context, env: Environment, criterion: tree.Criterion, asked: Asked) -> int:
    """The number of a criterion: its weight, or from which verdict on a veto or gate holds."""
    closes = criterion.mark in ("veto", "gate")
    if criterion.amount is None:
        return ctx.builder.constant(1.0) if asked.interval.values == (0.0, 1.0) else _lacking(ctx, criterion, asked)
    key = numeric(ctx, env, criterion.amount)
    found = ctx.type_of(key)
    if found.is_error or _is_amount(found, closes):
        return key
    span = criterion.amount.span
    ctx.report(error("RL018", f"`{criterion.mark}` does not fit", span, f"this is {found}"[:40],
                     why="it is one number above 0 and at most 1, the verdict from which on it holds." if closes else
                     "it is one number above 0, frozen and the same for all answers.",
                     fix=f"`{criterion.mark} {'0.5' if closes else '3'}`"))
    return ctx.failed()


def _is_amount(found: Type, closes: bool) -> bool:
    interval = found.interval
    is_above = interval.low > 0 or (interval.low == 0 and (interval.low_open or (not closes and interval.high > 0)))
    return found.axis == BATCH and not found.is_live and not found.optional and is_above and (not closes or interval.high <= 1)


def _lacking(ctx: Context, criterion: tree.Criterion, asked: Asked) -> int:
    what = "holds" if criterion.mark == "veto" else "is open"
    ctx.report(error("RL021", f"from where on does this {criterion.mark} hold", criterion.span, f"this {criterion.mark}",
                     why=f"its verdict lies in {asked.interval}, and a {criterion.mark} {what} or not.",
                     fix=f"`{criterion.mark} 0.5`: it {what} from a verdict of 0.5 on"))
    return ctx.failed()


def _can_be_weighed(ctx: Context, item: tree.Rubric, spec: RubricSpec) -> bool:
    """Whether weights add up to something: penalties are taken off what weights give."""
    amounts = {mark: [ctx.type_of(criterion.amount).interval for criterion in spec.criteria if criterion.mark == mark]
               for mark in ("weight", "penalty")}
    if any(interval.low > 0 or interval.low_open for interval in amounts["weight"]):
        return True
    if not amounts["weight"] and not amounts["penalty"]:
        return True
    at = next(criterion for criterion in item.criteria if criterion.mark in ("weight", "penalty"))
    ctx.report(error("RL035", "these weights may all be 0" if amounts["weight"] else "nothing here counts for an answer", at.span,
                     "all weights may be 0" if amounts["weight"] else "a penalty, and no weight",
                     why="a verdict is the sum of what holds over the sum of all weights, less the penalties.",
                     fix=EXAMPLE if not amounts["weight"] else "a weight that is above 0 whatever happens"))
    return False


# ------------------------------------------------------------------ scales
def _scale(ctx: Context, env: Environment, expr: tree.Expr) -> Scale | None:
    """`binary`, `1 .. 10`, `ordinal(no: 0, partly: 0.5, yes: 1)`, `ordinal("not at all", "partly", "fully")`."""
    value = setting_value(ctx, env, expr)
    if is_rejected(value):
        return None
    found = _read_scale(expr, value)  # type: ignore[arg-type]
    if isinstance(found, Scale):
        return found
    ctx.report(error("RL018", "`scale` does not fit", expr.span, "this scale", why=f"{found}.", fix=SCALE_FIX))
    return None


def _read_scale(expr: tree.Expr, value: SettingValue) -> Scale | str:
    match expr, value:
        case tree.Name(), "binary":
            return BINARY_SCALE
        case tree.Bounds(), (int() as low, int() as high) if not isinstance(low, bool):
            if not low < high <= low + MOST_NUMBERS:
                return f"it goes from a whole number to a higher one, at most {MOST_NUMBERS} further"
            return as_numbers(low, high)
        case tree.Bounds(), _:
            return "its ends are whole numbers: a judge says a whole number"
        case _, Invocation(name="ordinal", positional=words, named=()):
            return _evenly(words)
        case _, Invocation(name="ordinal", positional=(), named=named):
            return _by_value(dict(named))
        case _, Invocation(name="ordinal"):
            return "either each of its words has a value or none has"
        case _:
            return "a scale is `binary`, whole numbers from one to another, or `ordinal` words"


def _evenly(words: tuple[SettingValue, ...]) -> Scale | str:
    texts = [word for word in words if isinstance(word, str) and word.strip()]
    if len(texts) < len(words) or len(set(texts)) < len(texts) or len(texts) < 2:
        return "it has two words at least, each another one"
    return as_words({str(word): float(place) for place, word in enumerate(texts)})


def _by_value(named: dict[str, SettingValue]) -> Scale | str:
    values = [float(value) for value in named.values() if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(values) < len(named) or len(values) < 2:
        return "it has two words at least, each with a number"
    if any(later <= earlier for earlier, later in zip(values, values[1:], strict=False)):
        return "the numbers of its words rise"
    return as_words(dict(zip(named, values, strict=True)))
