"""Covariates and a calendar in the likelihood: numbers, derivatives, invariance, recovery."""

import json
from functools import partial

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln

from clvforecast import BGNBD, MBGNBD, DataError, FitError, GammaGamma, ParetoNBD
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.regression import (
    CovariateEffects,
    Covariates,
    ObservedDays,
    RegressionCells,
    RegressionLikelihood,
    coefficient_table,
    wald_tests,
)
from clvforecast.numerics.rising_rows import rising

MODELS = [BGNBD, MBGNBD, ParetoNBD, GammaGamma]
TRUTH = {
    BGNBD: BGNBD(r=0.7, alpha=6.0, a=0.8, b=2.5),
    MBGNBD: MBGNBD(r=0.9, alpha=6.0, a=0.8, b=2.5),
    ParetoNBD: ParetoNBD(r=0.7, alpha=8.0, s=0.8, beta=12.0),
    GammaGamma: GammaGamma(p=4.0, q=5.0, v=20.0),
}
COEFFICIENTS = {
    "purchase: channel[T.web]": 0.4,
    "purchase: age": 0.02,
    "dropout: channel[T.web]": -0.5,
    "dropout: age": 0.03,
    "spend: channel[T.web]": 0.3,
    "spend: age": -0.02,
}


def people(count, seed=0):
    """A table of customers."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "channel": rng.choice(["store", "web"], count),
            "age": np.round(rng.normal(45, 12, count), 2),
            "region": rng.choice(["east", "north", "west"], count),
            "vip": rng.random(count) < 0.3,
        },
        index=[f"C{i}" for i in range(count)],
    )


def true_model(kind, frame):
    """Every customer's own model, with the coefficients written out."""
    truth, own = TRUTH[kind], {}
    for role, (name, sign) in kind.covariate_roles.items():
        web, age = (COEFFICIENTS[f"{role}: {c}"] for c in ("channel[T.web]", "age"))
        effect = web * (frame["channel"] == "web") + age * (frame["age"] - 45)
        own[name] = getattr(truth, name) * np.exp(sign * effect.to_numpy())
    return truth.with_parameters(**own)


def histories(kind, frame, seed=1):
    """What a model sees of customers it has simulated."""
    model = true_model(kind, frame)
    rng = np.random.default_rng(seed)
    if kind is GammaGamma:
        x = rng.integers(1, 8, len(frame)).astype(float)
        return [x, model.simulate(x, seed=seed)]
    T = rng.integers(150, 400, len(frame)) / 7
    everyone = model.with_parameters(
        **{name: np.broadcast_to(value, len(frame)) for name, value in model.parameters.items()}
    )
    customer, time = everyone.simulate(T, seed=seed)
    t_x = np.zeros(len(frame))
    t_x[customer] = time
    return [np.bincount(customer, minlength=len(frame)).astype(float), t_x, T]


def cells_of(kind, frame, columns, formulas="channel + age", weights=None, **more):
    """The cells of customers with covariates."""
    weights = np.ones(len(frame)) if weights is None else weights
    covariates = Covariates.of(kind, formulas, frame, weights=weights, **more)
    rows, codes = covariates.combinations(frame)
    return RegressionCells.regressed(
        kind,
        columns,
        weights,
        covariates=covariates,
        rows=rows,
        codes=codes,
        effects=CovariateEffects.none(covariates),
    )


def estimates(cells, ridge=0.0):
    """Reference parameters and all coefficients with their covariance, on the user's scale."""
    minimum = cells.estimate(ridge)
    assert minimum.converged
    found = cells.in_own_units(minimum.parameters)
    covariance = cells.reference.covariance(np.linalg.inv(cells.customers * minimum.hessian))
    count = len(found.model.parameters)
    every = cells.covariates.every(found.effects.coefficients, covariance[count:, count:])
    return minimum, found, *every


def check_derivatives(function, point, rel=2e-6):
    """First and second derivatives against central differences."""
    _, gradient, hessian = function(point)
    for i, value in enumerate(point):
        step = np.zeros(point.size)
        step[i] = 1e-5 * value
        ahead, behind = function(point + step), function(point - step)
        slope = (ahead.value - behind.value) / (2 * step[i])
        curvature = (ahead.gradient - behind.gradient) / (2 * step[i])
        assert gradient[i] == pytest.approx(slope, rel=rel, abs=rel * np.abs(gradient).max())
        scale = np.abs(hessian[i]).max()
        assert hessian[i] == pytest.approx(curvature, rel=rel, abs=rel * scale)


@pytest.fixture(scope="module")
def frame():
    return people(1500)


@pytest.fixture(scope="module", params=MODELS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def columns(kind, frame):
    return histories(kind, frame)


# Derivatives


@pytest.mark.parametrize("x", [0, 1, 24, 25, 300, 40_000])
def test_rising_factorials_of_many_bases_agree_with_mpmath(x):
    bases = np.array([1e-3, 0.7, 40.0, 1e6, 1e13])
    found = np.array(rising(bases, np.full(bases.size, float(x))))
    with mpmath.workdps(50):
        for i, base in enumerate(map(mpmath.mpf, bases)):
            expected = [mpmath.loggamma(base + x) - mpmath.loggamma(base)]
            expected += [mpmath.psi(n, base + x) - mpmath.psi(n, base) for n in (0, 1)]
            assert found[:, i] == pytest.approx([float(v) for v in expected], rel=2e-13)


def test_row_derivatives_agree_with_central_differences(kind, columns):
    """In parameters of every row's own, and where a calendar needs it in recency and T."""
    rng = np.random.default_rng(3)
    rows = [column[:200] for column in columns]
    rows[0][0] = 300.0
    parameters = [rng.gamma(3, 0.5, 200) + 0.1 for _ in kind.parameter_names()]
    times = kind in (BGNBD, MBGNBD)
    count = len(parameters)

    def at(quantities):
        own, known = quantities[:count], [rows[0], *quantities[count:]] if times else rows
        more = {"times": True} if times else {}
        return kind(*own).row_derivatives(*known, **more)

    quantities = [*parameters, *(rows[1:] if times else [])]
    value, gradient, hessian = at(quantities)
    assert value == pytest.approx(kind(*parameters).log_likelihood(*rows), rel=1e-12)
    assert np.array_equal(hessian, hessian.transpose(1, 0, 2))
    # Recency moves only where there is one, and not beyond T.
    inner = (rows[0] > 0) & (rows[1] < 0.999 * rows[2]) if times else np.ones(200, dtype=bool)
    for i, quantity in enumerate(quantities):
        step = np.where(inner, 1e-5 * quantity, 1.0)
        moved = [
            [q + np.where(inner, sign * step, 0.0) * (i == j) for j, q in enumerate(quantities)]
            for sign in (1, -1)
        ]
        ahead, behind = map(at, moved)
        slope = (ahead.value - behind.value) / (2 * step)
        curvature = (ahead.gradient - behind.gradient) / (2 * step)
        scale = 1 + np.abs(gradient[i])
        assert np.abs((gradient[i] - slope) / scale)[inner].max() < 1e-6
        scale = 1 + np.abs(hessian[i])
        assert np.abs((hessian[i] - curvature) / scale)[:, inner].max() < 1e-6


def test_derivatives_of_the_likelihood_agree_with_central_differences(kind, frame, columns):
    equal = [[f"{role}: age" for role in kind.covariate_roles]]
    cells = cells_of(
        kind, frame, columns, "channel * age + vip", equal=equal if len(equal[0]) > 1 else ()
    )
    start = next(iter(kind.starting_points()))
    rng = np.random.default_rng(5)
    ratios = np.exp(rng.normal(0, 0.2, len(cells.parameter_names) - len(start)))
    point = np.concatenate([start, ratios])
    check_derivatives(cells.log_likelihood, point)
    assert cells.log_likelihood.value(point) == pytest.approx(
        cells.log_likelihood(point).value, rel=1e-12
    )


def test_without_effects_it_is_the_plain_likelihood(kind, frame, columns):
    cells = cells_of(kind, frame, columns)
    plain = Cells.of(kind, columns, np.ones(len(frame)))
    count = len(kind.parameter_names())
    for start in kind.starting_points():
        value, gradient, hessian = cells.log_likelihood(
            np.concatenate([start, np.ones(len(cells.parameter_names) - count)])
        )
        expected = plain.log_likelihood(start)
        assert value == pytest.approx(expected.value, rel=1e-12)
        assert gradient[:count] == pytest.approx(expected.gradient, rel=1e-9, abs=1e-7)
        scale = np.abs(expected.hessian).max()
        assert hessian[:count, :count] == pytest.approx(
            expected.hessian, rel=1e-9, abs=1e-9 * scale
        )


def test_of_groups_it_is_the_sum_of_their_plain_likelihoods(kind, frame, columns):
    cells = cells_of(kind, frame, columns, "region")
    minimum, found, *_ = estimates(cells)
    models = found.effects.applied(found.model, frame)
    total = 0.0
    for region in ("east", "north", "west"):
        those = (frame["region"] == region).to_numpy()
        own = {name: np.unique(v[those]).item() for name, v in models.per_customer.items()}
        group = found.model.with_parameters(**own)
        total += group.total_log_likelihood(
            *(c[those] for c in columns), weights=np.ones(those.sum())
        ).value(np.array(list(group.parameters.values())))
    assert cells.log_likelihood_at(minimum, 0.0) == pytest.approx(total, rel=1e-11)


def test_it_stays_finite_wherever_a_search_may_go(kind, frame, columns):
    cells = cells_of(kind, frame.head(60), [column[:60] for column in columns])
    start = next(iter(kind.starting_points()))
    for far in (-30.0, 30.0):
        ratios = np.full(len(cells.parameter_names) - len(start), np.exp(far))
        for base in (start, np.exp(far) * np.ones(len(start))):
            value, gradient, hessian = cells.log_likelihood(np.concatenate([base, ratios]))
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()
            assert np.isfinite(hessian).all()


# Fits


def test_a_fit_recovers_the_truth_within_its_standard_errors(kind):
    """Four of them, parameters on the log scale; and coefficients are not all nothing."""
    frame = people(6000, seed=7)
    frame["age"] -= 45  # the reference customer is then the truth's
    cells = cells_of(kind, frame, histories(kind, frame.assign(age=frame["age"] + 45), seed=8))
    minimum, found, coefficients, covariance = estimates(cells)
    truth = [COEFFICIENTS[name] for name in cells.covariates.names]
    errors = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(coefficients - truth) < 4 * errors)
    assert np.any(np.abs(coefficients) > 6 * errors)
    logs = cells.reference.covariance(np.linalg.inv(cells.customers * minimum.hessian))
    count = len(found.model.parameters)
    apart = np.log(list(found.model.parameters.values()))
    apart -= np.log(list(TRUTH[kind].parameters.values()))
    assert np.all(np.abs(apart) < 4 * np.sqrt(np.diag(logs))[:count])


def test_a_naive_likelihood_has_the_same_maximum(frame):
    """Equation 6 of Fader, Hardie and Lee (2005), every customer with his own alpha and a."""
    x, t_x, T = columns = histories(BGNBD, frame)
    cells = cells_of(BGNBD, frame, columns, {"purchase": "channel + age", "dropout": "channel"})
    minimum, found, coefficients, _ = estimates(cells)
    web, age = (frame["channel"] == "web").to_numpy(float), frame["age"].to_numpy()

    def minus_log_likelihood(point):
        r, alpha, a, b = np.exp(point[:4])
        alpha = alpha * np.exp(-point[4] * web - point[5] / 100 * age)
        a = a * np.exp(point[6] * web)
        front = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        front += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        alive = -(r + x) * np.log(alpha + T)
        gone = np.log(a / (b + np.maximum(x, 1) - 1)) - (r + x) * np.log(alpha + t_x)
        return -np.sum(front + np.where(x > 0, np.logaddexp(alive, gone), alive))

    search = minimize(minus_log_likelihood, np.zeros(7), method="BFGS", options={"gtol": 1e-3})
    assert cells.log_likelihood_at(minimum, 0.0) == pytest.approx(-search.fun, abs=1e-5)
    assert search.x[:4] == pytest.approx(np.log(list(found.model.parameters.values())), abs=1e-3)
    assert search.x[4:] / [1, 100, 1] == pytest.approx(coefficients, abs=1e-4)


def test_neither_units_nor_origins_nor_order_nor_weights_matter(kind, frame, columns):
    plain = cells_of(kind, frame, columns)
    minimum, found, coefficients, covariance = estimates(plain, ridge=0.001)
    highest = plain.log_likelihood_at(minimum, 0.001)

    other = frame.assign(age=7 * (frame["age"] - 1990))
    moved = cells_of(kind, other, columns)
    end, there, slopes, spread = estimates(moved, ridge=0.001)
    per_unit = np.where([name.endswith("age") for name in plain.covariates.names], 1 / 7, 1.0)
    assert slopes == pytest.approx(coefficients * per_unit, rel=1e-6)
    assert np.sqrt(np.diag(spread)) == pytest.approx(
        np.sqrt(np.diag(covariance)) * per_unit, rel=1e-6
    )
    assert moved.log_likelihood_at(end, 0.001) == pytest.approx(highest, rel=1e-11)
    here = found.effects.applied(found.model, frame)
    for name, value in there.effects.applied(there.model, other).parameters.items():
        assert value == pytest.approx(getattr(here, name), rel=1e-6)

    counts = np.random.default_rng(1).permutation(len(frame)) % 3
    order = np.random.default_rng(2).permutation(np.repeat(np.arange(len(frame)), counts))
    weighted = cells_of(kind, frame, columns, weights=counts.astype(float))
    repeated = cells_of(kind, frame.iloc[order], [column[order] for column in columns])
    assert estimates(weighted)[2] == pytest.approx(estimates(repeated)[2], rel=1e-7)


def test_more_covariates_never_end_lower(kind, frame, columns):
    lowest = -np.inf
    plain = Cells.of(kind, *kind.cells(*columns, weights=np.ones(len(frame))))
    values = [plain.log_likelihood_at(plain.estimate(0.0), 0.0)]
    for formula in ("vip", "vip + channel", "vip + channel + age"):
        cells = cells_of(kind, frame, columns, formula)
        values.append(cells.log_likelihood_at(cells.estimate(0.0), 0.0))
    for value in values:
        assert value >= lowest - 1e-7
        lowest = value


def test_equal_coefficients_are_equal_and_cost_likelihood(frame):
    columns = histories(BGNBD, frame)
    free = cells_of(BGNBD, frame, columns)
    tied = cells_of(
        BGNBD,
        frame,
        columns,
        equal=[("purchase: channel", "dropout: channel"), ("dropout: age", "purchase: age")],
    )
    assert tied.covariates.free == (
        "purchase: channel[T.web] = dropout: channel[T.web]",
        "purchase: age = dropout: age",
    )
    ends = [estimates(cells) for cells in (free, tied)]
    coefficients = dict(zip(tied.covariates.names, ends[1][2], strict=True))
    assert coefficients["purchase: age"] == coefficients["dropout: age"]
    values = [
        cells.log_likelihood_at(end[0], 0.0) for cells, end in zip((free, tied), ends, strict=True)
    ]
    assert values[1] < values[0] - 10


def test_a_ridge_draws_coefficients_to_zero(frame):
    columns = histories(BGNBD, frame)
    cells = cells_of(BGNBD, frame, columns)
    ends = [estimates(cells, ridge) for ridge in (0.0, 0.01, 1.0)]
    sizes = [np.abs(end[2]).sum() for end in ends]
    assert sizes[0] > sizes[1] > sizes[2]
    _, found, *_ = ends[1]
    unpenalised = found.effects.applied(found.model, frame).log_likelihood(*columns).sum()
    assert cells.log_likelihood_at(ends[1][0], 0.01) == pytest.approx(unpenalised, rel=1e-11)


def test_a_hundred_thousand_customers_with_ages_of_their_own():
    """CLVTools' BG/NBD with static covariates diverges at this size."""
    frame = people(100_000, seed=3)
    frame["age"] += np.random.default_rng(4).random(len(frame)) * 1e-3
    cells = cells_of(BGNBD, frame, histories(BGNBD, frame))
    assert cells.weights.size == 100_000
    _, _, coefficients, covariance = estimates(cells)
    truth = [COEFFICIENTS[name] for name in cells.covariates.names]
    assert np.all(np.abs(coefficients - truth) < 4 * np.sqrt(np.diag(covariance)))


def test_a_reference_customer_beyond_all_numbers_is_an_error_that_advises():
    frame = people(300)
    frame["age"] = 2020 + np.arange(300) % 2
    cells = cells_of(BGNBD, frame, histories(BGNBD, people(300)), "age")
    far = np.array([1.0, 1.0, 1.0, 1.0, 20.0, 1.0])
    with pytest.raises(FitError, match="Measure covariates from a usual value"):
        cells.in_own_units(far)


# What comes of it


def test_effects_multiply_the_parameters_of_the_reference_customer(frame):
    covariates = Covariates.of(BGNBD, {"purchase": "channel + age", "dropout": "vip"}, frame)
    effects = CovariateEffects.none(covariates).with_ratios(1.5, 0.98, 2.0)
    assert list(effects.ratios) == [
        "purchase: channel[T.web]",
        "purchase: age",
        "dropout: vip[T.True]",
    ]
    model = effects.applied(BGNBD(0.5, 4.0, 0.8, 2.0), frame)
    web, vip = (frame["channel"] == "web").to_numpy(), frame["vip"].to_numpy()
    alpha = 4.0 / (1.5**web * 0.98 ** frame["age"].to_numpy())
    assert model.alpha == pytest.approx(alpha, rel=1e-13)
    assert model.a == pytest.approx(np.where(vip, 1.6, 0.8), rel=1e-13)
    assert (model.r, model.b) == (0.5, 2.0)
    saved = json.loads(json.dumps(effects.to_dict()))
    loaded = CovariateEffects.from_dict(BGNBD, saved).with_ratios(*effects.ratios.values())
    assert loaded == effects
    with pytest.raises(DataError, match="depends on purchase: channel.*which this function is not"):
        effects.applied(TRUTH[BGNBD], None)
    with pytest.raises(DataError, match=r"alpha is beyond all numbers \(first: 'C2'\)"):
        effects.applied(TRUTH[BGNBD], frame.assign(age=np.where(frame.index == "C2", 1e6, 45.0)))
    assert effects.unidentified(frozenset()) == ()
    assert (
        "identify dropout: vip[T.True]:"
        in effects.unidentified(frozenset({"dropout: vip[T.True]"}))[0]
    )


def test_estimates_and_the_search_go_into_one_another(kind, frame, columns):
    cells = cells_of(kind, frame, columns)
    rng = np.random.default_rng(6)
    point = np.exp(rng.normal(0, 0.3, len(cells.parameter_names)))
    found = cells.in_own_units(point)
    assert cells.scaled(found) == pytest.approx(point, rel=1e-11)
    assert tuple(found.parameters) == cells.parameter_names
    draws = cells.in_own_units(np.stack([point, point**2], axis=1))
    for name, value in draws.parameters.items():
        assert value[0] == pytest.approx(found.parameters[name], rel=1e-13)
    # Around zero, a parameter of the search is one of the reference customer's.
    around_zero = cells.uncentred()
    moved = around_zero.scaled(found)
    assert around_zero.log_likelihood.value(moved) == pytest.approx(
        cells.log_likelihood.value(point), rel=1e-12
    )
    assert np.array_equal(around_zero.reference.matrix, np.diag(cells.axes[1]))
    plain = Cells.of(kind, columns, np.ones(len(frame)))
    assert moved[: len(found.model.parameters)] == pytest.approx(plain.scaled(found), rel=1e-11)


def test_resampled_customers_keep_their_covariates(kind, frame, columns):
    cells = cells_of(kind, frame, columns)
    replicate = cells.resampled(np.random.default_rng(0))
    assert replicate.customers == cells.customers
    minimum, _, coefficients, covariance = estimates(cells)
    end = replicate.estimate(0.0, minimum.parameters)
    moved = replicate.in_own_units(end.parameters).effects.coefficients - coefficients
    assert end.converged
    assert np.abs(moved).max() > 0
    assert np.all(np.abs(moved) < 5 * np.sqrt(np.diag(covariance)))


def test_walds_test_of_a_factor_does_not_ask_which_level_is_the_reference(frame):
    columns = histories(BGNBD, frame)
    statistics = []
    for levels in (["east", "north", "west"], ["west", "east", "north"]):
        ordered = frame.assign(region=pd.Categorical(frame["region"], levels))
        cells = cells_of(BGNBD, ordered, columns, "region + vip")
        _, _, coefficients, covariance = estimates(cells)
        tests = wald_tests(cells.covariates.terms, coefficients, covariance)
        statistics.append(tests["statistic"].to_numpy())
        assert tests["degrees_of_freedom"].tolist() == [2, 1, 2, 1]
    assert statistics[0] == pytest.approx(statistics[1], rel=1e-5)
    table = coefficient_table(cells.covariates.names, coefficients, covariance)
    assert table.loc["dropout: vip[T.True]", "z"] ** 2 == pytest.approx(statistics[1][3], rel=1e-9)
    assert table["p_value"].between(0, 1).all()


def test_what_is_not_identified_says_nothing():
    covariance = np.array([[0.01, 0.0], [0.0, np.inf]])
    table = coefficient_table(["x", "y"], np.array([0.3, 5.0]), covariance)
    assert table.loc["y", ["z", "p_value"]].tolist() == [0.0, 1.0]
    assert table.loc["y", ["lower", "upper"]].tolist() == [-np.inf, np.inf]
    tests = wald_tests({"both": [0, 1], "y": [1]}, np.array([0.3, 5.0]), covariance)
    assert tests.loc["both"].tolist()[:2] == [pytest.approx(9.0), 2]
    assert tests.loc["y"].tolist() == [0.0, 1, 1.0]


# A calendar


DAYS = 500
SEASON = np.column_stack(
    [np.sin(2 * np.pi * np.arange(DAYS) / 120), (np.arange(DAYS) % 90 < 8).astype(float)]
)
PACE = np.array([0.6, 0.8])


def calendar_shop(kind, count, seed, frame=None):
    """Customers who buy at a pace of the day: first days, days of purchases, and the summary."""
    rng = np.random.default_rng(seed)
    model = TRUTH[kind] if frame is None else true_model(kind, frame)
    passed = np.cumsum(np.exp(SEASON @ PACE)) / 7
    first = rng.integers(0, 200, count)
    model = model.with_parameters(
        **{name: np.broadcast_to(value, count) for name, value in model.parameters.items()}
    )
    customer, time = model.simulate(passed[-1] - passed[first], seed=seed)
    day = np.searchsorted(passed, passed[first[customer]] + time)
    visits = pd.DataFrame({"customer": customer, "day": day}).drop_duplicates()
    visits = visits[visits["day"] > first[visits["customer"]]]
    x = np.bincount(visits["customer"], minlength=count).astype(float)
    last = visits.groupby("customer")["day"].max().reindex(range(count)).fillna(pd.Series(first))
    purchases = np.bincount(visits["day"], minlength=DAYS).astype(float)
    return visits, first, purchases, [x, (last - first).to_numpy() / 7, (DAYS - 1 - first) / 7]


def test_the_calendars_likelihood_is_that_of_days_counted_one_by_one():
    """Customer by customer, day by day, from the rate lambda s(day) while active."""
    visits, first, purchases, columns = calendar_shop(BGNBD, 40, seed=2)
    observed = ObservedDays(("season", "event"), SEASON, purchases, per_unit=7.0)
    cells = RegressionCells.regressed(BGNBD, columns, np.ones(40), calendar=observed)
    point = np.array([0.8, 0.3, 0.7, 2.0, 1.3, 0.9])
    found = cells.reference.estimates(point)
    r, alpha, a, b = found[:4]
    alpha *= cells.scale
    pace = np.exp(SEASON @ np.log(found[4:]))
    total = 0.0
    for customer in range(40):
        days = sorted(visits.loc[visits["customer"] == customer, "day"])
        total += sum(np.log(pace[day]) for day in days)
        last = days[-1] if days else first[customer]
        t_x = sum(pace[day] / 7 for day in range(first[customer] + 1, last + 1))
        T = sum(pace[day] / 7 for day in range(first[customer] + 1, DAYS))
        total += BGNBD(r, alpha, a, b).log_likelihood(len(days), t_x, T)
    densities = columns[0].sum()
    mean = cells.log_likelihood.value(point) - densities * np.log(cells.scale)
    assert mean == pytest.approx(total, rel=1e-11)


@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
def test_derivatives_with_covariates_and_a_calendar_agree_with_central_differences(kind):
    frame = people(600)
    _, _, purchases, columns = calendar_shop(kind, 600, seed=3, frame=frame)
    covariates = Covariates.of(kind, "channel + age", frame)
    rows, codes = covariates.combinations(frame)
    cells = RegressionCells.regressed(
        kind,
        columns,
        np.ones(600),
        covariates=covariates,
        rows=rows,
        codes=codes,
        calendar=ObservedDays(("season", "event"), SEASON, purchases, per_unit=7.0),
    )
    point = np.array([0.8, 0.3, 0.7, 2.0, 1.3, 0.9, 1.1, 0.8, 1.4, 1.2])
    check_derivatives(cells.log_likelihood, point)
    assert cells.log_likelihood.value(point) == pytest.approx(
        cells.log_likelihood(point).value, rel=1e-12
    )


@pytest.mark.parametrize("penalty", [None, np.array([[2.0, 0.3], [0.3, 1.0]])])
def test_a_season_and_covariates_are_recovered_together(penalty):
    frame = people(5000, seed=5)
    frame["age"] -= 45
    _, _, purchases, columns = calendar_shop(
        BGNBD, 5000, seed=6, frame=frame.assign(age=frame["age"] + 45)
    )
    covariates = Covariates.of(BGNBD, "channel + age", frame)
    rows, codes = covariates.combinations(frame)

    def fitted(basis):
        cells = RegressionCells.regressed(
            BGNBD,
            columns,
            np.ones(5000),
            covariates=covariates,
            rows=rows,
            codes=codes,
            calendar=ObservedDays(("season", "event"), basis, purchases, 7.0, penalty),
        )
        minimum = cells.estimate(0.0)
        assert minimum.converged
        covariance = cells.reference.covariance(np.linalg.inv(cells.customers * minimum.hessian))
        logs = np.log(cells.reference.estimates(minimum.parameters))
        logs[1] += np.log(cells.scale)
        return logs, np.sqrt(np.diag(covariance)), cells.log_likelihood_at(minimum, 0.0)

    logs, errors, value = fitted(SEASON)
    truth = [*np.log(list(TRUTH[BGNBD].parameters.values()))]
    truth += [*(COEFFICIENTS[name] for name in covariates.names), *PACE]
    assert np.all(np.abs(logs - truth) < 4 * errors)
    # The level of the pace and alpha are one number; a ridge apart, so are units of the basis.
    other, _, same = fitted(3.0 * SEASON + 10.0)
    assert same == pytest.approx(value, rel=1e-11)
    assert 3 * other[-2:] == pytest.approx(logs[-2:], rel=1e-6)
    assert other[1] - 10 * other[-2:].sum() == pytest.approx(logs[1], rel=1e-5)


def test_a_calendar_that_nobody_lived_through_is_refused():
    _, _, purchases, columns = calendar_shop(BGNBD, 40, seed=2)
    never = np.column_stack([SEASON[:, 0], np.zeros(DAYS)])
    observed = ObservedDays(("season", "event"), never, purchases, per_unit=7.0)
    cells = RegressionCells.regressed(BGNBD, columns, np.ones(40), calendar=observed)
    with pytest.raises(FitError, match="'event' is the same on all days"):
        cells.estimate(0.0)
    with pytest.raises(FitError, match="has no bootstrap"):
        cells.resampled(np.random.default_rng(0))


def test_models_with_settings_are_made_with_them(frame):
    columns = histories(BGNBD, frame)
    made = []

    def build(*parameters, k):
        made.append(k)
        return BGNBD(*parameters)

    likelihood = RegressionLikelihood(
        partial(build, k=2), columns, np.ones(len(frame)), parameters=4
    )
    point = np.array([0.7, 6.0, 0.8, 2.5])
    plain = BGNBD.total_log_likelihood(*columns, weights=np.ones(len(frame)))
    assert likelihood(point).value == pytest.approx(plain.value(point), rel=1e-12)
    assert set(made) == {2}
