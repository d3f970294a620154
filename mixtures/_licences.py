"""Which licences allow commercial use of a dataset, as far as the licence itself goes.

A table of the names that sources use; it is no legal advice, and says nothing of terms that bind the models whose
answers a dataset holds. A name that is not here is refused: nobody has judged it.
"""

from __future__ import annotations

# Permissive or share-alike: a copy may be used, changed and sold when the licence's conditions are kept.
COMMERCIAL = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0",
        "CC-BY-SA-4.0", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "PDDL-1.0",
        "Unlicense",
    }
)  # fmt: skip
# Not for commercial use, with limits on it, or with no permission given at all. ODC-BY covers a collection and not
# what is in it: several sources under it say that parts are not for commercial use.
OTHER = frozenset(
    {
        "Apache-2.0, not to compete with OpenAI", "CC-BY-4.0 prompts, CC-BY-NC-4.0 answers", "CC-BY-NC-3.0",
        "CC-BY-NC-4.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "LMArena VisionArena terms",
        "ODC-BY", "Reddit API terms", "llama3", "not stated",
    }
)  # fmt: skip
