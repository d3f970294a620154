"""A gzip file that can seek: for tars packed as a whole, whose members are read one by one."""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from typing import IO, Any

_CHUNK = 1 << 16
EVERY = 8 << 20  # bytes between two places to go on from; each holds some 40 KB of memory


class SeekableGzip(io.RawIOBase):
    """Unpacks as it is read, and keeps the unpacker's state every few megabytes, so that a second look anywhere
    unpacks a few megabytes and not all that comes before. Raises `EOFError` for a file that ends early and
    `zlib.error` for a damaged one.
    """

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._points: list[tuple[int, int, Any]] = [(0, 0, zlib.decompressobj(31))]
        self._wanted = 0  # where the next read starts
        self._go_to(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the length is not known before the end")
        self._wanted = offset + (self._wanted if whence == io.SEEK_CUR else 0)
        return self._wanted

    def tell(self) -> int:
        return self._wanted

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._wanted < self._start:
            self._go_to(self._wanted)
        elif self._wanted - self._start > EVERY:
            point = self._points[bisect_right(self._points, self._wanted, key=lambda point: point[0]) - 1]
            if point[0] > self._start + len(self._bytes):
                self._go_to(self._wanted)
        while self._start + len(self._bytes) <= self._wanted:
            if not self._more():
                return 0
        at = self._wanted - self._start
        data = self._bytes[at : at + len(buffer)]
        buffer[: len(data)] = data
        self._wanted += len(data)
        return len(data)

    def _go_to(self, offset: int) -> None:
        """Take up the last known state at or before an offset of the unpacked bytes."""
        start, packed_at, state = self._points[bisect_right(self._points, offset, key=lambda point: point[0]) - 1]
        self._packed.seek(packed_at)
        self._packed_at, self._decoder = packed_at, state.copy()
        self._start, self._bytes = start, b""  # the bytes unpacked last, and where they start

    def _more(self) -> bool:
        """Unpack the next piece in place of the last; False at the end."""
        packed = self._packed.read(_CHUNK)
        if not packed:
            if self._decoder.eof or not self._packed_at:
                return False
            raise EOFError("the file ends before its packed content does")
        if self._decoder.eof:
            if not packed.startswith(b"\x1f\x8b"):  # padding
                return False
            self._decoder = zlib.decompressobj(31)
        self._start += len(self._bytes)
        self._bytes = self._decoder.decompress(packed)
        self._packed_at += len(packed) - len(self._decoder.unused_data)
        if self._decoder.unused_data:  # another packed part follows at once
            self._packed.seek(self._packed_at)
        end = self._start + len(self._bytes)
        if end - self._points[-1][0] >= EVERY:
            self._points.append((end, self._packed_at, self._decoder.copy()))
        return True
