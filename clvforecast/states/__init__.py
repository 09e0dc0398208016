"""Customer states: an order log kept small, brought up to date by new orders alone.

>>> import pandas as pd
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from clvforecast import read_orders
>>> from clvforecast.states import read_state, update_state
>>> january = pd.DataFrame({"customer_id": ["A", "B"], "date": ["2024-01-02", "2024-01-20"],
...                         "amount": [10.0, 5.0]})
>>> february = pd.DataFrame({"customer_id": ["A"], "date": ["2024-02-01"], "amount": [20.0]})
>>> with TemporaryDirectory() as folder:
...     path = Path(folder) / "customers.parquet"
...     for batch in (january, february, february):  # the last is delivered twice
...         done = update_state(path, read_orders(batch))
...     print(done)
...     read_state(path).summarize()
Already in the state: 1 row. Nothing was added. It has 2 customers, observed until 2024-02-01.
             frequency  recency     T  monetary_value
customer_id
A                    1     30.0  30.0            20.0
B                    0      0.0  12.0             0.0
"""

from clvforecast.states.updates import Repeated, StateUpdate, read_state, update_state

__all__ = ["Repeated", "StateUpdate", "read_state", "update_state"]
