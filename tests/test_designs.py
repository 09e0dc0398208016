"""Formulas of covariates: how they become numbers, and which cannot."""

import json

import numpy as np
import pandas as pd
import pytest

from clvforecast import BGNBD, DataError
from clvforecast.fitting.regression import Covariates, Design


@pytest.fixture(scope="module")
def frame():
    """A table of 1,500 customers."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "channel": rng.choice(["store", "web"], 1500),
            "age": np.round(rng.normal(45, 12, 1500), 2),
            "region": rng.choice(["east", "north", "west"], 1500),
            "vip": rng.random(1500) < 0.3,
        },
        index=[f"C{i}" for i in range(1500)],
    )


def test_a_design_codes_what_it_is_given_on_the_users_scale(frame):
    design = Design.of("region * age + vip + np.log(age) + C(channel)", frame)
    matrix = dict(zip(design.names, design.matrix(frame).T, strict=True))
    assert list(matrix) == [
        "region[T.north]",
        "region[T.west]",
        "age",
        "vip[T.True]",
        "np.log(age)",
        "C(channel)[T.web]",
        "region[T.north]:age",
        "region[T.west]:age",
    ]
    assert np.array_equal(matrix["vip[T.True]"], frame["vip"])
    assert np.array_equal(matrix["np.log(age)"], np.log(frame["age"]))
    assert np.array_equal(matrix["region[T.west]:age"], (frame["region"] == "west") * frame["age"])
    assert design.terms["region"] == [0, 1]
    assert design.terms["region:age"] == [6, 7]


def test_one_customer_gets_the_same_numbers_alone(frame):
    """Categories are those of the fit, not those of whoever comes next."""
    design = Design.of("region + channel * age", frame)
    alone = np.vstack([design.matrix(frame.iloc[[i]]) for i in range(20)])
    assert np.array_equal(alone, design.matrix(frame)[:20])


@pytest.mark.parametrize("kind_of_column", ["category", "object", "string", "boolean"])
def test_columns_of_all_types_are_categories(frame, kind_of_column):
    values = frame["vip"] if kind_of_column == "boolean" else frame["channel"]
    design = Design.of("it", pd.DataFrame({"it": values.astype(kind_of_column)}))
    coded = values == values.max()
    assert np.array_equal(design.matrix(pd.DataFrame({"it": values}))[:, 0], coded)


def test_an_ordered_category_keeps_its_reference_and_forgets_what_nobody_is(frame):
    regions = pd.Categorical(frame["region"], ["south", "west", "north", "east"])
    design = Design.of("region", frame.assign(region=regions))
    assert design.names == ("region[T.north]", "region[T.east]")


def test_numbers_can_be_categories(frame):
    coded = frame.assign(zone=np.arange(len(frame)) % 3, n=pd.array([1] * len(frame), "Int64"))
    design = Design.of("C(zone)", coded)
    assert design.names == ("C(zone)[T.1]", "C(zone)[T.2]")
    assert np.array_equal(design.matrix(pd.DataFrame({"zone": [2.0]})), [[0.0, 1.0]])


def test_a_design_is_plain_json(frame):
    table = frame.rename(columns={"channel": "the channel"})
    design = Design.of("region * age + vip + C(`the channel`)", table)
    loaded = Design.from_dict(json.loads(json.dumps(design.to_dict())))
    assert loaded == design
    assert loaded.names == design.names


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("spend ~ age", "left-hand side"),
        ("age +", "cannot be read: Operator `\\+`"),
        ("1", "names no covariate"),
        ("age - 1", "leaves out the intercept"),
        ("age | vip", "several parts"),
        (None, "must be a formula such as"),
        ("center(age)", r"may not say 'center\(age\)'"),
        ("poly(age, 2)", "may not say"),
        ("np.mean(age)", "may not say"),
        ("age.mean()", "may not say"),
        ("np.load('x')", "may not say"),
        ("np.log.__class__(age)", "may not say"),
        ("{().__class__}", "may not say"),
        ("income", "no column 'income'"),
        ("aeg", "Did you mean 'age'"),
        ("born", "datetime64 values"),
        ("constant", "'constant' is the same for all customers"),
        ("only", "is 'x' for all customers"),
        ("age + months", "'age', 'months' are collinear"),
        (
            "vip + channel + C(channel)",
            r"'channel\[T.web\]', 'C\(channel\)\[T.web\]' are collinear",
        ),
        ("name", "1,500 categories"),
        ("holes", r"1 of 1,500 customers has no 'holes' \(first: 'C7'\)"),
        ("np.log(age - 45)", r"customers have a 'np.log\(age - 45\)' that is not finite"),
        ("np.log(channel)", "cannot be worked out"),
        ("tiny", "Measure it in a smaller unit"),
        ("huge", "Measure it in a larger unit"),
    ],
)
def test_what_cannot_be_a_covariate_says_why(frame, formula, message):
    table = frame.assign(
        born=pd.Timestamp("1980-01-01"),
        constant=1.0,
        only="x",
        months=12 * frame["age"] - 3,
        name=frame.index,
        holes=frame["age"].where(frame.index != "C7"),
        tiny=frame["age"] * 1e-9,
        huge=frame["age"] * 1e12,
    )
    with pytest.raises(DataError, match=message):
        Design.of(formula, table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channel": "radio"}, "the model was not fitted with, such as 'radio'"),
        ({"channel": None}, "have no 'channel'"),
        ({"age": np.nan}, "have no 'age'"),
        ({"age": np.inf}, "an infinite 'age'"),
        ({"age": "old"}, "'age' must hold numbers"),
    ],
)
def test_other_customers_that_cannot_be_scored_say_why(frame, change, message):
    design = Design.of("channel + age", frame)
    with pytest.raises(DataError, match=message):
        design.matrix(frame.head(3).assign(**change))
    with pytest.raises(DataError, match="no column 'age'"):
        design.matrix(frame.drop(columns="age"))


def test_parts_and_equal_coefficients_that_do_not_exist_are_named(frame):
    with pytest.raises(DataError, match="no part 'drop'.*Did you mean 'dropout'"):
        Covariates.of(BGNBD, {"drop": "age"}, frame)
    with pytest.raises(DataError, match="no coefficient 'purchase: agee'"):
        Covariates.of(BGNBD, "age", frame, equal=[("purchase: agee", "dropout: age")])
    with pytest.raises(DataError, match="two or more coefficients"):
        Covariates.of(BGNBD, "age + region", frame, equal=[("purchase: age", "dropout: region")])
    with pytest.raises(DataError, match="twice"):
        Covariates.of(BGNBD, "age", frame, equal=[("purchase: age", "dropout: age")] * 2)
    with pytest.raises(DataError, match="must be pairs"):
        Covariates.of(BGNBD, "age", frame, equal="purchase: age")
    with pytest.raises(DataError, match="empty"):
        Covariates.of(BGNBD, {}, frame)
