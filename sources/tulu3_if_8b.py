"""Tülu 3, instruction following for the 8B model: prompts with added constraints, answers of it and of others.

65,530 rows in one Parquet file. https://huggingface.co/datasets/allenai/tulu-3-IF-augmented-on-policy-8b, ODC-BY
for the collection; parts are not for commercial use. A judge rated the answers, the best is chosen and a random
other one rejected. Not verified: rows and columns; ratings and models are kept where the file has them. Shares
prompts with `tulu3_if`, which holds the answers of the 70B model.
"""

from dataclasses import replace

from sources import tulu3_if
from sources.tulu3_if import pairs as pairs

source = replace(
    tulu3_if.source,
    repo="allenai/tulu-3-IF-augmented-on-policy-8b",
    revision=None,
)
