"""One source read into a store, for `bench.ingest`: a process that loads what reading needs and no more."""

from __future__ import annotations

import sys

from pairs.store import Store
from sources._read import ingest

if __name__ == "__main__":
    ingest(Store(sys.argv[3]), sys.argv[1], path=sys.argv[2])
