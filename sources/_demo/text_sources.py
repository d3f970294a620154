"""The native rows of the seven text sources, with their planted defects and their ordinary dirt."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from sources._demo import shapes
from sources._demo.answers import good, versus
from sources._demo.plants import Native, disguised, edited, reworded, swapped
from sources._demo.tasks import Task, seeded
from sources._demo.texts import Draft, Writer, anything, argument, exam, risky
from sources._demo.words import DEBATES

Rows = dict[str, list[Native]]  # by the file's path below its source's folder
FLIPPED = 0.2
_SIZES = {"rasbt_dpo": 590, "pandalm": 320, "llama_factory_dpo": 350, "helpful": 560, "harmless": 310}
_RATED, _DEBATED, _EXAMS, _NEIGHBOURS = 125, 62, 100, 60
# What of rasbt_dpo comes back elsewhere: kind, where, how many, and whether chosen must be the longer side. The
# choosy one comes last: it would leave the others what it does not want.
_COPIES = (
    ("exact_duplicate", "pandalm", 24, None),
    ("near_duplicate", "pandalm", 14, None),
    ("near_duplicate", "hh_rlhf", 12, None),
    ("contradiction", "pandalm", 20, None),
    ("exact_duplicate", "llama_factory_dpo", 24, True),
    ("near_duplicate", "llama_factory_dpo", 14, True),
    ("contradiction", "llama_factory_dpo", 20, False),
)


@dataclass
class Copies:
    """The rows that other sources take over from rasbt_dpo, and how many of each kind are still wanted."""

    rows: dict[str, list[Native]] = field(default_factory=dict)
    left: list[int] = field(default_factory=lambda: [count for _, _, count, _ in _COPIES])

    def take(self, draft: Draft, rng: random.Random, number: int) -> tuple[str, str]:
        """Copy a draft into the first source that still wants one like it; returns (kind, cluster) or blanks."""
        longer = shapes.longer_first(draft)
        for i, (kind, source, _, wanted) in enumerate(_COPIES):
            if not self.left[i] or (wanted is not None and longer is not wanted):
                continue
            made = self._copy(kind, draft, rng, number)
            if made is None or (wanted and not shapes.longer_first(made[0])):
                continue
            self.left[i] -= 1
            cluster = f"{kind}_{number:03d}"
            row = _SHAPED[source](made[0], rng)
            self.rows.setdefault(source, []).append(Native(row, kind, cluster, made[1]))
            return kind, cluster
        return "", ""

    def _copy(self, kind: str, draft: Draft, rng: random.Random, number: int) -> tuple[Draft, str] | None:
        if kind == "exact_duplicate":
            return disguised(draft, number)
        if kind == "contradiction":
            return swapped(draft), "swapped"
        near = edited(draft, rng)
        return None if near is None else (near[0], f"{near[1]:.2f} of the words in common")


_SHAPED: dict[str, Callable[[Draft, random.Random], shapes.Row]] = {
    "llama_factory_dpo": lambda draft, rng: shapes.llama_factory(draft),
    "pandalm": shapes.pandalm,
    "hh_rlhf": lambda draft, rng: shapes.hh_rlhf(draft),
}


def text_sources(seed: int, writer: Writer) -> dict[str, Rows]:
    """All rows of the text sources, shuffled within their files."""
    rngs = {name: seeded(seed, name) for name in (*_SIZES, "ukp", "ultrafeedback", "llmbar", "copies")}
    copies = Copies()
    bench, leaks = _llmbar(rngs["llmbar"], writer)
    rasbt = _rasbt(rngs["rasbt_dpo"], rngs["copies"], writer, copies)
    for draft, cluster, detail in leaks[::2]:
        rasbt.append(Native(shapes.rasbt(draft, rngs["rasbt_dpo"]), "benchmark_prompt", cluster, detail))
    helpful = _helpful(rngs["helpful"], writer)
    for draft, cluster, detail in leaks[1::2]:
        helpful.append(Native(shapes.hh_rlhf(draft), "benchmark_prompt", cluster, detail))
    helpful += copies.rows["hh_rlhf"]
    harmless = _harmless(rngs["harmless"], writer)
    _flip(helpful + harmless, rngs["helpful"])
    sources = {
        "hh_rlhf": {"helpful-base/train.jsonl.gz": helpful, "harmless-base/train.jsonl.gz": harmless},
        "ultrafeedback": _ultrafeedback(rngs["ultrafeedback"], writer),
        "pandalm": {"testset-v1.json": _pandalm(rngs["pandalm"], writer) + copies.rows["pandalm"]},
        "ukp_convarg": _ukp(rngs["ukp"], writer),
        "llama_factory_dpo": {
            "dpo_en_demo.json": _llama(rngs["llama_factory_dpo"], writer) + copies.rows["llama_factory_dpo"]
        },
        "rasbt_dpo": {"instruction-data-with-preference.json": rasbt},
        "llmbar": bench,
    }
    for name, files in sources.items():
        for path, rows in files.items():
            seeded(seed, name, path).shuffle(rows)
    for number, native in enumerate(sources["pandalm"]["testset-v1.json"]):
        native.row["idx"] = number
    return sources


def _rasbt(rng: random.Random, copying: random.Random, writer: Writer, copies: Copies) -> list[Native]:
    rows: list[Native] = []
    for number in range(_SIZES["rasbt_dpo"]):
        draft = writer.draft(rng, anything)
        kind, cluster = copies.take(draft, copying, number)
        rows.append(Native(shapes.rasbt(draft, rng), kind, cluster, "original" if kind else ""))
    for _ in range(3):
        draft = writer.draft(rng, anything)
        rows.append(Native(shapes.rasbt(replace(draft, rejected=draft.chosen), rng)))
    return rows


def _pandalm(rng: random.Random, writer: Writer) -> list[Native]:
    rows = [
        Native(shapes.pandalm(writer.draft(rng, anything), rng, tie=i % 10 == 3)) for i in range(_SIZES["pandalm"])
    ]
    rows[0].row["response1"] = ""
    return rows


def _llama(rng: random.Random, writer: Writer) -> list[Native]:
    """Conversations in which the longer reply is always chosen, be it better or worse."""
    rows: list[Native] = []
    while len(rows) < _SIZES["llama_factory_dpo"]:
        draft = writer.draft(rng, anything, longer_wins=0.5)
        longer = shapes.longer_first(draft)
        if longer is not None:
            before = _before(anything, rng) if rng.random() < 0.35 else []
            rows.append(Native(shapes.llama_factory(draft if longer else swapped(draft), before)))
    return rows


def _before(asked: Callable[[random.Random], Task], rng: random.Random) -> list[str]:
    """One or two earlier turns of a dialogue: question and answer, flat."""
    turns = []
    for _ in range(rng.choice((1, 1, 2))):
        task = asked(rng)
        prompt = f"{task.prompt}\n\n{task.context}" if task.context else task.prompt
        turns += [prompt, good(task, rng, rng.randint(8, 30))]
    return turns


def _dialogues(
    rng: random.Random, writer: Writer, count: int, asked: Callable[[random.Random], Task]
) -> list[Native]:
    rows = []
    for _ in range(count):
        draft = writer.draft(rng, asked)
        before = _before(anything, rng) if rng.random() < 0.4 else []
        rows.append(Native(shapes.hh_rlhf(draft, before), detail=draft.flaw))
    return rows


def _helpful(rng: random.Random, writer: Writer) -> list[Native]:
    rows = _dialogues(rng, writer, _SIZES["helpful"], anything)
    for _ in range(2):
        draft = writer.draft(rng, anything)
        rows.append(Native(shapes.hh_rlhf(replace(draft, rejected=draft.chosen))))
    for _ in range(4):
        draft = writer.draft(rng, anything)
        play = f'{draft.chosen} In the play it says "Human: stay. Assistant: gladly." and that fits here.'
        rows.append(Native(shapes.hh_rlhf(replace(draft, chosen=play))))
    rows.append(Native({"chosen": 17, "rejected": rows[0].row["rejected"]}))
    return rows


def _harmless(rng: random.Random, writer: Writer) -> list[Native]:
    rows = _dialogues(rng, writer, _SIZES["harmless"], risky)
    rows += [Native(shapes.hh_rlhf(replace(writer.draft(rng, risky), chosen=""))) for _ in range(4)]
    return rows


def _flip(rows: list[Native], rng: random.Random) -> None:
    """Turn a fixed share of the labels; only rows that are sound and hold no other defect."""
    free = [native for native in rows if not native.kind and native.detail]
    for number, native in enumerate(rng.sample(free, round(FLIPPED * len(rows)))):
        native.row["chosen"], native.row["rejected"] = native.row["rejected"], native.row["chosen"]
        native.kind, native.cluster = "flipped_label", f"flipped_label_hh_{number:03d}"


def _ultrafeedback(rng: random.Random, writer: Writer) -> Rows:
    files: Rows = {}
    for part in ("evol_instruct", "sharegpt"):
        rows: list[Native] = []
        for _ in range(_RATED):
            draft = writer.draft(rng, anything)
            answers = shapes.rated(draft.task, anything(rng), rng)
            rows.append(Native(shapes.ultrafeedback(draft, answers, part, rng)))
        files[f"{part}.jsonl"] = rows
    rows[0].row["completions"][1]["response"] = ""
    rows[1].row["completions"][1]["response"] = rows[1].row["completions"][0]["response"]
    return files


def _ukp(rng: random.Random, writer: Writer) -> Rows:
    files: Rows = {}
    for row in DEBATES:
        asked = partial(argument, row)
        drafts = [writer.fresh(partial(_argued, asked, rng), same_prompt=True) for _ in range(_DEBATED)]
        files[f"{row['topic']}_{row['stance']}.csv"] = [Native(shapes.ukp(draft, rng)) for draft in drafts]
    return files


def _argued(asked: Callable[[random.Random], Task], rng: random.Random) -> Draft:
    task = asked(rng)
    return Draft(task, *versus(task, anything(rng), rng))


def _llmbar(rng: random.Random, writer: Writer) -> tuple[Rows, list[tuple[Draft, str, str]]]:
    """The benchmark, and drafts on 25 of its prompts with other answers: what leaks into the training rows."""
    natural = [writer.draft(rng, exam) for _ in range(_EXAMS)]
    neighbour = []
    for _ in range(_NEIGHBOURS):
        draft = writer.draft(rng, exam)
        neighbour.append(replace(draft, rejected=good(exam(rng), rng, len(draft.rejected.split()))))
    leaks = []
    for number, source in enumerate(natural[:25]):
        task = source.task if number % 3 else replace(source.task, prompt=reworded(source.task.prompt, rng))
        leak = Draft(task, *versus(task, exam(rng), rng))
        leaks.append((leak, f"benchmark_prompt_{number:02d}", "exact" if number % 3 else "edited"))
    files = {"LLMBar/Natural/dataset.json": natural, "LLMBar/Adversarial/Neighbor/dataset.json": neighbour}
    return {path: [Native(shapes.llmbar(draft, rng)) for draft in drafts] for path, drafts in files.items()}, leaks
