"""Bytes out of gzip files, from the start or from anywhere.

Python 3.11's own reader takes 8 KB of input at a time, which costs a third more, and unpacks all that comes before
a place to get there.
"""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from typing import IO, Any

from zlib_ng import zlib_ng  # the same stream in half the time

_PACKED = 64 << 10  # bytes of input at a time
_PLAIN = 256 << 10  # bytes of output at a time, whatever the input says it holds
_GZIP = 31  # a window of 32 KB, and a gzip header and checksum around each member
EVERY = 8 << 20  # bytes of output between two places to go on from; each holds some 40 KB of memory


def inflated(file: IO[bytes]) -> io.BufferedReader:
    """A reader of what is packed in `file`, which it closes.

    It can seek, but not from the end: the unpacker's state is kept every few megabytes, so that a second look
    anywhere unpacks a few megabytes. Reading raises `zlib.error` for damaged bytes and wrong checksums, and
    `EOFError` where the file was cut.
    """
    return io.BufferedReader(_Inflated(file), _PLAIN)


class _Inflated(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._points: list[tuple[int, int, Any]] = [(0, 0, None)]  # bytes of output, of input, the unpacker there
        self._wanted = 0  # where the next read starts
        self._start, self._plain = -1, b""  # the output unpacked last, and where it starts
        self._go_to(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._wanted

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the length is not known before the end")
        self._wanted = offset + (self._wanted if whence == io.SEEK_CUR else 0)
        return self._wanted

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        if not self._start <= self._wanted <= self._start + len(self._plain) + EVERY:
            self._go_to(self._wanted)
        while self._start + len(self._plain) <= self._wanted:
            if not self._more():
                return 0
        at = self._wanted - self._start
        plain = self._plain[at : at + len(into)]
        into[: len(plain)] = plain
        self._wanted += len(plain)
        return len(plain)

    def _go_to(self, offset: int) -> None:
        """Take up the last state at or before an offset of the output, unless what is there now is nearer."""
        start, packed_at, member = self._points[bisect_right(self._points, offset, key=lambda point: point[0]) - 1]
        if start <= self._start <= offset:
            return
        self._file.seek(packed_at)
        self._member = member and member.copy()  # None between members
        self._rest = b""  # input after the end of a member
        self._start, self._plain = start, b""

    def _more(self) -> bool:
        """Unpack the next piece in place of the last; False at the end."""
        while self._member or self._begin():
            packed = self._rest or self._member.unconsumed_tail or self._file.read(_PACKED)
            self._rest = b""
            try:
                plain = self._member.decompress(packed, _PLAIN)
            except zlib_ng.error as error:
                raise zlib.error(str(error)) from None
            if self._member.eof:
                self._rest, self._member = self._member.unused_data.lstrip(b"\0"), None
            elif not packed and not plain:
                raise EOFError("the file ends before its data do")
            if plain:
                self._start += len(self._plain)
                self._plain = plain
                end = self._start + len(plain)
                if self._member and end - self._points[-1][0] >= EVERY:
                    self._points.append((end, self._file.tell(), self._member.copy()))
                return True
        return False

    def _begin(self) -> bool:
        """Start the next member, after the zeros that may pad the one before; False at the end of the file."""
        while not self._rest:
            packed = self._file.read(_PACKED)
            if not packed:
                return False
            self._rest = packed.lstrip(b"\0") if self._start or self._plain else packed
        self._member = zlib_ng.decompressobj(_GZIP)
        return True

    def close(self) -> None:
        self._file.close()
        super().close()
