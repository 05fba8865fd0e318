"""The jinja environment of all emitted code: templates are assets under `codegen/`, compiled once and kept beside the modules."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from jinja2 import BytecodeCache, Environment, FunctionLoader, StrictUndefined
from jinja2.bccache import Bucket

from rldsl.assets import asset_text
from rldsl.emit.load import cache_folder


class Kept(BytecodeCache):
    """What jinja makes of templates, which takes ten times as long as reading it again. What cannot be read is made anew, what
    cannot be written is not kept."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Jinja looks at versions and at the template's text by itself."""
        with suppress(OSError), _place(bucket).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Whole or not at all."""
        place = _place(bucket)
        with suppress(OSError):
            handle, temporary = tempfile.mkstemp(dir=place.parent, suffix=".part")
            with os.fdopen(handle, "wb") as file:
                bucket.write_bytecode(file)
            os.replace(temporary, place)


def _place(bucket: Bucket) -> Path:
    return cache_folder() / f"template_{bucket.key[:16]}_{bucket.checksum[:16]}.bytecode"


@cache
def environment() -> Environment:
    """One environment for every back end. Nothing is escaped: what goes in is made of `names` and `expressions`."""
    return Environment(loader=FunctionLoader(lambda name: asset_text("codegen", *name.split("/"))), bytecode_cache=Kept(),
                       undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                       keep_trailing_newline=True, autoescape=False)


def render(template: str, **holes: object) -> str:
    """The text of `codegen/<template>` with its holes filled."""
    return environment().get_template(template).render(**holes)
