"""The pipeline takes tables of every kind, and never fails on what a prediction may bring."""

import pickle
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.preprocessing import ColumnsOfKind, tabular_pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 40
RNG = np.random.default_rng(0)
NUMBER = RNG.normal(size=N)
CATEGORY = np.array(["red", "green", "blue"])[RNG.integers(0, 3, N)]
TRUTH = RNG.integers(0, 2, N).astype(bool)
HOURS = RNG.integers(0, 20_000, N)
DATES = pd.Timestamp("2020-01-01") + pd.to_timedelta(HOURS, unit="h")
Y = RNG.integers(0, 2, N)


def holed(values, missing=None):
    """Return a list of Python's objects in which one is missing."""
    values = list(getattr(values, "tolist", lambda: values)())
    return [*values[:3], missing, *values[4:]]


def with_time(dates):
    return [date.to_pydatetime() for date in dates]


PANDAS = {
    "float32": ("numbers", NUMBER.astype(np.float32)),
    "uint8": ("numbers", HOURS.astype(np.uint8)),
    "bool": ("numbers", TRUTH),
    "Int64": ("numbers", pd.array(holed(HOURS), dtype="Int64")),
    "Float32": ("numbers", pd.array(holed(NUMBER), dtype="Float32")),
    "boolean": ("numbers", pd.array(holed(TRUTH), dtype="boolean")),
    "object of numbers": ("numbers", pd.Series(holed(NUMBER, pd.NA), dtype=object)),
    "object of booleans": ("numbers", pd.Series(holed(TRUTH), dtype=object)),
    "object of decimals": ("numbers", pd.Series([Decimal(i) for i in range(N)], dtype=object)),
    "object of text": ("categories", pd.Series(holed(CATEGORY, np.nan), dtype=object)),
    "str": ("categories", pd.Series(holed(CATEGORY))),
    "string": ("categories", pd.array(holed(CATEGORY), dtype="string")),
    "category": ("categories", pd.Categorical(holed(CATEGORY))),
    "category of integers": ("categories", pd.Categorical(holed(HOURS % 3))),
    "mixed": (
        "categories",
        pd.Series([None, np.nan, pd.NA, 1, 2.0, True, *CATEGORY[6:]], dtype=object),
    ),
    "datetime64": ("dates", pd.Series(holed(DATES, pd.NaT))),
    "time zone": ("dates", pd.Series(holed(DATES, pd.NaT)).dt.tz_localize("Asia/Tokyo")),
    "timedelta64": ("dates", pd.to_timedelta(holed(HOURS, pd.NaT), unit="h")),
    "object of dates": ("dates", pd.Series(holed(DATES.date), dtype=object)),
    "empty": (None, np.full(N, np.nan)),
    "object without entries": (None, pd.Series([None] * N, dtype=object)),
}
POLARS = {
    "Float64": ("numbers", pl.Series(holed(NUMBER))),
    "Int8": ("numbers", pl.Series(holed(HOURS % 9), dtype=pl.Int8)),
    "Decimal": ("numbers", pl.Series(holed(HOURS)).cast(pl.Decimal(10, 2))),
    "Boolean": ("numbers", pl.Series(holed(TRUTH))),
    "String": ("categories", pl.Series(holed(CATEGORY))),
    "Categorical": ("categories", pl.Series(holed(CATEGORY), dtype=pl.Categorical)),
    "Enum": ("categories", pl.Series(holed(CATEGORY), dtype=pl.Enum(sorted(set(CATEGORY))))),
    "Date": ("dates", pl.Series(holed(DATES.date))),
    "Datetime": ("dates", pl.Series(holed(with_time(DATES)))),
    "time zone": ("dates", pl.Series(holed(with_time(DATES))).dt.replace_time_zone("Asia/Tokyo")),
    "Duration": ("dates", pl.Series(holed(DATES.to_pydatetime() - DATES.to_pydatetime()[0]))),
    "Time": ("dates", pl.Series(holed([date.time() for date in DATES]))),
    "Null": (None, pl.Series([None] * N)),
    "Float64 without entries": (None, pl.Series([None] * N, dtype=pl.Float64)),
    "empty": (None, pl.Series([np.nan] * N)),
}
FRAMES = {
    **{f"pandas {name}": (pd.DataFrame, *column) for name, column in PANDAS.items()},
    **{f"polars {name}": (pl.DataFrame, *column) for name, column in POLARS.items()},
}


def network(**options):
    return TwoLayerClassifier(**{"hidden_size": 5, "max_iter": 3, "random_state": 0, **options})


def fit(X, y=Y, estimator=None):
    return tabular_pipeline(estimator or network()).fit(X, y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FRAMES)
def test_columns_of_every_kind(name):
    frame, group, column = FRAMES[name]
    X = frame({"x": NUMBER, "column": column})
    model = fit(X)
    used = {
        name: part.get_feature_names_out().tolist()
        for name, part, columns in model[0].transformers_
        if len(columns) and 1 in columns and name != "remainder"
    }
    assert list(used) == ([group] if group else [])
    inputs = model[:-1].transform(X)
    assert inputs.dtype == np.float32
    assert np.isfinite(inputs).all()
    if group:  # the column varies, and missing entries are seen
        names = [f"{group}__{part}" for part in used[group] if part.startswith("column")]
        positions = [list(model[:-1].get_feature_names_out()).index(name) for name in names]
        assert len(np.unique(inputs[:, positions], axis=0)) > 1
    assert_allclose(model.predict_proba(X[:1]), model.predict_proba(X)[:1], rtol=1e-5)


def test_one_pipeline_for_a_frame_of_all_kinds():
    for frame, columns in ((pd.DataFrame, PANDAS), (pl.DataFrame, POLARS)):
        X = frame({name: column for name, (_, column) in columns.items()})
        model = fit(X)
        assert set(model.predict(X)) <= {0, 1}
        assert 0 <= model.score(X, Y) <= 1


def test_arrow_columns():
    types = {
        "int64[pyarrow]": holed(HOURS),
        "double[pyarrow]": holed(NUMBER),
        "bool[pyarrow]": holed(TRUTH),
        "string[pyarrow]": holed(CATEGORY),
        "timestamp[us][pyarrow]": holed(DATES),
        "date32[day][pyarrow]": holed(DATES.date),
        pd.ArrowDtype(pa.timestamp("us", tz="Asia/Tokyo")): holed(DATES.tz_localize("UTC")),
        pd.ArrowDtype(pa.decimal128(9, 2)): [Decimal(int(hour)) for hour in HOURS],
        pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())): holed(CATEGORY),
    }
    X = pd.DataFrame({str(t): pd.array(values, dtype=t) for t, values in types.items()})
    model = fit(X)
    columns = {name: len(columns) for name, _, columns in model[0].transformers_}
    assert columns == {"numbers": 4, "categories": 2, "dates": 3}
    assert np.isfinite(model[:-1].transform(X)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_arrays_of_numbers(dtype):
    X = (RNG.normal(size=(N, 3)) * 10 > 0).astype(dtype) + RNG.integers(0, 2, (N, 3)).astype(dtype)
    model = fit(X)
    names = model[:-1].get_feature_names_out()
    assert names[:3].tolist() == ["numbers__x0", "numbers__x1", "numbers__x2"]
    assert_array_equal(model.predict(X[:1]), model.predict(X)[:1])


def test_arrays_and_lists_of_mixed_columns():
    X = [[float(number), str(category)] for number, category in zip(NUMBER, CATEGORY, strict=True)]
    frame = pd.DataFrame(X, columns=["x0", "x1"])
    expected = fit(frame).predict_proba(frame)
    assert_allclose(fit(np.array(X, dtype=object)).predict_proba(X), expected)
    assert_allclose(fit(X).predict_proba(X), expected)


# What a prediction may bring.

TRAINING = pd.DataFrame(
    {
        "count": HOURS % 50,
        "truth": TRUTH,
        "colour": pd.Categorical(CATEGORY),
        "code": pd.Categorical(HOURS % 3),
        "sold": DATES,
    }
)


def predicts(**columns):
    """Return the probabilities for samples like those of fit, but for some columns."""
    X = TRAINING[:5].assign(**columns)
    p = fit(TRAINING).predict_proba(X)
    assert np.isfinite(p).all()
    return p


def test_missing_values_in_columns_that_had_none():
    expected = predicts(count=np.nan)
    assert_allclose(predicts(count=None), expected)
    assert_allclose(predicts(count=pd.array([None] * 5, dtype="Int64")), expected)
    same = [37, 4, None, 5, 6], TRUTH[:5].tolist()
    expected = predicts(count=np.array(same[0], dtype=float), truth=1.0 * TRUTH[:5])
    assert_allclose(predicts(count=same[0], truth=same[1]), expected)
    assert_allclose(predicts(count=same[0], truth=pd.Series(same[1], dtype=object)), expected)
    for column in TRAINING:
        assert np.isfinite(predicts(**{column: None})).all()
        assert np.isfinite(predicts(**{column: pd.Series([pd.NA] * 5, dtype=object)})).all()


def test_unseen_levels_share_the_column_of_those_that_fit_saw_once():
    colours = CATEGORY.copy().astype(object)
    colours[7] = "once"
    X = pd.DataFrame({"colour": colours})
    model = fit(X)
    seen, unseen, missing = model[:-1].transform(pd.DataFrame({"colour": ["once", "new", None]}))
    assert seen.sum() == 1
    assert_array_equal(unseen, seen)
    assert_array_equal(missing, seen)
    without = fit(pd.DataFrame({"colour": CATEGORY}))
    assert_array_equal(without[:-1].transform(pd.DataFrame({"colour": ["new"]})), [[0, 0, 0]])


def test_missing_values_of_every_kind_are_one_level():
    missing = [None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), np.float32(np.nan)]
    X = pd.DataFrame({"colour": pd.Series([*missing, *CATEGORY[6:]], dtype=object)})
    names = fit(X)[:-1].get_feature_names_out()
    levels = ["blue", "green", "missing", "red"]
    assert names.tolist() == [f"categories__colour_{level}" for level in levels]


def test_levels_are_the_same_whatever_their_dtype():
    codes = TRAINING["code"][:5]
    expected = predicts()
    assert_allclose(predicts(code=codes.astype(float)), expected)
    assert_allclose(predicts(code=codes.astype(str)), expected)
    assert_allclose(predicts(colour=TRAINING["colour"][:5].astype(object)), expected)
    other = pd.Categorical(TRAINING["colour"][:5], ["green", "purple", "red", "blue"])
    assert_allclose(predicts(colour=other), expected)


def test_dates_are_the_same_whatever_their_dtype():
    expected, dates = predicts(), TRAINING["sold"][:5]
    for same in (dates.astype("datetime64[s]"), dates.astype(object)):
        assert_allclose(predicts(sold=same), expected)
    assert_allclose(predicts(sold=dates.dt.strftime("%Y-%m-%dT%H:%M:%S")), expected)


def test_more_columns_and_another_order_are_allowed_and_missing_columns_are_not():
    model = fit(TRAINING)
    shuffled = TRAINING[TRAINING.columns[::-1]].assign(more=1)
    assert_array_equal(model.predict_proba(shuffled), model.predict_proba(TRAINING))
    with pytest.raises(ValueError, match=r"columns are missing: \{'count'\}"):
        model.predict(TRAINING.rename(columns={"count": "counts"}))


def test_a_model_of_pandas_predicts_for_polars():
    X = TRAINING.drop(columns=["code"])
    expected = fit(X).predict_proba(X)
    columns = {name: pl.Series(X[name].astype(object).tolist()) for name in X if name != "sold"}
    frame = pl.DataFrame({**columns, "sold": pl.Series(with_time(DATES))})
    assert_allclose(fit(X).predict_proba(frame), expected)
    assert_allclose(fit(frame).predict_proba(X), expected)


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"a": [1.0] * N, "b": ["one"] * N}),
        pd.DataFrame({"a": CATEGORY, "b": CATEGORY}),
        pd.DataFrame({"a": NUMBER}),
        pd.DataFrame({0: NUMBER, 1: CATEGORY}),
        pd.DataFrame({"a": [str(i) for i in range(N)]}),  # every level occurs once
    ],
)
def test_frames_of_one_kind(X):
    assert set(fit(X).predict(X[:1])) <= {0, 1}


def test_many_levels_have_a_bounded_number_of_columns():
    rare = pd.DataFrame({"level": np.arange(3000) // 3})
    X = rare.astype(str)
    assert fit(X, np.arange(3000) % 2)[:-1].transform(X).shape == (3000, 500)


# The pipeline as an estimator.


def test_it_learns_a_table():
    y = (NUMBER > 0) ^ (CATEGORY == "red")
    X = pd.DataFrame({"number": NUMBER, "colour": CATEGORY})
    assert fit(X, y, TwoLayerClassifier(random_state=0)).score(X, y) == 1
    t = np.where(CATEGORY == "red", 1.0, -1.0) * (NUMBER > 0)
    assert fit(X, t, TwoLayerRegressor(random_state=0)).score(X, t) > 0.95


def test_targets_of_every_kind():
    X = pd.DataFrame({"number": NUMBER, "colour": CATEGORY})
    labels = np.column_stack([TRUTH, ~TRUTH, NUMBER > 0]).astype(int)
    assert fit(X, labels).predict(X).shape == (N, 3)
    assert fit(X, CATEGORY).predict_proba(X).shape == (N, 3)
    several = fit(X, np.column_stack([NUMBER, -NUMBER]), TwoLayerRegressor(max_iter=3))
    assert several.predict(X).shape == (N, 2)


def test_a_search_reaches_the_preprocessing_and_the_network():
    grid = {
        "preprocessing__numbers__n_bins": [0, 4],
        "preprocessing__categories__encoder__max_categories": [2, 9],
        "preprocessing__dates__encoder__n_bins": [2],
        "network__hidden_size": [3, 5],
    }
    search = GridSearchCV(tabular_pipeline(network()), grid, cv=2).fit(TRAINING, Y)
    assert len(search.cv_results_["mean_test_score"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_weights_go_to_the_network():
    X, weights = TRAINING, np.arange(1.0, N + 1)
    model = tabular_pipeline(network()).fit(X, Y, network__sample_weight=weights)
    alone = network().fit(fit(X)[:-1].transform(X), Y, sample_weight=weights)
    assert_array_equal(model[-1].coefs_[0], alone.coefs_[0])


def test_the_names_of_the_features():
    X = TRAINING.assign(count=HOURS)[["count", "truth", "colour", "sold"]]
    names = fit(X)[:-1].get_feature_names_out()
    assert {"numbers__count", "numbers__truth_bin_0", "categories__colour_red"} <= set(names)
    assert {"dates__sold_days", "dates__sold_hour_bin_0"} <= set(names)


def test_clones_and_pickles_in_another_process(tmp_path):
    model = clone(fit(TRAINING)).fit(TRAINING, Y)
    assert repr(clone(model)) == repr(model)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps((model, TRAINING)))
    script = (
        "import pickle, numpy; model, X = pickle.load(open('model.pickle', 'rb')); "
        "numpy.save('p.npy', model.predict_proba(X))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, timeout=120)
    assert_array_equal(np.load(tmp_path / "p.npy"), model.predict_proba(TRAINING))


def test_skops_needs_the_documented_types():
    data = skops.io.dumps(fit(TRAINING))
    types = skops.io.get_untrusted_types(data=data)
    assert len(types) == 5
    for name in types:
        assert f'"{name}"' in tabular_pipeline.__doc__
    loaded = skops.io.loads(data, trusted=types)
    assert_array_equal(loaded.predict_proba(TRAINING), fit(TRAINING).predict_proba(TRAINING))


def test_other_estimators_and_names():
    X = TRAINING
    assert fit(X, estimator=LogisticRegression()).score(X, Y) > 0.5
    assert type(tabular_pipeline("classifier")[-1]) is TwoLayerClassifier
    assert type(tabular_pipeline("regressor")[-1]) is TwoLayerRegressor
    given = network()
    assert tabular_pipeline(given)[-1] is given


def test_what_is_no_estimator_is_refused():
    with pytest.raises(ValueError, match="estimator='tree' is no estimator"):
        tabular_pipeline("tree")
    for bad in (TwoLayerClassifier, None, 3):
        with pytest.raises(TypeError, match="is an instance with a method fit"):
            tabular_pipeline(bad)


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="Expected a table with two dimensions"):
        fit(pd.Series(NUMBER))
    with pytest.raises(TypeError, match="A table must be dense"):
        fit(csr_array(np.eye(N)))
    with pytest.raises(ValueError, match="Column 'a' of X holds inf"):
        fit(pd.DataFrame({"a": np.full(N, np.inf)}))
    with pytest.raises(ValueError, match="Column 'count' of X holds 'many'"):
        predicts(count="many")


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_inputs_of_the_network_as_a_frame(kind):
    model = tabular_pipeline(network()).set_output(transform=kind).fit(TRAINING, Y)
    inputs = model[:-1].transform(TRAINING)
    assert list(inputs.columns) == model[:-1].get_feature_names_out().tolist()
    assert_array_equal(inputs.to_numpy(), fit(TRAINING)[:-1].transform(TRAINING))


def test_selectors_are_values():
    assert ColumnsOfKind("date") == ColumnsOfKind("date") != ColumnsOfKind("number")
    assert len({ColumnsOfKind("date"), ColumnsOfKind("date")}) == 1
    assert ColumnsOfKind("date")(TRAINING) == [4]
