"""Connections that are kept open, one HTTP client for each.

One client with a pool of n connections looks at all of them several times for each call (httpx 0.28, httpcore 1.0: about 14 ms of
processor time a call at n = 64, 36 calls a second; encode/httpx issue 3215). A client of one connection each, taken from a list
of free ones, has the same keep-alive and none of that.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx


class Lanes:
    """At most as many clients as are in use at the same time; the one that was used last is used first."""

    def __init__(self, headers: Mapping[str, str], keepalive: float = 30.0) -> None:
        self._headers, self._keepalive = dict(headers), keepalive
        self._verify: ssl.SSLContext | None = None
        self._free: list[httpx.AsyncClient] = []
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a connection of its own."""
        client = self._free.pop() if self._free else self._new()
        try:
            yield client
        except BaseException:  # cut off or cancelled: what state the connection is in is not known, so it is not used again
            ending = asyncio.get_running_loop().create_task(client.aclose())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            raise
        self._free.append(client)

    async def close(self) -> None:
        """End all connections that are not in use."""
        clients, self._free = self._free, []
        await asyncio.gather(*(client.aclose() for client in clients), *self._ending, return_exceptions=True)

    def _new(self) -> httpx.AsyncClient:
        if self._verify is None:
            self._verify = httpx.create_ssl_context()  # costs more than a client, and all can share it
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=self._keepalive)
        return httpx.AsyncClient(headers=self._headers, timeout=None, follow_redirects=False, limits=limits, verify=self._verify)
