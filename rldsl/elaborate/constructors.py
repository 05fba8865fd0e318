"""Arguments of model constructors (`tiny(…)`, `hf(…)`, `openai(…)`), held against the tables of `rollouts.signatures`."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.setting_values import Rejected, is_rejected
from rldsl.elaborate.settings import Allowed, fits
from rldsl.elaborate.settings_tables import CHARACTERS, TINY, required_in
from rldsl.graph.spec import Invocation, SettingValue
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rewards.judging.signatures import OPENAI_ARGUMENTS
from rldsl.rollouts.signatures import CHARACTERS_ARGUMENTS, TINY_ARGUMENTS
from rldsl.syntax import tree

HF = {"folder": Allowed("text")}
OPENAI = {"model": Allowed("text"), "base_url": Allowed("any"), "key": Allowed("any")}
ENV = {"name": Allowed("text", example='"JUDGE_URL"')}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_constructor(ctx: Context, env: Environment, at: tree.Expr, source: Invocation) -> None:
    """Reports arguments that are missing, unknown or do not fit."""
    match source.name:
        case "tiny":
            given = check_arguments(ctx, env, at, source, TINY, required_in(TINY_ARGUMENTS), unnamed=0)
            tokenizer = given.get("tokenizer")
            if isinstance(tokenizer, Invocation) and tokenizer.name == "characters":
                written = written_argument(at, "tokenizer", 0)
                found = check_arguments(ctx, env, written, tokenizer, CHARACTERS, required_in(CHARACTERS_ARGUMENTS), unnamed=1)
                _check_alphabet(ctx, env, written, found.get("alphabet"))
            _check_shape(ctx, at, given)
        case "hf":
            check_arguments(ctx, env, at, source, HF, ("folder",), unnamed=1)
        case "openai":
            _check_openai(ctx, env, at, source)
        case _:
            pass


def _check_openai(ctx: Context, env: Environment, at: tree.Expr, source: Invocation) -> None:
    given = check_arguments(ctx, env, at, source, OPENAI, required_in(OPENAI_ARGUMENTS), unnamed=0)
    for name in ("base_url", "key"):
        value = given.get(name)
        written = written_argument(at, name, 0)
        if isinstance(value, Invocation) and value.name == "env":
            _check_variable(ctx, written, check_arguments(ctx, env, written, value, ENV, ("name",), unnamed=1).get("name"), name)
        elif name == "key" and value is not None:
            ctx.report(error("RL018", "a key does not stand in a spec", written.span, "this is not read from the environment",
                             why="a spec is kept with every run, and shown.", fix='`key: env("JUDGE_KEY")`'))
        elif value is not None and fits(ctx, env, value, Allowed("text", example='env("JUDGE_URL")'), name, written.span, "openai"):
            _check_address(ctx, written, value)


def _check_variable(ctx: Context, at: tree.Expr, name: SettingValue | Rejected, argument: str) -> None:
    if isinstance(name, str) and not _VARIABLE.fullmatch(name):
        ctx.report(error("RL018", "this is no name of an environment variable", at.span, "this name",
                         why="a name has letters, digits and `_`, and begins with no digit.",
                         fix='`env("JUDGE_URL")`' if argument == "base_url" else '`env("JUDGE_KEY")`'))


def _check_address(ctx: Context, at: tree.Expr, url: SettingValue | Rejected) -> None:
    assert isinstance(url, str)
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address, parts = False, urlsplit("")
    if is_address and "@" not in parts.netloc:
        return
    why = "a password does not stand in a spec: a spec is kept with every run." if is_address \
        else "it begins with `http://` or `https://`, and mostly ends in `/v1`."
    ctx.report(error("RL018", "`base_url` of `openai` does not fit", at.span, "this address", why=why,
                     fix='`base_url: env("JUDGE_URL")`'))


def check_arguments(ctx: Context, env: Environment, at: tree.Expr, source: Invocation, allowed: dict[str, Allowed],
                    required: tuple[str, ...], *, unnamed: int) -> dict[str, SettingValue | Rejected]:
    """The arguments by name, those that fit; the first `unnamed` may be given by place."""
    names = list(allowed)
    if len(source.positional) > unnamed:
        ctx.report(error("RL021", f"`{source.name}` takes its arguments by name"[:60], written_argument(at, "", unnamed).span,
                         "this one has no name", why=f"it takes {listed(allowed)}.",
                         fix=f"`{source.name}({names[unnamed] if unnamed < len(names) else names[0]}: …)`"))
        return {}
    entries = [(names[index], value, index) for index, value in enumerate(source.positional)]
    entries += [(name, value, 0) for name, value in source.named]
    given: dict[str, SettingValue | Rejected] = {}
    for name, value, index in entries:
        span = written_argument(at, name if (name, value) in source.named else "", index).span
        if name not in allowed:
            ctx.report(error("RL021", f"`{source.name}` has no argument `{name[:20]}`"[:60], span, "this argument",
                             why=f"it takes {listed(allowed)}.", fix=did_you_mean(name, allowed) or "delete it"))
        elif name in given:
            ctx.report(error("RL021", f"`{name}` is given twice"[:60], span, "the second time", why="one argument, one value.",
                             fix="drop one of them"))
        elif fits(ctx, env, value, allowed[name], name, span, source.name) or is_rejected(value):
            given[name] = value
    written = {name for name, _, _ in entries}
    missing = [name for name in required if name not in written]
    if missing:
        ctx.report(error("RL021", f"`{source.name}` needs `{missing[0]}`"[:60], at.span, "it is missing here",
                         why=f"it takes {listed(allowed)}.", fix=f"`{source.name}({missing[0]}: …)`"))
    return given


def written_argument(at: tree.Expr, name: str, index: int) -> tree.Expr:
    """The written argument of that name, or the unnamed one at that place; the call itself where there is none."""
    if not isinstance(at, tree.Call):
        return at
    unnamed = [argument for argument in at.arguments if argument.name is None]
    found = [argument for argument in at.arguments if argument.name == name] if name else unnamed[index:index + 1]
    return found[0].value if found else at


def _check_shape(ctx: Context, at: tree.Expr, given: dict[str, SettingValue | Rejected]) -> None:
    numbers = {name: given.get(name, TINY_ARGUMENTS[name].default) for name in ("width", "heads", "kv_heads")}
    width, heads, shared = numbers["width"], numbers["heads"], numbers["kv_heads"]
    if isinstance(width, int) and isinstance(heads, int) and width % (2 * heads):
        near = max(1, round(width / (2 * heads))) * 2 * heads
        ctx.report(error("RL018", "`width` and `heads` of `tiny` do not fit", written_argument(at, "width", 0).span, "the width",
                         why=f"the width is an even multiple of the {heads} heads.", fix=f"`width: {near}`"))
    if isinstance(heads, int) and isinstance(shared, int) and heads % shared:
        ctx.report(error("RL018", "`kv_heads` of `tiny` does not fit", written_argument(at, "kv_heads", 0).span, "these heads",
                         why=f"they divide the {heads} heads.", fix=f"`kv_heads: {heads}`"))


def _check_alphabet(ctx: Context, env: Environment, at: tree.Expr, alphabet: SettingValue | Rejected) -> None:
    if not isinstance(alphabet, str):
        return
    repeated = next((char for char, count in Counter(alphabet).items() if count > 1), None)
    if repeated is None and alphabet:
        return
    why = f"`{repeated}` stands in it twice." if repeated is not None else "it is empty."
    ctx.report(error("RL018", "`alphabet` of `characters` does not fit", at.span, "this alphabet",
                     why=f"it lists every character that may occur, once; {why}",
                     fix=f'`characters("{"".join(dict.fromkeys(alphabet))[:40] or "abc"}")`'))
