"""Hostile rows: whatever a row holds, it ends as pairs or as findings with a reason, and nothing else happens."""

from __future__ import annotations

import copy
import math
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import sources
from pairs.errors import BadRow, SourceChanged
from pairs.store import Store
from sources._columns import table
from sources._convert import Converter
from sources._media import MediaFinder
from sources._spool import Spool

CASES = ("hh_rlhf", "ultrafeedback", "rlaif_v", "shp")
ROWS_AT_ONCE = 20
EXAMPLES = 500  # times ROWS_AT_ONCE: ten thousand mutated rows for each source

LONG = "word " * 250_000  # over a million characters
DEEP: list = []
for _ in range(5_000):
    DEEP = [DEEP]
VALUES = (
    None, True, 0, -1, 10**400, 1.5, math.nan, math.inf, -math.inf, -0.0, "", " ", "\0", "a\0b", "\ud800",
    "x\udfffy",
    "\u202eright to left\u202c", "\ufeff", "e\u0301", "<image>", "<image>" * 300, "N/A", "nan", "1e999", "\r\n\r",
    "=1+1", "<script>", "../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/x", LONG,
    b"", b"\xff\xfe", b"\xff\xd8\xff\xe0", b"GIF89a", [], [None], [[]], {}, {"role": "user"}, DEEP, [1] * 2_000,
    {"bytes": None, "path": "/etc/passwd"}, {"bytes": b"", "path": None}, {1: 2}, object,
    {"content": 5, "role": "root"},
)  # fmt: skip
CONSTANT = {"source_revision": "0" * 40, "role": "train"}
DROP = object()
mutations = st.lists(st.tuples(st.integers(0, 1_000), st.sampled_from([DROP, *VALUES])), min_size=1, max_size=3)


def places(value):
    """Every place inside a row that can be set or dropped: (container, key)."""
    found, waiting = [], [value]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], dict | list) and one[key] is not DEEP:
                waiting.append(one[key])
    return found


def mutated(example, changes):
    row = copy.deepcopy(example)
    for number, value in changes:
        known = places(row)
        if not known:
            break
        container, key = known[number % len(known)]
        if value is DROP:
            del container[key]
        else:
            container[key] = value if value is DEEP else copy.copy(value)
    return row


@pytest.mark.parametrize("name", CASES)
def test_ten_thousand_mutated_rows_become_pairs_or_findings(name):
    module = sources.load(name)
    example = module.source.example
    tally: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(mutations, min_size=ROWS_AT_ONCE, max_size=ROWS_AT_ONCE))
    def contract(batch):
        converter = _converter(module, name, folder)
        with Spool(Store(folder), name, folder / f"unit{tally['batches']}", CONSTANT) as spool:
            whole = []
            for number, changes in enumerate(batch):
                row = mutated(example, changes)
                found = converter.row(row, "train", f"f:{number}", example.get("_file", "f"))
                records, findings, media = found
                assert records or findings
                assert all(isinstance(finding, BadRow) and finding.reason for finding in findings)
                assert all(medium.data for medium in media)
                whole += records
                spool.add("train", f"f:{number}", *found)
                tally["pairs"] += len(records)
                tally["findings"] += len(findings)
            summary = spool.close()
        table(whole, {"source": name, **CONSTANT}).validate(full=True)
        assert summary.rows == len(batch)
        assert summary.without + len(_rows_with_pairs(spool)) == summary.rows
        tally["batches"] += 1
        tally["rows"] += summary.rows

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        contract()
    assert tally["rows"] >= 10_000
    assert tally["pairs"] > 100, "mutation that leaves nothing whole tests nothing"
    assert tally["findings"] > 1_000


def _converter(module, name, folder):
    import fsspec

    finder = MediaFinder(fsspec.filesystem("file"), str(folder), ())
    return Converter(module.source, module.pairs, finder)


def _rows_with_pairs(spool):
    import numpy as np

    return np.unique(np.fromfile(f"{spool.summary.folder}/rows", dtype=np.int64)).tolist()


def _drifts(name):
    """The drifts of a source's example: each required column renamed or gone."""
    source = sources.load(name).source
    row = source.example["rows"][0] if source.group_by else source.example
    return [column for column in row if not column.startswith("_") and column not in source.optional]


@pytest.mark.parametrize("name", sources.names())
def test_a_column_renamed_or_gone_stops_the_source_by_name(name):
    from sources._books import Summary
    from sources._units import Task
    from sources._work import Reader

    required = _drifts(name)
    assert required, f"{name}: no column of the example is required"
    with tempfile.TemporaryDirectory() as scratch:
        reader = Reader(Task(name, scratch, "0" * 40, scratch, scratch))
        reader._check_columns("f", set(required), Summary(""))
        for column in required:
            rest = {other for other in required if other != column}
            for seen in (rest, rest | {f"{column}_v2"}):
                with pytest.raises(SourceChanged) as caught:
                    reader._check_columns("f", seen, Summary(""))
                message = str(caught.value)
                assert repr(column) in message
                assert all(other in message for other in seen)
                assert "\n" not in message


def _retyped(value):
    """A value of another type that no adapter should take for the old one."""
    return {"nested": [1]} if not isinstance(value, dict) else 5


@pytest.mark.parametrize("name", sources.names())
def test_a_source_all_of_whose_columns_changed_type_gives_no_pair(name, tmp_path):
    module = sources.load(name)
    example = copy.deepcopy(module.source.example)
    rows = example["rows"] if module.source.group_by else [example]
    for row in rows:
        for column in row:
            if not column.startswith("_"):
                row[column] = _retyped(row[column])
    records, findings, _ = _converter(module, name, tmp_path).row(
        example, "train", "f:0", str(example.get("_file", "f"))
    )
    assert not records
    assert findings
