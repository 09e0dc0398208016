"""P(alive) day by day: the definition, to the last bit; lifetimes; refunds; ids of every kind."""

import datetime as dt
import sqlite3

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, DataError

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
CHOSEN = ["00004", "00018", "00111", "01760"]
DAYS = ["1997-01-01", "1997-01-18", "1997-03-25", "1997-09-30", "1998-01-01", "1998-06-30"]


def log(ids, days, amounts=1.0):
    return pd.DataFrame({"customer_id": ids, "date": days, "amount": amounts})


@pytest.fixture
def shop():
    """Customer 7 comes on three days, twice on one; 9 began later and came once."""
    days = ["2024-01-01", "2024-01-10", "2024-01-10", "2024-02-01", "2024-01-20"]
    return clv.read_orders(log([7, 7, 7, 7, 9], days), until="2024-02-10")


@pytest.fixture(scope="module")
def history(cdnow_orders):
    return clv.alive_history(BUYS, cdnow_orders, CHOSEN, time_unit="W")


# What it is


@pytest.mark.parametrize("day", DAYS)
def test_each_day_is_the_summary_of_that_day(history, cdnow_orders, day):
    rfm = cdnow_orders.summarize("W", until=day).reindex(CHOSEN).dropna()
    x, t_x, T = (rfm[name] for name in ("frequency", "recency", "T"))
    known = history.loc[day].dropna()
    assert known.index.tolist() == rfm.index.tolist()
    assert np.array_equal(known, BUYS.p_alive(x, t_x, T))


def test_later_days_say_if_he_stays_silent(cdnow_orders):
    """What came after the end of observation is not looked at."""
    early = clv.read_orders(clv.datasets.load_cdnow(sample=True), until="1997-09-30")
    table = clv.alive_history(BUYS, early, CHOSEN, until="1998-06-30", time_unit="W")
    rfm = early.summarize("W", until="1998-06-30").loc[CHOSEN]
    x, t_x, T = (rfm[name] for name in ("frequency", "recency", "T"))
    assert np.array_equal(table.loc["1998-06-30"], BUYS.p_alive(x, t_x, T))
    assert (table.loc["1997-09-30":].diff().iloc[1:] <= 0).all(axis=None), "silence never helps"
    assert table.attrs["observed_until"] == "1997-09-30"
    whole = clv.alive_history(BUYS, cdnow_orders, CHOSEN, time_unit="W")
    pd.testing.assert_frame_equal(
        table.loc[:"1997-09-30"], whole.loc[:"1997-09-30"], check_exact=True
    )


def test_the_limit_of_a_silence_is_where_the_curve_crosses(cdnow_buys, cdnow_orders):
    early = clv.read_orders(clv.datasets.load_cdnow(sample=True), until="1997-09-30")
    rfm = early.summarize("W").loc[CHOSEN]
    for threshold in (0.2, 0.5, 0.8):
        limits = clv.silence_limits(cdnow_buys, rfm, threshold=threshold)["limit_date"].dropna()
        table = clv.alive_history(cdnow_buys, early, CHOSEN, until="2003-01-01")
        crossed = limits[(limits > "1997-09-30") & (limits < "2003-01-01")]
        assert len(crossed) >= 1
        for customer, day in crossed.items():
            assert table.loc[day, customer] <= threshold
            assert table.loc[day - pd.Timedelta(days=1), customer] > threshold


def test_the_path_of_lifetimes(cdnow_buys, cdnow_orders, monkeypatch):
    """lifetimes counts days, so its object gets the parameters per day.

    It asks for an argument of `fillna` that pandas 3 has dropped.
    """
    from clvforecast.interop.lifetimes import to_lifetimes

    plain = pd.Series.fillna
    monkeypatch.setattr(
        pd.Series,
        "fillna",
        lambda s, value=None, method=None: s.ffill() if method else plain(s, value),
    )
    daily = cdnow_buys.model.rescaled(7)
    fitter = to_lifetimes(daily)
    from lifetimes.utils import calculate_alive_path

    orders = cdnow_orders.to_pandas()
    table = clv.alive_history(daily, cdnow_orders, CHOSEN, time_unit="D")
    for customer in CHOSEN:
        ours = table[customer].dropna()
        own = orders[orders["customer_id"] == customer]
        theirs = calculate_alive_path(fitter, own, "date", len(ours) - 1)
        assert ours.to_numpy() == pytest.approx(theirs.to_numpy().ravel(), rel=1e-12)


# Its shape


def test_a_column_for_each_and_a_row_for_each_day(shop):
    table = clv.alive_history(BUYS, shop, [9, 7], time_unit="D")
    assert table.columns.tolist() == [9, 7]
    assert table.columns.name == "customer_id"
    assert table.index.equals(pd.date_range("2024-01-01", "2024-02-10", name="date").as_unit("us"))
    assert table[9].first_valid_index() == pd.Timestamp("2024-01-20")
    assert table.loc["2024-01-20":, 9].notna().all()
    assert (table[9].dropna() == 1).all(), "BG/NBD is sure of every one-time buyer"
    assert table.attrs == {
        "observed_until": "2024-02-10",
        "purchase_days": {9: ["2024-01-20"], 7: ["2024-01-01", "2024-01-10", "2024-02-01"]},
        "model": "BG/NBD",
        "time_unit": "D",
    }


def test_p_alive_right_after_a_purchase_counts_it(shop):
    table = clv.alive_history(BUYS, shop, 7, time_unit="D")[7]
    assert table["2024-01-01"] == 1
    assert table["2024-01-09"] == 1
    assert table["2024-01-10"] == BUYS.p_alive(1, 9, 9), "two orders of a day are one purchase"
    assert table["2024-02-01"] == BUYS.p_alive(2, 31, 31)


def test_an_earlier_end_leaves_out_what_came_after(shop):
    table = clv.alive_history(BUYS, shop, 7, until=dt.date(2024, 1, 20), time_unit="D")
    assert table.index[-1] == pd.Timestamp("2024-01-20")
    assert table.attrs["observed_until"] == "2024-01-20"
    assert table.attrs["purchase_days"] == {7: ["2024-01-01", "2024-01-10"]}


def test_a_customer_of_the_last_day(shop):
    table = clv.alive_history(BUYS, shop, 9, until="2024-01-20", time_unit="D")
    assert table.shape == (1, 1)
    assert table.iloc[0, 0] == 1


def test_a_refund_is_no_purchase():
    days = ["2024-01-01", "2024-01-05", "2024-01-05", "2024-01-09"]
    orders = clv.read_orders(log(["A"] * 4, days, [5.0, 8.0, -8.0, -2.0]), until="2024-01-12")
    table = clv.alive_history(BUYS, orders, "A", time_unit="D")
    assert table.attrs["purchase_days"] == {"A": ["2024-01-01"]}
    assert (table["A"] == 1).all()


def test_a_fit_knows_its_unit(cdnow_buys, cdnow_orders):
    by_fit = clv.alive_history(cdnow_buys, cdnow_orders, "00004")
    by_model = clv.alive_history(cdnow_buys.model, cdnow_orders, "00004", time_unit="W")
    pd.testing.assert_frame_equal(by_fit, by_model, check_exact=True)
    with pytest.raises(DataError, match="time unit 'D' and the purchase model was fitted in 'W'"):
        clv.alive_history(cdnow_buys, cdnow_orders, "00004", time_unit="D")
    with pytest.raises(DataError, match="time unit of the model is unknown"):
        clv.alive_history(cdnow_buys.model, cdnow_orders, "00004")


# Who is asked for


@pytest.mark.parametrize(
    "asked", [7, [7], (7, 7), {7}, np.int64(7), np.array([7]), pd.Series([7, 7]), pd.Index([7])]
)
def test_ids_may_come_in_any_container_and_count_once(shop, asked):
    assert clv.alive_history(BUYS, shop, asked, time_unit="D").columns.tolist() == [7]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("7", r"no customer '7' with a purchase by 2024-02-10. Did you mean 7\?"),
        (["7", 9], "no customer '7'.*Ids look like 7, 9"),
        (8, "no customer 8 "),
        (None, "customers=None names nobody"),
        ([], r"customers=\[\] names nobody"),
        ([[7]], "flat list of ids"),
        (pd.NaT, "no customer NaT"),
        (dt.date(2024, 1, 1), "no customer datetime"),
    ],
)
def test_customers_that_are_not_there(shop, asked, message):
    with pytest.raises(DataError, match=message):
        clv.alive_history(BUYS, shop, asked, time_unit="D")


@pytest.mark.parametrize("asked", ["4", 4, "0004", " 00004", "00004 "])
def test_an_id_that_lost_its_zeros_is_recognised(cdnow_orders, asked):
    with pytest.raises(DataError, match="Did you mean '00004'"):
        clv.alive_history(BUYS, cdnow_orders, asked, time_unit="W")


def test_a_customer_who_comes_later_is_not_there_yet(shop):
    with pytest.raises(DataError, match="no customer 9 with a purchase by 2024-01-19"):
        clv.alive_history(BUYS, shop, [7, 9], until="2024-01-19", time_unit="D")


def test_other_wrong_arguments(shop):
    with pytest.raises(DataError, match="needs the Transactions .* not a DataFrame"):
        clv.alive_history(BUYS, pd.DataFrame(), 7, time_unit="D")
    with pytest.raises(DataError, match="until='soon' is not a day"):
        clv.alive_history(BUYS, shop, 7, until="soon", time_unit="D")
    with pytest.raises(DataError, match="A purchase model"):
        clv.alive_history(clv.GammaGamma(6.0, 4.0, 15.0), shop, 7, time_unit="D")


def test_another_engine(shop, tmp_path):
    """SQLite, which would take '7' for 7."""
    path = tmp_path / "shop.db"
    days = ["2024-01-01", "2024-01-10", "2024-01-10", "2024-02-01", "2024-01-20"]
    with sqlite3.connect(path) as connection:
        log([7, 7, 7, 7, 9], days).to_sql("orders", connection, index=False)
    connection.close()
    orders = clv.read_orders(f"sqlite:///{path}", table="orders", until="2024-02-10")
    pd.testing.assert_frame_equal(
        clv.alive_history(BUYS, orders, [7, 9], time_unit="D"),
        clv.alive_history(BUYS, shop, [7, 9], time_unit="D"),
        check_exact=True,
    )
    with pytest.raises(DataError, match="Did you mean 7"):
        clv.alive_history(BUYS, orders, "7", time_unit="D")
