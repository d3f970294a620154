"""Pictures that rows name by URL: opened at hosts that the user has named, and nowhere else."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit

import httpx

from pairs.errors import BadRow, shown
from pairs.schema import MAX_BYTES
from sources._convert import Finder

SECONDS = 60.0  # for one picture, all its tries together
TRIES = 3
_WAIT = 1.0  # seconds before the second try, twice that before the third
_REDIRECTS = 5
_REMEMBERED = 16  # pictures; pairs of one row mostly share theirs
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_SCHEMES = ("http://", "https://")


class Web:
    """`finder`, and over it the pictures behind http and https URLs whose host is one of `hosts`.

    A host is written as in a URL, with its port if it has one; `*` stands for anything, as in "*.example.org". A
    redirect leads only to such hosts too. One picture after the other is asked for, and nothing is sent but the
    request: no key, no cookie. Pictures are held to the same size and, later, the same checks as all others.
    """

    def __init__(self, hosts: Sequence[str], finder: Finder) -> None:
        self._hosts = tuple(host.lower() for host in hosts)
        self._finder = finder
        self._client = httpx.Client(
            headers={"User-Agent": "prefmill", "Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=SECONDS / TRIES,
        )
        self._found: OrderedDict[str, bytes] = OrderedDict()

    def read(self, value: bytes | str) -> bytes:
        """The bytes behind what a row gave; `BadRow` when there are none."""
        if isinstance(value, bytes) or not value.lower().startswith(_SCHEMES):
            return self._finder.read(value)
        if value not in self._found:
            self._found[value] = self._patiently(value)
            if len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)
        return self._found[value]

    def _patiently(self, url: str) -> bytes:
        """The picture at a URL, asked for up to `TRIES` times where the server may come round."""
        until = time.monotonic() + SECONDS
        for attempt in range(TRIES):
            if attempt:
                time.sleep(_WAIT * 2 ** (attempt - 1))
            try:
                data = self._redirected(url, until)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                said = f"{type(error).__name__}: {shown(str(error))}"
            else:
                if isinstance(data, bytes):
                    return data
                said = f"answered {data}"
                if data not in _TRY_AGAIN:
                    break
        raise BadRow("url_without_picture", f"{shown(url)}: {said}")

    def _redirected(self, url: str, until: float) -> bytes | int:
        """The bytes at a URL or where it leads to, or the status that was answered instead."""
        for _ in range(_REDIRECTS):
            self._check_host(url)
            with self._client.stream("GET", url) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["location"])
                    continue
                return self._body(answer, url, until) if answer.status_code == 200 else answer.status_code
        raise BadRow("url_without_picture", f"{shown(url)}: over {_REDIRECTS} redirects")

    def _body(self, answer: httpx.Response, url: str, until: float) -> bytes:
        data = bytearray()
        for chunk in answer.iter_raw():
            data += chunk
            if len(data) > MAX_BYTES:
                raise BadRow("image_size", f"{shown(url)} has over {MAX_BYTES} bytes")
            if time.monotonic() > until:
                raise BadRow("url_without_picture", f"{shown(url)}: took more than {SECONDS:.0f} seconds")
        return bytes(data)

    def _check_host(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            place = parts.hostname or ""
            if parts.port is not None:
                place += f":{parts.port}"
        except ValueError as error:
            raise BadRow("url_not_opened", f"{shown(url)}: {error}") from None
        named = any(fnmatchcase(place, host) for host in self._hosts)
        if parts.scheme not in ("http", "https") or "@" in parts.netloc or not named:
            raise BadRow(
                "url_not_opened", f"{shown(url)}: `open_urls` names {', '.join(self._hosts)}, not {shown(place)}"
            )
