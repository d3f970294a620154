"""Magpie Pro DPO: instructions that Llama 3 made up, and the best and worst of five answers to each.

98,000 train and 2,000 test rows. https://huggingface.co/datasets/Magpie-Align/Magpie-Pro-DPO-100K-v0.1, Llama 3
licence. The reward model ArmoRM scored the answers, so training on this set copies ArmoRM; the margin is the
difference of its scores, found by looking the two replies up among `responses`. The three other answers are no
pairs of this set; they stay in `extra` with their scores.
"""

from collections.abc import Iterator

from pairs.schema import Pair
from sources._sides import margin
from sources._source import Row, Source
from sources._turns import replies

source = Source(
    repo="Magpie-Align/Magpie-Pro-DPO-100K-v0.1",
    revision="14c54207fd8b3f4ad111d02e7d0cec12a8876f0d",
    files={"train": ("data/train-*.parquet",), "test": ("data/test-*.parquet",)},
    licence="llama3",
    label_source="model",
    citation="Xu et al. 2024, arXiv:2406.08464",
    example={
        "uuid": "m-1",
        "instruction": "What is the area of a square with sides of 3 cm?",
        "gen_input_configs": {"temperature": 1.1, "top_p": 1.0},
        "intent": "The user wants an area.",
        "knowledge": "Area of a square.",
        "difficulty": "easy",
        "input_quality": "good",
        "quality_explanation": "Clear and complete.",
        "task_category": "Math",
        "input_length": 47,
        "responses": ["9 square centimetres.", "3 times 3 is 9.", "12 cm."],
        "gen_response_configs": {"temperature": 0.8, "top_p": 0.95},
        "rewards_armorm": [{"score": 0.16}, {"score": 0.13}, {"score": 0.08}],
        "chosen": [
            {"content": "What is the area of a square with sides of 3 cm?", "role": "user"},
            {"content": "9 square centimetres.", "role": "assistant"},
        ],
        "rejected": [
            {"content": "What is the area of a square with sides of 3 cm?", "role": "user"},
            {"content": "12 cm.", "role": "assistant"},
        ],
    },
)

_FACTS = (
    "uuid",
    "intent",
    "knowledge",
    "difficulty",
    "input_quality",
    "quality_explanation",
    "input_length",
    "gen_input_configs",
    "gen_response_configs",
)


def pairs(row: Row) -> Iterator[Pair]:
    prompt, chosen, rejected = replies(row["chosen"], row["rejected"])
    rewards = [reward["score"] for reward in row["rewards_armorm"]]
    scores = dict(zip(row["responses"], rewards, strict=True))
    best_text, worst_text = chosen[0]["content"], rejected[0]["content"]
    best, worst = scores.get(best_text), scores.get(worst_text)
    yield Pair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        source_margin=margin(best, worst, "armorm"),
        chosen_ratings={"armorm": best},
        rejected_ratings={"armorm": worst},
        category=row["task_category"],
        extra={
            "others": [[text, score] for text, score in scores.items() if text not in (best_text, worst_text)],
            **{fact: row[fact] for fact in _FACTS},
        },
    )
