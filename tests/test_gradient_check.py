"""The gradient check accepts right gradients, finds wrong gradients, and leaves out kinks."""

import numpy as np
import pytest
from plain_settings import plain_classifier
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from sk_twolayer import TwoLayerClassifier, network
from sk_twolayer.gradient_check import gradient_check
from sk_twolayer.network.activations import ACTIVATIONS, relu

TOY_X = 10 * np.random.RandomState(1).standard_normal((5, 4))
TOY_Y = [0, 1, 2, 2, 1]


def toy_parameters():
    rng = np.random.RandomState(0)
    W1, W2 = 0.1 * rng.standard_normal((4, 10)), 0.1 * rng.standard_normal((10, 3))
    return {"W1": W1, "b1": np.zeros(10), "W2": W2, "b2": np.zeros(3)}


def test_the_toy_model_is_below_the_published_error():
    errors = gradient_check(toy_parameters(), TOY_X, TOY_Y, alpha=0.1)
    assert list(errors) == ["W1", "b1", "W2", "b2"]
    assert max(errors.values()) < 4e-9


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_gradients_of_fitted_estimators_are_right(n_classes, dtype, activation):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < n_classes].astype(dtype), np.array(["a", "b", "c"])[y[y < n_classes]]
    model = plain_classifier(
        8,
        activation=activation,
        init="he" if activation == "relu" else "glorot",
        alpha=0.1,
        learning_rate=0.05,
        max_updates=20,
        random_state=0,
    ).fit(X, y)
    w = np.random.RandomState(0).uniform(0.5, 2, len(X))
    assert max(gradient_check(model, X, y).values()) < 1e-6
    assert max(gradient_check(model, X, y, w).values()) < 1e-6


def test_the_weight_decay_of_adamw_is_not_part_of_the_loss():
    model = TwoLayerClassifier(10, solver="adamw", alpha=9.0, max_updates=2, random_state=0)
    model.fit(TOY_X, TOY_Y)
    (W1, W2), (b1, b2) = model.coefs_, model.intercepts_
    without = gradient_check({"W1": W1, "b1": b1, "W2": W2, "b2": b2}, TOY_X, TOY_Y, alpha=0.0)
    assert gradient_check(model, TOY_X, TOY_Y) == without


def test_gradients_of_a_label_indicator_are_right():
    X = TOY_X[:3]
    Y = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 1]])
    model = TwoLayerClassifier(hidden_size=8, max_updates=20, random_state=0).fit(X, Y)
    assert max(gradient_check(model, X, Y).values()) < 1e-4  # some entries are nearly 0


def test_a_wrong_derivative_gives_large_errors(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "relu", (relu, lambda a, da: None))
    errors = gradient_check(toy_parameters(), TOY_X, TOY_Y)
    assert min(errors["W1"], errors["b1"]) > 0.1
    assert max(errors["W2"], errors["b2"]) < 4e-9


def test_kinks_are_left_out():
    parameters = toy_parameters()
    parameters["b1"] -= TOY_X[0] @ parameters["W1"]  # sample 0 is at the kink of every unit
    errors = gradient_check(parameters, TOY_X, TOY_Y)
    assert np.isnan(errors["b1"])  # a step of any bias crosses the kink
    assert np.isnan(errors["W1"])
    assert errors["W2"] < 1e-8
    parameters["b1"][:-1] += 0.01  # now only the last unit is at the kink
    assert gradient_check(parameters, TOY_X, TOY_Y)["b1"] < 1e-7


def test_large_models_are_sampled(monkeypatch):
    calls = []
    original = network.TwoLayerNetwork.loss_and_gradients
    monkeypatch.setattr(
        network.TwoLayerNetwork,
        "loss_and_gradients",
        lambda *args: calls.append(1) or original(*args),
    )
    gradient_check(toy_parameters(), TOY_X, TOY_Y, max_coordinates=2)
    assert len(calls) == 1 + 4 * 2 * 2


def test_errors_name_the_shapes_that_do_not_match():
    with pytest.raises(NotFittedError):
        gradient_check(TwoLayerClassifier(), TOY_X, TOY_Y)
    with pytest.raises(ValueError, match=r"X has shape \(5, 3\).* W1 has 4 features"):
        gradient_check(toy_parameters(), TOY_X[:, 1:], TOY_Y)
    with pytest.raises(ValueError, match="y has 4 samples"):
        gradient_check(toy_parameters(), TOY_X, TOY_Y[1:])
