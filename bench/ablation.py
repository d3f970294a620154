"""What each rule and each source of `mixtures/real.toml` is worth: `python -m bench.ablation`.

Runs the job `ablate` on an empty store and writes docs/ablation.md with its plot. Reads PREFMILL_REAL_DATA (a
folder beside the checkout by default).
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from bench import _measure
from pairs.store import Store
from pipelines import ablate, notes, steps

ROOT = Path(__file__).parents[1]
MIXTURE = "mixtures/real.toml"
PAGE = """# What each rule and each source is worth

Measured on `{mixture}` (real native files of seven datasets, {rows:,} training rows) by `make bench-ablation`,
which writes this page. The same for your mixture:

```bash
prefmill run-config mixtures/mine.toml > run.yaml
dagster job execute -m pipelines -j ablate -c run.yaml
```

For each line the rules decide anew from the same signals, without one of them or without one source, and
two-layer heads are trained on frozen features of what is left: {seeds} seeds, as many steps for every line. All
are judged on the same pairs, none of whose prompts was trained on. A figure is the accuracy of the mixture less
the accuracy without: above 0 the rule or source helps. In brackets 95 % of 1,000 resamples of groups and seeds; an
interval that holds 0 says that nothing is known.

*As found*: held-out pairs of the mixture's own sources with the labels they came with. *Balanced*: the same, with
the pairs where the longer answer was preferred and those where the shorter was counting alike. *Benchmarks*:
{benchmarks}.

{table}
![What each rule and each source is worth, balanced over length](ablation.png)

How to read it:

- Accuracy as found rewards a model that follows length, because the labels do: a rule that takes length bias out
  pays there and must be judged by the balanced column.
- Rules overlap: taking away `duplicates` changes nothing while `near_duplicates` finds the same pairs.
- Repeats in training cost little with a head this small. What they cost a backbone, which can learn rows by heart,
  this table cannot say; the same holds for contamination, which no head of this size can exploit.
- A source is worth most to its own held-out pairs. That leaving out a source helps is a reason to look at it, with
  the weights that the job `search` proposes.
"""


def main() -> None:
    from pipelines import defs

    begun = time.perf_counter()
    os.environ.setdefault("PREFMILL_REAL_DATA", str(ROOT / ".." / "shared" / "data"))
    with tempfile.TemporaryDirectory() as scratch:
        resources = {"store": {"config": {"root": scratch}}, "mixture": {"config": {"path": MIXTURE}}}
        defs.resolve_job_def("ablate").execute_in_process({"resources": resources})
        recipe, store = steps.load_recipe(MIXTURE), Store(scratch)
        done = notes.read(store, "ablated", recipe.name)
        rows = dict(steps.decided(store, recipe).rows.group_by("split").len().iter_rows())
        benchmarks = sorted(searched_benchmarks(store, recipe))
    text = ablate.table(done)
    page = PAGE.format(
        mixture=MIXTURE,
        rows=rows["train"],
        seeds=recipe.search.seeds,
        benchmarks=", ".join(benchmarks),
        table=text,
    )
    (ROOT / "docs" / "ablation.md").write_text(page)
    (ROOT / "docs" / "ablation.png").write_bytes(ablate.plots(done)["ablation"])
    minutes = (time.perf_counter() - begun) / 60
    _measure.keep("ablation", [text, f"RESULT rows={len(done['rows'])} minutes={minutes:.1f}"])


def searched_benchmarks(store: Store, recipe: object) -> set[str]:
    from pipelines.searching import looked_at

    return set(looked_at(store, recipe).filter("held_out")["source"].unique())  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
