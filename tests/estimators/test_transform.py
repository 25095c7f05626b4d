"""Hidden activations as features: by formula, for samples of any kind, and in a pipeline."""

import tracemalloc

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor

X, y = load_iris(return_X_y=True)

# Activations of z = X W1 + b1.
FORMULAS = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
}


def make(**options):
    return TwoLayerClassifier(**{"hidden_size": 7, "max_iter": 3, "random_state": 0} | options)


def plain_hidden(model, X):
    """Compute the hidden activations in float64, without the package."""
    W1, b1 = model.coefs_[0].astype(float), model.intercepts_[0].astype(float)
    return FORMULAS[model.activation](X.astype(float) @ W1 + b1)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", FORMULAS)
def test_activations_equal_the_formula(activation, dtype, container):
    samples = X.astype(dtype)
    model = make(activation=activation).fit(container(samples), y)
    hidden = model.transform(container(samples))
    assert hidden.dtype == dtype
    assert hidden.shape == (150, 7)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert_allclose(hidden, plain_hidden(model, samples), rtol=tolerance, atol=tolerance)
    scores = hidden @ model.coefs_[1] + model.intercepts_[1]
    assert_allclose(model.decision_function(container(samples)), scores, rtol=tolerance * 10)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_many_samples_are_transformed_in_bounded_memory(container):
    model, samples = make().fit(X, y), container(np.tile(X, (3000, 1)))
    tracemalloc.start()
    hidden = model.transform(samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_allclose(hidden, np.tile(model.transform(X), (3000, 1)), rtol=1e-13, atol=1e-15)
    assert peak < hidden.nbytes + 16e6  # without chunks another 25 MB are needed


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_pending_updates_of_a_stream_are_applied_first(solver):
    rng = np.random.RandomState(0)
    samples = csr_array(rng.rand(60, 40) * (rng.rand(60, 40) < 0.05) + np.eye(60, 40))
    model = make(solver=solver)
    for start in range(0, 60, 20):
        chunk = slice(start, start + 20)
        model.partial_fit(samples[chunk], np.arange(20) % 3, classes=[0, 1, 2])
    hidden = [model.transform(samples), model.transform(samples.toarray())]
    assert "coefs_" not in vars(model)  # the updates are still pending
    for each in hidden:
        assert_allclose(each, plain_hidden(model, samples.toarray()), rtol=1e-12, atol=1e-15)


def test_a_network_in_the_middle_of_a_pipeline():
    model = make_pipeline(StandardScaler(), make(), LogisticRegression()).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    network = make().fit(scaled, y)
    on_top = LogisticRegression().fit(plain_hidden(network, scaled), y)
    assert_allclose(model.predict_proba(X), on_top.predict_proba(network.transform(scaled)))
    search = GridSearchCV(model, {"twolayerclassifier__hidden_size": [2, 5]}, cv=2).fit(X, y)
    assert search.best_estimator_[-1].n_features_in_ in (2, 5)


def test_a_regressor():
    model = TwoLayerRegressor(7, max_iter=3, random_state=0).fit(X[:, :3], X[:, 3])
    hidden = model.transform(X[:, :3])
    assert_allclose(hidden, plain_hidden(model, X[:, :3]), rtol=1e-12, atol=1e-12)
    scores = (hidden @ model.coefs_[1] + model.intercepts_[1]).ravel()
    assert_allclose(model.predict(X[:, :3]), scores * model.y_scale_ + model.y_mean_)
    assert model.get_feature_names_out()[6] == "twolayerregressor6"


def test_fit_transform_is_fit_and_then_transform():
    weights = np.arange(1.0, 151)
    expected = make().fit(X, y, sample_weight=weights).transform(X)
    assert_array_equal(make().fit_transform(X, y, sample_weight=weights), expected)


def test_data_frames_are_returned_on_request():
    frame = pandas.DataFrame(X, columns=list("abcd"), index=np.arange(150)[::-1])
    model = make().set_output(transform="pandas").fit(frame, y)
    hidden = model.transform(frame)
    names = [f"twolayerclassifier{i}" for i in range(7)]
    assert list(hidden.columns) == names == list(model.get_feature_names_out())
    assert list(hidden.index) == list(frame.index)
    assert_allclose(hidden.to_numpy(), plain_hidden(model, X), rtol=1e-12, atol=1e-12)
    assert list(clone(model).fit_transform(frame, y).columns) == names
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        model.get_feature_names_out(list("abce"))


def test_errors():
    with pytest.raises(NotFittedError):
        make().transform(X)
    with pytest.raises(NotFittedError):
        make().get_feature_names_out()
    model = make().fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but TwoLayerClassifier is expecting 4"):
        model.transform(X[:, :3])
    huge = X.copy()
    huge[2] = 1e308 * np.sign(model.coefs_[0][:, 0])
    model.coefs_[0][:] *= 10
    for activation in FORMULAS:
        with pytest.raises(ValueError, match="The hidden activations of sample 2 of X overflow"):
            model.set_params(activation=activation).transform(huge)
