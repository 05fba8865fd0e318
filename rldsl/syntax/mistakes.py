"""The mistakes of form that are known by name, as records: how each is recognised and what to say. Holds no logic.

Each has an example in `grammar/mistakes/NAME.rl` with its message in `NAME.out`; a test compares them. The first record that
fits is used, so particular ones stand before general ones. `$found`, `$before`, `$item`, `$name` and `$value` stand for the
user's words: the text at fault, the one before it, the declaration's keyword, the word after that, what follows the fault.
"""

from __future__ import annotations

from dataclasses import dataclass

from rldsl.syntax.codes import BRACKET, FOREIGN, FORM, NUMBER, OPERATOR, TEXT

WHYS = {
    TEXT: "a text stands between two `\"` on one line.",
    NUMBER: "a number is digits with a point and an exponent where needed: `8`, `0.5`, `1e-6`.",
    OPERATOR: "the operators are `+ - * / ^`, `== != < <= > >=`, `and or not`, `given`, `else` and `..`.",
    FOREIGN: "a spec says what holds, not steps to run; its statements begin with their own words.",
    BRACKET: "the brackets say where a part of a spec ends, each closed by its own kind.",
    FORM: "the order of a spec is that in which things come to exist, each with its own form.",
}
FORMS = {
    "import": "`import std.module (names)` or `import \"path.rl\" as name`",
    "param": "`param name: Type = value`",
    "data": "`data name from source { field: Type }`",
    **{role: f"`{role} name from source {{ settings }}`" for role in ("critic", "scorer", "embedder", "judge")},
    "policy": "`policy name from source { settings }` or `policy name = frozen(other)`",
    "rollout": "`rollout name ~ policy(prompt) { settings }`",
    "response": "`response name = text given prompt`",
    "rubric": "`rubric name judged by judge { \"criterion\" weight 1 }`",
    "reward": "`reward name = value`",
    "let": "`let name = value`",
    "fn": "`fn name(a: Type) -> Type = value`",
    "extern": "`extern fn name(a: Type) -> Type = python(\"module:function\")`",
    "state": "`state name: Type = value`",
    "sampler": "`sampler name over data { settings }`",
    "buffer": "`buffer name <- data where condition`",
    "objective": "`objective name for policy { maximize label: value }`",
    "guard": "`guard condition else stop`",
    "eval": "`eval name on data { settings report values }`",
    "test": "`test \"name\" { expect value == value within 1e-6 }`",
    "train": "`train { repeat 200 { draw 64 prompts  update policy with objective } }`",
    "plan": "`plan { cluster: 1 node of 8 x \"H100-80GB\" }`",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """Patterns match whole texts; empty ones match anything. `fits` is a kind of token that would have been right;
    `kind` is that of the token at fault.

    `inside` is the innermost open bracket: `call`, `(`, `[`, `{` or `top`. `then` is matched against what follows.
    `instead` replaces the text at fault where that alone mends it.
    """

    name: str
    code: str
    title: str
    label: str
    fix: str
    why: str = ""
    found: str = ""
    before: str = ""
    then: str = ""
    inside: str = ""
    item: str = ""
    fits: str = ""
    kind: str = ""
    begins_line: bool = False
    instead: str | None = None


_WORD = r"[A-Za-z_]\w*"
_NAMED = "`=` gives a name its value; settings and arguments are `name: value`."
_OPERAND = rf"{_WORD}|\d[\w.]*|\"[^\"]*\"|\[|\("

_TEXTS = (
    Mistake("unknown-escape", TEXT, "this text has an unknown escape", "a `\\` with a letter after it",
            r'write `\\` for a backslash; the escapes are `\"`, `\\`, `\n` and `\t`.',
            found=r'"(?:[^"\\]|\\.)*"', kind="BAD"),
    Mistake("unclosed-text", TEXT, "this text has no closing quote", "the line ends before a closing `\"`",
            r'close it with `"` on the same line; a line break in a text is written `\n`.', found=r'".*', kind="BAD"),
    Mistake("single-quotes", TEXT, "texts are written in double quotes", "write `\"` for `'`",
            "put the text between `\"` and `\"`.", found="'.*"),
    Mistake("curly-quotes", TEXT, "this is a typographic quote", "write a plain `\"`",
            "put the text between two plain `\"`; word processors change them.", found="[“”„‘’«»]"),
    Mistake("backtick", TEXT, "texts are written in double quotes", "write `\"` for a backtick",
            "put the text between `\"` and `\"`.", found="`"),
    Mistake("control-character", TEXT, "this is a control character", "a character that does not print",
            "delete it; inside a text, a line break is `\\n` and a tab `\\t`.", found=r"[\x00-\x1f\x7f-\x9f]", kind="BAD"),
    Mistake("odd-space", TEXT, "this is not a plain space", "a character that looks like a space",
            "delete it and type a plain space; it often comes with text copied from a web page.",
            found="[\u00a0\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff]"),
)

_NUMBERS = (
    Mistake("too-large-number", NUMBER, "this number is too large", "beyond 1.8e308",
            "write `inf` if no bound is meant, else a smaller number.",
            found=r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", kind="BAD"),
    Mistake("digit-groups", NUMBER, "numbers are written without `_`", "digits in groups",
            "write the digits together, as in `1000000`, or `1e6`.", found=r"[0-9][0-9_]*_[0-9_.]*"),
    Mistake("duration-unit", NUMBER, "this is not a unit of time", "no such unit of time",
            "durations are written `30s`, `5ms`, `2m` or `1h`.",
            found=r"[0-9.]+(?:sec|secs|second|seconds|min|mins|minute|minutes|hr|hrs|hour|hours|d|day|days|us|ns)"),
    Mistake("glued-number", NUMBER, "a number and a word stand together", "no operator between them",
            "write `3 * x` for a product; a unit has a space before it, as in `16 prompts`.",
            found=r"[0-9][\w.]*[A-Za-z_][\w.]*"),
    Mistake("leading-point", NUMBER, "a digit is missing before the point", "nothing before the point",
            "write `0.5` for `.5`.", found=r"\.", then="[0-9]", fits="NUMBER"),
    Mistake("trailing-point", NUMBER, "a digit is missing after the point", "a digit is expected here",
            "write `1.0` for `1.`, or `1`.", before=r"\.", fits="NAME", found=r"\W.*|\Z"),
    Mistake("percent", NUMBER, "there is no `%`", "not a part of a number",
            "write the share itself, `0.2` for 20 %; there is no remainder operator.", found="%"),
)

_OPERATORS = (
    Mistake("double-ampersand", OPERATOR, "`and` is a word here", "write `and`", "`a and b`", found="&&?", instead="and"),
    Mistake("double-bar", OPERATOR, "`or` is a word here", "write `or`", "`a or b`", found=r"\|\|?", instead="or"),
    Mistake("exclamation", OPERATOR, "`not` is a word here", "write `not`", "`not a`", found="!", instead="not "),
    Mistake("double-star", OPERATOR, "a power is written `^`", "write `^`", "`x ^ 2`", found=r"\*\*", instead="^"),
    Mistake("triple-equals", OPERATOR, "equality is written `==`", "write `==`", "`a == b`", found="===", instead="=="),
    Mistake("angle-unequal", OPERATOR, "inequality is written `!=`", "write `!=`", "`a != b`", found="<>", instead="!="),
    Mistake("semicolon", OPERATOR, "statements end without `;`", "delete this",
            "delete it: each statement begins with its keyword, so nothing separates them.", found=";", instead=""),
    Mistake("three-dots", OPERATOR, "a range has two dots", "write `..`", "`0.8 .. 1.2`", found=r"\.\.\.", instead=".."),
    Mistake("colon-range", OPERATOR, "a range is written with `..`", "write `..`", "`0.8 .. 1.2`",
            found=":", before=r"[0-9][0-9.eE+-]*", fits="..", instead=" .."),
    Mistake("fat-arrow", OPERATOR, "there is no `=>`", "write `=` or `->`",
            "`fn double(x: Real) -> Real = 2 * x`; at least is `>=`.", found="=>"),
    Mistake("walrus", OPERATOR, "there is no `:=`", "write `=`, or `<-` for a state",
            "`let x = 1` names a value; `x <- 1` gives a declared state its next one.", found=":="),
    Mistake("update-operator", OPERATOR, "there is no `$found`", "write the new value out",
            "`count <- count + 1`, where `count` is a declared state.", found="[-+*/]="),
    Mistake("slashes", OPERATOR, "comments begin with `#`", "write `#`",
            "`# why this is so`; a quotient is written with one `/`.", found="//|/\\*", instead="#"),
    Mistake("question-mark", OPERATOR, "there is no `? :`", "not an operator",
            "`where(condition, value, other)`", found=r"\?"),
    Mistake("backslash", OPERATOR, "lines go on without a `\\`", "delete this",
            "delete it: the end of a line has no meaning.", found=r"\\", instead=""),
    Mistake("mathematical-sign", OPERATOR, "operators are written in plain characters", "a typographic sign",
            "write `-` `*` `/` `<=` `>=` `!=` `->` `..`.", found="[−–—×·⋅÷≤≥≠→←…±²³]"),
    Mistake("arrow-for-less", OPERATOR, "`<-` gives a state its next value", "less than minus, or a new value?",
            "put a space between for a comparison, `x < -1`; a new value begins a line, `x <- 1`.", found="<-", fits="<"),
    Mistake("chained-comparison", OPERATOR, "comparisons do not chain", "a second comparison",
            "`a < b and b < c`", found="==|!=|<=?|>=?", fits="and"),
    Mistake("plus-sign", OPERATOR, "a number has no `+` before it", "delete this", "`1` for `+1`",
            found=r"\+", fits="NUMBER", instead=""),
    Mistake("indexing", OPERATOR, "values are not indexed", "an index",
            "levels take the place of indices: `first(x, per: prompt)`, `max(x, per: prompt)`, `prev(x)`.",
            found=r"\[", fits="+", before=rf"{_WORD}|\)"),
    Mistake("level-in-expression", OPERATOR, "a level is not written in an expression", "levels are inferred",
            "reduce with `per:`, as in `mean(x, per: sample)`, or spread with `spread(x, to: token)`.",
            found="@", fits="+"),
)

_FOREIGN = (
    Mistake("foreign-letters", FOREIGN, "names are written in plain letters", "a letter beyond a to z",
            "use the letters a to z, digits and `_`, as in `beta`.", found=r"(?=.*[^\x00-\x7f])[\w]+"),
    Mistake("python-constant", FOREIGN, "`$found` is written in lower case", "Python's spelling",
            "`true` or `false`; what is absent has a value by `else`, as in `x else 0`.", found="True|False|None"),
    Mistake("lambda", FOREIGN, "functions have names here", "the parameter of a `lambda`",
            "declare `fn double(x: Real) -> Real = 2 * x` at the top and call it.", before="lambda"),
    Mistake("conditional", FOREIGN, "a choice is written `where(…)`", "Python's conditional",
            "`where(condition, value, other)`; for an absent value, `value else other`.", found="if", fits="+"),
    Mistake("comprehension", FOREIGN, "there are no loops over values", "a comprehension",
            "levels do the looping: `mean(x, per: prompt)` takes every `x` of each prompt.",
            found="for", inside=r"call|\(|\["),
    Mistake("loop", FOREIGN, "loops are written `repeat`", "not a statement of rldsl",
            "`repeat 200 { … }` inside `train { … }`; values are looped over by their levels.", found="for|while|loop"),
    Mistake("if-statement", FOREIGN, "a condition is written `when`", "not a statement of rldsl",
            "`when condition { … }` inside `train { … }`; in an expression, `where(condition, a, b)`.",
            found="if|elif|unless|switch|match"),
    Mistake("definition", FOREIGN, "a function is declared with `fn`", "write `fn`",
            "`fn name(x: Real) -> Real = 2 * x`", found="def|func|function|fun|define|class", then=rf"\s*{_WORD}"),
    Mistake("return", FOREIGN, "a function's last expression is its result", "after `return`",
            "delete `return`: `fn f(x) = { let y = 2 * x  y + 1 }`.", before="return"),
    Mistake("from-import", FOREIGN, "an import begins with `import`", "Python's order",
            "`import std.surrogate (clipped)`", found="from", begins_line=True, inside="top"),
    Mistake("import-from", FOREIGN, "the module is named first", "the order of another language",
            "`import std.surrogate (clipped)`", found="from|{|\\(", item="import"),
    Mistake("loss-assignment", FOREIGN, "a loss is a term of an objective", "not a declaration",
            "`objective name for actor { minimize mean(…) }`; its direction is said once, so no sign is flipped.",
            found="loss|cost|total_loss|policy_loss", then=r"\s*\+?=(?!=)"),
    Mistake("update-assignment", FOREIGN, "a new value is written `<-`", "no such assignment",
            "`$found <- $found + 1`, where `$found` is a declared state.", found=_WORD, then=r"\s*[-+*/]="),
    Mistake("assignment-in-block", FOREIGN, "a new value is written `<-`", "`=` does not change a value",
            "`$found <- …`, where `$found` is a declared state.", found=_WORD, then=r"\s*=(?!=)", fits="STATE", inside="{"),
    Mistake("bare-assignment", FOREIGN, "a value is named with `let`", "no keyword before it",
            "`let $found = …`; a new value for a state is `$found <- …`.", found=_WORD, then=r"\s*=(?!=)",
            begins_line=True, inside="top|{", fits="let"),
    Mistake("bare-expression", FOREIGN, "an expression alone does nothing", "its value goes nowhere",
            "name it, `let x = $found(…)`, or report it in an `eval`.", found=_WORD, then=r"\s*\(", begins_line=True,
            inside="top"),
    Mistake("not-in", FOREIGN, "there is no `$found` between values", "not an operator",
            "`a == 0 or a == 1`; a declared range is part of a type, `x: Real in [0, 1]`.",
            found="in|is|contains|isinstance", fits="+"),
)

_FORMS = (
    Mistake("data-with-equals", FORM, "data has its source after `from`", "write `from`",
            "`data $name from jsonl(\"…\") { question: Text }`", found="=", fits="from", item="data", instead="from"),
    Mistake("missing-from", FORM, "`from` is missing before the source", "write `from` before this",
            "`$item $name from hf(\"…\")`", fits="from", item="data|policy|critic|scorer|embedder|judge"),
    Mistake("missing-tilde", FORM, "a rollout is drawn with `~`", "write `~` here",
            "`rollout $name ~ actor(problems.question) { samples: 8 }`", fits="~", item="rollout"),
    Mistake("rollout-without-prompt", FORM, "a rollout names its prompt", "what is the policy asked?",
            "`rollout $name ~ $before(problems.question) { samples: 8 }`", found="{", fits="(", item="rollout"),
    Mistake("response-without-given", FORM, "a response names its prompt", "write `given` and the prompt",
            "`response $name = pairs.chosen given pairs.prompt`", fits="given", item="response"),
    Mistake("arrow-for-equals", FORM, "a value is named with `=`", "write `=`",
            "`$item $name = …`; `<-` gives a declared state its next value.", found="<-", fits="=", instead="="),
    Mistake("double-equals", FORM, "a value is named with one `=`", "write `=`", "`$item $name = …`",
            found="==", fits="=", instead="="),
    Mistake("block-without-equals", FORM, "`=` is missing before the body", "write `=` before this",
            "`fn $name(x: Real) -> Real = { let y = 2 * x  y + 1 }`", found="{", fits="=", item="fn"),
    Mistake("result-with-colon", FORM, "a result's type follows `->`", "write `->`",
            "`fn $name(x: Real) -> Real = …`", found=":", fits="->", item="fn|extern", instead=" ->"),
    Mistake("extern-without-type", FORM, "foreign code declares what it returns", "write `-> Type` before this",
            "`extern fn name(text: Text) -> Real in [0, 1] = python(\"module:function\")`", fits="->", item="extern"),
    Mistake("extern-without-fn", FORM, "an extern is a function", "write `fn` before this",
            "`extern fn name(text: Text) -> Real = python(\"module:function\")`", fits="fn", item="extern"),
    Mistake("untyped-param", FORM, "a parameter has a type", "its type is missing",
            "`$item $found: Real = 1`, with its range where there is one: `Real in [0, 1]`.",
            found=_WORD, fits="KEY", item="param|state", before="param|state"),
    Mistake("objective-without-for", FORM, "an objective names what it trains", "write `for` and a model",
            "`objective $name for actor { … }`", fits="for", item="objective", found="{|with|of|on"),
    Mistake("rubric-without-judge", FORM, "a rubric names its judge", "write `judged by` and a judge",
            "`rubric $name judged by grader { … }`", fits="judged", item="rubric"),
    Mistake("criterion-with-colon", FORM, "a criterion has a weight in words", "write `weight`",
            "`\"Every step follows\" weight 3`, or `penalty 2`, `veto`, `gate`.", found=":", fits="weight", instead=" weight"),
    Mistake("criterion-without-mark", FORM, "a criterion says what it is worth", "write its weight before this",
            "`\"Every step follows\" weight 3`, or `penalty 2`, `veto`, `gate`.", fits="weight"),
    Mistake("guard-without-else", FORM, "a guard says what happens", "`else stop`, `skip` or `warn`?",
            "`guard mean(kl) < 2.0 else stop`; `else skip` drops the batch, `else warn` reports.",
            fits="else", item="guard", begins_line=True),
    Mistake("guard-at-end", FORM, "a guard says what happens", "`else stop`, `skip` or `warn`?",
            "`guard mean(kl) < 2.0 else stop`; `else skip` drops the batch, `else warn` reports.",
            fits="else", item="guard", found=r"\Z"),
    Mistake("guard-action", FORM, "a guard can stop, skip or warn", "not one of the three",
            "`else stop`, `else skip` or `else warn`", fits="stop", item="guard"),
    Mistake("update-without-with", FORM, "an update names its objective", "write `with` before the objective",
            "`update actor with grpo { minibatch: 16 prompts }`", fits="with", before=_WORD, inside="{",
            found=rf"using|by|for|to|{{|}}|{_WORD}", item="train"),
    Mistake("unquoted-test", FORM, "a test's name is a text", "write it in `\"`",
            "`test \"what holds\" { expect f(1) == 2 }`", fits="STRING", item="test", before="test"),
    Mistake("unquoted-path", FORM, "a path is written in `\"`", "a path, or a module?",
            "`import \"lib/x.rl\" as x`; modules have points, `import std.surrogate (clipped)`.", found="/", item="import"),
    Mistake("block-with-colon", FORM, "a block is written in `{` and `}`", "write `{`",
            "`$item … { … }`, closed by `}`", found=":", fits="{", instead=" {"),
    Mistake("settings-without-braces", FORM, "settings are written in `{` and `}`", "a setting outside braces",
            "`{ $found: … }` after what it sets", fits="{", then=r"\s*:"),
    Mistake("setting-with-equals", FORM, "a setting is written with `:`", "write `$found:`",
            "`$found: $value`", _NAMED, found=_WORD, then=r"\s*=(?!=)", inside="{", fits="KEY"),
    Mistake("setting-without-colon", FORM, "a `:` is missing after `$found`", "write `$found:`",
            "`$found: …`", found=_WORD, then=rf"[ \t]*(?:{_OPERAND}|-)", inside="{", fits="KEY"),
    Mistake("argument-with-equals", FORM, "a named argument is written with `:`", "write `:`",
            "`$before: $value`", _NAMED, found="=", inside="call", before=_WORD, instead=":"),
    Mistake("single-equals", OPERATOR, "equality is written `==`", "write `==`", "`a == b`", found="=", fits="==",
            instead="=="),
    Mistake("missing-comma", BRACKET, "a comma is missing before this", "another value begins here",
            "put a `,` between the two values.", found=_OPERAND, inside=r"call|\[", fits=","),
    Mistake("function-without-result", FORM, "a function's last expression is missing", "its result goes before this",
            "`fn f(x) = { let y = 2 * x  y + 1 }`; put a result that begins with `-` in `(` and `)`.",
            found="}", inside="{", fits="let", item="fn"),
    Mistake("braces-as-value", FORM, "`{` does not begin a value", "a value is expected here",
            "settings stand after what they set, `name(…) { samples: 8 }`; lists are written `[1, 2]`.",
            found="{", fits="NUMBER"),
)

MISTAKES: tuple[Mistake, ...] = (*_TEXTS, *_NUMBERS, *_OPERATORS, *_FOREIGN, *_FORMS)
