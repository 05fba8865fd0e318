"""Random syntax trees, and their text with no more brackets than needed: `parse(text_of(tree)) == tree`."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from rldsl.syntax import tree
from rldsl.syntax.tree import Expr

WORDS = ("a", "b", "total", "y", "x", "data", "test", "update", "prompts", "where", "from", "target", "let", "node", "_",
         "in", "else", "given", "and", "weight", "report", "stop1", "mean", "Real")
names = st.sampled_from(WORDS)
values = st.sampled_from(("a", "b", "y", "mean", "data", "prompt", "update", "where", "train", "x", "of"))
fields = st.sampled_from(("text", "logp", "data", "not", "true", "else", "step"))
units = st.sampled_from(("prompts", "samples", "tokens", "update", "updates", "rows"))
texts = st.text(st.characters(codec="utf-8"), max_size=6)
numbers = st.builds(lambda text: tree.Number(float(text), text), st.sampled_from(("0", "1", "0.5", "1e-6", "007", "1E+3")))
durations = st.sampled_from((tree.Duration(30.0, "30s"), tree.Duration(0.005, "5ms"), tree.Duration(5400.0, "1.5h")))
atoms: st.SearchStrategy[Expr] = st.one_of(
    numbers, durations, st.builds(tree.Name, values), st.builds(tree.String, texts), st.builds(tree.Bool, st.booleans()))


def _larger(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    operators = st.sampled_from(("+", "-", "*", "/", "^", "==", "<", ">=", "and", "or"))
    alternatives = st.one_of(inner, st.builds(tree.Action, st.sampled_from(("stop", "skip", "warn"))))
    passed = st.one_of(inner, st.builds(tree.Bounds, inner, inner), st.builds(tree.Arrow, inner, inner))
    arguments = st.lists(st.builds(tree.Argument, passed, st.one_of(st.none(), names)), max_size=3).map(tuple)
    return st.one_of(
        st.builds(tree.Binary, operators, inner, inner), st.builds(tree.Unary, st.sampled_from(("-", "not")), inner),
        st.builds(tree.Else, inner, alternatives), st.builds(tree.Given, inner, inner),
        st.builds(tree.Field, inner, fields), st.builds(tree.Call, inner, arguments),
        st.builds(tree.ListOf, st.lists(inner, max_size=3).map(tuple)))


expressions: st.SearchStrategy[Expr] = st.recursive(atoms, _larger, max_leaves=12)
setting_values = st.one_of(expressions, st.builds(tree.Quantity, expressions, units),
                           st.builds(tree.Bounds, expressions, expressions), st.builds(tree.Arrow, expressions, expressions))
settings = st.lists(st.builds(tree.Setting, names, setting_values), max_size=3).map(tuple)
lets = st.builds(tree.Let, names, expressions)
terms = st.builds(tree.Term, st.sampled_from(("maximize", "minimize")), st.one_of(st.none(), names), expressions)
simple_statements = st.one_of(
    st.builds(tree.Draw, expressions, units, st.one_of(st.none(), names), st.one_of(st.none(), names)),
    st.builds(tree.Update, names, names, st.one_of(st.none(), names), settings), st.builds(tree.Reset, names, names),
    st.builds(tree.Evaluate, names), st.just(tree.Save()), st.builds(tree.AssignStatement, names, expressions))


def _blocks(inner: st.SearchStrategy[tree.Statement]) -> st.SearchStrategy[tree.Statement]:
    bodies = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(st.builds(tree.Repeat, expressions, bodies), st.builds(tree.StageOf, names, bodies),
                     st.builds(tree.Every, expressions, bodies), st.builds(tree.When, expressions, bodies))


statements: st.SearchStrategy[tree.Statement] = st.recursive(simple_statements, _blocks, max_leaves=6)
items: st.SearchStrategy[tree.Item] = st.one_of(
    lets, st.builds(tree.Reward, names, expressions, st.booleans()), st.builds(tree.Assign, names, expressions),
    st.builds(tree.Model, st.just("policy"), names, expressions, st.just(False), st.just(()), settings.filter(bool)),
    st.builds(tree.Rollout, names, st.builds(tree.Name, values), st.just(()), settings.filter(bool)),
    st.builds(tree.Objective, names, names, st.lists(st.one_of(lets, terms), max_size=3).map(tuple)),
    st.builds(tree.Buffer, names, expressions, st.one_of(st.none(), expressions)),
    st.builds(tree.Guard, expressions.filter(lambda found: not isinstance(found, tree.Else)),
              st.builds(tree.Action, st.sampled_from(("stop", "skip", "warn")))),
    st.builds(tree.Function, names, st.just(()), st.none(), st.lists(lets, max_size=2).map(tuple), expressions),
    st.builds(tree.Train, st.lists(statements, max_size=3).map(tuple)))
modules = st.builds(tree.Module, st.lists(items, max_size=4).map(tuple))

# ------------------------------------------------------------------ text
_LEVELS = {"or": 1, "and": 2, "==": 4, "<": 4, ">=": 4, "+": 6, "-": 6, "*": 7, "/": 7, "^": 9}
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"})


def text_of_expression(expr: Expr | tree.Action, least: int = 0) -> str:
    """The expression, in brackets where it binds less than `least`."""
    level, text = _levelled(expr)
    return text if level >= least else f"({text})"


def _levelled(expr: Expr | tree.Action) -> tuple[int, str]:
    show: Callable[..., str] = text_of_expression
    match expr:
        case tree.Number(text=text) | tree.Duration(text=text) | tree.Name(text=text) | tree.Action(word=text):
            return 11, text
        case tree.String(value=value):
            return 11, f'"{value.translate(_ESCAPES)}"'
        case tree.Bool(value=value):
            return 11, "true" if value else "false"
        case tree.Field(base=base, name=name):
            return 10, f"{show(base, 10)}.{name}"
        case tree.Call(callee=callee, arguments=arguments):
            return 10, f"{show(callee, 10)}({', '.join(map(_argument, arguments))})"
        case tree.Unary(operator="-", operand=operand):
            return 8, f"-{show(operand, 8)}"
        case tree.Unary(operand=operand):
            return 3, f"not {show(operand, 3)}"
        case tree.Binary(operator="^", left=left, right=right):
            return 9, f"{show(left, 10)} ^ {show(right, 8)}"
        case tree.Binary(operator=operator, left=left, right=right):
            level = _LEVELS[operator]
            return level, f"{show(left, level + (level == 4))} {operator} {show(right, level + 1)}"
        case tree.Else(value=value, alternative=alternative):
            return 0, f"{show(value, 1)} else {show(alternative, 0)}"
        case tree.Given(response=response, context=context):
            return 5, f"{show(response, 6)} given {show(context, 6)}"
        case tree.Bounds(low=low, high=high):
            return 0, f"{show(low, 6)} .. {show(high, 6)}"
        case tree.Arrow(start=start, end=end):
            return 0, f"{show(start, 6)} -> {show(end, 6)}"
        case tree.Quantity(amount=amount, unit=unit):
            return 0, f"{show(amount, 6)} {unit}"
        case tree.ListOf(items=items):
            return 11, f"[{', '.join(show(item) for item in items)}]"
    raise AssertionError(expr)


def _argument(argument: tree.Argument) -> str:
    return (f"{argument.name}: " if argument.name else "") + text_of_expression(argument.value)


def _settings(settings: tuple[tree.Setting, ...]) -> str:
    return "{" + ", ".join(f"{setting.name}: {text_of_expression(setting.value)}" for setting in settings) + "}"


def text_of_statement(node: tree.Statement | tree.Item | tree.Term) -> str:
    """A statement or declaration on as few lines as it can have."""
    show = text_of_expression
    match node:
        case tree.Let(name=name, value=value):
            return f"let {name} = {show(value)}"
        case tree.Reward(name=name, value=value, held_out=held_out):
            return f"reward {name}{' held out' * held_out} = {show(value)}"
        case tree.Assign(name=name, value=value) | tree.AssignStatement(name=name, value=value):
            return f"{name} <- {show(value)}"
        case tree.Model(role=role, name=name, origin=origin, settings=settings):
            return f"{role} {name} from {show(origin)} {_settings(settings)}"
        case tree.Rollout(name=name, policy=policy, settings=settings):
            return f"rollout {name} ~ {show(policy)}() {_settings(settings)}"
        case tree.Objective(name=name, model=model, items=items):
            return f"objective {name} for {model} {{{_lines(items)}}}"
        case tree.Term(direction=direction, label=label, value=value):
            return f"{direction} {label + ': ' if label else ''}{show(value)}"
        case tree.Buffer(name=name, data=data, condition=condition):
            return f"buffer {name} <- {show(data)}" + (f" where {show(condition)}" if condition else "")
        case tree.Guard(condition=condition, action=action):
            return f"guard {show(condition, 1)} else {action.word}"
        case tree.Function(name=name, lets=lets, body=body):
            if not lets:
                return f"fn {name}() = {show(body)}"
            return f"fn {name}() = {{{_lines(lets)}\n{show(body, 10) if show(body).startswith('-') else show(body)}\n}}"
        case tree.Train(body=body):
            return f"train {{{_lines(body)}}}"
        case tree.Repeat(count=count, body=body):
            return f"repeat {show(count)} {{{_lines(body)}}}"
        case tree.StageOf(name=name, body=body):
            return f"stage {name} {{{_lines(body)}}}"
        case tree.Every(count=count, body=body):
            return f"every {show(count)} {{{_lines(body)}}}"
        case tree.When(condition=condition, body=body):
            return f"when {show(condition)} {{{_lines(body)}}}"
        case tree.Draw(count=count, unit=unit, data=data, sampler=sampler):
            return f"draw {show(count, 6)} {unit}{f' from {data}' * bool(data)}{f' using {sampler}' * bool(sampler)}"
        case tree.Update(model=model, objective=objective, on=on, settings=settings):
            return f"update {model} with {objective}{f' on {on}' * bool(on)} {_settings(settings)}"
        case tree.Reset(model=model, to=to):
            return f"reset {model} to {to}"
        case tree.Evaluate(name=name):
            return f"evaluate {name}"
        case tree.Save():
            return "save"
    raise AssertionError(node)


def _lines(nodes: tuple[tree.Statement | tree.Item | tree.Term, ...]) -> str:
    return "\n".join(map(text_of_statement, nodes))


def text_of(module: tree.Module) -> str:
    """The whole module."""
    return _lines(module.items)
