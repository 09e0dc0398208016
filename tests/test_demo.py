"""The demo leaves two tables and a picture, and says where, from any folder."""

import runpy
from pathlib import Path

import pandas as pd
import pytest

DEMO = Path(__file__).resolve().parent.parent / "demo.py"


def test_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    demo = runpy.run_path(str(DEMO))
    # The demo writes beside its own file; a test leaves the checkout as it is.
    demo["main"].__globals__["OUT"] = tmp_path / "out"
    demo["main"]()

    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        *("forecast.csv", "comparison.csv", "predicted_vs_historical.png")
    }
    forecast, comparison = (
        pd.read_csv(tmp_path / "out" / name, dtype={"customer_id": str}, index_col="customer_id")
        for name in ("forecast.csv", "comparison.csv")
    )
    assert len(forecast) == 23_570
    assert list(forecast.columns) == ["p_alive", "expected_purchases", "expected_spend", "clv"]
    assert forecast.index.equals(comparison.index)
    assert forecast.index[0] == "00001"
    pd.testing.assert_series_equal(forecast["clv"], comparison["clv"])
    assert (tmp_path / "out/predicted_vs_historical.png").read_bytes().startswith(b"\x89PNG")

    said = capsys.readouterr().out
    for name in ("forecast.csv", "comparison.csv", "predicted_vs_historical.png"):
        assert f"../out/{name}: " in said
    assert "discounted at 10% a year, at a margin of 30% (both chosen for this example)" in said
    assert f"worth ${forecast['clv'].sum():,.0f} today" in said
