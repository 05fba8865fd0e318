"""Values of several parts: `each` puts values of one level side by side, as the members of each of its places; `split` cuts
texts into steps."""

from __future__ import annotations

import math
import re
from hashlib import sha256

from rldsl.diagnostics import error
from rldsl.elaborate.arguments import Bound
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import as_key, axes_agree, elaborate, graph_value, numeric
from rldsl.elaborate.staging import host_type
from rldsl.elaborate.values import FailedValue, GraphValue, ModelValue, ResponseValue, Value, describe
from rldsl.graph.model import Constant, Foreign, Leaf, Setting, SourceKind
from rldsl.graph.spec import ResponseSpec, Role
from rldsl.infer.levels import common_axis
from rldsl.resolve.names import listed
from rldsl.rewards.signatures import check_constant
from rldsl.syntax import tree
from rldsl.types import BATCH, Axis, Element, Level, Type, parts_axis

WAYS = ("at", "pattern", "tag", "by")
EXAMPLES = {"at": '"\\n\\n"', "pattern": '"\\\\n+"', "tag": '"step"', "timeout": "5s"}
MOST_MEMBERS = 256


def call_each(ctx: Context, env: Environment, call: tree.Call) -> Value:
    """`each(a, b, c)`: the values as one value of three members, at level `member` below theirs. Gradients pass."""
    named = [argument for argument in call.arguments if argument.name is not None]
    values = [argument.value for argument in call.arguments if argument.name is None]
    if named or not 2 <= len(values) <= MOST_MEMBERS:
        at, said = (named[0], "this has a name") if named else (call, f"{len(values)} values")
        ctx.report(error("RL021", "`each` takes several values, by place", env.span(at), said, others=env.labels(at, "in here"),
                         why=f"the values become members of each place, in their order; {MOST_MEMBERS} at most.",
                         fix="`each(score(a, y), score(b, y))`"))
        return FailedValue()
    keys = [_member(ctx, env, value) for value in values]
    if any(ctx.type_of(key).is_error for key in keys) or not axes_agree(ctx, env, keys, call, values):
        return FailedValue()
    parent = common_axis([ctx.type_of(key) for key in keys])
    assert parent is not None, "the axes were said to agree"
    if any(above.level is Level.MEMBER for above in parent.chain()):
        ctx.report(error("RL104", "these have members already", env.span(call), f"the values are @ {parent}"[:40],
                         others=env.labels(call, "in here"), why="a member has no members of its own.",
                         fix="one `each` of all values: `each(a, b, c)`"))
        return FailedValue()
    return GraphValue(ctx.builder.parts(keys, parts_axis(parent, Level.MEMBER, len(keys)), env.span(call)))


def _member(ctx: Context, env: Environment, expr: tree.Expr) -> int:
    key = numeric(ctx, env, expr, vectors=True)
    if ctx.type_of(key).element is not Element.VECTOR:
        return key
    ctx.report(error("RL020", "members are numbers", env.span(expr), "this is a vector", others=env.labels(expr, "in here"),
                     why="vectors are as wide as their model, and two models need not agree.",
                     fix="`each(cosine(u, v), cosine(u, w))`: numbers made of them"))
    return ctx.failed()


# ------------------------------------------------------------------ steps
def call_split(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`split(y.text, at: "\\n\\n")`: the steps of a text, on the level `step` below it. Those of a response cover its tokens."""
    ways = [word for word in WAYS if word in bound]
    settings = _settings(ctx, env, bound) if len(ways) == 1 else None
    if len(ways) != 1:
        ctx.report(error("RL021", "`split` says in one way where steps end", env.span(call),
                         f"{listed(ways)} are given" if ways else "no way is given", others=env.labels(call, "in here"),
                         why="`at:` is a separator, `pattern:` an expression that matches one, `tag:` cuts `<step>…</step>`,"
                         " `by:` a judge that says where.",
                         fix='`split(y.text, at: "\\n\\n")`, `split(y.text, pattern: "\\\\n+")`, `split(y.text, tag: "step")` or '
                             '`split(y.text, by: grader)`'))
    key, response = _text_of(ctx, env, bound["text"])
    if settings is None or ctx.type_of(key).is_error:
        return FailedValue()
    parent = ctx.type_of(key).axis
    if parent == BATCH:
        ctx.report(error("RL104", "one text has no steps here", env.span(bound["text"]), "this is one text for the batch",
                         why="steps are those of an answer, or of a field of the rows.", fix="`split(y.text, …)`"))
        return FailedValue()
    over = response.token_axis if response is not None and parent == response.sample_axis else None
    owner = parent.owner if response is None else response.name
    word = f"steps:{settings['judge']}" if "judge" in settings else "split"
    operation = Foreign(word, ("text",), tuple(sorted({**settings, "of": "" if over is None else over.name}.items())))
    name = ctx.found_axis(f"{owner if over is not None else parent.name}.step", (operation, key))
    way, said = ways[0], settings["judge" if ways[0] == "by" else ways[0]]
    source = "" if over is not None else f" in {_structure(ctx, key)}"
    axis = Axis(name, Level.STEP, owner, parent, maker=f"{way} {said!r}{source}", over=over)
    kind = host_type(ctx, Type(Element.TEXT), axis, [key])
    return GraphValue(ctx.builder.add(operation, (key,), type=kind, span=env.span(call)))


def _structure(ctx: Context, key: int) -> str:
    """A digest of how a value is made: two specs that are compared have the same steps only if they cut the same text."""
    node = ctx.node(key)
    words = [repr(node.operation), *(_structure(ctx, source) for source in node.inputs)]
    return sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _settings(ctx: Context, env: Environment, bound: Bound) -> dict[str, Setting] | None:
    """The constants of the call; None after a report."""
    if "by" in bound and "timeout" not in bound:
        name = _judge(ctx, env, bound["by"])
        return None if name is None else {"judge": name}
    found: dict[str, Setting] = {"timeout": 5.0} if "pattern" in bound else {}
    for word in (*WAYS, "timeout"):
        if word not in bound or word == "by":
            continue
        key = graph_value(ctx, env, bound[word])
        operation = ctx.node(key).operation
        value = operation.value if isinstance(operation, Constant) and not ctx.type_of(key).is_error else None
        trouble = "it must be known when the spec is compiled" if value is None else _trouble(word, value, bound)
        if ctx.type_of(key).is_error:
            return None
        if trouble is not None:
            ctx.report(error("RL028", f"`{word}` of `split` does not fit", env.span(bound[word]), "this argument",
                             others=env.labels(bound[word], "in here"), why=f"{trouble}.", fix=f"`{word}: {EXAMPLES[word]}`"))
            return None
        found[word] = float(value) if word == "timeout" and isinstance(value, (int, float)) else value
    return found


def _judge(ctx: Context, env: Environment, expr: tree.Expr) -> str | None:
    """The name of a judge; None after a report."""
    value = elaborate(ctx, env, expr)
    if isinstance(value, ModelValue) and ctx.tables.models[value.name].role is Role.JUDGE:
        return value.name
    if not isinstance(value, FailedValue):
        found = f"a {ctx.tables.models[value.name].role.value}" if isinstance(value, ModelValue) else describe(value)
        ctx.report(error("RL032", "`by` of `split` names a judge", env.span(expr), f"this is {found}"[:40],
                         others=env.labels(expr, "in here"), why="a judge reads the text and says where its steps begin.",
                         fix='`judge grader from openai(…)`, then `split(y.text, by: grader)`'))
    return None


def _trouble(word: str, value: float | bool | str, bound: Bound) -> str | None:
    match word, value:
        case "timeout", str() | bool():
            return "it is a duration"
        case "timeout", _ if "pattern" not in bound:
            return "only a `pattern` can take long"
        case "timeout", int() | float():
            return None if 0 < value < math.inf else "it is longer than nothing"
        case _, int() | float() | bool():
            return "it is a text"
        case "at", str():
            return None if value else "an empty text separates nothing"
        case "tag", str():
            return None if re.fullmatch(r"[\w.-]+", value) else "it names a tag, without its brackets"
        case _:
            return check_constant("split", "pattern", value)


def _text_of(ctx: Context, env: Environment, expr: tree.Expr) -> tuple[int, ResponseSpec | None]:
    """The key of a text, and the response whose text it is: as it is written, else the only one that has it."""
    value = elaborate(ctx, env, expr)
    named = value
    if isinstance(value, ResponseValue):
        value = elaborate(ctx, env, tree.Field(expr, "text", span=expr.span))
    elif isinstance(expr, tree.Field) and expr.name == "text":
        named = elaborate(ctx, env, expr.base)
    key = as_key(ctx, env, value, expr, "a text")
    found = ctx.type_of(key)
    if not found.is_error and found.element is not Element.TEXT:
        ctx.report(error("RL020", "a text is needed here", env.span(expr), f"this is {found}"[:40],
                         others=env.labels(expr, "in here"), why="`split` cuts texts.", fix="`split(y.text, …)`"))
        return ctx.failed(), None
    if isinstance(named, ResponseValue):
        return key, ctx.tables.responses[named.name]
    operation = ctx.node(key).operation
    owner = operation.owner if isinstance(operation, Leaf) and operation.kind is SourceKind.RECORDED else None
    having = [spec for spec in ctx.tables.responses.values() if spec.name == owner or spec.text == key]
    return key, having[0] if len(having) == 1 else None
