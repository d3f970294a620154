"""Which licences allow commercial use of a dataset, as far as the licence itself goes.

A table of the names that sources use; it is no legal advice, and says nothing of terms that bind the models whose
answers a dataset holds. A name that is not here is refused: nobody has judged it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from mixtures._recipe_tables import Licences
from pairs.errors import RecipeError

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


def check(mixture: str, licences: Licences, held: Collection[str]) -> None:
    """Refuse a name in the lists that is not in the tables above and that none of `held`, the licences of the
    store's pairs, has: it would decide nothing. Raises `RecipeError` with a line and the nearest name for each."""
    known = {name.casefold(): name for name in sorted({*COMMERCIAL, *OTHER, *held})}
    problems = []
    for key, names in (("allow", licences.allow or ()), ("deny", licences.deny)):
        for name in names:
            if name not in known.values():
                near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
                hint = (
                    f"; did you mean {known[near[0]]!r}?" if near else f" (they have: {', '.join(sorted(held))})"
                )
                problems.append(f"{mixture}: licences.{key} names {name!r}, which no pair in the store has{hint}")
    if problems:
        raise RecipeError("\n".join(problems))
