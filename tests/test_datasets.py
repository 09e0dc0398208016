"""The bundled data are what data/README.md says, from a checkout and from a wheel."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import clvforecast
from clvforecast import datasets
from clvforecast.errors import DataError


@pytest.fixture(scope="module")
def cdnow():
    return datasets.load_cdnow()


def test_cdnow_is_the_published_cohort(cdnow):
    assert len(cdnow) == 69_659
    assert cdnow["customer_id"].nunique() == 23_570
    assert cdnow["date"].agg(["min", "max"]).tolist() == [
        pd.Timestamp("1997-01-01"),
        pd.Timestamp("1998-06-30"),
    ]
    assert cdnow.groupby("customer_id")["date"].min().max() == pd.Timestamp("1997-03-25")
    assert cdnow["quantity"].sum() == 167_881
    assert cdnow["amount"].sum() == pytest.approx(2_500_315.63, abs=1e-6)


def test_oddities_of_cdnow_are_kept(cdnow):
    assert (cdnow["amount"] == 0).sum() == 80
    assert (cdnow["amount"] < 0).sum() == 0
    assert cdnow.duplicated().sum() == 255
    assert cdnow.duplicated(["customer_id", "date"]).sum() == 2_068


def test_cdnow_columns_have_the_promised_types(cdnow):
    assert list(cdnow.columns) == ["customer_id", "date", "quantity", "amount"]
    assert set(cdnow["customer_id"].str.len()) == {5}, "leading zeros are part of the id"
    assert pd.api.types.is_datetime64_dtype(cdnow["date"])
    assert pd.api.types.is_integer_dtype(cdnow["quantity"])
    assert pd.api.types.is_float_dtype(cdnow["amount"])
    assert not cdnow.isna().any(axis=None)


def test_sample_is_the_tenth_of_the_published_fits(cdnow):
    sample = datasets.load_cdnow(sample=True)
    assert sample["customer_id"].nunique() == 2_357
    assert len(sample) == 6_919
    chosen = cdnow["customer_id"].isin(sample["customer_id"])
    pd.testing.assert_frame_equal(sample, cdnow[chosen].reset_index(drop=True))


def test_sample_ids_count_through_the_sample():
    path = datasets.cdnow_path().with_name("cdnow_sample.csv")
    ids = pd.read_csv(path, dtype={"customer_id": str})
    assert ids["sample_id"].tolist() == list(range(1, 2_358))
    assert ids["customer_id"].is_unique


def test_files_have_not_been_touched():
    """Anyone comparing results must start from the same bytes."""
    digest = hashlib.md5(datasets.cdnow_path().read_bytes(), usedforsecurity=False)
    assert digest.hexdigest() == "70d3fa513eac468bfb1cc2d778ed6ff1"


def test_worked_example_has_the_published_totals():
    orders = datasets.load_worked_example()
    totals = orders.groupby("customer_id")["amount"].agg(["size", "sum"])
    assert totals["size"].to_dict() == {"A": 2, "B": 3, "C": 4, "D": 3, "E": 1}
    assert totals["sum"].to_dict() == pytest.approx(
        {"A": 2.0, "B": 4.0, "C": 1.0, "D": 1.5, "E": 2.0}
    )


def test_worked_example_is_exactly_one_week():
    date = datasets.load_worked_example()["date"]
    assert (date.max() - date.min()).days + 1 == 7
    assert not datasets.load_worked_example().duplicated(["customer_id", "date"]).any()


def test_loading_twice_gives_independent_tables():
    first = datasets.load_worked_example()
    first["amount"] = 0.0
    assert datasets.load_worked_example()["amount"].sum() == pytest.approx(10.5)


@pytest.mark.parametrize("folder", ["clvforecast/data", "data"], ids=["wheel", "checkout"])
def test_files_are_found_inside_the_package_and_beside_it(tmp_path, folder):
    """The two places: where the wheel puts the files, and where a checkout has them."""
    source = Path(clvforecast.__file__).parent
    package = tmp_path / "clvforecast"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    for module in ("datasets.py", "errors.py"):
        shutil.copy(source / module, package)
    (tmp_path / folder).mkdir()
    shutil.copy(datasets.worked_example_path(), tmp_path / folder)
    code = "from clvforecast import datasets; print(datasets.worked_example_path())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == (tmp_path / folder / "worked_example.csv").resolve()


def test_the_wheel_takes_every_data_file(request):
    """A new data file must be named in pyproject.toml, or an installed package lacks it."""
    import tomllib

    root = request.config.rootpath
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    included = config["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {
        f"data/{path.name}": f"clvforecast/data/{path.name}"
        for path in (root / "data").glob("*.csv")
    }


def test_a_missing_file_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "_PACKAGE", tmp_path / "clvforecast")
    with pytest.raises(DataError, match=r"'cdnow\.csv' is neither .* Reinstall"):
        datasets.load_cdnow()
