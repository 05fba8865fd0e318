"""From the grammar's declaration and statement rules to tree nodes: one function a rule, of the rule's name.

Each takes the span of the rule's text and the rule's parts. No meaning, no messages.
"""

from __future__ import annotations

from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.syntax.build_expressions import span_of, text_of
from rldsl.syntax.tokens import Token
from rldsl.syntax.tree import Expr, Setting, Statement, TypeExpr

Settings = tuple[Setting, ...]
Body = tuple[Statement, ...]


# ------------------------------------------------------------------ imports, parameters, data, models
def imported(span: Span, token: Token) -> tree.Name:
    return tree.Name(token.text, span=span)


def imports(span: Span, *names: tree.Name) -> tuple[tree.Name, ...]:
    return names


def import_from(span: Span, module: str, names: tuple[tree.Name, ...] | None, alias: Token | None) -> tree.Import:
    return tree.Import(module, False, names or (), alias.text if alias else None, span=span)


def import_path(span: Span, path: Token, names: tuple[tree.Name, ...] | None, alias: Token | None) -> tree.Import:
    return tree.Import(text_of(path), True, names or (), alias.text if alias else None, span=span)


def param(span: Span, name: Token, type_expr: TypeExpr, value: Expr) -> tree.Param:
    return tree.Param(name.text, type_expr, value, span=span)


def target(span: Span) -> bool:
    return True


def field(span: Span, name: Token, type_expr: TypeExpr, is_target: bool | None) -> tree.DataField:
    return tree.DataField(name.text, type_expr, bool(is_target), span=span)


def fields(span: Span, *values: tree.DataField) -> tuple[tree.DataField, ...]:
    return values


def data(span: Span, name: Token, source: Expr, columns: tuple[tree.DataField, ...] | None) -> tree.Data:
    return tree.Data(name.text, source, columns or (), span=span)


def role(span: Span, word: Token) -> str:
    return word.text


def overrides(span: Span, values: Settings) -> Settings:
    return values


def model(span: Span, kind: str, name: Token, origin: Expr, settings: Settings | None) -> tree.Model:
    return tree.Model(kind, name.text, origin, settings=settings or (), span=span)


def derived_model(span: Span, kind: str, name: Token, origin: Expr, changes: Settings | None,
                  settings: Settings | None) -> tree.Model:
    return tree.Model(kind, name.text, origin, True, changes or (), settings or (), span=span)


# ------------------------------------------------------------------ rollouts, rewards
def callee(span: Span, first: Token, *rest: Token) -> Expr:
    found: Expr = tree.Name(first.text, span=span_of(first, span.file))
    for word in rest:
        found = tree.Field(found, word.text, span_of(word, span.file), span=Span(span.file, span.start, word.end))
    return found


def retry(span: Span, condition: Expr, settings: Settings | None) -> tree.Retry:
    return tree.Retry(condition, settings or (), span=span)


def rollout(span: Span, name: Token, policy: Expr, values: tuple[tree.Argument, ...] | None,
            settings: Settings | None, again: tree.Retry | None) -> tree.Rollout:
    return tree.Rollout(name.text, policy, values or (), settings or (), again, span=span)


def response(span: Span, name: Token, text: Expr, prompt: Expr, reader: Token | None) -> tree.Response:
    return tree.Response(name.text, text, prompt, reader.text if reader else None, span=span)


def weight(span: Span, text: Token, amount: Expr, settings: Settings | None) -> tree.Criterion:
    return tree.Criterion(text_of(text), "weight", amount, settings or (), span=span)


def penalty(span: Span, text: Token, amount: Expr, settings: Settings | None) -> tree.Criterion:
    return tree.Criterion(text_of(text), "penalty", amount, settings or (), span=span)


def veto(span: Span, text: Token, amount: Expr | None, settings: Settings | None) -> tree.Criterion:
    return tree.Criterion(text_of(text), "veto", amount, settings or (), span=span)


def gate(span: Span, text: Token, amount: Expr | None, settings: Settings | None) -> tree.Criterion:
    return tree.Criterion(text_of(text), "gate", amount, settings or (), span=span)


def rubric(span: Span, name: Token, judge: Token, *entries: tree.Criterion | Setting) -> tree.Rubric:
    criteria = tuple(entry for entry in entries if isinstance(entry, tree.Criterion))
    settings = tuple(entry for entry in entries if isinstance(entry, Setting))
    return tree.Rubric(name.text, judge.text, criteria, settings, span_of(judge, span.file), span=span)


def held_out(span: Span) -> bool:
    return True


def reward(span: Span, name: Token, is_held_out: bool | None, value: Expr) -> tree.Reward:
    return tree.Reward(name.text, value, bool(is_held_out), span=span)


# ------------------------------------------------------------------ values, functions, state
def let(span: Span, name: Token, value: Expr) -> tree.Let:
    return tree.Let(name.text, value, span=span)


def typed_parameter(span: Span, name: Token, type_expr: TypeExpr, default: Expr | None) -> tree.Parameter:
    return tree.Parameter(name.text, type_expr, default, span=span)


def free_parameter(span: Span, name: Token, default: Expr | None) -> tree.Parameter:
    return tree.Parameter(name.text, None, default, span=span)


def parameters(span: Span, *values: tree.Parameter) -> tuple[tree.Parameter, ...]:
    return values


def function_body(span: Span, *parts: tree.Let | Expr) -> tuple[tuple[tree.Let, ...], Expr]:
    *lets, body = parts
    return tuple(part for part in lets if isinstance(part, tree.Let)), body  # type: ignore[return-value]


def function(span: Span, name: Token, values: tuple[tree.Parameter, ...] | None, result: TypeExpr | None,
             body: Expr | tuple[tuple[tree.Let, ...], Expr]) -> tree.Function:
    lets, value = body if isinstance(body, tuple) else ((), body)
    return tree.Function(name.text, values or (), result, lets, value, span=span)


def extern(span: Span, name: Token, values: tuple[tree.Parameter, ...] | None, result: TypeExpr, source: Expr,
           settings: Settings | None) -> tree.Extern:
    return tree.Extern(name.text, values or (), result, source, settings or (), span=span)


def state(span: Span, name: Token, type_expr: TypeExpr, value: Expr) -> tree.State:
    return tree.State(name.text, type_expr, value, span=span)


def assign(span: Span, name: Token, value: Expr) -> tree.Assign:
    return tree.Assign(name.text, value, span=span)


def sampler(span: Span, name: Token, rows: Token, settings: Settings) -> tree.Sampler:
    return tree.Sampler(name.text, rows.text, settings, span=span)


def buffer(span: Span, name: Token, rows: Expr, condition: Expr | None) -> tree.Buffer:
    return tree.Buffer(name.text, rows, condition, span=span)


# ------------------------------------------------------------------ objectives, guards, measures, tests
def direction(span: Span, word: Token) -> str:
    return word.text


def term(span: Span, way: str, label: Token | None, value: Expr) -> tree.Term:
    return tree.Term(way, label.text if label else None, value, span=span)


def objective(span: Span, name: Token, trained: Token, *entries: tree.Let | tree.Term) -> tree.Objective:
    return tree.Objective(name.text, trained.text, entries, span=span)


def action(span: Span, word: Token) -> tree.Action:
    return tree.Action(word.text, span=span)


def guard(span: Span, condition: Expr, consequence: tree.Action) -> tree.Guard:
    return tree.Guard(condition, consequence, span=span)


def report(span: Span, label: Token | None, value: Expr) -> tree.Report:
    return tree.Report(value, label.text if label else None, span=span)


def reports(span: Span, *values: tree.Report) -> tuple[tree.Report, ...]:
    return values


def eval_(span: Span, name: Token, rows: Token, *entries: Setting | tuple[tree.Report, ...]) -> tree.Eval:
    settings = tuple(entry for entry in entries if isinstance(entry, Setting))
    values = tuple(value for entry in entries if isinstance(entry, tuple) for value in entry)
    return tree.Eval(name.text, rows.text, settings, values, span=span)


def expect(span: Span, condition: Expr, tolerance: Expr | None) -> tree.Expect:
    return tree.Expect(condition, tolerance, span=span)


def test(span: Span, name: Token, *entries: tree.Let | tree.Expect) -> tree.Test:
    return tree.Test(text_of(name), entries, span=span)


# ------------------------------------------------------------------ train, plan
def block(span: Span, *statements: Statement) -> Body:
    return statements


def train(span: Span, body: Body) -> tree.Train:
    return tree.Train(body, span=span)


def repeat(span: Span, count: Expr, body: Body) -> Statement:
    return tree.Repeat(count, body, span=span)


def stage(span: Span, name: Token, body: Body) -> Statement:
    return tree.StageOf(name.text, body, span=span)


def every(span: Span, count: Expr, body: Body) -> Statement:
    return tree.Every(count, body, span=span)


def when(span: Span, condition: Expr, body: Body) -> Statement:
    return tree.When(condition, body, span=span)


def draw(span: Span, count: Expr, word: str, rows: Token | None, chooser: Token | None) -> Statement:
    return tree.Draw(count, word, rows.text if rows else None, chooser.text if chooser else None, span=span)


def update(span: Span, trained: Token, goal: Token, rows: Token | None, settings: Settings | None) -> Statement:
    return tree.Update(trained.text, goal.text, rows.text if rows else None, settings or (), span=span)


def reset(span: Span, changed: Token, source: Token) -> Statement:
    return tree.Reset(changed.text, source.text, span=span)


def evaluate(span: Span, name: Token) -> Statement:
    return tree.Evaluate(name.text, span=span)


def save(span: Span) -> Statement:
    return tree.Save(span=span)


def assign_statement(span: Span, name: Token, value: Expr) -> Statement:
    return tree.AssignStatement(name.text, value, span=span)


def plan_setting(span: Span, key: Token, value: Expr | tree.Cluster) -> tree.PlanSetting:
    return tree.PlanSetting(key.text, value, span=span)


def place(span: Span, name: Token, value: Expr | tree.Cluster) -> tree.PlanSetting:
    return tree.PlanSetting(f"place {name.text}", value, span=span)


def cluster(span: Span, nodes: Expr, devices: Expr, kind: Token) -> tree.Cluster:
    return tree.Cluster(nodes, devices, text_of(kind), span=span)


def plan(span: Span, *settings: tree.PlanSetting) -> tree.Plan:
    return tree.Plan(settings, span=span)
