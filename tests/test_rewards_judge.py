"""Judges of pairs behind a server: orders, votes, verdicts that cannot be read, and rewards out of verdicts."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from reward_server import RewardServer
from test_rewards_embedded import fill, solid
from test_rewards_transformers import item

from pairs.errors import PrefmillError, Unavailable
from rewards.judge import Judge
from rewards.score import completions, score
from rewards.served import Server
from rewards.verdicts import judged, strengths


def says(text):
    return {"choices": [{"message": {"content": text}}]}


def answers(body):
    """Both answers as the judge was shown them."""
    content = body["messages"][0]["content"]
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    first, second = text.split("# Answer 1\n")[1].split("# Your task")[0].split("# Answer 2\n")
    return first.strip(), second.strip()


def longer_wins(path, body):
    first, second = answers(body)
    return says(f"<think>1 or 2?</think> <answer>{1 if len(first) > len(second) else 2}</answer>")


@pytest.fixture
def served():
    with RewardServer(longer_wins) as server:
        yield server


def verdict(served, first, second, **options):
    return next(iter(Judge(Server(served.url), "judge", **options).verdicts([(first, second)])))


def test_the_better_one_wins_in_either_place(served):
    found = verdict(served, item("short"), item("much longer"))
    assert (found.first_votes, found.votes) == (0, 2)
    assert {answers(body) for body in served.posts} == {("short", "much longer"), ("much longer", "short")}
    assert {body["temperature"] for body in served.posts} == {0.0}
    assert verdict(served, item("much longer"), item("short")).first_votes == 2


def test_a_judge_that_favours_a_place_is_undecided(served):
    served.answer = lambda path, body: says("Answer 1 is better")
    found = verdict(served, item("short"), item("much longer"), votes=6)
    assert (found.first_votes, found.votes) == (3, 6)
    assert sorted(body["seed"] for body in served.posts) == [0, 0, 1, 1, 2, 2]
    assert {body["temperature"] for body in served.posts} == {1.0}


def test_a_vote_that_names_nobody_does_not_count(served):
    served.answer = lambda path, body: says("both fine") if answers(body)[0] == "b" else says("<answer>1</answer>")
    found = verdict(served, item("a"), item("b"))
    assert (found.first_votes, found.votes) == (1, 1)


def test_the_last_verdict_counts(served):
    def second_thoughts(path, body):
        winner = 1 if answers(body)[0] == "a" else 2
        return says(f"Not <answer>{3 - winner}</answer>, but <answer>Answer {winner}</answer>")

    served.answer = second_thoughts
    assert verdict(served, item("a"), item("b")).first_votes == 2


def test_a_judge_that_never_decides_is_no_judge(served):
    served.answer = lambda path, body: says("What a lovely day")
    pairs = [(item(f"a{n}"), item(f"b{n}")) for n in range(10)]
    with pytest.raises(PrefmillError, match=r"none of 20 answers of judge names a winner, e.g. 'What a"):
        list(Judge(Server(served.url), "judge").verdicts(pairs))


def test_pictures_stand_where_they_belong(served):
    red, blue = solid((200, 0, 0)), solid((0, 0, 200))
    prompt = ("first <image> then <image>", (red, blue))
    verdict(served, item("a", *prompt), item("b b", *prompt))
    parts = served.posts[0]["messages"][0]["content"]
    shown = [part["text"].strip() if part["type"] == "text" else part["image_url"]["url"][:15] for part in parts]
    place = shown.index("first")
    assert shown[place : place + 4] == ["first", "data:image/png;", "then", "data:image/png;"]


def test_an_odd_number_of_votes_is_refused(served):
    with pytest.raises(PrefmillError, match="even number"):
        Judge(Server(served.url), "judge", votes=3)


def test_another_wording_or_number_of_votes_is_another_judge(served, monkeypatch):
    first = Judge(Server(served.url), "judge").fingerprint
    assert Judge(Server(served.url, concurrency=1), "judge").fingerprint == first
    assert Judge(Server(served.url), "judge", votes=4).fingerprint != first
    monkeypatch.setattr("rewards.judge._TASK", "Choose.")
    assert Judge(Server(served.url), "judge").fingerprint != first


def test_a_lone_pair_has_its_verdict_as_margin():
    rows = pl.DataFrame({"prompt_id": "p", "first_id": "a", "second_id": "b", "first_votes": [3.0], "votes": [4]})
    found = strengths(rows)
    assert found["a"] - found["b"] == pytest.approx(math.log(3.5 / 1.5))
    assert found["a"] + found["b"] == pytest.approx(0)


def test_a_ranked_list_weighs_all_its_verdicts():
    # a beats b and b beats c, but a and c are tied: what contradicts itself is shared by the three.
    rows = pl.DataFrame({
        "prompt_id": ["p"] * 3, "first_id": ["a", "b", "a"], "second_id": ["b", "c", "c"],
        "first_votes": [4.0, 4.0, 2.0], "votes": [4, 4, 4],
    })  # fmt: skip
    lead = math.log(4.5 / 0.5)
    found = strengths(rows)
    assert found["a"] - found["b"] == pytest.approx(lead / 3)
    assert found["a"] - found["c"] == pytest.approx(2 * lead / 3)
    assert found == strengths(rows.reverse())


def test_pairs_are_judged_once_and_a_stopped_run_goes_on(store, served, monkeypatch):
    monkeypatch.setattr("rewards.verdicts.CHUNK", 4)
    texts = [(f"q{n}", f"rather long {n}", f"no {n}") for n in range(10)]
    fill(store, [*texts, *((q, b, a) for q, a, b in texts[:3])])  # three of them also the other way round
    pairs, wanted = store.scan("pairs", ["toy"]), completions(store, ["toy"])
    judge = Judge(Server(served.url, concurrency=1, tries=2, first_wait=0.01), "judge")
    served.answer = lambda path, body: longer_wins(path, body) if len(served.posts) <= 11 else 1 / 0
    with pytest.raises(Unavailable):
        score(store, judged(store, judge, pairs), wanted, progress=False)
    assert len(store.scan("verdicts").collect()) == 4
    served.answer = longer_wins
    before = len(served.posts)
    books = score(store, judged(store, judge, pairs), wanted, progress=False)
    assert books.scored == 20
    assert len(served.posts) == before + 2 * 6
    rewards = dict(store.scan("rewards").select("completion_id", "reward").collect().iter_rows())
    margins = pairs.collect().select(
        pl.col("chosen_id").replace_strict(rewards) - pl.col("rejected_id").replace_strict(rewards)
    ).to_series().to_numpy()  # fmt: skip
    np.testing.assert_allclose(np.sort(margins), [-math.log(5)] * 3 + [math.log(5)] * 10, rtol=1e-6)
    assert score(store, judged(store, judge, pairs), wanted, progress=False).cached == 20
    assert len(served.posts) == before + 2 * 6


def test_a_pair_that_could_not_be_judged_is_counted(store, served):
    fill(store, [("q1", "a long one", "no"), ("q2", "another long", "none")])
    served.answer = lambda path, body: longer_wins(path, body) if "q1" in str(body) else says("?")
    judge = Judge(Server(served.url), "judge")
    books = score(store, judged(store, judge, store.scan("pairs")), completions(store, ["toy"]), progress=False)
    assert (books.scored, books.unscored) == (2, 2)
