"""Validation samples, held out or passed: the best parameters are kept; pipelines pass them on."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X[:700] / 16, y[:700], test_size=0.3, random_state=0)


def test_scores_and_losses_equal_those_of_refits(data):
    X, X_val, y, y_val = data
    w_val = np.random.RandomState(0).uniform(0.1, 2, len(y_val))
    options = {"random_state": 0, "alpha": 0.01, "learning_rate": 0.3, "n_iter_no_change": None}
    monitored = plain_classifier(max_iter=6, **options).fit(
        X, y, X_val=X_val, y_val=y_val, sample_weight_val=w_val
    )
    for epochs in range(1, 7):
        model = plain_classifier(max_iter=epochs, **options).fit(X, y)
        penalty = 0.005 * sum((W**2).sum() for W in model.coefs_)
        loss = log_loss(y_val, model.predict_proba(X_val), sample_weight=w_val) + penalty
        assert_allclose(monitored.validation_loss_curve_[epochs - 1], loss)
        score = model.score(X_val, y_val, sample_weight=w_val)
        assert_allclose(monitored.validation_scores_[epochs - 1], score)


def test_the_best_parameters_are_kept(data):
    X, X_val, y, y_val = data
    model = TwoLayerClassifier(random_state=0, learning_rate=1.0, alpha=1.5, max_iter=30, tol=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    scores = model.validation_scores_
    assert scores[-1] < max(scores)  # otherwise nothing has to be restored
    assert model.score(X_val, y_val) == model.best_validation_score_ == max(scores)


class HeldOut:
    """A scorer that records the held-out samples, and prefers the latest parameters."""

    def __init__(self):
        self.samples, self.n_calls = None, 0

    def __call__(self, estimator, X, y):
        self.samples = X.copy()
        self.n_calls += 1
        return self.n_calls


def fit_and_record(model, X, y):
    """Fit with early stopping; return the model and a mask of the samples that are held out."""
    scorer = HeldOut()
    model.set_params(early_stopping=True, scoring=scorer, max_iter=2).fit(X, y)
    mask = (X[:, np.newaxis] == scorer.samples).all(axis=2).any(axis=1)
    assert mask.sum() == len(scorer.samples)
    return model.set_params(scoring=None), mask


def test_held_out_samples_are_stratified_and_not_trained_on(data):
    X, _, y, _ = data
    options = {"validation_fraction": 0.2, "batch_size": 1, "random_state": 0}
    model, mask = fit_and_record(TwoLayerClassifier(**options), X, y)
    assert mask.sum() == np.ceil(0.2 * len(y))
    assert_allclose(np.bincount(y[mask]), 0.2 * np.bincount(y), atol=1)
    assert model.n_updates_ == 2 * (~mask).sum()  # each other sample is trained on
    other = np.where(mask[:, np.newaxis], 1 - X, X)
    changed, _ = fit_and_record(TwoLayerClassifier(**options), other, y)
    assert_array_equal(changed.coefs_[0], model.coefs_[0])


def test_zero_weights_are_neither_trained_on_nor_held_out(data):
    X, _, y, _ = data
    w = np.random.RandomState(0).randint(0, 2, len(y))
    options = {"early_stopping": True, "max_iter": 3, "random_state": 0}
    weighted = TwoLayerClassifier(**options).fit(X, y, w)
    left_out = TwoLayerClassifier(**options).fit(X[w > 0], y[w > 0], w[w > 0])
    assert_array_equal(weighted.coefs_[0], left_out.coefs_[0])
    assert weighted.validation_scores_ == left_out.validation_scores_


def test_a_warm_start_holds_out_the_same_samples(data):
    X, _, y, _ = data
    model, first = fit_and_record(TwoLayerClassifier(warm_start=True, random_state=0), X, y)
    _, second = fit_and_record(pickle.loads(pickle.dumps(model)), X, y)
    _, other = fit_and_record(TwoLayerClassifier(random_state=1), X, y)
    assert_array_equal(second, first)
    assert not np.array_equal(other, first)


def test_dropout_is_reproducible_and_off_in_validation(data):
    X, X_val, y, y_val = data
    options = {"dropout": 0.5, "max_iter": 3, "random_state": 0}
    first, second = (
        TwoLayerClassifier(**options).fit(X, y, X_val=X_val, y_val=y_val) for _ in range(2)
    )
    assert_array_equal(first.coefs_[0], second.coefs_[0])
    assert first.best_validation_score_ == first.score(X_val, y_val)
    assert_array_equal(first.predict_proba(X_val), first.predict_proba(X_val))
    without = TwoLayerClassifier(max_iter=3, random_state=0).fit(X, y)
    assert not np.array_equal(first.coefs_[0], without.coefs_[0])


def routed_pipeline(**params):
    classifier = TwoLayerClassifier(random_state=0, max_iter=4, **params)
    classifier.set_fit_request(X_val=True, y_val=True, sample_weight=True, sample_weight_val=True)
    steps = [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", classifier)]
    return Pipeline(steps, transform_input=["X_val"])


def test_a_pipeline_preprocesses_the_validation_samples(data):
    X, X_val, y, y_val = data
    weights = {"sample_weight": np.ones(len(y)), "sample_weight_val": np.ones(len(y_val))}
    scaler = StandardScaler().fit(X)
    expected = TwoLayerClassifier(random_state=0, max_iter=4).fit(
        scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val, **weights
    )
    with config_context(enable_metadata_routing=True):
        model = routed_pipeline().fit(X, y, X_val=X_val, y_val=y_val, **weights)
        search = GridSearchCV(routed_pipeline(), {"net__alpha": [1e-4, 1e-2]}, cv=2)
        search.fit(X, y, X_val=X_val, y_val=y_val)
    assert model["net"].validation_scores_ == expected.validation_scores_
    best = search.best_estimator_
    assert best["net"].best_validation_score_ == best.score(X_val, y_val)


def test_sample_weight_reaches_the_network_without_routing(data):
    X, _, y, _ = data
    model = make_pipeline(StandardScaler(), TwoLayerClassifier(max_iter=2, random_state=0))
    w = np.random.RandomState(0).uniform(size=len(y))
    model.fit(X, y, twolayerclassifier__sample_weight=w)
    alone = TwoLayerClassifier(max_iter=2, random_state=0)
    alone.fit(StandardScaler().fit_transform(X), y, sample_weight=w)
    assert_array_equal(model[-1].coefs_[0], alone.coefs_[0])


def test_errors(data):
    X, X_val, y, y_val = data
    model = TwoLayerClassifier()
    with pytest.raises(ValueError, match="X_val is provided, but y_val was not provided"):
        model.fit(X, y, X_val=X_val)
    with pytest.raises(ValueError, match="y_val is provided, but X_val was not provided"):
        model.fit(X, y, y_val=y_val)
    with pytest.raises(ValueError, match="sample_weight_val is provided, but"):
        model.fit(X, y, sample_weight_val=np.ones(len(y_val)))
    with pytest.raises(ValueError, match=r"X has 63 features, but .* expecting 64"):
        model.fit(X, y, X_val=X_val[:, 1:], y_val=y_val)
    with pytest.raises(ValueError, match=r"y has labels \[10\] that are not in classes"):
        model.fit(X, y, X_val=X_val, y_val=y_val + 1)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y, X_val=X_val, y_val=y_val[1:])
    with pytest.raises(ValueError, match="'validation_fraction' parameter"):
        TwoLayerClassifier(early_stopping=True, validation_fraction=1.0).fit(X, y)
