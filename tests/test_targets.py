"""From labels to targets and back."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.utils.class_weight import compute_sample_weight

from sk_twolayer.targets import check_labels, decode, encode, find_classes, weigh_rows


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
        encode(np.zeros((4, 2)), np.arange(3), float)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        check_labels(np.array([[1, 2], [3, 4], [5, 6]]))
