"""Labels become targets, predictions become labels, and weights follow scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from scipy.sparse import csr_array
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.RandomState(0)
X, y = rng.standard_normal((60, 4)), np.arange(60) % 3
indicator = (rng.uniform(size=(60, 3)) < [0.3, 0.5, 0.7]).astype(int)
w = rng.uniform(0.5, 2, 60)


def make(**options):
    return plain_classifier(5, **{"max_iter": 3, "random_state": 0} | options)


def assert_same_parameters(model, other, rtol=0.0):
    arrays = [*other.coefs_, *other.intercepts_]
    for found, expected in zip([*model.coefs_, *model.intercepts_], arrays, strict=True):
        assert_allclose(found, expected, rtol=rtol, atol=0)


def test_the_label_of_the_largest_score_is_predicted():
    labels = np.array(["c", "a", "b"])
    model = make().fit(X, labels[y])
    assert_array_equal(model.classes_, ["a", "b", "c"])
    scores = model.decision_function(X)
    assert scores.shape == (60, 3)
    assert_array_equal(model.predict(X), model.classes_[scores.argmax(axis=1)])
    assert_same_parameters(model, make().fit(X, np.array([2, 0, 1])[y]))


def test_two_classes_have_one_score():
    model = make().fit(X, np.array([-1, 1])[y % 2])
    assert model.coefs_[1].shape == (5, 1)
    scores = model.decision_function(X)
    assert_array_equal(model.predict(X), np.where(scores > 0, 1, -1))
    assert_same_parameters(model, make().fit(X, y % 2))


@pytest.mark.parametrize("container", [np.array, np.ndarray.tolist, csr_array])
def test_each_column_of_a_label_indicator_has_a_score(container):
    model = make().fit(X, container(indicator))
    assert_array_equal(model.classes_, [0, 1, 2])
    assert model.out_activation_ == "logistic"
    assert_array_equal(model.predict(X), model.decision_function(X) > 0)
    assert_same_parameters(model, make().fit(X, indicator))


def test_balanced_weights_equal_scikit_learns():
    unequal = np.minimum(np.arange(60) % 6, 2)
    model = make(class_weight="balanced").fit(X, unequal)
    by_sample = make().fit(X, unequal, compute_sample_weight("balanced", unequal))
    assert_same_parameters(model, by_sample, rtol=1e-10)
    model = make(class_weight="balanced").fit(X, indicator, w)
    by_sample = make().fit(X, indicator, w * compute_sample_weight("balanced", indicator))
    assert_same_parameters(model, by_sample, rtol=1e-10)


@pytest.mark.parametrize(
    ("labels", "class_weight"),
    [
        (np.array(["a", "b", "c"]), {"a": 2.0}),
        (np.array(["a", "b", "c"]), {"a": 2, "b": 0, "c": 0.5}),
        (np.array(["a", "b", "c"]), {}),
        (np.array([0, 1]), {1: 3.0}),
        (np.array([0.0, 1.0]), {1: 3.0}),
        (np.array([False, True]), {1: 3.0}),
    ],
    ids=str,
)
def test_class_weights_equal_scikit_learns(labels, class_weight):
    numbers = y % len(labels)
    weights = compute_class_weight(class_weight, classes=labels, y=labels[numbers])
    model = make(class_weight=class_weight).fit(X, labels[numbers])
    assert_same_parameters(model, make().fit(X, numbers, weights[numbers]), rtol=1e-10)


@pytest.mark.filterwarnings("error::RuntimeWarning")  # as of a division by their weight, zero
def test_balanced_weights_of_a_stream_ignore_classes_that_have_not_occurred():
    first = y < 2
    counts = np.bincount(y[first], w[first])
    weights = w[first] * (counts.sum() / (2 * counts))[y[first]]
    model = make(class_weight="balanced").partial_fit(X[first], y[first], [0, 1, 2], w[first])
    by_sample = make().partial_fit(X[first], y[first], [0, 1, 2], weights)
    assert_same_parameters(model, by_sample, rtol=1e-10)


def test_errors():
    with pytest.raises(ValueError, match=r"class_weight=\{0: 2\} cannot be used with a label"):
        make(class_weight={0: 2}).fit(X, indicator)
    model = make().partial_fit(X, indicator, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="y has 2 label columns, but there are 3"):
        model.partial_fit(X, indicator[:, :2])
    with pytest.raises(ValueError, match="y should be a 1d array"):
        make().fit(X[:3], np.array([[1, 2], [3, 4], [5, 6]]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [-1000, 1000])
def test_a_power_of_two_times_the_weights_changes_nothing(dtype, exponent):
    plain = make().fit(X.astype(dtype), y, w)
    scaled = make().fit(X.astype(dtype), y, np.ldexp(w, exponent))
    assert_same_parameters(scaled, plain)
    assert scaled.batch_loss_curve_ == plain.batch_loss_curve_
