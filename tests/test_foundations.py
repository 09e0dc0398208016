"""Units, error words and whole files."""

import math

import pytest

from clvforecast import DataError, MissingExtra
from clvforecast.errors import require, suggest
from clvforecast.files import replacing
from clvforecast.units import discount_rate_per_unit, duration_in_units


@pytest.mark.parametrize(
    ("duration", "unit", "length"),
    [
        ("52W", "W", 52),
        ("12M", "Y", 1),
        ("1Y", "M", 12),
        ("12M", "D", 365.25),
        ("90D", "W", 90 / 7),
        ("1.5Y", "D", 547.875),
        ("52w", "W", 52),
        (" 52 W ", "W", 52),
        (39, "W", 39),
        ("inf", "W", math.inf),
        (math.inf, None, math.inf),
    ],
)
def test_durations(duration, unit, length):
    assert duration_in_units(duration, unit) == pytest.approx(length, rel=1e-15)


@pytest.mark.parametrize("duration", ["W52", "52", "", "1 year", "-1W", "1e3D", "nanD"])
def test_what_is_no_duration(duration):
    with pytest.raises(DataError, match="is not a duration. Write a number and a unit"):
        duration_in_units(duration, "W")


def test_a_year_of_discounting_is_the_annual_rate_in_every_unit():
    for unit, per_year in (("D", 365.25), ("W", 365.25 / 7), ("M", 12), ("Y", 1)):
        rate = discount_rate_per_unit(0.10, unit)
        assert math.exp(-rate * per_year) == pytest.approx(1 / 1.10, rel=1e-14)


def test_suggestions_name_what_there_is_and_the_nearest():
    assert suggest("Custmer", ["customer_id", "date"]).endswith("Did you mean 'customer_id'?")
    assert suggest("zzz", ["a"]) == "There are: 'a'."
    assert suggest("zzz", []) == "There are: none."


def test_a_missing_package_names_its_extra():
    with pytest.raises(MissingExtra, match=r"Reading X needs.*'no_such_thing'.*clvforecast\[x\]"):
        require("no_such_thing", extra="x", purpose="Reading X")


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("before")
    with replacing(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
        assert temporary.suffix == ".csv"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("half \ud800", encoding="utf-8")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_survive(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("before")
    path.chmod(0o640)
    with replacing(path) as temporary:
        temporary.write_text("after")
    assert path.stat().st_mode & 0o777 == 0o640


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(DataError, match="it is a folder"), replacing(tmp_path):
        pass
    with pytest.raises(DataError, match="does not exist"), replacing(tmp_path / "no" / "x.csv"):
        pass
