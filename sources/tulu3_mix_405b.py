"""Tülu 3's preference mixture for the 405B model: the way of the 8B one, with ratings and the names of models.

360,924 rows. https://huggingface.co/datasets/allenai/llama-3.1-tulu-3-405b-preference-mixture, ODC-BY for the
collection; parts are not for commercial use. The best rated answer is chosen and a random other one rejected, so
ratings can be equal; parts may have none. The lists hold the whole conversation, `prompt` only its text. Shares
prompts with `tulu3_mix` and its parts. How the files are named is not verified.
"""

from dataclasses import replace

from sources import olmo2_mix
from sources.olmo2_mix import pairs as pairs

source = replace(
    olmo2_mix.source,
    repo="allenai/llama-3.1-tulu-3-405b-preference-mixture",
    optional=frozenset({"prompt"}),
    citation="Lambert et al. 2024, arXiv:2411.15124",
)
