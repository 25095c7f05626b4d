"""The encoder of numbers, against its formulas and on columns that are hard to scale."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

from sk_twolayer.preprocessing import PiecewiseLinearEncoder

RNG = np.random.default_rng(0)
X = np.column_stack([RNG.normal(5, 2, 400), RNG.exponential(1e3, 400), RNG.integers(0, 3, 400)])


def encode(X, *args, **options):
    return PiecewiseLinearEncoder(*args, **options).fit_transform(X)


@pytest.mark.parametrize(
    ("estimator", "check"), list(estimator_checks_generator(PiecewiseLinearEncoder()))
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_the_clipped_columns_follow_the_formula():
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = z / np.sqrt(1 + (z / 3) ** 2)
    assert_allclose(encode(X)[:, :3], expected, rtol=1e-12, atol=1e-12)
    assert_array_equal(encode(X, n_bins=0), encode(X)[:, :3])


def test_bins_follow_the_formula():
    x = np.sort(RNG.permutation(401) * 1.0)[:, None]  # quantiles are entries
    encoder = PiecewiseLinearEncoder(4).fit(x)
    edges = [4, 100, 200, 300, 396]
    assert_array_equal(encoder.edges_[0], edges)
    for i, (left, right) in enumerate(pairwise(edges)):
        rise = np.array([min(max((v - left) / (right - left), 0), 1) for v in x.ravel()])
        expected = (rise - rise.mean()) / (4 * rise.std())
        assert_allclose(encoder.transform(x)[:, 1 + i], expected, rtol=1e-12, atol=1e-12)


def test_the_bins_span_the_linear_splines_of_scikit_learn():
    x = X[:, :1]
    encoder = PiecewiseLinearEncoder(4).fit(x)
    knots = encoder.edges_[0][:, None]
    splines = SplineTransformer(degree=1, knots=knots).fit_transform(x)
    bins = np.column_stack([np.ones(len(x)), encoder.transform(x)[:, 1:]])
    assert np.linalg.matrix_rank(bins) == np.linalg.matrix_rank(splines) == 5
    assert_allclose(bins @ np.linalg.lstsq(bins, splines)[0], splines, atol=1e-12)


@pytest.mark.parametrize("n_bins", [1, 2, 4, 8])
def test_the_bins_of_a_column_vary_as_much_as_a_standardised_one(n_bins):
    for column in (X[:, :1], X[:, 1:2]):
        bins = encode(column, n_bins)[:, 1:]
        assert bins.shape[1] == n_bins
        assert_allclose(bins.std(axis=0).sum(), 1)
        assert_allclose(bins.mean(axis=0), 0, atol=1e-12)


def test_few_distinct_values_are_edges_so_that_every_function_of_them_is_linear():
    x = RNG.choice([-1.0, 0.5, 7.0, 100.0], 300)[:, None]
    encoder = PiecewiseLinearEncoder(4).fit(x)
    assert_array_equal(encoder.edges_[0], [-1, 0.5, 7, 100])
    inputs = np.column_stack([np.ones(4), encoder.transform([[-1], [0.5], [7], [100]])])
    assert np.linalg.matrix_rank(inputs) == 4


def test_a_frequent_value_is_an_edge_and_the_other_edges_are_quantiles_of_the_rest():
    x = np.concatenate([np.zeros(900), np.arange(1, 102)])[:, None]
    encoder = PiecewiseLinearEncoder(4).fit(x)
    # 0 and, of 1 to 101, the quantiles 0, 1/3, 2/3 and 1; the last within 99 % of the samples.
    assert_allclose(encoder.edges_[0], [0, 1, 1 + 100 / 3, 1 + 200 / 3, 91], rtol=1e-12)


def test_outliers_have_no_bin_of_their_own():
    x = np.append(np.linspace(0, 1, 1000), [-1e9, 1e9, 1e9])[:, None]
    encoder = PiecewiseLinearEncoder(4).fit(x)
    assert encoder.edges_[0][0] >= 0
    assert encoder.edges_[0][-1] <= 1
    assert np.abs(encoder.transform(x)).max() < 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, -20.1, 1e30, 1e-30])
def test_constant_columns_are_zero_also_where_they_change_at_prediction(value, dtype):
    column = np.full((1000, 1), value, dtype)
    rounded = column.copy()
    rounded[::3] = np.nextafter(rounded[::3], dtype(np.inf))
    for x in (column, rounded):
        encoder = PiecewiseLinearEncoder().fit(x)
        encoded = encoder.transform([[1.1 * value], [value], [-5.0], [1e300]])
        assert_array_equal(encoded, np.zeros((4, 1)))


def test_missing_values_are_zero_and_have_an_indicator_if_fit_saw_some():
    x = np.column_stack([X[:, 0], X[:, 1]])
    x[::7, 0] = np.nan
    encoder = PiecewiseLinearEncoder(2).fit(x)
    assert_array_equal(encoder.missing_features_, [0])
    encoded = encoder.transform(x)
    assert_array_equal(encoded[:, -1], np.isnan(x[:, 0]))
    assert_array_equal(encoded[::7, [0, 2, 3]], 0)
    alone = encode(x[~np.isnan(x[:, 0])], 2)
    assert_allclose(encoded[~np.isnan(x[:, 0])][:, [0, 2, 3]], alone[:, [0, 2, 3]], rtol=1e-12)
    assert_array_equal(encoder.transform([[np.nan, np.nan]]), [[0, 0, 0, 0, 0, 0, 1]])


def test_columns_without_values_are_zero():
    x = np.full((5, 2), np.nan)
    x[:, 1] = np.arange(5)
    encoder = PiecewiseLinearEncoder(2).fit(x)
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1", "x1_bin_0", "x1_bin_1"]
    assert_array_equal(encoder.transform([[3.0, 2.0], [np.nan, 2.0]])[:, 0], 0)
    assert_array_equal(PiecewiseLinearEncoder().fit_transform(x[:, :1]), np.zeros((5, 1)))


def test_values_beyond_the_training_range_are_bounded():
    encoder = PiecewiseLinearEncoder(4).fit(X)
    largest = np.finfo(np.float64).max
    with np.errstate(all="raise"):
        far, farther = encoder.transform(np.full((2, 3), [[1e9], [largest]]))
    assert_array_equal(far[3:], farther[3:])
    assert_allclose(farther[:3], 3)
    assert np.abs(far).max() <= 3


def test_huge_and_tiny_columns_are_encoded_as_others():
    x = RNG.normal(size=(300, 1))
    expected = encode(x)
    for scale in (1e300, 2.0**-1000):
        with np.errstate(over="raise", invalid="raise"):
            assert_allclose(encode(x * scale), expected, rtol=1e-9, atol=1e-9)
    positive = RNG.uniform(1, 5, (300, 1))
    with np.errstate(over="raise", invalid="raise"):  # the sum of the entries is not finite
        assert_allclose(encode(positive * 1e307), encode(positive), rtol=1e-9, atol=1e-9)
    extremes = np.array([[-1.0], [1.0]]) * np.finfo(np.float64).max
    assert np.isfinite(encode(extremes)).all()


def test_differences_far_from_zero_are_exact_in_float32():
    x = np.round(1e6 + 10 * RNG.normal(size=(500, 1)))  # float32 holds such integers exactly
    encoded = encode(x.astype(np.float32))
    assert encoded.dtype == np.float32
    assert_allclose(encoded, encode(x), atol=1e-6)
    assert PiecewiseLinearEncoder().fit(np.float32(1e7 + RNG.normal(size=(99, 1)))).edges_[0].size


@pytest.mark.parametrize("given", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
def test_the_dtype_of_the_output(given, dtype):
    x = (X * 10).astype(given)
    kept = np.float32 if given == np.float32 else np.float64
    assert encode(x, dtype=dtype).dtype == (dtype or kept)


def test_wide_tables_are_clipped_only():
    x = RNG.normal(size=(50, 4))
    assert encode(x, max_features=3).shape == (50, 4)
    assert encode(x, 4, max_features=4).shape == (50, 20)
    assert encode(RNG.normal(size=(9, 101))).shape == (9, 101)


def test_samples_are_encoded_alike_in_blocks_and_alone():
    x = np.repeat(X, 60, axis=0)  # several blocks
    encoder = PiecewiseLinearEncoder().fit(x)
    before = x.copy()
    assert_array_equal(encoder.transform(x)[::60], encoder.transform(X))
    assert_array_equal(encoder.transform(np.asfortranarray(X))[7], encoder.transform(X[7:8])[0])
    assert_array_equal(x, before)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_come_out_with_names(kind):
    frame = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[kind](
        {"age": [1.0, 2.0, 3.0, None], "one": [1, 1, 1, 1]}
    )
    encoder = PiecewiseLinearEncoder(2).set_output(transform=kind)
    encoded = encoder.fit_transform(frame)
    names = ["age", "one", "age_bin_0", "age_bin_1", "age_missing"]
    assert type(encoded) is type(frame)
    assert list(encoded.columns) == names == encoder.get_feature_names_out().tolist()
    assert_array_equal(encoder.feature_names_in_, ["age", "one"])
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        encoder.get_feature_names_out(["size", "one"])


def test_missing_values_of_every_kind_are_read():
    expected = encode(np.array([[1.0], [2.0], [np.nan]]), 1)
    for missing in (None, np.nan, pd.NA):
        frame = pd.DataFrame({"a": [1, 2, missing]}, dtype=object)
        assert_array_equal(encode(frame, 1), expected)
    for frame in (pd.DataFrame({"a": [1, 2, None]}, dtype="Int64"), pl.DataFrame([[1, 2, None]])):
        assert_array_equal(encode(frame, 1), expected)


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinities_are_refused(bad):
    x = X.copy()
    x[3, 1] = bad
    with pytest.raises(ValueError, match="infinity"):
        PiecewiseLinearEncoder().fit(x)
    with pytest.raises(ValueError, match="infinity"):
        PiecewiseLinearEncoder().fit(X).transform(x)


def test_sparse_samples_are_refused():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        PiecewiseLinearEncoder().fit(csr_array(X))


@pytest.mark.parametrize("options", [{"n_bins": -1}, {"n_bins": 2.5}, {"dtype": np.float16}])
def test_bad_settings_are_refused(options):
    with pytest.raises(ValueError, match=f"The '{next(iter(options))}' parameter"):
        PiecewiseLinearEncoder(**options).fit(X)


def test_pickles_encode_alike():
    encoder = PiecewiseLinearEncoder().fit(X)
    assert_array_equal(pickle.loads(pickle.dumps(encoder)).transform(X), encoder.transform(X))


# Errors name the column and the value.

GOOD = pd.DataFrame({"a": np.arange(1.0, 41), "b": np.arange(1.0, 41)})
BAD = {
    "inf": (np.inf, r"'b' of X holds inf\b.*X.replace\(\[np.inf, -np.inf\], np.nan\)"),
    "minus inf": ([*range(39), -np.inf], "'b' of X holds -inf"),
    "Float64": (pd.array([np.inf] * 40, dtype="Float64"), r"'b' of X holds inf\b"),
    "arrow": (pd.array([np.inf] * 40, dtype="double[pyarrow]"), r"'b' of X holds inf\b"),
    "object": (pd.Series([None, *[np.inf] * 39], dtype=object), r"'b' of X holds inf\b"),
    "text": ("abc", "'b' of X holds 'abc'.*pd.to_numeric"),
    "text among numbers": ([*range(39), "abc"], "'b' of X holds 'abc'"),
    "category": (pd.Categorical(["abc"] * 40), "'b' of X holds 'abc'"),
    "date": (pd.Timestamp("2024"), "'b' of X has dtype datetime64.*DateParts"),
    "zoned date": (pd.Timestamp("2024", tz="UTC"), "'b' of X has dtype datetime64.*DateParts"),
    "duration": (pd.Timedelta("1h"), "'b' of X has dtype timedelta64.*DateParts"),
    "object of dates": (pd.Series([pd.Timestamp("2024")] * 40, dtype=object), "'b' of X holds Tim"),
    "large": (pd.Series([10**400] * 40, dtype=object), "'b' of X holds 1e.400, a value too large"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", BAD)
def test_an_error_names_the_column_and_the_value(kind):
    value, message = BAD[kind]
    bad = GOOD.assign(b=value)
    encoder = PiecewiseLinearEncoder().fit(GOOD)
    for call in (PiecewiseLinearEncoder().fit, encoder.transform):
        with pytest.raises((ValueError, TypeError), match=message):
            call(bad)
    if kind in ("inf", "text", "date"):
        with pytest.raises((ValueError, TypeError), match="Column 'b' of X h"):
            encoder.transform(pl.DataFrame(bad))


def test_an_error_names_the_column_of_an_array():
    for x in ([[1.0, 2.0], [3.0, -np.inf]], np.float32([[1, 2], [3, -np.inf]])):
        with pytest.raises(ValueError, match="Column 1 of X holds -inf, and"):
            PiecewiseLinearEncoder().fit(x)
    with pytest.raises(ValueError, match=r"X has dtype datetime64\[s\].*DateParts"):
        PiecewiseLinearEncoder().fit(np.array([["2024"], ["2025"]], dtype="M8[s]"))
    with pytest.raises(ValueError, match="Column 1 of X holds 'abc'"):
        PiecewiseLinearEncoder().fit(np.array([[1, 2], [3, "abc"]], dtype=object))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_names_of_outputs_are_unique(kind):
    x = pd.DataFrame({"a": [1.0, np.nan] * 20, "a_missing": [1.0, 2] * 20, "a_bin_0": range(40)})
    encoder = PiecewiseLinearEncoder(1).set_output(transform=kind)
    names = ["a", "a_missing", "a_bin_0", "a_missing_bin_0", "a_bin_0_bin_0", "a_missing_"]
    out = encoder.fit_transform(x)
    assert list(out.columns) == encoder.get_feature_names_out().tolist() == names
    assert_array_equal(out["a_missing_"], x["a"].isna())
