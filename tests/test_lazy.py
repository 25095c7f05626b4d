"""Lazy updates: that they are the dense ones, to rounding, whatever is on, off or in between."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix, random_array
from sklearn.exceptions import ConvergenceWarning

from sk_twolayer import TwoLayerClassifier, lazy

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def texts(n_rows=160, n_features=300, n_classes=3, density=0.02, seed=0, dtype=np.float64):
    """Make counts whose features are the rarer the higher their number, and some never occur."""
    rng = np.random.default_rng(seed)
    rates = density * n_features / np.arange(1, n_features + 1)
    X = (rng.random((n_rows, n_features)) < np.minimum(rates, 0.9)) * rng.integers(
        1, 4, (n_rows, n_features)
    )
    X[:, -20:] = 0
    y = rng.integers(n_classes, size=n_rows)
    X[np.arange(n_rows), y] += 2
    return csr_array(X.astype(dtype)), y


def parameters(model):
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


@settings(max_examples=60, deadline=None)
@given(
    momentum=st.sampled_from([0.0, 0.5, 0.9, 0.99]),
    nesterov=st.booleans(),
    alpha=st.sampled_from([0.0, 1e-4, 0.1, 1.0]),
    learning_rate_decay=st.sampled_from([1.0, 0.9, 0.5]),
    weighted=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4]),
    replacement=st.booleans(),
    batch_size=st.sampled_from([1, 4, 7]),
    n_classes=st.sampled_from([2, 3]),
    activation=st.sampled_from(["relu", "tanh"]),
    seed=st.integers(0, 1000),
)
def test_lazy_and_dense_updates_agree(weighted, n_classes, batch_size, seed, **options):
    X, y = texts(n_rows=40 * batch_size, n_classes=n_classes, seed=seed)
    weights = np.random.default_rng(seed).uniform(0.5, 2, len(y)) if weighted else None
    model = TwoLayerClassifier(
        5,
        learning_rate=0.02,
        batch_size=batch_size,
        max_iter=5,
        n_iter_no_change=None,
        random_state=seed,
        **options,
    )
    model.fit(X, y, weights)
    sparse, losses = parameters(model), model.batch_loss_curve_
    model.fit(X.toarray(), y, weights)
    assert len(losses) == 200
    assert_allclose(sparse, parameters(model), rtol=1e-9, atol=1e-9)
    assert_allclose(losses, model.batch_loss_curve_, rtol=1e-9)
