"""Near-duplicate pictures: what drops a pair, and what never does."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from filter_frames import survivors

from filters._apply import decide, run_signal
from filters._pictures import turned
from filters.near_images import Rule
from pairs.errors import PrefmillError
from pairs.media import encode_image
from pairs.schema import Pair, canonical_pair
from pairs.tables import PAIRS

# Far from each other; the last digit of a medium's name says how many bits of its picture are changed.
HASHES = {"a": 0xF0E1D2C3B4A59687, "b": 0x0123456789ABCDEF, "c": 0x5A5AA5A53C3CC3C3, "flat": None}
NAMES = [f"{name}{bits}" for name in HASHES for bits in range(10)]
# Of the flat ones, flat2 is flat0 written anew; the others have a shade of their own.
FILES = {
    f"flat{bits}": encode_image(np.full((9, 12 + bits, 3), 200 if bits == 2 else 200 - 10 * bits, np.uint8))
    for bits in range(10)
}
MEDIA = pl.LazyFrame(
    {
        "media_id": NAMES,
        "phash": [
            None if HASHES[name[:-1]] is None else f"{HASHES[name[:-1]] ^ ((1 << int(name[-1])) - 1):016x}"
            for name in NAMES
        ],
    },
    schema={"media_id": pl.String, "phash": pl.String},
).with_columns(shard=pl.lit("s"), row_group=pl.lit(0), row=pl.lit(0))


def table(*rows, criteria=()):
    """Rows `(source, prompt, chosen, rejected, pictures[, chosen pictures, rejected pictures])`."""
    made = []
    for number, (source, prompt, chosen, rejected, *media) in enumerate(rows):
        media = [*media, [], []][:3]
        pair = Pair(prompt, chosen, rejected, images=media[0], chosen_images=media[1], rejected_images=media[2])
        pair.criterion = criteria[number] if criteria else "overall"
        ids = dict(zip(("media_ids", "chosen_media_ids", "rejected_media_ids"), media, strict=True))
        place = {"source_revision": "0", "source_split": "train", "source_row": str(number)}
        facts = {"label_source": "human", "licence": "MIT", "role": "train", "source": source}
        content = {**canonical_pair(pair, **ids), **place, **facts}
        made.append({name: content.get(name) for name in PAIRS.names})
    return pl.DataFrame(made, schema=pl.from_arrow(PAIRS.empty_table()).schema)


def run(pairs, media=MEDIA):
    reads = {"media": media, "read_media": lambda rows: {name: FILES[name] for name in rows["media_id"]}}
    return run_signal("near_images", {"pairs": pairs.lazy(), **reads})


def measured(pairs, media=MEDIA):
    return pl.from_arrow(run(pairs, media))


def decided(pairs, order="ab", **params):
    """Which rows go: their number -> (the number of the row that stays instead, bits)."""
    made = decide("near_images", survivors(pairs, order), measured(pairs), Rule(**params))
    assert set(made["reason"]) <= {"near_duplicate_images"}
    numbers = dict(zip(pairs["pair_id"], range(pairs.height), strict=True))
    return {numbers[pair_id]: (numbers[by], value) for _, pair_id, _, _, value, by in made.rows()}


def test_a_pair_on_a_recompressed_picture_is_dropped_and_names_the_one_that_stays():
    assert decided(table(("a", "q", "yes", "no", ["a0"]), ("b", "q", "yes", "no", ["a3"]))) == {1: (0, 3)}
    assert decided(table(("b", "q", "yes", "no", ["a0"]), ("a", "q ", " yes", "no", ["a3"]))) == {0: (1, 3)}
    both = table(("a", "q", "yes", "no", ["a0"]), ("b", "q", "yes", "no", ["a3"]))
    assert decided(both, priority=["b"]) == {0: (1, 3)}


def test_the_threshold_belongs_to_the_rule():
    two = table(("a", "q", "yes", "no", ["a0"]), ("b", "q", "yes", "no", ["a7"]))
    assert decided(two) == {}
    assert decided(two, image_hamming=7) == {1: (0, 7)}


@pytest.mark.parametrize(
    "other", [("q2", "yes", "no"), ("q", "maybe", "no"), ("q", "yes", "never"), ("q", "no", "yes")]
)
def test_a_picture_with_another_text_is_no_duplicate(other):
    assert decided(table(("a", "q", "yes", "no", ["a0"]), ("b", *other, ["a1"]))) == {}


def test_every_picture_must_look_alike_in_its_place():
    first = ("a", "q", "yes", "no", ["a0", "b0"])
    assert decided(table(first, ("b", "q", "yes", "no", ["a1", "b5"]))) == {1: (0, 5)}
    assert decided(table(first, ("b", "q", "yes", "no", ["a1", "c0"]))) == {}
    assert decided(table(first, ("b", "q", "yes", "no", ["b1", "a1"]))) == {}
    assert decided(table(first, ("b", "q", "yes", "no", ["a1"]))) == {}


@pytest.mark.parametrize("shown", [("a0", "a3"), ("a0", "a0"), ("flat0", "flat2"), ("flat0", "flat0")])
def test_another_criterion_is_told_apart_on_demand_and_always_within_a_source(shown):
    rows = [("q", "yes", "no", [name]) for name in shown]
    away = 3 if "a3" in shown else 0
    for sources, gone in (("ab", {1: (0, away)}), ("aa", {})):
        pairs = table(*((source, *row) for source, row in zip(sources, rows, strict=True)), criteria=("x", "y"))
        assert decided(pairs) == gone
        assert decided(pairs, across_criteria=False) == {}


def test_flat_pictures_are_compared_by_their_pixels():
    first = ("a", "q", "yes", "no", ["flat0", "a0"])
    assert decided(table(first, ("b", "q", "yes", "no", ["flat0", "a1"]))) == {1: (0, 1)}
    assert decided(table(first, ("b", "q", "yes", "no", ["flat1", "a0"]))) == {}
    assert decided(table(first, ("b", "q", "yes", "no", ["flat2", "a1"]))) == {1: (0, 1)}
    assert decided(table(("a", "q", "yes", "no", ["flat0"]), ("b", "q", "yes", "no", ["flat1"]))) == {}
    assert decided(table(("a", "q", "yes", "no", ["flat0"]), ("b", "q", "yes", "no", ["flat2"]))) == {1: (0, 0)}


def test_chosen_and_rejected_that_look_alike_stay_together():
    rows = [("a", "draw", "", "", [], [f"{name}0"], [f"{name}2"]) for name in "abc"]
    assert decided(table(*rows, ("a", "draw", "", "", [], ["a0"], ["b0"]))) == {}


def test_generated_pictures_count_in_both_completions():
    first = ("a", "draw", "", "", [], ["a0"], ["b0"])
    assert decided(table(first, ("b", "draw", "", "", [], ["a2"], ["b1"]))) == {1: (0, 2)}
    assert decided(table(first, ("b", "draw", "", "", [], ["a2"], ["c0"]))) == {}


def test_a_flat_picture_tells_chosen_from_rejected():
    first = ("a", "draw", "", "", [], ["flat0"], ["a0"])
    assert decided(table(first, ("b", "draw", "", "", [], ["flat0"], ["a3"]))) == {1: (0, 3)}


def test_an_opposite_label_is_never_a_duplicate():
    first = ("a", "draw", "", "", [], ["a0"], ["a2"])
    assert decided(table(first, ("b", "draw", "", "", [], ["a2"], ["a0"]))) == {}
    assert decided(table(first, ("b", "draw", "", "", [], ["a3"], ["a1"]))) == {}
    again = pl.LazyFrame({"media_id": ["a0 again"], "phash": [f"{HASHES['a']:016x}"]})
    same = pl.concat([MEDIA, again], how="diagonal")
    pairs = table(("a", "draw", "", "", [], ["a0"], ["a0 again"]), ("b", "draw", "", "", [], ["a0 again"], ["a0"]))
    assert measured(pairs, same)["near"].to_list() == [[], []]
    assert measured(pairs, same)["form"].n_unique() == 2


def test_a_chain_removes_only_neighbours():
    pairs = table(*(("a", "q", "yes", "no", [f"a{bits}"]) for bits in (0, 4, 8)))
    by = decided(pairs, image_hamming=4)
    assert {0, 1, 2} - set(by) in ({0, 2}, {1})
    assert all(bits == 4 for _, bits in by.values())


def test_ten_thousand_copies_of_one_picture_take_no_time():
    copies = [f"{number:032x}" for number in range(10_000)]
    phash = ["00000000ffffffff"] * len(copies)
    media = pl.concat([MEDIA, pl.LazyFrame({"media_id": copies, "phash": phash})], how="diagonal")
    one = table(("a", "q", "yes", "no", copies[:1]))
    pairs = pl.concat([one] * len(copies)).with_columns(
        pair_id=pl.Series(copies), media_ids=pl.Series([[copy] for copy in copies])
    )
    signal = measured(pairs, media)
    assert set(signal["form"]) == {copies[0]}
    assert set(signal["near"].list.len()) == {0}
    assert decide("near_images", survivors(pairs), signal, Rule()).height == len(copies) - 1


def test_a_pair_without_pictures_has_no_signal_and_stays():
    pairs = table(("a", "q", "yes", "no", []), ("b", "q ", "yes", "no", []), ("b", "q", "yes", "no", ["a0"]))
    assert measured(pairs).height == 1
    assert decided(pairs) == {}


def test_each_picture_names_its_group_and_how_far_it_is_from_it():
    pairs = table(("a", "q", "yes", "no", ["a3", "flat0"], ["b0"], ["b9"]))
    (row,) = measured(pairs).to_dicts()
    assert row["group_distances"][1] == 0
    assert row["picture_groups"][1] == "flat0"
    assert row["picture_groups"][0].startswith("a")
    assert row["picture_groups"][2] != row["picture_groups"][3]


def test_a_picture_that_is_not_in_the_media_table_is_an_error():
    with pytest.raises(PrefmillError, match="medium zz, which the media table does not hold"):
        measured(table(("a", "q", "yes", "no", ["zz"])))


def test_the_order_of_the_rows_changes_nothing():
    rows = [("ab"[n % 2], f"q{n % 3}", "yes", "no", [f"{'abc'[n % 3]}{n % 10}", f"b{n % 7}"]) for n in range(60)]
    pairs = table(*rows).unique("pair_id", keep="first", maintain_order=True)
    signal = run(pairs)
    for seed in range(3):
        mixed = pairs.sample(fraction=1, shuffle=True, seed=seed)
        media = MEDIA.collect().sample(fraction=1, shuffle=True, seed=seed).lazy()
        assert run(mixed, media).equals(signal)


def test_turned_pictures_are_the_same_only_where_the_rule_says_so():
    """c is a turned 180 degrees, but for 3 bits; d is mirrored."""
    a = HASHES["a"]
    around, mirrored = (int(turned(np.array([a], np.uint64))[way, 0]) for way in (2, 0))
    more = {"t3": around ^ 0b111, "m0": mirrored, "far": around ^ 0x7F80}
    extra = pl.LazyFrame({"media_id": list(more), "phash": [f"{value:016x}" for value in more.values()]})
    media = pl.concat([MEDIA, extra], how="diagonal")
    pairs = table(
        ("a", "q", "yes", "no", ["a0", "b0"]),
        ("b", "q", "yes", "no", ["t3", "b1"]),
        ("b", "q", "yes", "no", ["m0", "b5"]),
        ("b", "q", "yes", "no", ["far", "b0"]),
        ("b", "q2", "yes", "no", ["m0", "b0"]),
    )
    signal = measured(pairs, media)
    numbers = dict(zip(pairs["pair_id"], range(pairs.height), strict=True))

    def gone(**params):
        made = decide("near_images", survivors(pairs, "ab"), signal, Rule(**params))
        return {numbers[row[1]]: (numbers[row[5]], row[4]) for row in made.rows()}

    assert gone() == {}
    assert gone(turns=True) == {1: (0, 3), 2: (0, 5)}
    assert gone(turns=True, image_hamming=4) == {1: (0, 3)}


def test_what_lies_near_as_it_is_is_not_listed_again_as_turned():
    signal = measured(table(("a", "q", "yes", "no", ["a0"]), ("b", "q", "yes", "no", ["a3"])))
    assert sorted(signal["near"].list.len()) == [0, 1]
    assert set(signal["near_turned"].list.len()) == {0}
