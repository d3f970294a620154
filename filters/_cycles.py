"""Cycles of preferences: A over B, B over C, C over A."""

from __future__ import annotations

import numpy as np
import polars as pl

_TRIMMINGS = 4  # each takes a join, and leaves little of what came from rankings


def cycles(pairs: pl.LazyFrame) -> pl.DataFrame:
    """The pairs on a cycle of labels under one criterion, opposed labels (a cycle of two) included: pair_id,
    component (the least completion id of those that lead to each other) and component_size (completions), sorted.

    A completion's id holds its prompt, so no cycle goes through two prompts.
    """
    edges = pairs.select("pair_id", "criterion", "chosen_id", "rejected_id")
    for _ in range(_TRIMMINGS):
        edges = _trimmed(edges)
    rows = edges.collect(engine="streaming").unique("pair_id", keep="first", maintain_order=True).sort("pair_id")
    ends = [rows.select("criterion", id=f"{side}_id") for side in ("chosen", "rejected")]
    nodes = pl.concat(ends).unique().sort("id", "criterion").with_columns(node=pl.int_range(pl.len()))
    tails, heads = (
        end.join(nodes, on=["criterion", "id"], how="left", maintain_order="left")["node"].to_numpy()
        for end in ends
    )
    component = strong_components(tails, heads, nodes.height)
    least = component[tails]
    size = pl.Series(np.bincount(component, minlength=nodes.height)[least], dtype=pl.Int32)
    rows = rows.select("pair_id", component=nodes["id"].gather(least), component_size=size)
    return rows.filter(pl.Series(least == component[heads], dtype=pl.Boolean))


def _trimmed(edges: pl.LazyFrame) -> pl.LazyFrame:
    """Without the labels for a completion that never lost, or against one that never won."""
    lost = edges.select("criterion", chosen_id="rejected_id")
    won = edges.select("criterion", rejected_id="chosen_id")
    return edges.join(lost, on=["criterion", "chosen_id"], how="semi").join(
        won, on=["criterion", "rejected_id"], how="semi"
    )


def strong_components(tails: np.ndarray, heads: np.ndarray, count: int) -> np.ndarray:
    """For each of `count` nodes the least node that it reaches and that reaches it: int64 `[count]`. Edges go from
    `tails` to `heads` (both `[edges]`). Tarjan's algorithm (1972) without recursion.
    """
    order = np.argsort(tails, kind="stable")
    targets = heads[order].tolist()
    edge = np.searchsorted(tails[order], np.arange(count + 1)).tolist()
    ends = edge[1:]
    component, index, low = [-1] * count, [-1] * count, [0] * count
    stack: list[int] = []
    seen = 0
    for root in range(count):
        path = [root] if index[root] < 0 else []
        while path:
            node = path[-1]
            if index[node] < 0:
                index[node] = low[node] = seen
                seen += 1
                stack.append(node)
            if edge[node] < ends[node]:
                target = targets[edge[node]]
                if index[target] < 0:
                    path.append(target)
                    continue
                edge[node] += 1
                if component[target] < 0:
                    low[node] = min(low[node], low[target])
                continue
            path.pop()
            if low[node] == index[node]:
                members = [stack.pop()]
                while members[-1] != node:
                    members.append(stack.pop())
                least = min(members)
                for member in members:
                    component[member] = least
    return np.array(component, np.int64)
