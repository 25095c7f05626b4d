"""From labels to targets and back."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from sk_twolayer.data.class_targets import (
    cast_weights,
    check_labels,
    check_same_kind,
    decode,
    encode,
    find_classes,
    weigh_classes,
    weigh_rows,
)


def test_several_classes_become_numbers():
    classes = find_classes(np.array(["c", "a", "b", "a"]))
    assert_array_equal(encode(np.array(["c", "a", "a"]), classes, np.float32), [2, 0, 0])
    assert_array_equal(decode(np.eye(3), classes, "softmax"), ["a", "b", "c"])


def test_two_classes_become_a_column():
    targets = encode(np.array([-1, 1, 1]), np.array([-1, 1]), np.float32)
    assert_array_equal(targets, [[0], [1], [1]])
    assert targets.dtype == np.float32
    scores = np.array([[-0.1], [0.1]])
    assert_array_equal(decode(scores, np.array([-1, 1]), "logistic"), [-1, 1])


@pytest.mark.parametrize("container", [np.array, np.ndarray.tolist, csr_array])
def test_a_label_indicator_stays(container):
    Y = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
    checked = check_labels(container(Y))
    assert_array_equal(checked, Y)
    classes = find_classes(checked)
    assert_array_equal(encode(checked, classes, np.float32), Y)
    assert_array_equal(decode(Y - 0.5, classes, "logistic"), Y)


def test_balanced_weights_are_scikit_learns():
    y = np.array([0, 0, 0, 1, 2, 2])
    weights = weigh_rows(y, np.arange(3), None, "balanced", np.bincount(y))
    assert_allclose(weights, compute_sample_weight("balanced", y))
    Y = np.array([[0, 1], [1, 1], [1, 0], [1, 1]])
    weights = weigh_rows(Y, np.arange(2), np.array([1.0, 2, 1, 1]), "balanced", 0)
    assert_allclose(weights, compute_sample_weight("balanced", Y) * [1, 2, 1, 1])


def test_errors():
    with pytest.raises(ValueError, match=r"class_weight=\{0: 2\} cannot be used with a label"):
        weigh_rows(np.eye(3), np.arange(3), None, {0: 2}, 0)
    with pytest.raises(ValueError, match="y has 2 label columns, but there are 3"):
        check_same_kind(np.zeros((4, 2)), np.arange(3), indicator=True)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        check_labels(np.array([[1, 2], [3, 4], [5, 6]]))


def test_the_weights_of_classes_are_scikit_learns():
    classes = np.array(["a", "b", "c"])
    counts = np.array([3.0, 1.5, 2.0])
    expected = compute_class_weight("balanced", classes=classes, y=classes, sample_weight=counts)
    assert_allclose(weigh_classes("balanced", classes, counts), expected)
    for given in ({"a": 2.0}, {"a": 2, "b": 0, "c": 0.5}, {}):
        expected = compute_class_weight(given, classes=classes, y=classes)
        assert_array_equal(weigh_classes(given, classes, counts), expected)
    for labels in (np.array([0, 1]), np.array([0.0, 1.0]), np.array([False, True])):
        assert_array_equal(weigh_classes({1: 3.0}, labels, counts[:2]), [1, 3])
    # Of a class that has not occurred yet nothing is known.
    assert_array_equal(weigh_classes("balanced", classes, np.array([2.0, 2.0, 0])), [1, 1, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_divided_by_powers_of_two_where_they_must(dtype):
    weights = np.array([0.1, 0.7, 3.3, 0.0])
    assert_array_equal(cast_weights(weights, dtype), weights.astype(dtype))
    for exponent in (-1000, 1000):
        cast = cast_weights(np.ldexp(weights, exponent), dtype)
        assert_array_equal(cast / cast[2], weights.astype(dtype) / weights.astype(dtype)[2])
        assert 0.5 <= cast.max() < 1
        assert cast.dtype == dtype
