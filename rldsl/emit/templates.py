"""The jinja environment of all emitted code: templates are assets under `codegen/`."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FunctionLoader, StrictUndefined

from rldsl.assets import asset_text


@cache
def environment() -> Environment:
    """One environment for every back end. Nothing is escaped: what goes in is made of `names` and `expressions`."""
    return Environment(loader=FunctionLoader(lambda name: asset_text("codegen", *name.split("/"))),
                       undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                       keep_trailing_newline=True, autoescape=False)


def render(template: str, **holes: object) -> str:
    """The text of `codegen/<template>` with its holes filled."""
    return environment().get_template(template).render(**holes)
