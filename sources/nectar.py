"""Nectar: seven answers of different models to a chat prompt, ranked by GPT-4.

182,954 prompts, up to 21 pairs each, 3.8 million in all. https://huggingface.co/datasets/berkeley-nest/Nectar,
Apache-2.0 under the condition not to compete with OpenAI. Rank 1 is the best; the margin is the distance in
ranks, and equal ranks are ties. The prompt is a dialogue in one string that ends with the open marker of the
assistant. Ranks are known to depend somewhat on the order shown. Prompts come from HH-RLHF, UltraFeedback,
LMSYS and others, so they recur elsewhere. The card spells the count of answers `num_response`: either is taken,
and rows without any are read too.
"""

import re
from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Message, Pair
from sources._shapes import Rated, ranked
from sources._sides import marked_turns
from sources._source import Row, Source

source = Source(
    repo="berkeley-nest/Nectar",
    revision="4879f7a24e30227559a51a94d18b774f6572353f",
    files={"train": ("data/rlaif.parquet",)},
    licence="Apache-2.0, not to compete with OpenAI",
    label_source="model",
    optional=frozenset({"num_responses", "num_response"}),
    citation="Zhu et al. 2023, Starling-7B",
    example={
        "prompt": "\n\nHuman: Which sea is the saltiest?\n\nAssistant: ",
        "answers": [
            {"answer": "The Dead Sea, though it is a lake.", "model": "model-a", "rank": 1.0},
            {"answer": "The Red Sea.", "model": "model-b", "rank": 2.0},
            {"answer": "All seas are salty.", "model": "model-c", "rank": 3.0},
        ],
        "turns": 1,
        "num_responses": 3,
        "source": ["lmsys-chat-1m"],
        "good_natured": True,
    },
)

_MARKER = re.compile(r"\n\n(Human|Assistant):(?: |\Z)")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    answers = row["answers"]
    count = next((row[name] for name in ("num_responses", "num_response") if row.get(name) is not None), None)
    if count not in (None, len(answers)):
        raise BadRow("answers_missing", f"{len(answers)} answers, expected {shown(count)}")
    prompt = _prompt(row["prompt"])
    for found in ranked([_rated(answer) for answer in answers]):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, distance = found
        yield Pair(
            prompt=prompt,
            chosen=chosen.completion,
            rejected=rejected.completion,
            source_margin=distance,
            category=", ".join(row["source"]),
            extra={
                "chosen_model": chosen.model,
                "rejected_model": rejected.model,
                "chosen_rank": -(chosen.score or 0),
                "rejected_rank": -(rejected.score or 0),
                "turns": row["turns"],
                "good_natured": row["good_natured"],
            },
        )


def _prompt(text: str) -> list[Message]:
    before, turns = marked_turns(text, _MARKER, _ROLES)
    if before.strip() or len(turns) < 2 or turns[-1]["role"] != "assistant" or turns[-1]["content"].strip():
        raise BadRow("prompt_not_marked", f"{shown(text)}, expected turns that end with an open Assistant:")
    if any(turn["role"] != ("user", "assistant")[index % 2] for index, turn in enumerate(turns)):
        raise SetAside("turns_do_not_alternate", "one side speaks twice in a row")
    return turns[:-1]


def _rated(answer: Row) -> Rated:
    rank = answer["rank"]
    if type(rank) not in (int, float) or not 1 <= rank <= 7:
        raise BadRow("rank_not_known", f"rank is {shown(rank)}, expected 1 to 7")
    return Rated(answer["answer"], -float(rank), model=answer["model"])
