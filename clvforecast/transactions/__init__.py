"""Orders in: a log from anywhere -> checked `Transactions` -> RFM summary and holdout.

>>> import pandas as pd
>>> from clvforecast.transactions import read_orders
>>> log = pd.DataFrame({
...     "customer_id": ["A", "A", "B", "A"],
...     "date": ["2024-01-01", "2024-01-15", "2024-01-20", "2024-01-15"],
...     "amount": [10.0, 20.0, 5.0, 4.0],
... })
>>> orders = read_orders(log, until="2024-01-29")
>>> orders.summarize(time_unit="W").round(3)
             frequency  recency      T  monetary_value
customer_id
A                    1      2.0  4.000            24.0
B                    0      0.0  1.286             0.0
"""

from clvforecast.transactions.lazy import LazySummary, LazyTable
from clvforecast.transactions.quality import Quality
from clvforecast.transactions.reading import read_orders
from clvforecast.transactions.table import Split, Transactions

__all__ = ["LazySummary", "LazyTable", "Quality", "Split", "Transactions", "read_orders"]
