"""Calls that run on the host: primitives such as `verify.math`, extern functions, rubrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rldsl.data.isolation import CONTAINER, container_kept, is_isolation
from rldsl.data.signatures import Form, Parameter, match_arguments
from rldsl.diagnostics import Label, error
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import as_key, elaborate, host
from rldsl.elaborate.settings import WITH_UNIT, unit_is_amiss
from rldsl.elaborate.values import (
    BoundsValue,
    FailedValue,
    GraphValue,
    ResponseValue,
    Value,
    WordValue,
)
from rldsl.graph.model import Constant, Setting
from rldsl.resolve.names import listed
from rldsl.rewards.signatures import check_constant, check_failing, check_groups, check_settings, primitive_for, result_of
from rldsl.syntax import tree
from rldsl.types import NUMERIC, Element, Type


def call_host(ctx: Context, env: Environment, call: tree.Call, name: str) -> Value:
    """A primitive of `rewards.signatures`."""
    named = [argument.name for argument in call.arguments if argument.name is not None]
    positional = len(call.arguments) - len(named)
    full = primitive_for(name, [])
    if full is None:
        return FailedValue()
    from rldsl.rewards.signatures import PRIMITIVES
    written = match_arguments(PRIMITIVES[name].parameters, positional, named, others=PRIMITIVES[name].others)
    if written.problems:
        return _problems(ctx, env, call, name, written.problems, _form(name, full.parameters, full.others))
    primitive = primitive_for(name, written.names)
    assert primitive is not None
    by_name = {parameter.name: parameter for parameter in primitive.parameters}
    idle = [word for word in written.names if word not in by_name and not primitive.others]
    if idle:
        lacking = " and ".join(f"`{word}`" for word, _ in PRIMITIVES[name].without)
        return _problems(ctx, env, call, name, (f"`{idle[0]}` is without effect where no {lacking} is given",),
                         _form(name, full.parameters, full.others))
    ordered = [entry for entry in call.arguments if entry.name is None] + \
        [entry for entry in call.arguments if entry.name is not None]
    inputs: list[tuple[str, int]] = []
    settings: dict[str, Setting] = {}
    parts: list[tree.Expr] = []
    for word, argument in zip(written.names, ordered, strict=True):
        parameter = by_name.get(word, Parameter(word, tuple(Element)))
        if not take(ctx, env, primitive.name, parameter, argument.value, inputs, settings, parts):
            return FailedValue()
    result = result_of(primitive, settings)
    elements = {word: ctx.type_of(key).element for word, key in inputs}
    trouble = check_settings(settings) or check_groups(primitive, written.names) \
        or check_failing(primitive.name, settings, elements)
    if trouble is not None:
        return _problems(ctx, env, call, name, (trouble,), _form(name, full.parameters, full.others))
    if not inputs:
        return _problems(ctx, env, call, name, ("at least one argument has to be a value, not a constant",),
                         _form(name, full.parameters, full.others))
    kind = Type(result.element, result.interval, optional=result.optional)
    return GraphValue(host(ctx, env, primitive.name, inputs, tuple(settings.items()), call, kind, parts))


def _problems(ctx: Context, env: Environment, call: tree.Call, name: str, problems: tuple[str, ...], fix: str,
              *others: Label) -> Value:
    ctx.report(error("RL021", f"`{name}` is called with other arguments"[:60], env.span(call), "this call",
                     others=[*env.labels(call, "in here"), *others], why=_sentence("; ".join(problems)), fix=fix))
    return FailedValue()


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _form(name: str, parameters: Sequence[Parameter], others: bool = False) -> str:
    """`verify.math(text, answer)`, which may have `timeout:`; what is a constant is written with an example."""
    needed = [f"{parameter.name}: {_example(parameter)}" if parameter.constant else parameter.name
              for parameter in parameters if parameter.is_required]
    free = [f"{parameter.name}:" for parameter in parameters if not parameter.is_required] + (["name: …"] if others else [])
    return f"`{name}({', '.join(needed)})`" + (f"; it may have {listed(free)}" if free else "")


def take(ctx: Context, env: Environment, name: str, parameter: Parameter, expr: tree.Expr,
         inputs: list[tuple[str, int]], settings: dict[str, Setting], parts: list[tree.Expr]) -> bool:
    """Add an argument to the inputs of a call, or to its settings where it is a constant; False after a report."""
    if parameter.constant:
        return _take_constant(ctx, env, name, parameter, expr, settings)
    value = elaborate(ctx, env, expr)
    if isinstance(value, ResponseValue):
        value = elaborate(ctx, env, tree.Field(expr, "text", span=expr.span))
    key = as_key(ctx, env, value, expr)
    found = ctx.type_of(key)
    if found.is_error:
        return False
    if found.element not in parameter.elements and not (found.element in NUMERIC and Element.REAL in parameter.elements):
        wanted = " or ".join(element.value for element in parameter.elements)
        ctx.report(error("RL026", f"`{parameter.name}` of `{name}` must be {wanted}"[:60], env.span(expr),
                         f"this is {found}"[:40], why=f"`{name}` reads {wanted} there.", fix=f"give {wanted}"))
        return False
    inputs.append((parameter.name, key))
    parts.append(expr)
    return True


def _take_constant(ctx: Context, env: Environment, name: str, parameter: Parameter, expr: tree.Expr,
                   settings: dict[str, Setting]) -> bool:
    value = _constant(ctx, env, parameter, expr)
    trouble = "it must be known when the spec is compiled" if value is None else check_constant(name, parameter.name, value)
    if trouble is None and parameter.form is Form.CHOICE and value not in parameter.choices:
        trouble = f"it is one of {', '.join(parameter.choices)}"
    if trouble is None and parameter.form is Form.ISOLATION and not is_isolation(value, parameter.choices):
        trouble = f"it is {', '.join(f'`{word}`' for word in parameter.choices)} or `{CONTAINER}`"
    if trouble is None and parameter.form in (Form.VALUE, Form.SHARE) and not _is_of(value, parameter.elements):
        trouble = f"it is {' or '.join(element.value for element in parameter.elements)}"
    example = _example(parameter)
    if value is not None and parameter.form is Form.DURATION and unit_is_amiss(expr, True):
        trouble, example = WITH_UNIT, f"{env.scope.source.text[expr.span.start:expr.span.end]}s"
    if trouble is not None:
        ctx.report(error("RL028", f"`{parameter.name}` of `{name}` does not fit"[:60], env.span(expr), "this argument",
                         why=trouble + ".", fix=f"`{parameter.name}: {example}`"))
        return False
    settings[parameter.name] = value
    return True


def _is_of(value: Setting, elements: Sequence[Element]) -> bool:
    """Whether a constant is one of these elements. A whole number is a Real too."""
    match value:
        case bool():
            return Element.BOOL in elements
        case str():
            return Element.TEXT in elements or Element.JSON in elements
        case int() | float():
            return Element.REAL in elements or (Element.INT in elements and float(value).is_integer())
        case _:
            return False


def _example(parameter: Parameter) -> str:
    match parameter.form:
        case Form.CHOICE | Form.ISOLATION:
            return parameter.choices[0]
        case Form.DURATION:
            return "5s"
        case Form.RANGE:
            return "0 .. 1"
        case Form.SHARE:
            return "0.05"
        case _:
            return '"…"' if Element.TEXT in parameter.elements else "true" if Element.BOOL in parameter.elements else "1"


def _constant(ctx: Context, env: Environment, parameter: Parameter, expr: tree.Expr) -> Setting:
    if parameter.form in (Form.CHOICE, Form.ISOLATION) and isinstance(expr, tree.Name):
        return expr.text
    if parameter.form is Form.ISOLATION:
        return _container(expr)
    value = elaborate(ctx, env, expr)
    match value:
        case BoundsValue(low=low, high=high):
            ends = constant_number(ctx, low), constant_number(ctx, high)
            return None if None in ends else ends
        case WordValue(word=word):
            return word
        case GraphValue(key=key):
            operation = ctx.node(key).operation
            if isinstance(operation, Constant) and isinstance(operation.value, (str, bool)):
                return operation.value
            return constant_number(ctx, key)
        case _:
            return None


def _container(expr: tree.Expr) -> Setting:
    """`container("command")` as it is kept; None for anything else."""
    match expr:
        case tree.Call(callee=tree.Name(text="container"),
                       arguments=(tree.Argument(name=None, value=tree.String(value=command)),)):
            return container_kept(command)
        case _:
            return None


def call_extern(ctx: Context, env: Environment, call: tree.Call, name: str) -> Value:
    """An `extern fn`: inputs by its declared parameters, result by its promise."""
    spec = ctx.tables.externs[name]
    parameters = [Parameter(word, (element,)) for word, element in spec.parameters]
    named = [argument.name for argument in call.arguments if argument.name is not None]
    matched = match_arguments(parameters, len(call.arguments) - len(named), named)
    if matched.problems:
        return _problems(ctx, env, call, name, matched.problems, _form(name, parameters), Label(spec.span, "declared here"))
    ordered = sorted(call.arguments, key=lambda argument: argument.name is not None)
    inputs: list[tuple[str, int]] = []
    parts: list[tree.Expr] = []
    elements = dict(spec.parameters)
    for word, argument in zip(matched.names, ordered, strict=True):
        if not take(ctx, env, name, Parameter(word, (elements[word],)), argument.value, inputs, {}, parts):
            return FailedValue()
    return GraphValue(host(ctx, env, f"extern:{name}", inputs, (), call, replace(spec.result), parts))
