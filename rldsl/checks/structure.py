"""The findings of parsing, names and types, for `rldsl explain` and docs/checks.md. Their stages write the messages; this
table only says what each code is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A code, what it is about, and an example of what brings it up with what to write instead."""

    code: str
    summary: str
    example: str
    instead: str


FINDINGS = (
    Finding("RL001", "a file too large for a spec", "4 MB of text", "data belongs into data files"),
    Finding("RL002", "nesting or chaining too deep", "`((((…))))`", "name the parts with `let`"),
    Finding("RL003", "a text that is not closed or holds what it cannot", '`"abc`', '`"abc"`'),
    Finding("RL004", "a number that is not written as one", "`5%`, `1.`", "`0.05`, `1.0`"),
    Finding("RL005", "an operator of another language, or a chain of comparisons", "`a && b`, `0 < x < 1`",
            "`a and b`, `0 < x and x < 1`"),
    Finding("RL006", "a statement of another language", "`for x in y:`", "a reduction: `mean(x, per: prompt)`"),
    Finding("RL007", "a misspelt keyword", "`objectve grpo for actor`", "`objective grpo for actor`"),
    Finding("RL008", "a bracket that is not closed, or closed by another kind", "`mean(x]`", "`mean(x)`"),
    Finding("RL009", "a declaration whose form is incomplete", "`param beta = 1`", "`param beta: Real = 1`"),
    Finding("RL010", "a word where something else is expected", "`let let = 1`", "what the message names"),
    Finding("RL011", "a name that nothing declares", "`mean(advantge)`", "the nearest declared name"),
    Finding("RL012", "a name that is declared twice", "two `let x`", "another name"),
    Finding("RL013", "an import that cannot be had", '`import "../x.rl" as x`', "a module of `std`, or a file of the project"),
    Finding("RL014", "a module that lacks the imported name", "`import std.divergence (k4)`", "a name it declares"),
    Finding("RL015", "files that import each other", "a imports b, b imports a", "a third file for what both need"),
    Finding("RL016", "definitions that need themselves", "`let a = b` and `let b = a`", "define one without the other"),
    Finding("RL017", "a setting that nothing reads", "`{ lerning_rate: 1 }`", "a setting that exists"),
    Finding("RL018", "a setting or count with a value that does not fit", "`samples: 0`", "`samples: 8`"),
    Finding("RL019", "a parameter or state outside its type, or `--set` of something unknown", "`--set beta=2` of [0, 1]",
            "a value in its range"),
    Finding("RL020", "something that is no value where one is needed", "`mean(actor)`", "`mean(logp(actor, y))`"),
    Finding("RL021", "a call with missing, doubled or unknown arguments", "`mean(x, pre: prompt)`", "`mean(x, per: prompt)`"),
    Finding("RL022", "`else warn` on a value", "`x else warn`", "`x else 0`, `else skip`, `else stop`"),
    Finding("RL023", "a field that does not exist", "`y.txt`", "`y.text`"),
    Finding("RL024", "a recorded field of a response that nobody sampled", "`win.logp`", "`logp(actor, win)`"),
    Finding("RL025", "a call of something that is no function", "`total(3)`", "drop the brackets"),
    Finding("RL026", "an argument of another type", "`clipped(r, a, 0.2)`", "`clipped(r, a, 0.8 .. 1.2)`"),
    Finding("RL027", "a test form outside a test, or a spec's value inside one", "`live([1])` in an objective",
            "write the value into the test"),
    Finding("RL028", "an option that must be constant or one of its words", "`isolate: always`", "`isolate: process`"),
    Finding("RL029", "a type that does not exist, or a range the wrong way round", "`Real in [1, 0]`", "`Real in [0, 1]`"),
    Finding("RL030", "a construct of the language that is not built yet", "`branch(y)`", "an `extern fn`, for now"),
    Finding("RL031", "a data source that does not exist, or data without fields", "`from jsn(\"x\")`", "`from jsonl(\"x\")`"),
    Finding("RL032", "a model from nowhere, or something that is no model", "`policy p from tny(…)`", "`policy p from tiny(…)`"),
    Finding("RL033", "a prompt or answer that is no text of a row", "`actor(\"hello\")`", "`actor(problems.question)`"),
    Finding("RL034", "a response whose tokenizer is not clear", "two policies and `response w = …`", "`… for actor`"),
    Finding("RL035", "an objective without a term", "`objective o for actor { }`", "`maximize label: mean(…)`"),
    Finding("RL036", "a condition that is not one truth value", "`guard correct < 1 else stop`", "`guard mean(correct) < 1 …`"),
    Finding("RL037", "an eval over several data sets", "values of two rollouts", "report values of one"),
    Finding("RL038", "an update of another model than the objective's", "`update v with ppo`", "`update actor with ppo`"),
    Finding("RL039", "a state that is not one frozen number", "`s <- correct`", "`s <- mean(correct)`"),
    Finding("RL040", "a test that cannot be read", "`expect x`", "`expect x == 1 within 1e-6`"),
    Finding("RL104", "a level that a value does not have", "`mean(x, per: token)` of a value per sample",
            "a coarser level, or no reduction"),
)


def page_of(code: str) -> str | None:
    """The page of a structural finding."""
    found = next((entry for entry in FINDINGS if entry.code == code), None)
    if found is None:
        return None
    return f"{found.code} (error): {found.summary}\n\nExample: {found.example}\n\nInstead: {found.instead}"
