"""Several fits of the same customers: what is compared, what is noise, and what cannot be."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import clvforecast as clv


@dataclasses.dataclass(frozen=True)
class Cautious(clv.BGNBD):
    """Another model of the same customers: everyone a little further from the mean rate."""

    name = "Cautious"

    def log_likelihood(self, *columns):
        x = np.asarray(columns[0], dtype=float)
        return super().log_likelihood(*columns) + 0.1 * np.sin(x + 1.0) - 0.08


@dataclasses.dataclass(frozen=True)
class FakeBacktest:
    """As `clv.backtest` returns it, as far as it matters here."""

    table: pd.DataFrame

    def differences(self, metric, *, target, than):
        own = self.table[(self.table["metric"] == metric) & (self.table["target"] == target)]
        means = own.groupby("model")["value"].mean()
        apart = pd.DataFrame({"difference": means - means[than], "standard_error": 0.1})
        return apart.assign(within_noise=apart["difference"].abs() < 0.2).drop(index=than)


def scores(models, targets=("purchases",)):
    rows = [
        {"cutoff": c, "model": m, "target": t, "metric": k, "value": v + c, "standard_error": 0.1}
        for c in (0, 1)
        for m, v in models.items()
        for t in targets
        for k in ("MAE", "log score")
    ]
    return FakeBacktest(pd.DataFrame(rows).assign(skill=0.0))


@pytest.fixture(scope="module")
def ridged(cdnow_rfm):
    return clv.BGNBD.fit(cdnow_rfm, ridge=0.01)


@pytest.fixture(scope="module")
def cautious(cdnow_buys, cdnow_rfm):
    """A fit of the other model to the same cells, with one parameter more to its name."""
    model = Cautious(**cdnow_buys.parameters)
    columns = [cdnow_rfm[name].to_numpy(dtype=float) for name in model.columns]
    total = float(model.log_likelihood(*columns).sum())
    return dataclasses.replace(cdnow_buys, model=model, log_likelihood=total)


def test_the_table_holds_what_each_fit_says(cdnow_buys, ridged):
    found = clv.compare_fits({"free": cdnow_buys, "pulled": ridged})
    assert found.table.index.tolist() == ["free", "pulled"]
    for label, fit in (("free", cdnow_buys), ("pulled", ridged)):
        row = found.table.loc[label]
        assert row["aic"] == fit.aic
        assert row["bic"] == fit.bic
        assert row["parameters"] == 4
        assert row["customers"] == 2357
        assert found.parameters.loc[label].to_dict() == fit.parameters
    delta = ridged.aic - cdnow_buys.aic
    assert found.table.loc["pulled", "delta_aic"] == pytest.approx(delta)
    assert found.table["weight"].sum() == pytest.approx(1)
    assert found.table.loc["pulled", "weight"] == pytest.approx(
        math.exp(-delta / 2) / (1 + math.exp(-delta / 2))
    )


def test_a_strong_ridge_leaves_the_likelihood_region_and_a_weak_one_does_not(cdnow_rfm, cdnow_buys):
    for ridge, noise in ((0.01, False), (1e-5, True)):
        pulled = clv.BGNBD.fit(cdnow_rfm, ridge=ridge)
        row = clv.compare_fits([pulled, cdnow_buys]).table.iloc[1]
        gain = 2 * (cdnow_buys.log_likelihood - pulled.log_likelihood)
        assert row["p_value"] == pytest.approx(stats.chi2.sf(gain, 4))
        assert row["within_noise"] is noise


def test_models_are_compared_by_vuongs_test(cdnow_buys, cautious, cdnow_rfm):
    """The z of Vuong (1989) over customers, not cells, from their log-likelihoods one by one."""
    table = clv.compare_fits([cdnow_buys, cautious]).table
    columns = [cdnow_rfm[name].to_numpy(dtype=float) for name in clv.BGNBD.columns]
    apart = cautious.model.log_likelihood(*columns) - cdnow_buys.model.log_likelihood(*columns)
    error = apart.std() * math.sqrt(len(apart))
    other = table.iloc[1]
    assert abs(other["log_likelihood_difference"]) == pytest.approx(abs(apart.sum()))
    assert other["standard_error"] == pytest.approx(error)
    assert other["p_value"] == pytest.approx(2 * stats.norm.sf(abs(apart.sum()) / error))


def test_the_penalty_of_vuongs_test_is_that_of_aic(cdnow_buys, cautious):
    """Exactly as many log-likelihood units apart as parameters: no difference at all."""

    @dataclasses.dataclass(frozen=True)
    class Wider(Cautious):
        c: float = 1.0

    model = Wider(**cdnow_buys.parameters)
    gain = dataclasses.replace(
        cautious, model=model, log_likelihood=cdnow_buys.log_likelihood + 1.0
    )
    found = clv.compare_fits([cdnow_buys, gain]).table
    assert found["delta_aic"].tolist() == pytest.approx([0, 0])
    assert found["p_value"].iloc[1] == pytest.approx(1)


def test_saved_fits_are_told_apart_by_aic(cdnow_buys, ridged):
    loaded = [clv.Fit.from_json(fit.to_json()) for fit in (cdnow_buys, ridged)]
    found = clv.compare_fits(loaded)
    assert math.isnan(found.table["p_value"].iloc[1])
    assert found.table["within_noise"].iloc[1] is False
    assert "no test" in str(found)
    twice = clv.compare_fits([loaded[0], loaded[0]])
    assert twice.table.index.tolist() == ["BG/NBD", "BG/NBD (2)"]
    assert twice.table["within_noise"].iloc[1] is True


def test_spend_models_are_compared_too(cdnow_rfm, cdnow_spend):
    found = clv.compare_fits([cdnow_spend, clv.GammaGamma.fit(cdnow_rfm, ridge=0.1)])
    assert found.table["customers"].unique().tolist() == [cdnow_spend.customers]
    assert found.best == "Gamma-Gamma"


def test_held_out_scores_stand_beside(cdnow_buys, ridged):
    backtest = scores({"BG/NBD": 2.0, "pulled": 2.1, "simple formula": 9.0})
    found = clv.compare_fits({"mine": cdnow_buys, "pulled": ridged}, backtest=backtest)
    held_out = found.held_out
    # "mine" is found by the name of its model; each value is the mean over two cutoffs.
    assert held_out.loc[("mine", "purchases", "MAE"), "value"] == pytest.approx(2.5)
    row = held_out.loc[("pulled", "purchases", "MAE")]
    assert row["difference"] == pytest.approx(0.1)
    assert row["within_noise"] is True or bool(row["within_noise"])
    assert "Held out, pulled differs by more than noise in 0 of 2 scores." in found.notes
    far = scores({"BG/NBD": 2.0, "pulled": 3.0})
    notes = clv.compare_fits({"mine": cdnow_buys, "pulled": ridged}, backtest=far).notes
    assert "2 of 2 scores: MAE of purchases, log score of purchases" in notes[-1]


def test_a_fit_that_was_not_backtested_has_no_scores(cdnow_buys, ridged):
    backtest = scores({"BG/NBD, ridge 0.01": 2.0})
    held_out = clv.compare_fits([ridged, cdnow_buys], backtest=backtest).held_out
    assert held_out.index.get_level_values("fit").unique().tolist() == ["BG/NBD, ridge 0.01"]
    # The scores of BG/NBD are not those of a ridge, though both are the same model.
    held_out = clv.compare_fits([ridged, cdnow_buys], backtest=scores({"BG/NBD": 2.0})).held_out
    assert held_out.index.get_level_values("fit").unique().tolist() == ["BG/NBD"]
    with pytest.raises(clv.DataError, match="none of the fits"):
        clv.compare_fits({"a": ridged, "b": cdnow_buys}, backtest=scores({"BG/NBD": 2.0}))
    with pytest.raises(clv.DataError, match="none of the fits"):
        clv.compare_fits([cdnow_buys, cdnow_buys], backtest=scores({"Pareto": 1.0}))


def test_it_reads_well_and_goes_into_json(cdnow_buys, ridged):
    found = clv.compare_fits(
        [ridged, cdnow_buys], backtest=scores({"BG/NBD": 2.0, "BG/NBD, ridge 0.01": 2.1})
    )
    text = str(found)
    assert "BG/NBD has the lowest AIC, with 100% of the Akaike weight." in text
    assert "more than noise" in text
    assert "judge it by held-out scores" in text.replace("\n  ", " ")
    saved = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert saved["best"] == "BG/NBD"
    assert saved["fits"][0]["estimates"] == cdnow_buys.parameters
    assert saved["fits"][0]["p_value"] is None
    assert saved["held_out"][0]["metric"] == "MAE"
    assert found._repr_html_().count("<table") == 3


def test_what_cannot_be_compared_is_refused(cdnow_orders, cdnow_rfm, cdnow_buys, cdnow_spend):
    part = clv.BGNBD.fit(cdnow_rfm.iloc[:2000])
    days = clv.BGNBD.fit(cdnow_orders.summarize("D", until="1997-09-30"))
    later = clv.BGNBD.fit(cdnow_orders.summarize("W", until="1997-12-31"))
    other = clv.BGNBD.fit(cdnow_rfm.assign(T=cdnow_rfm["T"] + 1.0))
    for fit, fault in (
        (part, "customers: 2357 and 2000"),
        (days, "time unit: W and D"),
        (later, "repeat customers|end of observation"),
        (other, "not to the same"),
        (cdnow_spend, "purchases and spend"),
    ):
        with pytest.raises(clv.DataError, match=fault):
            clv.compare_fits([cdnow_buys, fit])
    with pytest.raises(clv.DataError, match="two fits or more, not 1"):
        clv.compare_fits([cdnow_buys])
    with pytest.raises(clv.DataError, match="not a BGNBD"):
        clv.compare_fits([cdnow_buys, cdnow_buys.model])
