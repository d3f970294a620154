"""Several reward models as one: the mean of their rewards, and pictures apart from text."""

from __future__ import annotations

import numpy as np
import pytest

from pairs.errors import PrefmillError
from pairs.media import encode_image
from rewards.ensemble import Ensemble, Routed
from rewards.interface import Item


class Fixed:
    """A model whose reward is a number, or the length of the completion times one."""

    def __init__(self, name, factor, longest=10**6):
        self.fingerprint, self.factor, self.longest = name, factor, longest

    def fits(self, items):
        return np.array([len(item.completion[0]["content"]) <= self.longest for item in items])

    def rewards(self, items):
        return np.array([self.factor * len(item.completion[0]["content"]) for item in items], np.float32)


def item(text, *pictures):
    return Item(text, [], [{"role": "assistant", "content": text}], pictures)


def test_an_ensemble_is_the_mean_and_judges_what_all_can():
    both = Ensemble([Fixed("a", 1), Fixed("b", 3, longest=2)])
    items = [item("x"), item("xx"), item("xxx")]
    assert both.rewards(items).tolist() == [2, 4, 6]
    assert both.rewards(items).dtype == np.float32
    assert both.fits(items).tolist() == [True, True, False]
    assert both.fingerprint != Ensemble([Fixed("b", 3), Fixed("a", 1)]).fingerprint != Fixed("a", 1).fingerprint
    with pytest.raises(PrefmillError, match="no models"):
        Ensemble([])


def test_pictures_and_text_go_to_models_of_their_own():
    picture = encode_image(np.zeros((8, 8, 3), np.uint8))
    routed = Routed(pictures=Fixed("p", 10), text=Fixed("t", 1, longest=2))
    shown = Item("s", [], [{"role": "assistant", "content": "xx"}], (), (picture,))
    items = [item("xx"), item("xx", picture), item("xxx"), shown]
    assert routed.rewards(items).tolist() == [2, 20, 3, 20]
    assert routed.fits(items).tolist() == [True, True, False, True]
