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
from pairs.tables import VERDICTS
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
    return next(Judge(Server(served.url), "judge", **options).verdicts([(first, second)]))[1]


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


def test_a_server_that_refuses_every_question_is_quoted(served):
    said = "max_tokens is too large: 2048. This model's maximum context length is 2048 tokens"
    served.faults += [(400, said)] * 60
    pairs = [(item(f"a{n}"), item(f"b{n}")) for n in range(30)]
    judge = Judge(Server(served.url), "judge")
    with pytest.raises(PrefmillError, match=r"refused all 60 questions to judge, e\.g\.: max_tokens is too large"):
        list(judge.verdicts(pairs))
    served.faults += [(400, said)] * 60
    found = dict(judge.verdicts(pairs, proven=True))
    assert {(one.votes, one.reason) for one in found.values()} == {
        (0, "longer, or with more pictures, than the server takes")
    }


def test_an_error_names_both_completions(served):
    served.answer = lambda path, body: {"choices": []}
    with pytest.raises(PrefmillError, match=r"^completions \w+ and \w+: http.*expected 0|choices"):
        verdict(served, item("a"), item("b"))


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
    assert len(store.scan("verdicts").collect()) == 5
    served.answer = longer_wins
    before = len(served.posts)
    books = score(store, judged(store, judge, pairs), wanted, progress=False)
    assert books.scored == 20
    assert len(served.posts) == before + 2 * 5
    rewards = dict(store.scan("rewards").select("completion_id", "reward").collect().iter_rows())
    margins = pairs.collect().select(
        pl.col("chosen_id").replace_strict(rewards) - pl.col("rejected_id").replace_strict(rewards)
    ).to_series().to_numpy()  # fmt: skip
    np.testing.assert_allclose(np.sort(margins), [-math.log(5)] * 3 + [math.log(5)] * 10, rtol=1e-6)
    assert score(store, judged(store, judge, pairs), wanted, progress=False).cached == 20
    assert len(served.posts) == before + 2 * 5


def test_a_pair_without_a_verdict_is_counted_and_asked_about_again(store, served):
    fill(store, [(f"q{n}", f"a long one {n}", f"no {n}") for n in range(30)])
    lost = {f"no {n}" for n in range(12)}
    served.answer = lambda path, body: says("?") if lost & {*answers(body)} else longer_wins(path, body)
    judge = Judge(Server(served.url), "judge")
    pairs, wanted = store.scan("pairs"), completions(store, ["toy"])
    for asked, cached in ((60, 0), (24, 36)):  # the second time there are only such as it cannot read
        before = len(served.posts)
        books = score(store, judged(store, judge, pairs), wanted, progress=False)
        assert (books.cached, books.scored + books.cached, books.unscored) == (cached, 36, 24)
        assert set(books.left["reason"]) == {"no answer that names a winner"}
        assert len(served.posts) == before + asked
        assert store.scan("verdicts").collect()["votes"].to_list() == [2] * 18
    served.answer = longer_wins
    books = score(store, judged(store, judge, pairs), wanted, progress=False)
    assert (books.scored, books.unscored) == (60, 0)


def test_a_late_verdict_moves_the_whole_list(store, served):
    """Rewards of a prompt hang together: what one more verdict moves is never mixed with what was before it."""
    fill(store, [("q", "longest one", "longer"), ("q", "longer", "long")])
    served.answer = lambda path, body: longer_wins(path, body) if "longest one" in answers(body) else says("?")
    judge = Judge(Server(served.url), "judge")
    pairs, wanted = store.scan("pairs"), completions(store, ["toy"])
    first = score(store, judged(store, judge, pairs), wanted, progress=False)
    assert (first.scored, first.unscored) == (2, 1)
    served.answer = longer_wins
    found = judged(store, judge, pairs)
    assert score(store, found, wanted, progress=False).scored == 3
    rewards = store.scan("rewards", [found.fingerprint]).select("reward").collect()["reward"].sort()
    np.testing.assert_allclose(rewards, [-math.log(5), 0, math.log(5)], atol=1e-6)


def test_verdicts_that_came_before_an_error_are_kept(store, served):
    fill(store, [(f"q{n}", f"rather long {n}", f"no {n}") for n in range(40)])
    served.answer = lambda path, body: {} if "no 7" in answers(body) else longer_wins(path, body)
    judge = Judge(Server(served.url, concurrency=1), "judge")
    with pytest.raises(PrefmillError, match=r"^completions"):
        judged(store, judge, store.scan("pairs"))
    assert store.scan("verdicts").collect().height == (len(served.posts) - 1) // 2 > 0


def test_two_runs_at_a_time_count_a_verdict_once(store, served):
    fill(store, [("q", "longest one", "longer"), ("q", "longer", "long"), ("q", "longest one", "long")])
    judge = Judge(Server(served.url), "judge")
    served.answer = lambda path, body: says(f"<answer>{1 if 'longer' in answers(body)[:1] else 2}</answer>")
    once = judged(store, judge, store.scan("pairs"))
    rows = store.scan("verdicts").collect()
    store.append("verdicts", judge.fingerprint, rows.head(1).to_arrow().cast(VERDICTS), {})
    again = judged(store, judge, store.scan("pairs"))
    assert (again.fingerprint, again.strengths) == (once.fingerprint, once.strengths)
