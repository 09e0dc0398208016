"""Seeded order logs of any size: one Parquet file, in the order of time, written in pieces.

Customers follow the BG/NBD and Gamma-Gamma stories, told here once more and not through
clvforecast, so that a log stays what it is when the package changes.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

FORMAT = 1
"""Raised when the same settings would give another file."""
FIRST_DAY = np.datetime64("2021-01-01", "us")
ORDERS_PER_CUSTOMER = 4.980
"""Expected under the default settings; the tests hold it against the closed form."""

_CUSTOMERS_PER_CHUNK = 500_000
_ORDERS_PER_SLICE = 2_000_000
_ROW_GROUP = 131_072
_ID_BITS, _ID_STEP = 40, 0x9E3779B97F
_METADATA = b"clvforecast.benchmark"


@dataclass(frozen=True)
class Shop:
    """What a log is drawn from: times in days, money in one currency.

    Attributes
    ----------
    days : int
        Length of observation. Customers arrive evenly over all of it.
    r, alpha, a, b : float
        BG/NBD: CDNOW's published 0.243, 4.414 weeks, 0.793 and 2.426 would give three orders per
        customer in four years; these, of a shop with more regular and more loyal customers, five.
    p, q, v : float
        Gamma-Gamma: the published estimates of CDNOW.
    """

    days: int = 1461
    r: float = 0.4
    alpha: float = 35.0
    a: float = 0.6
    b: float = 3.5
    p: float = 6.25
    q: float = 3.74
    v: float = 15.44


@dataclass(frozen=True)
class Log:
    """An order log on disk: `customer_id` (int64), `date` (midnight) and `amount`."""

    path: Path
    orders: int
    customers: int


def order_log(orders: int, folder: Path, *, seed: int = 1, shop: Shop | None = None) -> Log:
    """Return a log of about so many orders, written unless `folder` has it.

    The number of customers is fixed by `orders`; how often they buy is drawn. A log is found again
    by all of its settings, and written whole or not at all. At most a chunk of customers, or a
    slice of time, is in memory.
    """
    shop = shop or Shop()
    customers = max(1, round(orders / ORDERS_PER_CUSTOMER))
    settings = {"format": FORMAT, "customers": customers, "seed": seed, **asdict(shop)}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    path = folder / f"orders-{orders}-{digest}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as scratch:
            chunks = list(_chunk_files(customers, shop, seed, Path(scratch)))
            finished = Path(scratch) / "finished.parquet"
            _write(chunks, customers, finished)
            finished.replace(path)
    return opened(path)


def opened(path: Path) -> Log:
    """A log written before."""
    described = pq.read_metadata(path)
    customers = json.loads(described.metadata[_METADATA])["customers"]
    return Log(path, described.num_rows, customers)


def _chunk_files(customers: int, shop: Shop, seed: int, scratch: Path) -> Iterator[Path]:
    """Draw the customers chunk by chunk, each from a seed of its own."""
    for chunk, first in enumerate(range(0, customers, _CUSTOMERS_PER_CHUNK)):
        numbers = np.arange(first, min(first + _CUSTOMERS_PER_CHUNK, customers))
        drawn = _draw(numbers, shop, np.random.default_rng([seed, chunk]))
        path = scratch / f"{chunk}.npy"
        np.save(path, drawn)
        yield path


def _draw(numbers: NDArray[np.int64], shop: Shop, rng: np.random.Generator) -> NDArray[np.float64]:
    """Orders of some customers by time: moment in days, customer id and amount, shape (3, n).

    As long as nobody leaves, purchases fall anywhere after the first one, as many as a Poisson
    number says. After each repeat purchase the customer leaves with probability p, so only as many
    as a geometric number says are made.
    """
    n = numbers.size
    first = rng.random(n) * shop.days
    rate = rng.gamma(shop.r, 1 / shop.alpha, n)
    wanted = rng.poisson(rate * (shop.days - first))
    made = np.minimum(wanted, rng.geometric(np.maximum(rng.beta(shop.a, shop.b, n), 1e-12)))

    customer = np.repeat(np.arange(n), wanted)
    # One sort of customer + share puts each customer's purchases in order.
    share = np.sort(customer + rng.random(customer.size)) - customer
    rank = np.arange(customer.size) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    kept = rank < made[customer]
    customer, share = customer[kept], share[kept]
    repeat = first[customer] + share * (shop.days - first[customer])

    customer = np.concatenate((np.arange(n), customer))
    # A share that rounds to 1 must not become the day after the last.
    moment = np.minimum(np.concatenate((first, repeat)), np.nextafter(shop.days, 0))
    scale = rng.gamma(shop.q, 1 / shop.v, n)
    amount = rng.gamma(shop.p, 1 / scale[customer])
    amount = np.maximum(np.round(amount, 2), 0.01)
    # An odd step is a bijection of 40-bit numbers: ids are distinct and spread, and exact as
    # floats.
    ids = (numbers * _ID_STEP) & ((1 << _ID_BITS) - 1)
    order = np.argsort(moment)
    return np.stack((moment, ids[customer].astype(float), amount))[:, order]


def _write(chunks: list[Path], customers: int, path: Path) -> None:
    """Merge the chunks by time, one slice of it after the other, into one file."""
    drawn = [np.load(chunk, mmap_mode="r") for chunk in chunks]
    orders = sum(chunk.shape[1] for chunk in drawn)
    slices = math.ceil(orders / _ORDERS_PER_SLICE)
    edges = np.quantile(drawn[0][0], np.linspace(0, 1, slices + 1)[1:-1])
    cuts = [[0, *np.searchsorted(chunk[0], edges), chunk.shape[1]] for chunk in drawn]
    schema = pa.schema(
        [("customer_id", pa.int64()), ("date", pa.timestamp("us")), ("amount", pa.float64())],
        metadata={_METADATA: json.dumps({"customers": customers})},
    )
    with pq.ParquetWriter(path, schema, use_dictionary=["date"]) as writer:
        for i in range(slices):
            parts = [chunk[:, cut[i] : cut[i + 1]] for chunk, cut in zip(drawn, cuts, strict=True)]
            moment, ids, amount = np.concatenate(parts, axis=1)
            order = np.argsort(moment)
            date = FIRST_DAY + moment[order].astype("timedelta64[D]")
            columns = [ids[order].astype(np.int64), date, amount[order]]
            writer.write_table(
                pa.table([pa.array(c) for c in columns], schema=schema), row_group_size=_ROW_GROUP
            )
