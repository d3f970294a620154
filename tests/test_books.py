"""The books: which pairs come for the first time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sources._settle import first_of_each

_HALF = st.integers(0, 3)


@given(st.lists(st.tuples(_HALF, _HALF), max_size=12))
def test_the_first_of_equal_ids_stays_whichever_half_of_an_id_is_shared(ids):
    first = first_of_each(np.array(ids, dtype=np.uint64).reshape(-1, 2))
    assert first.tolist() == [one not in ids[:place] for place, one in enumerate(ids)]


def test_ids_that_differ_in_their_first_halves_are_all_kept():
    ids = np.random.default_rng(5).permutation(1_000).astype(np.uint64)
    assert first_of_each(np.column_stack([ids, np.zeros_like(ids)])).all()
