"""What a judge's text says, and what it does not say."""

from __future__ import annotations

import pytest
from reward_server import RewardServer
from test_rewards_transformers import item

from rewards.judge import Judge
from rewards.served import Server
from rewards.winner import winner


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<answer>1</answer>", 1),
        ("<answer>[2]</answer>", 2),
        ("<answer> Answer 2 is better. </answer>", 2),
        ("<answer>\\boxed{1}</answer>", 1),
        ("Not <answer>2</answer>, but <answer>Answer 1</answer>", 1),
        ("Answer 1 is better at style. <answer>2</answer>", 2),
        ("Answer 2 is better. <answer>tie</answer>", None),
        ("<answer>1 or 2</answer>", None),
        ("<answer>not 1</answer>", None),
        ("Hence \\boxed{2}", 2),
        ("\\boxed{\\text{Answer 1}}", 1),
        ("**Answer 2** is better", 2),
        ("Answer 1 is better at first sight. All in all, **Answer 2 is clearly better**.", 2),
        ("Answer 2 is better than Answer 1 because it is right.", 2),
        ("Answer 1 is better than\nAnswer 2", 1),
        ("I do not think Answer 1 is better", None),
        ("I don\u2019t think Answer 1 is better.", None),
        ("Neither Answer 1 nor Answer 2 is better.", None),
        ("If you like it short, Answer 2 is better.", None),
        ("Answer 1 is better at grammar", None),
        ("Answer 1 is better, but only in style", None),
        ("Answer 1 is better. On second thoughts it is a tie.", None),
        ("Answer 1 and answer 12 is better", None),
        ("What a lovely day", None),
        ("", None),
        ("<think>Answer 1 is better</think>Answer 2 is better.", 2),
        ("Answer 1 is better</think><answer>2</answer>", 2),
        ("<think><answer>1</answer> at style, 2 at facts</think>They are alike.", None),
        ("<think>In grammar Answer 1 is better, but on facts", None),
    ],
)
def test_the_last_plain_statement_outside_of_thoughts_counts(text, found):
    assert winner(text, cut=False) == found


@pytest.mark.parametrize(("text", "found"), [("Answer 1 is better", None), ("So <answer>2</answer> since", 2)])
def test_a_text_that_was_cut_counts_by_its_tag_alone(text, found):
    assert winner(text, cut=True) == found
    choice = {"message": {"content": text}, "finish_reason": "length"}
    with RewardServer(lambda path, body: {"choices": [choice]}) as served:
        ((_, verdict),) = Judge(Server(served.url), "judge").verdicts([(item("a"), item("b"))])
    assert verdict.votes == (0 if found is None else 2)
