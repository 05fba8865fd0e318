"""`prm(scorer, s, …)`: a scorer's number at the end of each step of an answer, read by a tokenizer of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rldsl.data.signatures import Parameter
from rldsl.diagnostics import error
from rldsl.elaborate.calls_host import take
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import graph_value, host
from rldsl.elaborate.values import FailedValue, GraphValue, Value
from rldsl.graph.model import Constant, Foreign
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rewards.step_settings import StepsShown
from rldsl.syntax import tree
from rldsl.types import Axis, Element, Level, Type

CUTS = ("split", "steps")
OPTIONS = ("question", "tag", "join")
FORM = "`prm(rm, s, question: problems.question)`, `s` being `split(y.text, …)`"
WHOLE_TEXT = '`split(… else "", at: "\\n\\n")`: steps of a text that is always there'
EXAMPLES = {"tag": '`tag: "<extra_0>"`', "join": '`join: "\\n"`'}


def score_steps(ctx: Context, env: Environment, call: tree.Call, scorer: str, steps: tree.Expr) -> Value:
    """Real @ step, frozen: the head where each step ends, or where the `tag` behind it does."""
    if ctx.in_test:
        ctx.report(error("RL027", "a test reads no models", env.span(call), "`prm` asks a scorer",
                         others=env.labels(call, "in here"), why="a test runs without the models of its spec.",
                         fix="numbers in its place: `[[0.5, 1]] @ step`"))
        return FailedValue()
    inputs: list[tuple[str, int]] = []
    parts: list[tree.Expr] = [steps, steps, steps]
    named = _named(ctx, env, call)
    if named is None or not take(ctx, env, "prm", Parameter("step", (Element.TEXT,)), steps, inputs, {}, []):
        return FailedValue()
    key = inputs[0][1]
    axis, split = ctx.type_of(key).axis, ctx.node(key).operation
    if not isinstance(split, Foreign) or split.name.partition(":")[0] not in CUTS:
        _report_no_steps(ctx, env, steps, axis)
        return FailedValue()
    assert axis.parent is not None
    inputs += [("text", ctx.node(key).inputs[0]), ("place", ctx.builder.position(axis, axis.parent, env.span(call)))]
    question = Parameter("question", (Element.TEXT,))
    if "question" in named and not take(ctx, env, "prm", question, named["question"], inputs, {}, parts):
        return FailedValue()
    texts = [inputs[0], *inputs[3:]]
    shown = _shown(ctx, env, named, {name: value for name, value in split.settings if name != "of"})
    if shown is None or not are_whole(ctx, env, texts, [steps, *parts[3:]], axis, WHOLE_TEXT):
        return FailedValue()
    return GraphValue(host(ctx, env, f"step_scores:{scorer}", inputs, shown.constants, call, Type(Element.REAL), parts))


def are_whole(ctx: Context, env: Environment, inputs: Sequence[tuple[str, int]], parts: Sequence[tree.Expr], steps: Axis,
              fix: str = '`s else ""`') -> bool:
    """Whether every step of an answer is there, and all texts beside them are of the answer: it is read as a whole. `fix`: what to
    write for steps of which some are absent."""
    for number, ((_, key), part) in enumerate(zip(inputs, parts, strict=True)):
        found = ctx.type_of(key)
        if (number == 0 and found.optional) or (number > 0 and found.axis == steps):
            ctx.report(error("RL104", "`prm` reads an answer as a whole", env.span(part), "of some steps" if number == 0 else
                             "this is of each step", others=env.labels(part, "in here"), why="all steps of an answer are read"
                             " together; an absent one would leave a gap.", fix=fix if number == 0 else
                             "a text of the answer or of the row"))
            return False
    return True


def report_no_steps(ctx: Context, env: Environment, expr: tree.Expr, axis: Axis, who: str) -> None:
    """RL104 of texts that are not @ step."""
    ctx.report(error("RL104", "`prm` judges steps", env.span(expr), f"this is @ {axis}"[:40], others=env.labels(expr, "in here"),
                     why="a process reward is of each step of an answer.",
                     fix=f"`let s = split(y.text, at: \"\\n\\n\")`, then `prm({who}, s)`"))


def _report_no_steps(ctx: Context, env: Environment, expr: tree.Expr, axis: Axis) -> None:
    if axis.level is not Level.STEP:
        report_no_steps(ctx, env, expr, axis, "rm")
        return
    ctx.report(error("RL104", "a scorer reads steps where they stand", env.span(expr), "made of steps",
                     others=env.labels(expr, "in here"), why="it reads the text that `split` cut, up to the end of each step; what"
                     " is made of a step stands in no text.",
                     fix="`let s = split(y.text, at: \"\\n\\n\")`, then `prm(rm, s)`"))


def _named(ctx: Context, env: Environment, call: tree.Call) -> Mapping[str, tree.Expr] | None:
    """What is given by name; None after a report."""
    found: dict[str, tree.Expr] = {}
    for argument in (argument for argument in call.arguments if argument.name is not None):
        assert argument.name is not None
        if argument.name not in OPTIONS or argument.name in found:
            word, known = argument.name, argument.name in OPTIONS
            ctx.report(error("RL021", f"`{word[:20]}` is given twice" if known else f"`prm` of a scorer has no `{word[:20]}`",
                             env.span(argument), "this argument", others=env.labels(argument, "in here"),
                             why=f"a scorer is shown a question and the answer; `prm` takes {listed(OPTIONS)}.",
                             fix="one of the two" if known else did_you_mean(word, OPTIONS) or FORM))
            return None
        found[argument.name] = argument.value
    return found


def _shown(ctx: Context, env: Environment, named: Mapping[str, tree.Expr], split: Mapping[str, object]) -> StepsShown | None:
    """How steps are shown; None after a report."""
    texts: dict[str, str] = {}
    for word, example in EXAMPLES.items():
        if word not in named:
            continue
        key = graph_value(ctx, env, named[word])
        if ctx.type_of(key).is_error:
            return None
        operation = ctx.node(key).operation
        value = operation.value if isinstance(operation, Constant) else None
        if not isinstance(value, str) or (word == "tag" and not value):
            ctx.report(error("RL028", f"`{word}` of `prm` does not fit", env.span(named[word]), "this argument",
                             others=env.labels(named[word], "in here"), why="it is a text that is known when the spec is compiled;"
                             " a tag stands behind each step, a joining text between two.", fix=example))
            return None
        texts[word] = value
    return StepsShown(split, texts.get("tag", ""), texts.get("join"))
