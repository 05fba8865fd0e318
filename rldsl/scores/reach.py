"""Whether the servers of judges are there: a connection that is opened and closed. Sends nothing over it."""

from __future__ import annotations

import socket
import urllib.request
from typing import Final
from urllib.parse import urlsplit

from rldsl.graph.model import Foreign
from rldsl.graph.spec import ModelSpec
from rldsl.rewards.hosting import JUDGED, kinds_of
from rldsl.rewards.judging.settings import Endpoint, endpoint_of
from rldsl.rewards.judging.signatures import is_remote
from rldsl.scores.plan import Plan

PATIENCE: Final = 5.0  # seconds for a connection
_PORTS: Final = {"http": 80, "https": 443}


def unreachable(plan: Plan) -> dict[str, str]:
    """Of each judge over HTTP that a plan asks and whose server does not answer: why. One behind a proxy counts as there."""
    models = {entry.name: entry for entry in plan.spec.models}
    operations = [node.operation for node in plan.nodes if isinstance(node.operation, Foreign)]
    names = dict.fromkeys(str(dict(entry.settings)["judge"]) for entry in operations if not kinds_of([entry]).isdisjoint(JUDGED))
    found = {name: _trouble(models[name]) for name in names if is_remote(models[name].origin)}
    return {name: trouble for name, trouble in found.items() if trouble is not None}


def _trouble(judge: ModelSpec) -> str | None:
    endpoint = endpoint_of(judge)
    parts = urlsplit(endpoint.base_url)
    host = parts.hostname or ""
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return None
    return _connected(endpoint, host, parts.port or _PORTS[parts.scheme])


def _connected(endpoint: Endpoint, host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as fault:
        return f"nothing answers at {endpoint.shown} ({fault.strerror or fault})"
    return None
