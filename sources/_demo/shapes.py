"""Drafts in the native row shapes of the text sources."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from sources._demo.answers import flawed, good, weak
from sources._demo.tasks import Task
from sources._demo.texts import Draft

Row = dict[str, Any]
_APPS = ("Mail", "Grammar", "Recipes", "Notes", "Search", "Travel")
_MODELS = ("alder-7b", "birch-13b", "cedar-chat", "dogwood-70b", "elm-instruct", "fir-3b")


def longer_first(draft: Draft) -> bool | None:
    """Whether the chosen answer is the longer one in characters and words; None when these disagree."""
    chars = len(draft.chosen) - len(draft.rejected)
    words = len(draft.chosen.split()) - len(draft.rejected.split())
    return None if chars * words <= 0 else chars > 0


def rasbt(draft: Draft, rng: random.Random) -> Row:
    return {
        "instruction": draft.task.prompt,
        "input": draft.task.context,
        "output": rng.choice((draft.chosen, draft.rejected)),
        "rejected": draft.rejected,
        "chosen": draft.chosen,
    }


def pandalm(draft: Draft, rng: random.Random, *, tie: bool = False) -> Row:
    first = rng.random() < 0.5
    best = 1 if first else 2
    votes = (
        rng.choice(([0, 0, best], [0, 1, 2], [0, 0, 0]))
        if tie
        else [best, best, rng.choice((best, best, 0, 3 - best))]
    )
    rng.shuffle(votes)
    return {
        "idx": 0,
        "motivation_app": rng.choice(_APPS),
        "cmp_key": "_".join(rng.sample(_MODELS, 2)),
        "instruction": draft.task.prompt,
        "input": draft.task.context,
        "response1": draft.chosen if first else draft.rejected,
        "response2": draft.rejected if first else draft.chosen,
        **{f"annotator{i}": vote for i, vote in enumerate(votes, 1)},
    }


def llama_factory(draft: Draft, before: Sequence[str] = ()) -> Row:
    turns = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate([*before, draft.prompt])]
    return {
        "conversations": turns,
        "chosen": {"from": "gpt", "value": draft.chosen},
        "rejected": {"from": "gpt", "value": draft.rejected},
    }


def hh_rlhf(draft: Draft, before: Sequence[str] = ()) -> Row:
    speakers = ("Human", "Assistant")
    shared = "".join(f"\n\n{speakers[i % 2]}: {text}" for i, text in enumerate([*before, draft.prompt]))
    return {side: f"{shared}\n\nAssistant: {getattr(draft, side)}" for side in ("chosen", "rejected")}


def ukp(draft: Draft, rng: random.Random) -> Row:
    first = rng.random() < 0.5
    one, two = (text.replace("\n", "<br/>") for text in (draft.chosen, draft.rejected))
    numbers = rng.sample(range(10_000, 99_999), 2)
    return {
        "#id": f"arg{numbers[0]}_arg{numbers[1]}",
        "label": "a1" if first else "a2",
        "a1": one if first else two,
        "a2": two if first else one,
    }


def llmbar(draft: Draft, rng: random.Random) -> Row:
    first = rng.random() < 0.5
    return {
        "input": draft.prompt,
        "output_1": draft.chosen if first else draft.rejected,
        "output_2": draft.rejected if first else draft.chosen,
        "label": 1 if first else 2,
    }


_LEVELS = (("good", 7.5, 9.5), ("weak", 4.5, 7.0), ("flawed", 1.0, 4.0))
_REASONS = {
    "good": "Answers what was asked and gives reasons.",
    "weak": "Partly useful, but it drifts.",
    "flawed": "Misses what was asked.",
}


def rated(task: Task, other: Task, rng: random.Random, longest: int = 75) -> list[tuple[str, float, str]]:
    """Four answers of mixed quality as (text, score from 1 to 10 in halves, level); length follows no level."""
    answers = []
    for name, low, high in (_LEVELS[0], *rng.choices(_LEVELS, k=2), _LEVELS[2]):
        words = rng.randint(10, longest)
        if name == "good":
            text = good(task, rng, words)
        elif name == "weak":
            text = weak(task, rng, max(8, words - 15))
        else:
            text = flawed(task, rng, words, other)[1]
        answers.append((text, rng.randint(int(low * 2), int(high * 2)) / 2, name))
    rng.shuffle(answers)
    return answers


def ultrafeedback(draft: Draft, answers: Sequence[tuple[str, float, str]], part: str, rng: random.Random) -> Row:
    models = rng.sample(_MODELS, len(answers))
    return {
        "source": part,
        "instruction": draft.prompt,
        "models": models,
        "completions": [_judged(model, *answer, rng) for model, answer in zip(models, answers, strict=True)],
        "correct_answers": ["None"],
        "incorrect_answers": ["None"],
    }


def _judged(model: str, text: str, score: float, level: str, rng: random.Random) -> Row:
    def stars() -> str:
        return str(min(5, max(1, round(score / 2 + rng.uniform(-0.6, 0.6)))))

    simple = {
        "instruction_following": {"Rating": stars(), "Rationale": _REASONS[level]},
        "honesty": {"Rating": "N/A" if rng.random() < 0.06 else stars(), "Rationale": "Judged by its tone."},
    }
    typed = {
        aspect: {
            "Type": ["1"],
            "Rationale": _REASONS[level],
            "Rating": stars(),
            "Rationale For Rating": _REASONS[level],
        }
        for aspect in ("truthfulness", "helpfulness")
    }
    annotations = simple | typed
    marks = [int(judged["Rating"]) for judged in annotations.values() if judged["Rating"] != "N/A"]  # type: ignore[call-overload]
    return {
        "model": model,
        "principle": rng.choice(("helpfulness", "honesty", "truthfulness")),
        "custom_system_prompt": "Answer so that the reader can act on it.",
        "response": text,
        "annotations": annotations,
        "critique": _REASONS[level],
        "overall_score": score,
        "fine-grained_score": sum(marks) / len(marks),
    }
