"""Calendars: what they say of days against pandas, what can be estimated, clocks, and JSON."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast.calendars import Basis, Calendar, Clock
from clvforecast.calendars.days import MONTHS, WEEKDAYS, day_range, month, week, weekday, year_share
from clvforecast.errors import DataError

FIRST, UNTIL = dt.date(2021, 3, 14), dt.date(2024, 5, 20)
CYCLE = day_range(dt.date(2000, 1, 1), dt.date(2399, 12, 31))
LONG = pd.date_range("1995-12-20", "2033-01-10")


def basis_of(first=FIRST, until=UNTIL, **terms):
    return Basis(Calendar(**terms), first, until)


def some_clock(unit_days=7.0, until=dt.date(2023, 8, 14), offset=0.0):
    basis = basis_of(
        months=True,
        weekdays=True,
        trend=True,
        events={"sale": ["2021-11-26", ("2023-11-24", "2023-11-27"), "2030-02-28"]},
    )
    coefficients = np.random.default_rng(3).normal(0.0, 0.3, len(basis.names))
    return Clock(basis, coefficients, until, unit_days, offset)


def by_hand(clock, first, last):
    """Sum of multipliers over days, one at a time, from the table of multipliers for people."""
    shown = clock.basis.multipliers(clock.coefficients)["multiplier"]
    total = 0.0
    for day in pd.date_range(first, last):
        s = shown["month", day.month_name()] * shown["weekday", day.day_name()]
        years = (min(max(day, pd.Timestamp(FIRST)), pd.Timestamp(UNTIL)) - pd.Timestamp(UNTIL)).days
        s *= shown["trend", "per year"] ** (years / 365.25)
        if any(
            pd.Timestamp(start) <= day <= pd.Timestamp(end)
            for start, end in clock.basis.calendar.events["sale"]
        ):
            s *= shown["event", "sale"]
        total += s
    return total


def test_days_are_those_of_pandas():
    days = LONG.to_numpy().astype("datetime64[D]")
    assert np.array_equal(month(days) + 1, LONG.month)
    assert np.array_equal(weekday(days), LONG.day_of_week)
    assert np.array_equal(week(days), LONG.isocalendar().week.clip(upper=52))
    length = np.where(LONG.is_leap_year, 366, 365)
    assert year_share(days) == pytest.approx((LONG.day_of_year - 0.5) / length, rel=1e-14)
    assert [MONTHS[m] for m in month(days[:20])] == list(LONG[:20].month_name())
    assert [WEEKDAYS[d] for d in weekday(days[:7])] == list(LONG[:7].day_name())


@pytest.mark.parametrize(
    "terms", [{"months": True}, {"weeks": True}, {"weekdays": True}, {"fourier": 4}]
)
def test_seasons_leave_the_average_year_as_it_is(terms):
    """Over 400 years, after which the calendar repeats, logarithms average zero."""
    basis = basis_of(**terms)
    columns = basis.columns(CYCLE)
    assert columns.mean(axis=0) == pytest.approx(0.0, abs=1e-12)
    theta = np.random.default_rng(1).normal(size=len(basis.names))
    assert np.log(basis.daily_multipliers(theta, CYCLE)).mean() == pytest.approx(0.0, abs=1e-12)
    again = basis.columns(CYCLE[:3000] + np.timedelta64(CYCLE.size, "D"))
    assert np.array_equal(again, columns[:3000])


def test_a_month_has_the_multiplier_that_is_shown():
    basis = basis_of(months=True)
    theta = np.linspace(-0.3, 0.5, 11)
    shown = basis.multipliers(theta)["multiplier"]
    s = pd.Series(basis.daily_multipliers(theta, LONG.to_numpy().astype("M8[D]")), index=LONG)
    for name, values in s.groupby(LONG.month_name()):
        assert values.to_numpy() == pytest.approx(shown["month", name], rel=1e-12)
    assert theta @ basis.penalty @ theta == pytest.approx((np.log(shown) ** 2).sum())
    assert np.log(shown.loc["month"])[:11].to_numpy() == pytest.approx(theta)


def test_multipliers_have_the_standard_errors_of_their_contrasts():
    basis = basis_of(weekdays=True)
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    table = basis.multipliers(np.zeros(6), 1e-4 * root @ root.T, level=0.9)
    draws = basis.levels()[1] @ (0.01 * root @ rng.normal(size=(6, 200_000)))
    spread = np.log(table["upper"]) / 1.6448536269514722
    # The relative standard error of a standard deviation is 1 / sqrt(2 n).
    assert spread.to_numpy() == pytest.approx(draws.std(axis=1), rel=4.5 / np.sqrt(400_000))
    assert (table["lower"] * table["upper"]).to_numpy() == pytest.approx(1.0)


def test_harmonics_are_shown_by_month():
    shown = basis_of(fourier=1).multipliers([0.5, 0.0])["multiplier"]
    assert list(shown.index.get_level_values("level")) == list(MONTHS)
    assert shown.idxmax() in {("month", "December"), ("month", "January")}
    july = 0.5 * np.cos(2 * np.pi * (np.arange(182, 213) - 0.5) / 365)
    assert np.log(shown["month", "July"]) == pytest.approx(july.mean())


def test_a_trend_is_held_where_nobody_has_seen_it():
    column = basis_of(trend=True).matrix(FIRST - dt.timedelta(9), UNTIL + dt.timedelta(9))[:, 0]
    assert (column[-10:] == 0).all()
    assert (column[:10] == column[9]).all()
    assert np.diff(column)[9:-9] == pytest.approx(1 / 365.25)


def test_events_take_place_on_their_days_and_not_on_others():
    table = pd.DataFrame(
        {
            "event": ["sale", "fair", "sale"],
            "date": pd.to_datetime(["2022-11-25", "2022-05-01", "2025-11-28"]),
            "end": pd.to_datetime(["2022-11-27", None, "2025-12-01"]),
        }
    )
    dates = {"sale": [("2022-11-25", "2022-11-27"), ("2025-11-28", "2025-12-01")]}
    calendar = Calendar(events=table)
    assert calendar == Calendar(events=dates | {"fair": "2022-05-01"})
    basis = Basis(calendar, FIRST, UNTIL)
    assert basis.names == ("event=sale", "event=fair")
    days = day_range(dt.date(2021, 1, 1), dt.date(2026, 12, 31))
    on = basis.columns(days)
    assert list(days[on[:, 0] == 1].astype(str)) == [
        *("2022-11-25", "2022-11-26", "2022-11-27"),
        *("2025-11-28", "2025-11-29", "2025-11-30", "2025-12-01"),
    ]
    assert list(days[on[:, 1] == 1].astype(str)) == ["2022-05-01"]


@pytest.fixture
def weather():
    index = pd.date_range("2021-01-01", "2024-12-31")
    rng = np.random.default_rng(8)
    return pd.DataFrame(
        {"heat": rng.normal(20, 5, len(index)), "rain": rng.random(len(index))}, index
    )


def test_regressors_are_relative_to_their_mean_over_the_days_observed(weather):
    before = weather.copy()
    basis = basis_of(regressors=weather.sample(frac=1, random_state=1))
    heat = basis.matrix(FIRST, UNTIL)[:, 0]
    seen = weather.loc["2021-03-14":"2024-05-20", "heat"]
    assert heat == pytest.approx(seen.to_numpy() - seen.mean())
    assert basis.penalty[0, 0] == pytest.approx(seen.var(ddof=0))
    pd.testing.assert_frame_equal(weather, before)
    weather.iloc[:] = 0.0
    assert basis.matrix(FIRST, UNTIL)[:, 0].std() > 1


def test_a_regressor_must_be_known_on_every_day_asked_for(weather):
    clock = Clock(basis_of(regressors=weather), [0.01, 0.2], UNTIL)
    assert np.isfinite(clock.ahead(225.0))  # to the end of 2024
    with pytest.raises(DataError, match="'heat' has no value on 2025-01-01"):
        clock.ahead(226.0)
    assert clock.ahead(np.inf) == np.inf
    weather.loc["2022-02-03", "rain"] = np.nan
    with pytest.raises(DataError, match="'rain' has no value on 2022-02-03"):
        basis_of(regressors=weather)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"months": True}, "month October, November, December cannot be estimated"),
        ({"weeks": True}, "week 41, 42, 43 and 9 more cannot be estimated"),
        ({"fourier": 2}, "whole year: 272 days are observed"),
        ({"events": {"sale": ["1997-12-26"]}}, "event 'sale' cannot be estimated"),
        ({"events": {"a": ["1997-05-06"], "b": ["1997-05-06"]}}, "event=a, event=b cannot be told"),
    ],
)
def test_what_was_not_observed_cannot_be_estimated(terms, said):
    """The calibration period of CDNOW."""
    with pytest.raises(DataError, match=said):
        basis_of(dt.date(1997, 1, 1), dt.date(1997, 9, 30), **terms)


def test_the_first_day_tells_nothing_of_multipliers():
    """It has first purchases alone."""
    with pytest.raises(DataError, match="event 'start'"):
        basis_of(events={"start": [FIRST]})


def test_a_constant_regressor_says_nothing():
    one = pd.DataFrame({"one": 1.0}, pd.date_range("2021-01-01", "2024-12-31"))
    with pytest.raises(DataError, match="'one' is the same on all days"):
        basis_of(regressors=one)


def test_short_observation_is_remarked_on():
    assert (
        "1.0 years" in basis_of(dt.date(2023, 1, 1), dt.date(2023, 12, 31), months=True).remarks[0]
    )
    assert basis_of(months=True).remarks == ()
    assert "held at its level of 2024-05-20" in basis_of(trend=True).remarks[0]


def test_short_forms():
    assert Calendar.of("Month + TREND") == Calendar(months=True, trend=True)
    assert Calendar.of("week+weekday") == Calendar(weeks=True, weekdays=True)
    assert str(Calendar.of("fourier: 3 + weekday + trend")) == "fourier:3 + weekday + trend"
    assert Calendar.of(str(Calendar.of("month + weekday"))).weekdays
    assert clv.Calendar is Calendar


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("monht", "'monht' is not a term.*Did you mean 'month'"),
        ("month + month", "twice"),
        ("month + week", "one season more than once"),
        ("fourier", "'fourier' is not a term"),
        ("fourier:99", "from 0 to 26"),
        ("", "'' is not a term"),
        (3, "not a calendar"),
    ],
)
def test_unreadable_forms(form, said):
    with pytest.raises(DataError, match=said):
        Calendar.of(form)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({}, "no terms"),
        ({"fourier": 0.5}, "fourier=0.5"),
        ({"events": {"sale": ["24-11-2024"]}}, "is not a day"),
        ({"events": {"sale": [pd.NaT]}}, "is not a day"),
        ({"events": {"sale": ("2024-01-01", "2024-01-05")}}, "two days or a stretch"),
        ({"events": {"sale": [("2024-01-05", "2024-01-01")]}}, "ends before it starts"),
        ({"events": {"sale": [("2024-01-05", "2024-01-06", 3)]}}, "neither a day nor a pair"),
        ({"events": {"sale": []}}, "has no dates"),
        ({"events": {3: ["2024-01-01"]}}, "not a name"),
        ({"events": pd.DataFrame({"event": ["a"], "day": ["2024-01-01"]})}, "no 'date'"),
        ({"regressors": pd.DataFrame({"a": ["x"]}, ["2024-01-01"])}, "'a' is not numeric"),
        ({"regressors": pd.DataFrame({"a": [1, 2]}, ["2024-01-01"] * 2)}, "2024-01-01 twice"),
        ({"regressors": pd.DataFrame({"a": [1]}, [7])}, "is not a day"),
        ({"regressors": [1, 2]}, "must be a table"),
    ],
)
def test_unreadable_terms(terms, said):
    with pytest.raises(DataError, match=said):
        Calendar(**terms)


def test_json_round_trip(weather):
    weather.iloc[-1, 0] = np.nan
    calendar = Calendar(
        weeks=True,
        weekdays=True,
        trend=True,
        events={"sale": ["2023-11-24", ("2024-11-29", "2024-12-01")]},
        regressors=weather,
    )
    basis = Basis(calendar, FIRST, UNTIL)
    again = Basis.from_dict(json.loads(json.dumps(basis.to_dict(), allow_nan=False)))
    assert again == basis
    assert again.names == basis.names
    assert np.array_equal(again.matrix(FIRST, UNTIL), basis.matrix(FIRST, UNTIL))
    assert calendar != Calendar(weeks=True)


def test_spans_are_sums_over_their_days():
    clock = some_clock()
    assert clock.since(60 / 7) * 7 == pytest.approx(by_hand(clock, "2023-06-16", "2023-08-14"))
    assert clock.ahead(140 / 7) * 7 == pytest.approx(by_hand(clock, "2023-08-15", "2024-01-01"))
    # Bought first on the 1st of March, last on the 16th: the days after the first, to the last.
    t_x, T = clock.history(15 / 7, 166 / 7)
    assert t_x * 7 == pytest.approx(by_hand(clock, "2023-03-02", "2023-03-16"))
    assert pytest.approx(by_hand(clock, "2023-03-02", "2023-08-14")) == T * 7
    # Half a day is half of it.
    half = 0.5 * by_hand(clock, "2023-08-15", "2023-08-15")
    assert clock.ahead(0.5 / 7) * 7 == pytest.approx(half)
    assert clock.daily_multipliers(dt.date(2023, 8, 15), dt.date(2023, 8, 15)) / 2 == pytest.approx(
        half
    )


def test_a_clock_runs_back_as_it_runs_ahead():
    for offset in (0.0, 13.37, -60.0, np.array([0.0, 400.0, 5e4, -123.4])):
        clock = some_clock(offset=offset)
        for t in (0.0, 0.01, 3.3, 52.0, 5000.0, 3e5):
            assert clock.ahead_inverse(clock.ahead(t)) == pytest.approx(t, rel=1e-11, abs=1e-11)
    assert some_clock().ahead_inverse(np.inf) == np.inf


def test_the_far_future_repeats_every_400_years():
    clock = some_clock(unit_days=1.0)
    event_and_after = 20_000.0
    cycle = clock.between(event_and_after, event_and_after + CYCLE.size)
    assert clock.between(
        event_and_after + 0.3, event_and_after + CYCLE.size + 0.3
    ) == pytest.approx(cycle, rel=1e-12)
    assert clock.ahead(1e17) == pytest.approx(1e17 * clock.pace.average, rel=1e-9)
    assert clock.since(1e17) > 0
    days = np.datetime64("2423-01-01") + np.arange(4000)
    s = clock.basis.daily_multipliers(clock.coefficients, days)
    start = (days[0] - np.datetime64("2023-08-14")).astype(float) - 1
    assert clock.between(start, start + np.arange(1, 4001)) == pytest.approx(np.cumsum(s), rel=1e-8)


def test_later_is_counting_from_then():
    clock = some_clock()
    later = clock.later([1.5, -2.0])
    assert later.ahead(3.0) == pytest.approx(clock.between([1.5, -2.0], [4.5, 1.0]), rel=1e-12)
    assert later.since(2.0) == pytest.approx(clock.between([-0.5, -4.0], [1.5, -2.0]), rel=1e-12)
    moved = some_clock(until=dt.date(2023, 8, 28))
    assert clock.later(2.0).ahead(9.0) == pytest.approx(moved.ahead(9.0), rel=1e-12)
    assert clock.later(2.0) != clock
    assert clock.later(0.0) == clock


def test_units_only_scale():
    weeks, days = some_clock(7.0), some_clock(1.0)
    assert weeks.rescaled(7.0) == days
    assert weeks.ahead(9.0) * 7 == pytest.approx(days.ahead(63.0), rel=1e-13)
    assert weeks.later(1.0).rescaled(7.0).since(14.0) == pytest.approx(days.later(7.0).since(14.0))


def test_a_multiplier_beyond_all_numbers_is_refused(weather):
    weather.loc["2024-06-01", "heat"] = 1e6
    clock = Clock(basis_of(regressors=weather[["heat"]]), [0.01], UNTIL)
    with pytest.raises(DataError, match="multiplier on 2024-06-01"):
        clock.ahead(40.0)


@pytest.mark.parametrize(
    ("coefficients", "said"), [([0.1], "needs 11 finite"), ([np.nan] * 11, "needs 11 finite")]
)
def test_a_clock_needs_its_coefficients(coefficients, said):
    with pytest.raises(DataError, match=said):
        Clock(basis_of(months=True), coefficients, UNTIL)
