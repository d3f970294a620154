"""Chatbot Arena conversations: users chat with two anonymous models side by side and vote.

33,000 battles of 2023 behind a form on the hub.
https://huggingface.co/datasets/lmsys/chatbot_arena_conversations, prompts CC BY 4.0, answers CC BY-NC 4.0 (not
verified). Some texts are offensive; the tags for it are kept. `winner` names a model or one of two ties, the
second for two bad answers. With several turns the two histories part after the first reply and the vote judges
all of it, so only battles of one turn become pairs.
"""

from collections.abc import Iterator

from pairs.errors import SetAside
from pairs.schema import Pair
from sources._source import Row, Source
from sources._turns import battle

source = Source(
    repo="lmsys/chatbot_arena_conversations",
    revision=None,
    files={"train": ("data/train-*.parquet",)},
    licence="CC-BY-4.0 prompts, CC-BY-NC-4.0 answers",
    label_source="human",
    citation="Zheng et al. 2023, arXiv:2306.05685",
    example={
        "question_id": "b1",
        "model_a": "model-a",
        "model_b": "model-b",
        "winner": "model_b",
        "judge": "arena_user_1",
        "conversation_a": [
            {"content": "Write a haiku about rain.", "role": "user"},
            {"content": "Rain is water that falls.", "role": "assistant"},
        ],
        "conversation_b": [
            {"content": "Write a haiku about rain.", "role": "user"},
            {
                "content": "Grey light on the roof / the gutter counts to seven / and loses its place",
                "role": "assistant",
            },
        ],
        "turn": 1,
        "anony": True,
        "language": "English",
        "tstamp": 1682351591.1,
        "openai_moderation": {"flagged": False},
        "toxic_chat_tag": {"roberta-large": {"flagged": False, "probability": 0.01}},
    },
)

_FACTS = ("question_id", "judge", "turn", "anony", "tstamp", "openai_moderation", "toxic_chat_tag")


def pairs(row: Row) -> Iterator[Pair]:
    yield one_turn(row, {fact: row[fact] for fact in _FACTS})


def one_turn(row: Row, facts: Row) -> Pair:
    """The pair of an arena row; raises `SetAside` for ties and for battles of several turns."""
    if row["winner"] in ("tie (bothbad)", "both_bad"):
        raise SetAside("tie_both_bad", "the user found both bad")
    prompt, chosen, rejected, better = battle(row)
    if any(message["role"] == "assistant" for message in prompt):
        raise SetAside("several_turns", "the vote judges more than the last reply")
    worse = "b" if better == "a" else "a"
    return Pair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        language=row["language"],
        extra={"chosen_model": row[f"model_{better}"], "rejected_model": row[f"model_{worse}"], **facts},
    )
