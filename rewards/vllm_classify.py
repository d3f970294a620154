"""A sequence classifier served by vLLM (`--runner pooling`): its `/classify`, without the activation."""

from __future__ import annotations

from pairs.errors import PrefmillError, shown
from rewards.interface import Item
from rewards.remote import RemoteModel, chat, field_of, named, number
from rewards.served import Server, served_name


def vllm_classify(server: Server, model: str, *, revision: str | None = None) -> RemoteModel:
    """The reward model served under the name `model`; `revision` is of the user's telling and goes into the
    fingerprint, since a server does not say which weights it loaded."""

    def ask(item: Item) -> float:
        # With one label vLLM puts a sigmoid on the reward unless told not to: margins would saturate.
        body = {"model": model, "messages": chat(item), "use_activation": False, "add_generation_prompt": False}
        answer = server.post("/classify", body)
        found = field_of(server.url, answer, "data", 0, "probs")
        if not isinstance(found, list) or len(found) != 1:
            raise PrefmillError(f"{server.url}: {model} gave {shown(found)}, expected one label")
        return number(server.url, found[0])

    return RemoteModel(server, named("vllm-classify", served_name(server, model), revision), ask)
