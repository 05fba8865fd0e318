"""What a node means, as a hash of its operation and of everything below it: the name under which its values are kept.

Two specs that differ elsewhere give a node the same digest, so a changed weight or parameter finds the values of every call
that it does not reach. Computes no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

from rldsl.graph.model import Foreign, Leaf, Node, SourceKind
from rldsl.graph.spec import Spec
from rldsl.source import Span

LENGTH = 24  # hexadecimal digits: 96 bits


def node_digests(spec: Spec) -> dict[int, str]:
    """The digest of every node of the spec's graph, by its key."""
    declared = _declarations(spec)
    found: dict[int, str] = {}
    for node in spec.graph.nodes:
        parts = [_operation(spec, node, declared), _plain(node.type.element), node.type.axis.name,
                 *(found[key] for key in node.inputs)]
        found[node.key] = sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]
    return found


def _operation(spec: Spec, node: Node, declared: Mapping[str, str]) -> str:
    match node.operation:
        case Leaf(kind=SourceKind.PARAM, owner=owner):
            value = next(entry.value for entry in spec.params if entry.name == owner)
            return f"param {_plain(value)}"
        case Foreign(name=name, names=names, settings=settings):
            judge = declared.get(f"judge:{dict(settings).get('judge')}", "")
            return f"call {name} {names} {_plain(settings)} {declared.get(name, '')} {judge}"
        case operation:
            return _plain(operation)


def _declarations(spec: Spec) -> dict[str, str]:
    """What a call's name alone does not say: where an extern function is found and what it promises, who a judge is."""
    return {**{f"extern:{entry.name}": _plain(entry) for entry in spec.externs},
            **{f"judge:{entry.name}": _plain(entry) for entry in spec.models}}


def _plain(value: Any) -> str:
    """The text of a value without the places in the source that it came from, and without names of keys of a graph."""
    match value:
        case Span():
            return ""
        case Enum():
            return str(value.value)
        case tuple() | list():
            return "(" + ",".join(map(_plain, value)) + ")"
        case _ if is_dataclass(value) and not isinstance(value, type):
            inner = ",".join(f"{entry.name}={_plain(getattr(value, entry.name))}" for entry in fields(value)
                             if entry.name not in ("context", "source"))
            return f"{type(value).__name__}({inner})"
        case _:
            return repr(value)
