"""Types of the inputs of a graph, from data frames of every kind."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from onnxruntime import InferenceSession
from sklearn.model_selection import GridSearchCV

from sk_twolayer import TwoLayerRegressor
from sk_twolayer.onnx import to_onnx
from sk_twolayer.preprocessing import TextLevels, tabular_pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 40
RNG = np.random.default_rng(0)
COUNT = RNG.integers(0, 50, N).astype(float)
COUNT[::7] = np.nan
COLOUR = np.array([None, "red", "blue", "grün"], dtype=object)[np.arange(N) % 4]
TRUTH = np.arange(N) % 3 == 0
Y = RNG.normal(size=N)
PLAIN = pd.DataFrame({"count": COUNT, "colour": COLOUR, "truth": TRUTH})
FRAMES = {
    "plain": PLAIN,
    "nullable": PLAIN.astype({"count": "Int64", "colour": "string", "truth": "boolean"}),
    "arrow": PLAIN.astype(
        {"count": "int64[pyarrow]", "colour": "string[pyarrow]", "truth": "bool[pyarrow]"}
    ),
    "float32": PLAIN.astype({"count": np.float32}),
    "categorical": PLAIN.astype({"colour": "category"}),
    "object": PLAIN.astype(object),
    "polars": pl.DataFrame({"count": COUNT, "colour": COLOUR.tolist(), "truth": TRUTH}),
}


def feed(session):
    """Return the samples as arrays of the types that the inputs of a graph have."""
    types = {"tensor(double)": np.float64, "tensor(float)": np.float32}
    return {
        x.name: TextLevels().fit_transform(PLAIN[[x.name]])
        if x.type == "tensor(string)"
        else PLAIN[[x.name]].to_numpy(types[x.type])
        for x in session.get_inputs()
    }


@pytest.mark.parametrize("n_samples", [1, N])  # the first sample is missing both
@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_of_any_library_gives_the_types_of_the_inputs(name, n_samples):
    X = FRAMES[name]
    model = tabular_pipeline(TwoLayerRegressor(9, max_iter=5, random_state=0)).fit(X, Y)
    graph = to_onnx(model, X[:n_samples])
    session = InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    types = {x.name: x.type for x in session.get_inputs()}
    number = "tensor(float)" if name == "float32" else "tensor(double)"
    assert types == {"count": number, "colour": "tensor(string)", "truth": "tensor(double)"}
    [predictions] = session.run(None, feed(session))
    assert_allclose(predictions.ravel(), model.predict(X), atol=1e-5)


def test_the_inputs_are_the_columns_of_fit_in_their_order():
    search = GridSearchCV(
        tabular_pipeline(TwoLayerRegressor(9, max_iter=5, random_state=0)),
        {"network__alpha": [0.1]},
        cv=2,
    ).fit(PLAIN.assign(empty=None), Y)
    samples = PLAIN.assign(empty=None, more=1)[["more", "empty", "truth", "colour", "count"]]
    graph = to_onnx(search, samples[:1])
    assert [x.name for x in graph.graph.input] == ["count", "colour", "truth", "empty"]
    with pytest.raises(ValueError, match="X lacks the column 'colour'"):
        to_onnx(search, samples.drop(columns="colour"))


def test_options_and_arrays_are_those_of_skl2onnx():
    x = RNG.normal(size=(N, 2)).astype(np.float32)
    model = TwoLayerRegressor(9, max_iter=5, random_state=0).fit(x, Y)
    graph = to_onnx(model, x[:1], options={"transform": True})
    [a1] = InferenceSession(graph.SerializeToString()).run(None, {"X": x})
    assert_allclose(a1, model.transform(x), atol=1e-5)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_dates_are_refused_by_name(frame):
    X = frame(PLAIN[["truth"]].assign(sold=pd.date_range("2024", periods=N)))
    model = tabular_pipeline(TwoLayerRegressor(9, max_iter=5, random_state=0)).fit(X, Y)
    with pytest.raises(NotImplementedError, match="Column 'sold' holds dates, and ONNX has no dat"):
        to_onnx(model, X[:1])
