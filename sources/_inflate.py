"""Bytes out of gzip files. Python 3.11's own reader takes 8 KB of input at a time, which costs a third more."""

from __future__ import annotations

import io
import zlib
from typing import IO

_PACKED = 64 << 10  # bytes of input at a time
_PLAIN = 256 << 10  # bytes of output at a time, whatever the input says it holds
_GZIP = 31  # a window of 32 KB, and a gzip header and checksum around each member


def inflated(file: IO[bytes]) -> io.BufferedReader:
    """A reader of what is packed in `file`, which it closes.

    Reading raises `zlib.error` for damaged bytes and wrong checksums, and `EOFError` where the file was cut.
    """
    return io.BufferedReader(_Inflated(file), _PLAIN)


class _Inflated(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._restart()

    def _restart(self) -> None:
        self._at = 0  # bytes given
        self._rest = b""  # input after the end of a member
        self._member: zlib._Decompress | None = None  # None between members

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("packed bytes are read from the start")
        self._file.seek(0)
        self._restart()
        return 0

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        while self._member or self._begin():
            packed = self._rest or self._member.unconsumed_tail or self._file.read(_PACKED)
            self._rest = b""
            plain = self._member.decompress(packed, len(into))
            if self._member.eof:
                self._rest, self._member = self._member.unused_data.lstrip(b"\0"), None
            elif not packed and not plain:
                raise EOFError("the file ends before its data do")
            if plain:
                into[: len(plain)] = plain
                self._at += len(plain)
                return len(plain)
        return 0

    def _begin(self) -> bool:
        """Start the next member, after the zeros that may pad the one before; False at the end of the file."""
        while not self._rest:
            packed = self._file.read(_PACKED)
            if not packed:
                return False
            self._rest = packed.lstrip(b"\0") if self._at else packed
        self._member = zlib.decompressobj(_GZIP)
        return True

    def close(self) -> None:
        self._file.close()
        super().close()
