"""Asking a server over HTTP: many requests at once, patience where it helps, one line where it does not."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import orjson

from pairs.errors import PrefmillError, Unavailable, shown

_T = TypeVar("_T")
_R = TypeVar("_R")
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
LONGEST_WAIT = 60.0  # seconds between two tries of our own choice
LONGEST_ASKED = 600.0  # and where the server asks for more: one that wants an hour is asked again before that
_LISTEN = 0.2  # seconds between two looks for Ctrl-C
LARGEST_ANSWER = 64 << 20  # bytes


class Refused(PrefmillError):
    """The server understood and said no: trying again would not help. `said` is its own text, cut."""

    def __init__(self, where: str, status: int, said: str) -> None:
        super().__init__(f"{where}: answered {status}: {said}; expected 200, see the server's log")
        self.status = status
        self.said = said


class Server:
    """Where a model is served and how patiently it is asked.

    `url` is the server's root (http or https, no password in it); `key_env` names the environment variable that
    holds the key, if it wants one. `timeout` is the longest one answer may take, in seconds; `concurrency` are
    the requests under way together. One that fails is sent up to `tries` times, the waits between growing from
    `first_wait` seconds to a minute, or as long as the server asks for, up to ten: the defaults bear with a
    server that restarts for some two minutes.
    """

    def __init__(
        self,
        url: str,
        *,
        key_env: str | None = None,
        timeout: float = 120.0,
        concurrency: int = 16,
        tries: int = 8,
        first_wait: float = 1.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            place = f"{parts.scheme}://…@{parts.hostname}" if "@" in parts.netloc else shown(url)
            raise PrefmillError(f"url {place}: expected http(s)://host:port, with a key in key_env")
        key = _key(url, key_env) if key_env else ""
        self.url = url.rstrip("/").removesuffix("/v1")  # OpenAI's clients want it there
        self._timeout, self._tries, self._first_wait = timeout, tries, first_wait
        self._concurrency = concurrency
        self._leaving = Event()  # set: no more tries
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        limits = httpx.Limits(max_connections=concurrency)
        self._client = httpx.Client(timeout=timeout, limits=limits, headers=headers)

    def get(self, path: str) -> Any:
        """The JSON answer to a GET."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a POST of JSON. Raises `Refused`, or `Unavailable` after the last try."""
        return self._ask("POST", path, body)

    def each(self, ask: Callable[[_T], _R], asked: Sequence[_T]) -> Iterator[tuple[_T, _R]]:
        """`ask` of each, `concurrency` at a time: what was asked with its answer, in the order in which they come.
        After a failure nothing more is begun nor tried again; what was under way is given, then it raises."""
        failure: BaseException | None = None
        pool = ThreadPoolExecutor(self._concurrency)
        waiting = {pool.submit(ask, one): one for one in asked}
        try:
            for done in _as_done(list(waiting)):
                if done.cancelled():
                    continue
                if (error := done.exception()) is None:
                    yield waiting[done], done.result()
                elif failure is None:
                    failure = error
                    self._leaving.set()
                    for one in waiting:
                        one.cancel()
            if failure is not None:
                raise failure
        finally:
            self._leaving.set()
            pool.shutdown(cancel_futures=True)
            self._leaving.clear()

    def _ask(self, method: str, path: str, body: Any) -> Any:
        where, reason, wait = f"{self.url}{path}", "never asked", 0.0
        for number in range(self._tries):
            if self._leaving.wait(wait):
                break
            wait = min(LONGEST_WAIT, self._first_wait * 2.0**number)
            wait *= random.uniform(0.5, 1.0)  # noqa: S311  not all come back at once
            try:
                status, headers, answer = self._once(method, where, body)
            except httpx.LocalProtocolError:  # its text may show the key
                raise PrefmillError(f"{where}: no request can be made of this url and key; check both") from None
            except httpx.RequestError as error:
                reason = f"{type(error).__name__} {error}"
                continue
            if status == 200:
                return _json(where, answer)
            if status not in TRY_AGAIN:
                raise Refused(where, status, _said(answer))
            reason = f"{status} {_said(answer)}"
            wait = max(wait, min(LONGEST_ASKED, _retry_after(headers.get("retry-after", ""))))
        raise Unavailable(
            f"{where}: no answer in {self._tries} tries, the last: {reason[:200].strip()}; "
            "start the server or see its log, and run again: what was scored is kept"
        )

    def _once(self, method: str, where: str, body: Any) -> tuple[int, httpx.Headers, bytes]:
        ends, parts, size = time.monotonic() + self._timeout, [], 0
        content = None if body is None else orjson.dumps(body)
        with self._client.stream(method, where, content=content) as response:
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                # The client's own timeout is per read: a server that drips would be waited for without end.
                if time.monotonic() > ends:
                    raise httpx.ReadTimeout(f"over {self._timeout:g} s")
                if size > LARGEST_ANSWER:
                    raise Refused(where, response.status_code, f"over {LARGEST_ANSWER} bytes")
            return response.status_code, response.headers, b"".join(parts)


def served_name(server: Server, model: str) -> str:
    """What the server says it serves under a name: `id root` of `/v1/models`. Raises `PrefmillError` when there is
    no such model. `root` names the weights where `id` is only an alias."""
    found = server.get("/v1/models")
    try:
        known = {str(one["id"]): str(one.get("root") or one["id"]) for one in found["data"]}
    except (KeyError, TypeError, AttributeError):
        raise PrefmillError(f"{server.url}/v1/models: {shown(found)}, expected a list of models") from None
    if model not in known:
        raise PrefmillError(f"{server.url}: serves no model {model!r} (it has: {', '.join(sorted(known))})")
    return f"{model} {known[model]}"


def _as_done(waiting: Sequence[Future[_R]]) -> Iterator[Future[_R]]:
    """As `as_completed`, but Ctrl-C is heard: where Polars is loaded, no signal ends a wait without a limit."""
    ended: SimpleQueue[Future[_R]] = SimpleQueue()
    for one in waiting:
        one.add_done_callback(ended.put)
    for _ in waiting:
        while True:
            try:
                done = ended.get(timeout=_LISTEN)
                break
            except Empty:
                continue
        yield done


def _key(url: str, variable: str) -> str:
    """The key in an environment variable, without the newline that files of keys end with."""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise PrefmillError(f"{url}: key_env names {variable}, which is not set; put the key there")
    if not (key.isascii() and key.isprintable()):
        raise PrefmillError(
            f"{url}: the key in {variable} has characters that no header can carry, expected one line of ASCII; "
            "set it again"
        )
    return key


def _json(where: str, answer: bytes) -> Any:
    try:
        return json.loads(answer)  # NaN included: scoring names the completion it belongs to
    except ValueError:
        text = answer[:200].decode("utf-8", "replace")
        raise PrefmillError(f"{where}: answered {shown(text)}, expected JSON; is this the right server?") from None


def _said(answer: bytes) -> str:
    """The server's message in one line, cut."""
    text = " ".join(answer[:4000].decode("utf-8", "replace").split())
    return text if len(text) <= 300 else text[:299] + "…"


def _retry_after(given: str) -> float:
    """Seconds that a Retry-After header asks for (a number or a date); 0 for none or nonsense."""
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
