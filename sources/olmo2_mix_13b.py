"""The preference mixture of OLMo 2 13B: prompts of the tuning data, answers of many models, rated by a judge.

https://huggingface.co/datasets/allenai/olmo-2-1124-13b-preference-mix, ODC-BY for the collection; parts are not
for commercial use. Read as `olmo2_mix`, with which it shares prompts. Rows, columns and the names of the files are
not verified.
"""

from dataclasses import replace

from sources import olmo2_mix
from sources.olmo2_mix import pairs as pairs

source = replace(
    olmo2_mix.source,
    repo="allenai/olmo-2-1124-13b-preference-mix",
)
