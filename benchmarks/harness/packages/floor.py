"""What no package can beat by much: the engine's own aggregate, and twenty exponentials each."""

from __future__ import annotations

from pathlib import Path

from harness.packages import Stages

GROUP_BY = """
CREATE OR REPLACE TEMP TABLE summary AS
SELECT customer_id, count({what}) AS days, min(date) AS first, max(date) AS last,
       sum(amount) AS spend
FROM read_parquet('{log}') GROUP BY customer_id
"""


def stages(log: Path, output: Path, memory_limit: str) -> Stages:
    """Aggregates that check and clean nothing; `numpy.exp` into new arrays."""
    import duckdb
    import numpy as np

    from harness.logs import opened

    limits = {"memory_limit": memory_limit, "temp_directory": str(output.parent)}
    connection = duckdb.connect(config=limits)
    query = {"log": str(log).replace("'", "''")}
    values = np.random.default_rng(0).random(opened(log).customers)

    def group_by() -> None:
        connection.execute(GROUP_BY.format(what="DISTINCT date", **query))

    def group_by_rows() -> None:
        connection.execute(GROUP_BY.format(what="*", **query))

    def exponentials() -> None:
        for _ in range(20):  # one is over too soon to be timed
            np.exp(values)

    return {
        "group by": group_by,
        "group by, counting rows": group_by_rows,
        "20 exp passes": exponentials,
    }
