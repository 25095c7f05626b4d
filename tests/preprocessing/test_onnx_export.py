"""Pipelines from tables to networks in onnxruntime."""

import numpy as np
import onnx
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import sk_twolayer.onnx  # noqa: F401 - registers the converters
from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.preprocessing import PiecewiseLinearEncoder, tabular_pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 200
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "count": RNG.integers(0, 50, N),
        "size": RNG.normal(size=N) * 1e3,
        "small": RNG.normal(size=N).astype(np.float32),
        "colour": RNG.choice(["red", "grün", "blue"], N),
        "rare": [*["once", "again"], *RNG.choice(["a", "b"], N - 2)],
        "truth": RNG.integers(0, 2, N).astype(bool),
    }
)
X.loc[7:20, "size"] = np.nan
Y = RNG.integers(0, 3, N)
NETWORKS = {
    "classifier": TwoLayerClassifier(9, max_iter=5, random_state=0),
    "regressor": TwoLayerRegressor(9, max_iter=5, random_state=0),
}


def run(model, X, types=None, **options):
    graph = to_onnx(model, None if types else X[:1], initial_types=types, options=options or None)
    onnx.checker.check_model(graph, full_check=True)
    session = InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    if isinstance(X, pd.DataFrame):
        X = {name: X[[name]].to_numpy(object if X[name].dtype.kind == "O" else None) for name in X}
    else:
        X = {"X": X}
    return session.run(None, X)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "columns",
    [list(X), ["size"], ["count", "size"], ["colour"], ["rare", "colour"], ["small", "colour"]],
)
def test_pipelines_of_frames(name, columns):
    frame = X[columns]
    model = tabular_pipeline(NETWORKS[name]).fit(frame, Y)
    new = frame.copy()
    for column in {"colour", "rare"} & set(columns):
        new.loc[3, column] = "unknown"
    if name == "regressor":
        [predictions] = run(model, new)
        assert_allclose(predictions.ravel(), model.predict(new), rtol=0, atol=1e-5)
    else:
        labels, p = run(model, new, zipmap=False)
        assert_array_equal(labels, model.predict(new))
        assert_allclose(p, model.predict_proba(new), rtol=0, atol=1e-6)


def test_missing_text_is_the_text_missing():
    frame = X[["colour"]].copy()
    frame.loc[::5, "colour"] = None
    model = tabular_pipeline(NETWORKS["regressor"]).fit(frame, Y)
    [predictions] = run(
        model, frame.fillna("missing"), types=[("colour", StringTensorType([None, 1]))]
    )
    assert_allclose(predictions.ravel(), model.predict(frame), atol=1e-5)


def test_categories_that_are_integers():
    frame = pd.DataFrame({"code": pd.Categorical(X["count"])})
    model = tabular_pipeline(NETWORKS["regressor"]).fit(frame, Y)
    types = [("code", Int64TensorType([None, 1]))]
    [predictions] = run(model, frame.astype(int), types=types)
    assert_allclose(predictions.ravel(), model.predict(frame), atol=1e-5)


def test_categories_that_are_floats_are_refused():
    frame = pd.DataFrame({"code": pd.Categorical(X["count"])})
    model = tabular_pipeline(NETWORKS["regressor"]).fit(frame, Y)
    with pytest.raises(NotImplementedError, match="must be text or integers in ONNX, got Double"):
        to_onnx(model, initial_types=[("code", DoubleTensorType([None, 1]))])


def test_dates_are_refused():
    dates = pd.date_range("2020", periods=N)
    frame = pd.DataFrame({"size": X["size"], "sold": dates, "made": dates})
    model = tabular_pipeline(NETWORKS["regressor"]).fit(frame, Y)
    types = [(name, Int64TensorType([None, 1])) for name in frame]
    with pytest.raises(
        NotImplementedError, match=r"\['sold', 'made'\] hold dates, and ONNX has no"
    ):
        to_onnx(model, initial_types=types)


@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
@pytest.mark.parametrize("given", [np.float32, np.float64, np.int64])
def test_the_encoder_alone(given, dtype):
    x = (1e6 + 1e3 * RNG.normal(size=(N, 3))).astype(given)
    x[:, 2] = 7  # constant
    if given != np.int64:
        x[::9, 1] = np.nan
    encoder = PiecewiseLinearEncoder(dtype=dtype).fit(x)
    extremes = np.full((2, 3), [[-1], [1]]) * 10**9
    new = np.concatenate([x, extremes.astype(given)])
    [encoded] = run(encoder, new)
    expected = encoder.transform(new)
    assert encoded.dtype == expected.dtype
    assert_allclose(encoded, expected, rtol=0, atol=1e-6 if encoded.dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("n_bins", [0, 3])
def test_an_encoder_without_bins_or_missing_values(n_bins):
    x = RNG.normal(size=(N, 2))
    encoder = PiecewiseLinearEncoder(n_bins).fit(x)
    assert_allclose(run(encoder, x)[0], encoder.transform(x), atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"handle_unknown": "infrequent_if_exist", "min_frequency": 2},
        {"handle_unknown": "infrequent_if_exist"},
        {"handle_unknown": "ignore", "max_categories": 2},
        {"handle_unknown": "ignore"},
    ],
)
def test_one_hot_encoders_of_scikit_learn(options):
    encoder = OneHotEncoder(sparse_output=False, dtype=np.float32, **options)
    frame = X[["colour", "rare"]]
    encoder.fit(frame)
    new = frame.copy()
    new.loc[3] = "unknown"
    [encoded] = run(encoder, new)
    assert_array_equal(encoded, encoder.transform(new))


def test_one_hot_encoders_of_numbers_are_skl2onnxs_own():
    model = make_pipeline(OneHotEncoder(sparse_output=False, handle_unknown="ignore"))
    x = X[["count"]].to_numpy()
    assert_array_equal(run(model.fit(x), x)[0], model.transform(x))
