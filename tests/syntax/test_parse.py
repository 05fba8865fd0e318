"""What the text of each form becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.source import Source, Span
from rldsl.syntax import tree
from rldsl.syntax.parse import parse
from rldsl.syntax.tree import Argument, Binary, Call, Else, Field, Name, Number, Unary
from tests.golden import sources

ACCEPT = Path(__file__).parent / "accept"
A, B, C, D = Name("a"), Name("b"), Name("c"), Name("d")


def module_of(text: str) -> tree.Module:
    module, found = parse(Source("a.rl", text))
    assert not found and module is not None
    return module


def item(text: str) -> tree.Item:
    (only,) = module_of(text).items
    return only


def value(text: str) -> tree.Expr:
    found = item(f"let v = {text}")
    assert isinstance(found, tree.Let)
    return found.value


@pytest.mark.parametrize("path", sources(ACCEPT), ids=lambda path: path.stem)
def test_an_accepted_text_has_no_fault(path: Path) -> None:
    _, found = parse(Source(path.name, path.read_text(encoding="utf-8")))
    assert not found


def test_every_declaration_and_statement_is_in_the_accepted_texts() -> None:
    seen: set[type] = set()
    todo: list[object] = [module_of(path.read_text(encoding="utf-8")) for path in sources(ACCEPT)]
    while todo:
        node = todo.pop()
        if isinstance(node, tuple):
            todo += node
        elif isinstance(node, tree.Node):
            seen.add(type(node))
            todo += [getattr(node, name) for name in node.__dataclass_fields__]
    concrete = {kind for kind in vars(tree).values() if isinstance(kind, type) and issubclass(kind, tree.Node)}
    assert concrete - seen == {tree.Node, tree.Declaration}


@pytest.mark.parametrize(("text", "expected"), [
    ("a + b * c ^ d", Binary("+", A, Binary("*", B, Binary("^", C, D)))),
    ("a - b - c", Binary("-", Binary("-", A, B), C)),
    ("a / b * c", Binary("*", Binary("/", A, B), C)),
    ("a - (b - c)", Binary("-", A, Binary("-", B, C))),
    ("a ^ b ^ c", Binary("^", A, Binary("^", B, C))),
    ("-a ^ b", Unary("-", Binary("^", A, B))),
    ("a ^ -b", Binary("^", A, Unary("-", B))),
    ("a * -b", Binary("*", A, Unary("-", B))),
    ("--a", Unary("-", Unary("-", A))),
    ("not a == b", Unary("not", Binary("==", A, B))),
    ("not a and b", Binary("and", Unary("not", A), B)),
    ("a or b and c", Binary("or", A, Binary("and", B, C))),
    ("a < b or c >= d", Binary("or", Binary("<", A, B), Binary(">=", C, D))),
    ("a given b + c", tree.Given(A, Binary("+", B, C))),
    ("a given b == c", Binary("==", tree.Given(A, B), C)),
    ("a else b else c", Else(A, Else(B, C))),
    ("(a else b) else c", Else(Else(A, B), C)),
    ("a or b else c", Else(Binary("or", A, B), C)),
    ("a else skip", Else(A, tree.Action("skip"))),
    ("a.b(c).d", Field(Call(Field(A, "b"), (Argument(C),)), "d")),
    ("a(b: c, d)", Call(A, (Argument(C, "b"), Argument(D)))),
    ("a(b .. c, d -> 1)", Call(A, (Argument(tree.Bounds(B, C)), Argument(tree.Arrow(D, Number(1.0)))))),
    ("[a, [b], []]", tree.ListOf((A, tree.ListOf((B,)), tree.ListOf(())))),
    ("30s + 5ms", Binary("+", tree.Duration(30.0), tree.Duration(0.005))),
    (r'"a\"b\\n\n\t"', tree.String('a"b\\n\n\t')),
    ("true", tree.Bool(True)),
    ("where(c, a, b)", Call(Name("where"), (Argument(C), Argument(A), Argument(B)))),
])
def test_an_expression_is_read_by_precedence(text: str, expected: tree.Expr) -> None:
    assert value(text) == expected


def test_numbers_keep_their_text() -> None:
    found = value("1E-6")
    assert isinstance(found, Number) and (found.value, found.text) == (1e-6, "1E-6")


def test_a_thousand_digits_are_a_number_or_a_message() -> None:
    assert value("1" * 300) == Number(float("1" * 300))
    _, found = parse(Source("a.rl", "let a = " + "1" * 1000))
    assert [diagnostic.title for diagnostic in found] == ["this number is too large"]


def test_a_bracket_on_the_next_line_does_not_call() -> None:
    function = item("fn f(x) = {\n  let m = mean(x)\n  (x - m)\n}")
    assert isinstance(function, tree.Function)
    assert function.lets == (tree.Let("m", Call(Name("mean"), (Argument(Name("x")),))),)
    assert function.body == Binary("-", Name("x"), Name("m"))


def test_settings_need_no_comma() -> None:
    texts = ["policy p from q { a: 1, b: 2 prompts, c: r }", "policy p from q {\n a: 1\n b: 2 prompts\n c: r }",
             "policy p from q { a: 1 b: 2 prompts c: r, }"]
    assert len({item(text) for text in texts}) == 1


def test_a_quantity_is_a_number_with_a_unit() -> None:
    model = item("policy p from q { a: 16 prompts, b: n tokens, c: 1 update, prompts: 3 }")
    assert isinstance(model, tree.Model)
    assert [setting.value for setting in model.settings] == [
        tree.Quantity(Number(16.0), "prompts"), tree.Quantity(Name("n"), "tokens"),
        tree.Quantity(Number(1.0), "update"), Number(3.0)]


def test_documentation_goes_to_what_follows() -> None:
    module = module_of("## Of the module.\n## Two lines.\n\n## Of a.\nlet a = 1\n## Not of b.\n\nlet b = 2\n")
    assert module.doc == "Of the module.\nTwo lines."
    assert [found.doc for found in module.items] == ["Of a.", ""]


def test_documentation_directly_above_the_first_declaration_is_its_own() -> None:
    module = module_of("# a licence\n## Of a.\nlet a = 1\n")
    assert (module.doc, module.items[0].doc) == ("", "Of a.")


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "\ufeff", "\r\n\t\f\v", "## only documentation"])
def test_a_text_without_declarations_is_an_empty_module(text: str) -> None:
    assert module_of(text).items == ()


def test_line_ends_and_byte_order_marks_make_no_difference() -> None:
    text = "let a = f(\n  1,\n  2\n)\nlet b = 3\n"
    assert module_of("\ufeff" + text.replace("\n", "\r\n")) == module_of(text)


def test_spans_name_the_text_of_each_node() -> None:
    text = "let a = (b + c) * y.text"
    let = item(text)
    assert isinstance(let, tree.Let) and isinstance(let.value, Binary) and isinstance(let.value.right, Field)

    def said(span: Span) -> str:
        return text[span.start : span.end]

    assert said(let.span) == text
    assert said(let.value.span) == "(b + c) * y.text"
    assert said(let.value.left.span) == "b + c"
    assert said(let.value.right.name_span) == "text"


def test_the_module_spans_the_whole_text() -> None:
    assert module_of("let a = 1\n").span == Span("a.rl", 0, 10)
