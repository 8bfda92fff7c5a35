"""Durations grouped and ranked, beside what pandas takes for the same percentiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.micro import timed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["latency"]

_FRACTIONS = [0.5, 0.9, 0.99, 0.999]
_LEGS = ["total_ns", "pending_ns", "call_ns"]


def latency(counts: list[int]) -> dict[str, Any]:
    """Measure the table latency of so many uses of IRPs: 25 operations, three statuses, three legs.

    pandas gives exact percentiles of the three columns; wsktrace gives them to 1 %, with histograms that merge.
    """
    from wsktrace.arrow import to_arrow
    from wsktrace.stats import latency_columns, merge_latency

    found: dict[str, Any] = {}
    for count in counts:
        irps, frame = _made(count)
        for by in (["op"], ["op", "status"]):
            name = f"by {','.join(by)}, {count:,} rows"
            found[f"latency_columns, {name}"] = timed(count, lambda irps=irps, by=by: latency_columns(irps, by=by))
            found[f"pandas groupby.quantile, {name}"] = timed(
                count, lambda frame=frame, by=by: frame.groupby(by, observed=True)[_LEGS].quantile(_FRACTIONS)
            )
    table = to_arrow("latency", latency_columns(irps, by=("op", "status")))
    found["merge_latency, 50 tables of 225 rows"] = timed(50 * table.num_rows, lambda: merge_latency([table] * 50))
    return {"unit": "rows", "rows": found}


def _made(count: int) -> tuple[pa.Table, pd.DataFrame]:
    """Return the columns of ``irps`` that are needed, and the same for pandas: durations of several decades."""
    import pandas as pd
    import pyarrow as pa

    from wsktrace.arrow import column, words

    rng = np.random.default_rng(0)
    ops = [f"Wsk{n}" for n in range(25)]
    statuses = ["STATUS_SUCCESS", "STATUS_CANCELLED", "STATUS_IO_TIMEOUT"]
    op, status = rng.integers(0, len(ops), count), rng.integers(0, len(statuses), count)
    total, call = rng.lognormal(11, 2, count).astype(np.int64), rng.lognormal(8, 1, count).astype(np.int64)
    pended = rng.random(count) < 0.7
    irps = pa.table(
        {
            "op": words(op, ops),
            "completion_status_name": words(status, statuses),
            "outcome": words(np.zeros(count, np.int64), ["succeeded"]),
            "completion": words(pended.astype(np.int64), ["inline", "pended"]),
            "total_ns": column(total, pa.int64()),
            "pending_ns": column((total, pended), pa.int64()),
            "call_ns": column(call, pa.int64()),
        }
    )
    frame = pd.DataFrame(
        {
            "op": pd.Categorical.from_codes(op, ops),
            "status": pd.Categorical.from_codes(status, statuses),
            "total_ns": total,
            "pending_ns": np.where(pended, total, np.nan),
            "call_ns": call,
        }
    )
    return irps, frame
