"""Reward models behind servers: real HTTP on loopback, real tiny models behind it, and all that can go wrong."""

from __future__ import annotations

import base64
import math
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
import torch
from reward_server import RewardServer, read_chat
from test_rewards_embedded import fill, solid
from test_rewards_transformers import classifier, item, vision_backbone  # noqa: F401
from transformers import AutoModel

from pairs.errors import PrefmillError, Unavailable
from rewards.load import load_reward_model, load_server
from rewards.score import completions, score
from rewards.served import Refused, Server
from rewards.vllm_classify import vllm_classify

QUICK = {"tries": 4, "first_wait": 0.01, "timeout": 0.5}


def letters(path, body):
    """A reward that anyone can check: the letters of the last turn."""
    return {"data": [{"probs": [float(len(body["messages"][-1]["content"]))]}]}


@pytest.fixture(scope="session")
def ours(vision_backbone, tmp_path_factory):  # noqa: F811
    """A model of our own on a tiny backbone that sees pictures; nobody trained it."""
    from rewards.collate import Encoder
    from rewards.vision import PrefmillRewardModel

    folder = tmp_path_factory.mktemp("ours")
    torch.manual_seed(5)
    backbone = AutoModel.from_pretrained(vision_backbone)
    PrefmillRewardModel.on_backbone(backbone, head_hidden=16, max_pixels=56 * 56).save_pretrained(folder)
    Encoder.load(str(vision_backbone), backbone.config, revision=None, max_length=512, max_pixels=56 * 56).save(
        folder
    )
    return folder


@pytest.fixture
def served():
    with RewardServer(letters) as server:
        yield server


def test_a_classifier_behind_a_server_gives_what_it_gives_here(classifier):  # noqa: F811
    local = load_reward_model(classifier)

    def answer(path, body):
        assert path == "/classify"
        reward = float(local.rewards([read_chat(body["messages"])])[0])
        return {"data": [{"probs": [reward if body["use_activation"] is False else 1 / (1 + math.exp(-reward))]}]}

    items = [item("it is red"), item("no"), item("it is blue")]
    with RewardServer(answer) as server:
        model = load_server("vllm-classify", server.url, "judge", {}, {"concurrency": 1})
        assert model.fits(items).all()
        np.testing.assert_array_equal(model.rewards(items), [float(local.rewards([one])[0]) for one in items])
        assert len(server.posts) == 3


def test_a_backbone_behind_a_server_gets_our_head_here(ours):
    local = load_reward_model(ours)

    def answer(path, body):
        assert (path, body["add_generation_prompt"]) == ("/pooling", False)
        with torch.no_grad():
            batch = local.encoder.encode([read_chat(body["messages"])])
            state = local.model.backbone(**batch).last_hidden_state[0, -1].numpy()
        return {"data": [{"data": base64.b64encode(state.astype("<f4").tobytes()).decode()}]}

    items = [item("it is red", images=(solid((200, 0, 0)),)), item("it is good", "word")]
    items.append(item("it is blue", "first <image>\nthen", images=(solid((0, 0, 200)),)))
    with RewardServer(answer) as server:
        model = load_server("vllm-pooling", server.url, "judge", {"head": str(ours)}, {"concurrency": 1})
        np.testing.assert_allclose(model.rewards(items), local.rewards(items), atol=1e-5)
        sent = server.posts[2]["messages"][0]["content"]
        assert [part.get("text") for part in sent] == ["first ", None, "then"]


@pytest.mark.parametrize(
    ("state", "said"),
    [([0.6] + [0.0] * 30 + [0.8], "normalises its states"), ([1.0, 2.0], "gave \\[2\\] numbers"), ("§", "base64")],
)
def test_states_that_the_head_cannot_use_are_refused(ours, state, said):
    with RewardServer(lambda path, body: {"data": [{"data": state}]}) as server:
        model = load_server("vllm-pooling", server.url, "judge", {"head": str(ours)}, {})
        with pytest.raises(PrefmillError, match=said):
            model.rewards([item("it is red")])


def test_sglang_is_sent_the_text_as_the_model_reads_it(classifier):  # noqa: F811
    local = load_reward_model(classifier)

    def answer(path, body):
        assert path == "/classify"
        return [{"embedding": [float(len(text))]} for text in body["text"]]

    with RewardServer(answer) as server:
        model = load_server("sglang-classify", server.url, "judge", {"tokenizer": str(classifier)}, {})
        items = [item("it is red"), item("it is blue", images=(solid((9, 9, 9)),))]
        assert model.fits(items).tolist() == [True, False]
        assert model.rewards(items[:1]) == [len(local.encoder.text(items[0]))]


def test_what_fails_in_passing_is_asked_again(served):
    served.faults += [(503, "busy"), "drop", "stall", "drip", (429, "slow down"), (500, "oh")]
    model = vllm_classify(Server(served.url, concurrency=2, **{**QUICK, "tries": 6}), "judge")
    items = [item("x" * n) for n in range(1, 9)]
    np.testing.assert_array_equal(model.rewards(items), np.arange(1, 9, dtype=np.float32))
    assert len(served.posts) == 8 + 6


def test_a_server_is_not_asked_before_it_said(served):
    server = Server(served.url, **QUICK)
    for given, least in (("0.4", 0.4), ("a time", 0.6), ("soon", 0.0)):
        if given == "a time":  # which has whole seconds, and passes while the others are asked
            given = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        served.faults.append((429, "slow down", [("retry-after", given)]))
        started = time.monotonic()
        server.post("/classify", {"messages": [{"content": "x"}]})
        assert least <= time.monotonic() - started < least + 2


def waits_of(monkeypatch):
    """Instead of waiting, how long it would."""
    waits = []

    class Clock(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            return self.is_set()

    monkeypatch.setattr("rewards.served.Event", Clock)
    return waits


def test_waits_grow(served, monkeypatch):
    waits = waits_of(monkeypatch)
    served.faults += [(503, "busy")] * 4
    with pytest.raises(Unavailable, match=r"/classify: no answer in 4 tries, the last: 503 busy; start"):
        Server(served.url, tries=4, first_wait=0.1).post("/classify", {})
    assert all(0.05 * 2**n <= wait <= 0.1 * 2**n for n, wait in enumerate(waits[1:]))
    assert len(waits) == 4


def test_waits_are_bounded_by_a_minute_or_ten_where_the_server_asks_for_more(served, monkeypatch):
    waits = waits_of(monkeypatch)
    served.faults += [
        (503, "busy"),
        (429, "slow", [("retry-after", "90")]),
        (429, "no", [("retry-after", "9999")]),
    ]
    Server(served.url, first_wait=1000).post("/classify", {"messages": [{"content": "x"}]})
    assert waits[0] == 0
    assert 30 <= waits[1] <= 60
    assert waits[2:] == [90, 600]


def test_nobody_there_is_one_line():
    with RewardServer(letters) as gone:
        url = gone.url
    with pytest.raises(Unavailable, match=r"/v1/models: no answer in 2 tries, the last: ConnectError") as error:
        vllm_classify(Server(url, tries=2, first_wait=0.01), "judge")
    assert "\n" not in str(error.value)


def test_no_more_requests_than_agreed_are_under_way(served):
    served.answer = lambda path, body: time.sleep(0.03) or letters(path, body)
    vllm_classify(Server(served.url, concurrency=3), "judge").rewards([item("x" * n) for n in range(12)])
    assert served.most == 3


def test_after_a_refusal_no_more_is_asked(served):
    served.faults += [(401, "no key")] * 50
    model = vllm_classify(Server(served.url, concurrency=2), "judge")
    with pytest.raises(Refused, match="answered 401: no key"):
        model.rewards([item("x" * n) for n in range(50)])
    assert len(served.posts) < 10


def test_a_key_comes_from_the_environment_and_is_never_shown(served, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "secret-7")
    served.faults.append((403, "not you"))
    server = Server(served.url, key_env="JUDGE_KEY")
    with pytest.raises(Refused) as error:
        server.post("/classify", {})
    assert "secret-7" not in str(error.value)
    assert {key.lower(): value for key, value in served.headers[0].items()}["authorization"] == "Bearer secret-7"
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(PrefmillError, match="JUDGE_KEY"):
        Server(served.url, key_env="JUDGE_KEY")
    with pytest.raises(PrefmillError, match="key_env") as error:
        Server("http://me:secret-7@host")
    assert "secret-7" not in str(error.value)


@pytest.mark.parametrize("key", ["söcret-7", "secret-7\nsecret-8", "secret-7\x7fx"])
def test_a_key_that_no_header_carries_is_named_by_its_variable(served, monkeypatch, key):
    monkeypatch.setenv("JUDGE_KEY", key)
    with pytest.raises(PrefmillError, match=r"the key in JUDGE_KEY has characters") as error:
        Server(served.url, key_env="JUDGE_KEY")
    assert "cret-" not in str(error.value)


def test_a_key_from_a_file_may_end_its_line(served, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", " secret-7\n")
    Server(served.url, key_env="JUDGE_KEY").post("/classify", {"messages": [{"content": "x"}]})
    assert {key.lower(): value for key, value in served.headers[0].items()}["authorization"] == "Bearer secret-7"


def test_a_request_that_cannot_be_made_is_not_tried_again(served):
    server = Server(served.url, tries=2, first_wait=100)
    server._client.headers["x"] = "secret-7\n"
    with pytest.raises(PrefmillError, match=r"/classify: no request can be made") as error:
        server.post("/classify", {})
    assert "secret-7" not in str(error.value)


@pytest.mark.parametrize("how", ["refused", "ctrl-c"])
def test_nobody_waits_for_tries_that_are_not_wanted_any_more(served, how):
    served.faults += [(503, "busy")] * 100
    model = vllm_classify(Server(served.url, concurrency=4, tries=3, first_wait=20), "judge")
    items = [item("x" * n) for n in range(1, 9)]

    def stop():
        while len(served.posts) < 3:
            time.sleep(0.01)
        if how == "ctrl-c":
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

    if how == "refused":
        served.faults.insert(3, (401, "no key"))
    threading.Thread(target=stop).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt if how == "ctrl-c" else Refused):
        model.rewards(items)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("<html>welcome</html>", "expected JSON; is this the right server"),
        ({"object": "error"}, r"expected data\.0\.probs in it"),
        ({"data": [{"probs": ["0.5"]}]}, r"^completion \w+: .*gave the reward '0.5', expected a number"),
        ({"data": [{"probs": [None]}]}, r"^completion \w+: .*gave the reward None, expected a number"),
        ({"data": [{"probs": [1e99]}]}, r"^completion \w+: .*gave the reward 1e\+99, expected a finite number"),
        ({"data": [{"probs": [0.1, 0.9]}]}, "expected one label"),
    ],
)
def test_nonsense_is_one_line(served, answer, said):
    served.answer = lambda path, body: answer
    with pytest.raises(PrefmillError, match=said) as error:
        vllm_classify(Server(served.url), "judge").rewards([item("x")])
    assert "\n" not in str(error.value)
    assert served.url in str(error.value)


def test_a_model_that_is_not_served_is_named(served):
    with pytest.raises(PrefmillError, match=r"serves no model 'other' \(it has: judge\)"):
        vllm_classify(Server(served.url), "other")


def test_the_fingerprint_is_the_models_and_not_the_servers(served):
    first = vllm_classify(Server(served.url), "judge").fingerprint
    with RewardServer(letters) as elsewhere:
        assert vllm_classify(Server(elsewhere.url, concurrency=2), "judge").fingerprint == first
    with RewardServer(letters, models=["other"]) as elsewhere:
        assert vllm_classify(Server(elsewhere.url), "other").fingerprint != first
    assert vllm_classify(Server(f"{served.url}/v1/"), "judge").fingerprint == first
    assert vllm_classify(Server(served.url), "judge", revision="abc").fingerprint != first


def test_what_is_too_long_for_the_server_is_counted(store, served):
    fill(store, [(f"q{n}", "long " * 9, f"short {n}") for n in range(5)])
    too_long = '{"error": {"message": "This model\'s maximum context length is 9 tokens."}}'
    served.faults += [(400, too_long)] * 3
    model = vllm_classify(Server(served.url, concurrency=1), "judge")
    books = score(store, model, completions(store, ["toy"]), progress=False)
    assert (books.scored, books.unscored) == (7, 3)


def test_what_a_content_filter_holds_back_is_counted_with_its_reason(store, served):
    fill(store, [(f"q{n}", f"good {n}", f"bad {n}") for n in range(5)])
    served.faults.append((400, '{"error": {"code": "content_filter"}}'))
    model = vllm_classify(Server(served.url, concurrency=1), "judge")
    books = score(store, model, completions(store, ["toy"]), progress=False)
    assert (books.scored, books.unscored) == (9, 1)
    assert books.left["reason"].to_list() == ["held back by the server's content filter"]


@pytest.mark.parametrize("fault", [(500, "oh"), (400, "no"), (200, '{"data": [{"probs": [null]}]}')])
def test_one_bad_completion_is_named_and_costs_no_other_its_reward(store, served, fault):
    fill(store, [(f"q{n}", f"good {n}", f"bad {n}") for n in range(40)])
    model = vllm_classify(Server(served.url, concurrency=2, **QUICK), "judge")
    wanted = completions(store, ["toy"])
    rows = wanted.collect().sort("prompt_id", "completion_id")
    bad = rows[50, "completion"][0]["content"]

    def answer(path, body):
        return fault if body["messages"][-1]["content"] == bad else letters(path, body)

    served.answer = answer
    before = len(served.posts)
    with pytest.raises(PrefmillError, match=f"^completion {rows[50, 'completion_id']}: http"):
        score(store, model, wanted, progress=False)
    kept = store.scan("rewards").collect()
    assert len(kept) >= 50
    assert len(kept) >= len({str(body["messages"]) for body in served.posts[before:]}) - 1
    served.answer = letters
    assert score(store, model, wanted, progress=False).scored == 80 - len(kept)


def test_any_other_refusal_ends_the_run(served):
    served.faults.append((400, "no such parameter"))
    with pytest.raises(Refused, match="answered 400: no such parameter"):
        vllm_classify(Server(served.url), "judge").fits([item("x")])


def test_scoring_goes_on_where_a_server_went_away(store, served, monkeypatch):
    monkeypatch.setattr("rewards.score.BATCH", 10)
    fill(store, [(f"q{n}", f"good {n}", f"bad {n}") for n in range(20)])
    model = vllm_classify(Server(served.url, concurrency=1, **QUICK), "judge")
    wanted = completions(store, ["toy"])
    served.answer = lambda path, body: letters(path, body) if len(served.posts) <= 25 else 1 / 0
    with pytest.raises(Unavailable):
        score(store, model, wanted, progress=False)
    asked = len(served.posts)
    served.answer = letters
    books = score(store, model, wanted, progress=False)
    assert (books.cached, books.scored) == (25, 15)
    assert len(served.posts) == asked + 15


def test_a_reward_that_is_no_number_stops_with_its_completion(store, served):
    fill(store, [("q", "good", "bad")])
    served.answer = lambda path, body: {"data": [{"probs": [float("nan")]}]}
    with pytest.raises(PrefmillError, match=r"^completion [0-9a-f]{32}: .* gave the reward nan"):
        score(store, vllm_classify(Server(served.url), "judge"), completions(store, ["toy"]), progress=False)
    assert not len(store.scan("rewards").collect())
