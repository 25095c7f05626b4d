"""The classifier has the updates, the minima and the behaviour of scikit-learn's MLPClassifier.

MLPClassifier divides `alpha` by the number or the total weight of the samples. TwoLayerClassifier
does not.
"""

import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from scipy.sparse import csr_array, csr_matrix
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_multilabel_classification,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sk_twolayer import TwoLayerClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
X_iris, y_iris = load_iris(return_X_y=True)


def digits(n_class):
    X, y = load_digits(n_class=n_class, return_X_y=True)
    return MinMaxScaler().fit_transform(X[:200]), y[:200]


# Updates and minima.


@pytest.mark.parametrize("kind", ["two classes", "three classes", "label indicator"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("solver", "options"),
    [
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("sgd", {"momentum": 0.7, "nesterov": False}),
        ("adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-7}),
    ],
)
def test_full_batch_epochs_match_mlpclassifier(kind, activation, solver, options):
    n, alpha = 60, 0.5
    if kind == "label indicator":
        X, y = make_multilabel_classification(n, 6, n_classes=3, random_state=0)
        X = StandardScaler().fit_transform(X)
    else:
        n_classes = 2 if kind == "two classes" else 3
        X, y = make_classification(n, 8, n_informative=5, n_classes=n_classes, random_state=0)
    classes = np.arange(3) if y.ndim == 2 else np.unique(y)
    w = np.random.RandomState(0).uniform(0.5, 2, n)
    common = {"activation": activation, "solver": solver, "batch_size": n, "random_state": 0}
    peer_options = {k.replace("nesterov", "nesterovs_momentum"): v for k, v in options.items()}
    peer = MLPClassifier(9, alpha=alpha, learning_rate_init=0.01, **common, **peer_options)
    ours = plain_classifier(9, alpha=alpha / w.sum(), learning_rate=0.01, **common, **options)
    peer.partial_fit(X, y, classes=classes, sample_weight=w)
    ours.partial_fit(X, y, classes=classes, sample_weight=w)

    del peer._optimizer  # both start again from the same weights
    ours._training_state = None
    ours.coefs_ = [W.copy() for W in peer.coefs_]
    ours.intercepts_ = [b.copy() for b in peer.intercepts_]
    for _ in range(5):
        peer.partial_fit(X, y, sample_weight=w)
        ours.partial_fit(X, y, sample_weight=w)
    for a, b in zip(ours.coefs_ + ours.intercepts_, peer.coefs_ + peer.intercepts_, strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-10)
    assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=1e-10)
    assert_array_equal(ours.predict(X), peer.predict(X))
    assert ours.out_activation_ == peer.out_activation_


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_digits])
def test_lbfgs_reaches_a_loss_as_low_as_mlpclassifier(load):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    peer = MLPClassifier(solver="lbfgs", random_state=0).fit(X, y)
    alpha = peer.alpha / len(X)
    ours = plain_classifier(solver="lbfgs", alpha=alpha, random_state=0).fit(X, y)
    assert ours.loss_ <= peer.loss_


# Tests after scikit-learn's own tests of MLPClassifier.


def test_a_larger_alpha_gives_smaller_weights():
    X, y = digits(2)
    sums = []
    for alpha in (0, 0.01):
        model = plain_classifier(10, alpha=alpha, random_state=1).fit(X[:100], y[:100])
        sums.append([np.abs(W).sum() for W in model.coefs_])
    assert sums[0][0] > sums[1][0]
    assert sums[0][1] > sums[1][1]


def test_an_update_equals_a_computation_by_hand():
    X, y = np.array([[0.6, 0.8, 0.7]]), [0]
    model = plain_classifier(
        2, activation="logistic", alpha=0.1, learning_rate=0.1, momentum=0, nesterov=False
    )
    model.partial_fit(X, y, classes=[0, 1])
    model.coefs_ = [np.array([[0.1, 0.2], [0.3, 0.1], [0.5, 0]]), np.array([[0.1], [0.2]])]
    model.intercepts_ = [np.array([0.1, 0.1]), np.array([1.0])]
    model.partial_fit(X, y)
    # h = (0.67918, 0.57444), o = 0.76543, so d2 = 0.76543, d1 = (0.01667, 0.03742).
    expected_W1 = [[0.098, 0.195756], [0.2956664, 0.096008], [0.4939998, -0.002244]]
    assert_allclose(model.coefs_[0], expected_W1, atol=1e-3)
    assert_allclose(model.coefs_[1], [[0.04706], [0.154089]], atol=1e-3)
    assert_allclose(model.intercepts_[0], [0.098333, 0.09626], atol=1e-3)
    assert_allclose(model.intercepts_[1], 0.9235, atol=1e-3)
    assert_allclose(model.predict_proba(X)[0, 1], 0.739, atol=1e-3)


@pytest.mark.parametrize("n_class", [2, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_lbfgs_classifies_digits(n_class, activation):
    X, y = digits(n_class)
    model = plain_classifier(
        50, solver="lbfgs", max_iter=150, random_state=1, activation=activation
    ).fit(X[:150], y[:150])
    assert model.score(X[:150], y[:150]) > 0.95
    assert model.predict(X[150:]).dtype.kind == y.dtype.kind


def test_a_label_indicator_is_learned():
    X, Y = make_multilabel_classification(n_samples=50, random_state=0)
    full = plain_classifier(
        50, solver="lbfgs", alpha=1e-7, max_iter=150, random_state=0, activation="logistic"
    )
    assert full.fit(X, Y).score(X, Y) > 0.97
    stream = plain_classifier(
        50, solver="sgd", random_state=0, activation="logistic", alpha=1e-7, learning_rate=0.2
    )
    for _ in range(100):
        stream.partial_fit(X, Y, classes=[0, 1, 2, 3, 4])
    assert stream.score(X, Y) > 0.9
    assert plain_classifier(early_stopping=True).fit(X, Y).predict(X).shape == Y.shape


def test_probabilities_of_a_label_indicator_are_independent_sigmoids():
    X, Y = make_multilabel_classification(n_samples=50, random_state=0)
    model = plain_classifier(30, solver="lbfgs", alpha=1e-6, random_state=0).fit(X, Y)
    p = model.predict_proba(X)
    assert p.shape == Y.shape
    assert_array_equal(p > 0.5, Y)
    assert_array_equal(model.predict(X), Y)
    assert np.abs(p.sum(axis=1) - 1).max() > 0.1  # they need not sum to 1
    assert_allclose(model.predict_log_proba(X), np.log(p))
    assert_allclose(p, 1 / (1 + np.exp(-model.decision_function(X))), atol=1e-12)
    assert_array_equal(model.classes_, np.arange(5))


def test_calls_of_partial_fit_learn_what_fit_learns():
    for n_class in (2, 3):
        X, y = digits(n_class)
        options = {"random_state": 1, "alpha": 1e-7, "learning_rate": 0.2}
        whole = plain_classifier(max_iter=100, tol=0, **options).fit(X, y)
        parts = plain_classifier(**options)
        for _ in range(100):
            parts.partial_fit(X, y, classes=np.unique(y))
        assert_array_equal(whole.predict(X), parts.predict(X))
        assert parts.score(X, y) > 0.95


def test_partial_fit_learns_a_class_that_the_first_chunk_lacks():
    model = TwoLayerClassifier(random_state=0)
    model.partial_fit([[1], [2], [3]], ["a", "b", "c"], classes=["a", "b", "c", "d"])
    model.partial_fit([[4]], ["d"])
    assert model.score([[1], [2], [3], [4]], ["a", "b", "c", "d"]) > 0


def test_partial_fit_is_not_available_with_lbfgs_or_early_stopping():
    assert not hasattr(TwoLayerClassifier(solver="lbfgs"), "partial_fit")
    model = TwoLayerClassifier(early_stopping=True, random_state=0).fit(X_iris, y_iris)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'") as caught:
        model.partial_fit(X_iris, y_iris)
    assert str(caught.value.__cause__).startswith("partial_fit does not support early_stopping")


def test_binary_classification_has_two_probabilities():
    X, y = digits(2)
    X, y = X[:50], y[:50]
    model = TwoLayerClassifier(5, activation="logistic", random_state=1).fit(X, y)
    p = model.predict_proba(X)
    assert p.shape == (50, 2)
    assert_allclose(model.predict_log_proba(X), np.log(p))
    assert roc_auc_score(y, p[:, 1]) == 1.0


@pytest.mark.parametrize("container", [csr_array, csr_matrix])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
def test_sparse_and_dense_samples_give_the_same_model(container, solver):
    X, y = digits(3)
    options = {"solver": solver, "random_state": 1, "max_iter": 20}
    dense = plain_classifier(15, **options).fit(X, y)
    sparse = plain_classifier(15, **options).fit(container(X), y)
    assert_allclose(dense.coefs_[0], sparse.coefs_[0], rtol=1e-6, atol=1e-9)
    assert_allclose(dense.coefs_[1], sparse.coefs_[1], rtol=1e-6, atol=1e-9)
    for method in ("predict", "predict_proba", "decision_function"):
        predict = getattr(dense, method)
        assert_allclose(predict(X), predict(container(X)), rtol=1e-10)
    if solver != "lbfgs":
        dense.partial_fit(X[:50], y[:50])
        sparse.partial_fit(container(X[:50]), y[:50])
        assert_allclose(dense.coefs_[0], sparse.coefs_[0], rtol=1e-6, atol=1e-9)


def test_early_stopping_keeps_the_best_validation_score():
    X, y = digits(2)
    tol = 0.2
    model = plain_classifier(tol=tol, max_iter=3000, early_stopping=True).fit(X[:100], y[:100])
    assert model.n_iter_ < 3000
    assert model.best_loss_ is None
    scores = model.validation_scores_
    assert isinstance(scores, list)
    assert len(scores) == model.n_iter_
    assert max(scores) == model.best_validation_score_
    assert model.best_validation_score_ + tol > max(scores[-2:])

    model = plain_classifier(tol=tol, max_iter=3000).fit(X[:100], y[:100])
    assert model.validation_scores_ is None
    assert model.best_validation_score_ is None
    assert model.best_loss_ is not None


def test_early_stopping_refuses_a_class_with_one_member():
    with pytest.raises(ValueError, match="The least populated classes in y have only 1 member"):
        TwoLayerClassifier(early_stopping=True).fit([[1, 2], [2, 3], [3, 4], [4, 5]], [0, 0, 0, 1])


def test_early_stopping_scores_string_labels():
    X, y = make_classification(200, 10, n_informative=5, n_classes=3, random_state=42)
    y = np.array(["class_a", "class_b", "class_c"], dtype=object)[y]
    model = TwoLayerClassifier(early_stopping=True, max_iter=50, random_state=42).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    assert np.isfinite(model.validation_scores_).all()


def test_unit_weights_do_not_change_early_stopping():
    options = {"solver": "adam", "early_stopping": True, "batch_size": 10, "random_state": 42}
    weighted = plain_classifier(10, **options).fit(X_iris, y_iris, np.ones(150))
    plain = plain_classifier(10, **options).fit(X_iris, y_iris)
    assert_allclose(weighted.predict_proba(X_iris), plain.predict_proba(X_iris))


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
def test_warm_start_counts_epochs_of_each_call(solver):
    model = plain_classifier(
        solver=solver, warm_start=True, max_iter=3, n_iter_no_change=None, random_state=0
    )
    for max_iter, length in [(3, 3), (3, 6), (5, 11)]:
        model.set_params(max_iter=max_iter)
        with pytest.warns(ConvergenceWarning, match=f"max_iter={max_iter}"):
            model.fit(X_iris, y_iris)
        assert model.n_iter_ == max_iter
        assert len(model.loss_curve_) == length


def test_warm_start_extends_the_validation_scores():
    model = TwoLayerClassifier(max_iter=10, random_state=0, warm_start=True, early_stopping=True)
    model.fit(X_iris, y_iris)
    n_scores = len(model.validation_scores_)
    model.set_params(max_iter=20).fit(X_iris, y_iris)
    assert len(model.validation_scores_) > n_scores


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_warm_start_refuses_other_classes(solver):
    labels = {
        "same": np.repeat([0, 1, 2], [40, 40, 70]),
        "two": np.repeat([0, 1], 75),
        "others": np.repeat([0, 1, 3], 50),
        "four": np.repeat([0, 1, 2, 3], [37, 37, 38, 38]),
    }
    model = plain_classifier(2, solver=solver, warm_start=True, random_state=42, tol=1e-2)
    model.fit(X_iris, y_iris).fit(X_iris, labels.pop("same"))
    for y in labels.values():
        with pytest.raises(ValueError, match=r"has the same classes as in the previous call"):
            model.fit(X_iris, y)


def test_tol_and_n_iter_no_change_stop_training():
    X, y = digits(2)
    for patience in (2, 5, 10, 50):
        model = plain_classifier(tol=0.01, max_iter=3000, n_iter_no_change=patience)
        model.fit(X[:100], y[:100])
        assert patience < model.n_iter_ < 3000
    model = plain_classifier(tol=1e9, max_iter=300, n_iter_no_change=None)
    assert model.fit(X[:100], y[:100]).n_iter_ == 300


def test_verbose_prints_the_epochs_of_fit_and_partial_fit(capsys):
    model = TwoLayerClassifier(2, max_iter=2, verbose=10).fit([[3, 2], [1, 6]], [1, 0])
    model.partial_fit([[3, 2], [1, 6]], [1, 0])
    assert capsys.readouterr().out.count("epoch") == 3


def test_float32_and_float64_agree():
    X, y = load_digits(n_class=3, return_X_y=True)
    options = {"hidden_size": 5, "alpha": 1e-7, "random_state": 1, "max_iter": 50}
    options |= {"learning_rate": 0.001}
    in_64 = plain_classifier(**options).fit(X[:300], y[:300])
    in_32 = plain_classifier(**options).fit(X[:300].astype(np.float32), y[:300])
    assert_array_equal(in_64.predict(X[300:]), in_32.predict(X[300:].astype(np.float32)))
    assert_allclose(in_64.predict_proba(X[300:]), in_32.predict_proba(X[300:]), atol=1e-2)


def test_a_memory_mapped_model_continues_training(tmp_path):
    model = TwoLayerClassifier(42, random_state=42).fit([[2.0], [-2.0]], [0, 1])
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    for _ in range(1000):
        loaded.partial_fit([[2.0], [-2.0]], [1, 0])
    assert_array_equal(loaded.predict([[2.0], [-2.0]]), [1, 0])


def test_training_that_diverges_raises():
    X = np.finfo(np.float64).max * np.random.RandomState(0).uniform(size=(10, 2))
    for solver in ("sgd", "adam", "adamw", "lbfgs"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ValueError, match=r"diverged .*StandardScaler"):
                plain_classifier(solver=solver, random_state=0).fit(X, [0, 1] * 5)
