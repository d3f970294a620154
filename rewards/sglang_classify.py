"""A sequence classifier served by SGLang (`--is-embedding`): its native `/classify`, texts only.

SGLang wants the text as the model reads it, so the chat template is applied here.
"""

from __future__ import annotations

from pairs.errors import PrefmillError, shown
from rewards.interface import Item
from rewards.remote import RemoteModel, field_of, named, number
from rewards.served import Server, served_name


def sglang_classify(
    server: Server, model: str, *, tokenizer: str | None = None, revision: str | None = None
) -> RemoteModel:
    """The reward model served under the name `model`; `tokenizer` (default: `model`) is the folder or hub id that
    its chat template comes from. An item with pictures does not fit."""
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(tokenizer or model, revision=revision, trust_remote_code=False)
    if not words.chat_template:
        raise PrefmillError(f"{tokenizer or model}: no chat template; name a tokenizer that has one")

    def ask(item: Item) -> float | str:
        if item.images or item.completion_images:
            return "pictures for a server of texts"
        text = str(words.apply_chat_template([*item.prompt, *item.completion], tokenize=False))
        # The server puts a BOS of its own in front; two of them change the reward.
        text = text.removeprefix(words.bos_token or "")
        answer = server.post("/classify", {"model": model, "text": [text]})
        found = field_of(server.url, answer, 0, "embedding")
        if not isinstance(found, list) or len(found) != 1:
            raise PrefmillError(f"{server.url}: {model} gave {shown(found)}, expected one number")
        return number(server.url, found[0])

    name = served_name(server, model)
    return RemoteModel(server, named("sglang-classify", name, revision, words.chat_template), ask)
