"""HelpSteer2 ratings: two responses per prompt, each rated by people on five attributes from 0 to 4.

20,324 train and 1,038 validation rows; two neighbours share a prompt and make one pair.
https://huggingface.co/datasets/nvidia/HelpSteer2, CC BY 4.0. The more helpful response is chosen, the margin is
the difference in helpfulness; the other attributes are kept as ratings. Some 29 % of the prompts are dialogues
in one string: the first user turn is bare, later turns follow a line "<extra_id_1>" with the speaker's name.
"""

import re
from collections.abc import Iterator

from pairs.errors import BadRow, SetAside, shown
from pairs.schema import Message, Pair
from sources._shapes import Rated, ranked
from sources._sides import marked_turns
from sources._source import Row, Source

source = Source(
    repo="nvidia/HelpSteer2",
    revision="990b2711a36180dd19d9c94b8627844866f8982a",
    files={"train": ("train.jsonl.gz",), "validation": ("validation.jsonl.gz",)},
    licence="CC-BY-4.0",
    label_source="human",
    group_by=("prompt",),
    citation="Wang et al. 2024, arXiv:2406.08673",
    example={
        "rows": [
            {
                "prompt": "A river?\n<extra_id_1>Assistant\nThe Danube.\n<extra_id_1>User\nWhere does it end?",
                "response": "In the Black Sea, in Romania and Ukraine.",
                "helpfulness": 4,
                "correctness": 4,
                "coherence": 4,
                "complexity": 1,
                "verbosity": 1,
            },
            {
                "prompt": "A river?\n<extra_id_1>Assistant\nThe Danube.\n<extra_id_1>User\nWhere does it end?",
                "response": "At its end.",
                "helpfulness": 0,
                "correctness": 2,
                "coherence": 4,
                "complexity": 0,
                "verbosity": 0,
            },
        ]
    },
)

_ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
_MARKER = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")
_ROLES = {"User": "user", "Assistant": "assistant"}


def pairs(row: Row) -> Iterator[Pair | SetAside]:
    responses = [_rated(response) for response in row["rows"]]
    if len(responses) < 2:
        raise SetAside("single_completion", "no neighbour has the same prompt")
    for found in ranked(responses):
        if isinstance(found, SetAside):
            yield found
            continue
        chosen, rejected, difference = found
        yield Pair(
            prompt=conversation(row["rows"][0]["prompt"]),
            chosen=chosen.completion,
            rejected=rejected.completion,
            criterion="helpfulness",
            source_margin=difference,
            chosen_ratings=chosen.ratings,
            rejected_ratings=rejected.ratings,
        )


def conversation(prompt: str) -> list[Message]:
    """The messages in a prompt of HelpSteer2; raises `BadRow` when the user does not speak last."""
    first, later = marked_turns(prompt, _MARKER, _ROLES)
    messages: list[Message] = [{"role": "user", "content": first}, *later]
    if messages[-1]["role"] != "user":
        raise BadRow("last_turn_not_the_users", f"the prompt ends with {shown(messages[-1]['content'])}")
    return messages


def _rated(response: Row) -> Rated:
    ratings = {attribute: response[attribute] for attribute in _ATTRIBUTES}
    for attribute, value in ratings.items():
        if type(value) not in (int, float) or value not in range(5):
            raise BadRow("rating_not_known", f"{attribute} is {shown(value)}, expected 0 to 4")
    return Rated(response["response"], ratings["helpfulness"], ratings)
