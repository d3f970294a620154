"""Near pairs over pictures written anew: what is one pair, what contradicts, and what stays apart."""

from __future__ import annotations

import contextlib

import numpy as np
import polars as pl
import pytest
from filter_frames import survivors
from pydantic import ValidationError

from filters._apply import decide, run_signal
from filters._near_pictures import PictureLists, list_key
from filters.near_duplicates import Rule
from pairs.errors import BadRow
from pairs.media import check_image, encode_image
from pairs.schema import Medium, Pair, canonical_pair
from pairs.tables import PAIRS

ASK = "Please look at the picture and tell me in a few words what the two people at the table do this time"
NEAR = ASK.replace("a few", "some few")
GOOD = "They sit at the table near the window and play a game of cards while the dog sleeps at their feet"
BAD = "It is a picture of a table and there are many things one could say about tables in general of course"


def scene(seed):
    """Pixels of a picture that has shapes of its own, 192 by 256."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0:192, 0:256] / 256
    out = np.full((192, 256, 3), 128.0)
    for _ in range(12):
        y, x, size = rng.uniform(0, 0.75), rng.uniform(0, 1), rng.uniform(0.05, 0.2)
        spot = np.exp(-((down - y) ** 2 + (across - x) ** 2) / size**2)
        out += spot[..., None] * rng.uniform(-120, 120, 3)
    return out.clip(0, 255).astype(np.uint8)


def anew(pixels, quality=40):
    """Half the size, and compressed."""
    half = pixels.reshape(96, 2, 128, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    return encode_image(half, "JPEG", quality)


FILES = {
    **{f"{name}": encode_image(scene(seed), "JPEG", 92) for seed, name in enumerate("abc")},
    **{f"{name}_anew": anew(scene(seed)) for seed, name in enumerate("abc")},
    "a_lighter": encode_image((scene(0) * 0.8 + 40).astype(np.uint8), "JPEG", 30),
    "flat": encode_image(np.full((9, 12, 3), 200, np.uint8)),
    "flat_anew": encode_image(np.full((18, 24, 3), 200, np.uint8)),
}
CHECKED: dict[str, Medium] = {name: check_image(data) for name, data in FILES.items()}


def media_table():
    rows = {medium.media_id: medium.phash for medium in CHECKED.values()}
    return pl.DataFrame({"media_id": list(rows), "phash": list(rows.values())})


MEDIA = media_table()


def bits(one, other):
    hashes = [int(CHECKED[name].phash, 16) for name in (one, other)]
    return (hashes[0] ^ hashes[1]).bit_count()


def table(*rows):
    """Rows `(source, prompt, chosen, rejected, pictures[, those of chosen, those of rejected])`, by name."""
    made = []
    for number, (source, prompt, chosen, rejected, *shown) in enumerate(rows):
        media = [[CHECKED[name].media_id for name in names] for names in [*shown, [], []][:3]]
        pair = Pair(prompt, chosen, rejected, images=media[0], chosen_images=media[1], rejected_images=media[2])
        ids = dict(zip(("media_ids", "chosen_media_ids", "rejected_media_ids"), media, strict=True))
        facts = {"source_revision": "0", "source_split": "train", "source_row": str(number), "source": source}
        facts |= {"label_source": "human", "licence": "MIT", "role": "train"}
        made.append({name: {**canonical_pair(pair, **ids), **facts}.get(name) for name in PAIRS.names})
    return pl.DataFrame(made, schema=pl.from_arrow(PAIRS.empty_table()).schema)


def run(pairs, media=MEDIA):
    return run_signal("near_duplicates", {"pairs": pairs.lazy(), "media": media.lazy()})


def measured(pairs):
    return pl.from_arrow(run(pairs))


def decided(*rows, **params):
    """Which rows go: their number -> (the reason, the number of the row that it names)."""
    pairs = table(*rows)
    made = decide("near_duplicates", survivors(pairs, "ab"), measured(pairs), Rule(**params))
    numbers = {row: number for number, row in enumerate(pairs.select("source", "pair_id").rows())}
    of = {pair_id: number for (_, pair_id), number in numbers.items()}
    return {numbers[source, pair]: (reason, of[by]) for source, pair, _, reason, _, by in made.rows()}


FIRST = ("a", ASK, GOOD, BAD, ["a"])
SAME = {1: ("near_duplicate", 0)}
OPPOSED = {0: ("near_contradiction", 1), 1: ("near_contradiction", 0)}


def test_the_pictures_of_these_tests_are_what_they_are_held_to_be():
    assert len({medium.media_id for medium in CHECKED.values()}) == len(CHECKED)
    assert all(0 < bits(name, f"{name}_anew") <= 4 for name in "abc")
    assert min(bits("a", "b"), bits("a", "c"), bits("b", "c")) > 10
    assert CHECKED["flat"].phash is CHECKED["flat_anew"].phash is None


def test_the_same_words_over_a_picture_written_anew_are_one_pair():
    assert decided(FIRST, ("b", ASK, GOOD, BAD, ["a_anew"])) == SAME


def test_nearly_the_same_words_over_a_picture_written_anew_are_one_pair():
    assert decided(FIRST, ("b", NEAR, GOOD, BAD, ["a_anew"])) == SAME


def test_the_other_label_over_a_picture_written_anew_is_a_contradiction():
    assert decided(FIRST, ("b", ASK, BAD, GOOD, ["a_anew"])) == OPPOSED
    assert decided(FIRST, ("b", ASK, BAD, GOOD, ["a_anew"]), opposed="keep") == {}
    assert decided(FIRST, ("a", ASK, BAD, GOOD, ["a_anew"])) == {}, "one source: a picture edited in a detail"
    assert len(decided(FIRST, ("a", ASK, BAD + " too", GOOD, ["a"]))) == 2
    short = ("a", "Is it a cat?", "Yes.", "No.", ["a"])
    assert decided(short, ("b", "Is it a cat?", "No.", "Yes.", ["a_anew"])) == OPPOSED


@pytest.mark.parametrize("said", [(GOOD, BAD), (BAD, GOOD)])
def test_over_another_picture_it_is_another_pair(said):
    assert decided(FIRST, ("b", ASK, *said, ["b"])) == decided(FIRST, ("b", ASK, *said, [])) == {}
    assert measured(table(FIRST, ("b", ASK, *said, ["b"])))["near"].list.len().sum() == 0


def test_how_far_apart_pictures_are_is_in_the_signal_and_the_rule_decides():
    away = bits("a", "a_anew")
    for said, column in (((GOOD, BAD), "near"), ((BAD, GOOD), "opposed")):
        rows = (FIRST, ("b", NEAR, *said, ["a_anew"]))
        found = measured(table(*rows))[column].explode().drop_nulls().struct.field("distance")
        assert set(found) == {away}
        assert len(decided(*rows, image_hamming=away)) > 0
        assert decided(*rows, image_hamming=away - 1) == {}
    same = measured(table(FIRST, ("b", NEAR, GOOD, BAD, ["a"])))["near"].explode().drop_nulls()
    assert set(same.struct.field("distance")) == {0}
    with pytest.raises(ValidationError):
        Rule(image_hamming=7)


def test_every_picture_must_look_alike_in_its_place():
    first = ("a", ASK, GOOD, BAD, ["a", "b"])
    assert decided(first, ("b", ASK, GOOD, BAD, ["a_anew", "b"])) == SAME
    assert decided(first, ("b", ASK, GOOD, BAD, ["a", "b_anew"])) == SAME
    for other in (["b_anew", "a_anew"], ["a_anew", "c"], ["a_anew"], ["a_anew", "b", "b"], ["a", "flat"]):
        assert decided(first, ("b", ASK, GOOD, BAD, other)) == {}
    assert decided(FIRST, ("b", ASK, GOOD, BAD, [], ["a_anew"])) == {}


def test_flat_pictures_are_alike_only_themselves():
    first = ("a", ASK, GOOD, BAD, ["flat", "a"])
    assert decided(first, ("b", ASK, GOOD, BAD, ["flat", "a_anew"])) == SAME
    assert decided(first, ("b", ASK, GOOD, BAD, ["flat_anew", "a"])) == {}


def drawn(source, chosen, rejected, asked=ASK):
    return (source, asked, "", "", [], [chosen], [rejected])


def test_generated_pictures_are_compared_in_their_places():
    first = drawn("a", "a", "b")
    for other in (("a_anew", "b_anew"), ("a", "b_anew", NEAR)):
        assert decided(first, drawn("b", *other)) == SAME
        assert decided(first, drawn("b", *other), image_hamming=1) == {}
    for other in (("b_anew", "a_anew"), ("b_anew", "a")):
        assert decided(first, drawn("b", *other)) == OPPOSED
        assert decided(first, drawn("b", *other), image_hamming=1) == {}
    for other in (("a_anew", "c"), ("c", "a_anew"), ("c", "b")):
        assert decided(first, drawn("b", *other)) == {}


def test_generated_pictures_that_look_alike_tell_no_label_unless_their_files_do():
    first = drawn("a", "a", "a_anew")
    for pictures in (("a", "a_lighter"), ("a_lighter", "a"), ("a_lighter", "a_anew"), ("a_anew", "a_lighter")):
        assert decided(first, drawn("b", *pictures)) == {}
        assert decided(first, drawn("b", *pictures, NEAR)) == {}
    assert decided(first, drawn("b", "a", "a_anew", NEAR)) == SAME
    assert decided(first, drawn("b", "a_anew", "a")) == OPPOSED


def test_lists_of_pictures_say_how_far_apart_they_are():
    shown = [["a"], ["a_anew"], ["a", "b"], ["a_anew", "b_anew"], ["a_anew", "c"], ["b"], ["flat"]]
    pairs = table(*(("a", ASK, GOOD, BAD, names) for names in shown))
    keys = pairs.select(list_key("media_ids")).to_series().to_numpy()
    lists = PictureLists(pairs.lazy(), MEDIA.lazy())

    def apart(one, other):
        return lists.apart(*(keys[[shown.index(each)]] for each in (one, other))).tolist()

    assert apart(["a"], ["a_anew"]) == [bits("a", "a_anew")]
    assert apart(["a", "b"], ["a_anew", "b_anew"]) == [max(bits("a", "a_anew"), bits("b", "b_anew"))]
    assert apart(["a", "b"], ["a_anew", "c"]) == apart(["a"], ["b"]) == apart(["a"], ["a", "b"]) == [64]
    assert apart(["flat"], ["flat"]) == [0]
    assert len(set(lists.looks(keys[[0, 1]]).tolist())) == len(set(lists.looks(keys[[2, 3]]).tolist())) == 1
    assert len(set(lists.looks(keys).tolist())) == 5


def test_the_ends_of_a_chain_are_apart_and_the_picture_furthest_away_counts():
    ids = [CHECKED[name].media_id for name in ("a", "b", "c", "a_anew", "b_anew", "c_anew")]
    hashes = [0xF0F0, 0xF0F0 ^ 0b11111, 0xF0F0 ^ 0b1111111111, 0x77 << 32, 0x77 << 32 ^ 1, 0x70 << 40]
    media = pl.DataFrame({"media_id": ids, "phash": [f"{value:016x}" for value in hashes]})
    shown = (["a", "a_anew"], ["b", "b_anew"], ["c", "c_anew"], ["c", "a_anew"])
    pairs = table(*(("a", ASK, GOOD, BAD, names) for names in shown))
    number = {pair_id: place for place, pair_id in enumerate(pairs["pair_id"])}
    lists = pl.from_arrow(run(pairs, media)).select("pair_id", "near").explode("near").drop_nulls()
    found = {
        (*sorted((number[pair_id], number[near["form"]])), near["distance"]) for pair_id, near in lists.iter_rows()
    }
    assert found == {(0, 1, 5), (1, 3, 5)}


def test_the_order_of_rows_and_of_pictures_changes_no_byte():
    names = [*FILES]
    said = [(GOOD, BAD), (BAD, GOOD), (GOOD + " too", BAD)]
    rows = [("ab"[n % 2], (ASK, NEAR)[n % 2], *said[n % 3], [names[n % 9], names[n % 5]]) for n in range(60)]
    rows += [drawn("ab"[n % 2], names[n % 4], names[4 + n % 3], (ASK, NEAR)[n % 3 // 2]) for n in range(36)]
    pairs = table(*rows)
    expected = run(pairs)
    lists = pl.from_arrow(expected).select(pl.col("near", "opposed").list.len().sum())
    assert min(lists.row(0)) > 0
    for seed in range(3):
        media = MEDIA.sample(fraction=1, shuffle=True, seed=seed)
        assert run(pairs.sample(fraction=1, shuffle=True, seed=seed), media).equals(expected)


def test_of_real_pictures_only_those_of_one_group_are_alike(real_data, monkeypatch):
    """Every picture under nearly the same words, and a third of them with the other label."""
    folder = real_data / "images"
    listed = pl.read_csv(folder / "near_duplicate_groups.tsv", separator="\t")
    group = dict(listed.select("path", "group").iter_rows())
    for path in group:
        with contextlib.suppress(BadRow):  # some are broken on purpose
            monkeypatch.setitem(CHECKED, path, check_image((folder / path).read_bytes()))
    shown = [path for path in group if path in CHECKED]
    said = [(GOOD, BAD), (GOOD, BAD), (BAD, GOOD)]
    pairs = table(*(("a", (ASK, NEAR)[n % 2], *said[n % 3], [path]) for n, path in enumerate(shown)))
    shows = dict(zip(pairs["pair_id"], shown, strict=True))
    signal = pl.from_arrow(run(pairs, media_table()))
    for column in ("near", "opposed"):
        found = signal.select("pair_id", column).explode(column).drop_nulls().unnest(column)
        anew = found.filter(pl.col("distance").is_between(1, Rule().image_hamming))
        assert anew.height > 50
        assert all(
            group[shows[one]] == group[shows[two]] for one, two in anew.select("pair_id", "form").iter_rows()
        )
