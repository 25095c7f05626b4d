"""Validation samples are scored in training as the finished estimator would be scored on them."""

import pickle
import warnings
from functools import cache

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from scipy.sparse import csr_array
from sklearn.datasets import make_classification, make_friedman1, make_multilabel_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    get_scorer,
    log_loss,
    make_scorer,
    mean_absolute_error,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV, train_test_split

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.display import LossCurveDisplay

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:scoring=.* scores validation samples"),
]

# A twentieth of the samples belongs to the second class.
X, X_val, y, y_val = train_test_split(
    *make_classification(900, 12, n_informative=5, weights=[0.95], flip_y=0.02, random_state=0),
    test_size=0.4,
    random_state=0,
)
w_val = np.random.RandomState(0).uniform(0.1, 2, len(y_val))

# From labels, predictions, probabilities of the second class and weights.
FORMULAS = {
    "balanced_accuracy": lambda y, labels, p, w: balanced_accuracy_score(
        y, labels, sample_weight=w
    ),
    "neg_log_loss": lambda y, labels, p, w: -log_loss(y, p, sample_weight=w),
    "roc_auc": lambda y, labels, p, w: roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, labels, p, w: average_precision_score(y, p, sample_weight=w),
}


def make(**options):
    defaults = {"max_iter": 8, "learning_rate": 0.3, "n_iter_no_change": None, "random_state": 0}
    return plain_classifier(20, **defaults | options)


def make_for(solver, **options):
    return make(solver=solver, learning_rate=0.3 if solver == "sgd" else 0.05, **options)


@cache
def train_epochs(solver, container, epochs):
    """Train for so many epochs without validation samples."""
    return make_for(solver, max_iter=epochs).fit(container(X), y)


@pytest.mark.parametrize("weights", [None, w_val], ids=["plain", "weighted"])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", ["sgd", "adamw", "lbfgs"])
@pytest.mark.parametrize("scoring", FORMULAS)
def test_scores_equal_the_scores_of_finished_estimators(scoring, solver, container, weights):
    samples = {"X_val": container(X_val), "y_val": y_val, "sample_weight_val": weights}
    model = make_for(solver, scoring=scoring).fit(container(X), y, **samples)
    assert len(model.validation_scores_) == model.n_iter_
    formula, scorer, scores = FORMULAS[scoring], get_scorer(scoring), []
    for epochs in range(1, model.n_iter_ + 1):
        shorter = train_epochs(solver, container, epochs)
        p = shorter.predict_proba(X_val)[:, 1]
        scores.append(formula(y_val, shorter.predict(X_val), p, weights))
    expected = scorer(shorter, X_val, y_val, sample_weight=weights)
    assert_allclose(scores[-1], expected, rtol=1e-10)
    assert_allclose(model.validation_scores_, scores, rtol=1e-7)
    assert len(set(scores)) > 2
    # The parameters with the best score are kept.
    assert model.best_validation_score_ == max(model.validation_scores_)
    kept = scorer(model, X_val, y_val, sample_weight=weights)
    assert_allclose(kept, model.best_validation_score_, rtol=1e-10)


def test_minus_the_loss():
    model = make(scoring="loss", alpha=0.01).fit(X, y, X_val=X_val, y_val=y_val)
    assert model.validation_scores_ == [-loss for loss in model.validation_loss_curve_]
    penalty = 0.005 * sum((W**2).sum() for W in model.coefs_)
    loss = log_loss(y_val, model.predict_proba(X_val)[:, 1]) + penalty
    assert_allclose(model.best_validation_score_, -loss)
    assert model.best_validation_score_ == max(model.validation_scores_)


class WithoutPredictions(TwoLayerClassifier):
    """An estimator that no scorer can use."""

    def predict(self, X):
        raise AssertionError("the network computes its accuracy with the loss")

    decision_function = predict_proba = predict_log_proba = score = predict


def test_the_default_score_is_the_accuracy_and_calls_no_scorer():
    expected = make(scoring="accuracy").fit(X, y, X_val=X_val, y_val=y_val)
    model = WithoutPredictions(**make().get_params()).fit(X, y, X_val=X_val, y_val=y_val)
    assert_allclose(model.validation_scores_, expected.validation_scores_, rtol=1e-12)
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    make(scoring="roc_auc").fit(X, y)  # without validation samples nothing is scored


def test_the_score_decides_when_to_stop():
    options = {"n_iter_no_change": 2, "tol": 0.0, "max_iter": 60}
    model = make(scoring="roc_auc", **options).fit(X, y, X_val=X_val, y_val=y_val)
    scores = model.validation_scores_
    assert model.n_iter_ == len(scores) < 60
    assert max(scores[-2:]) < max(scores[:-2]) == model.best_validation_score_


@pytest.mark.parametrize("class_weight", [None, {1: 9}])
def test_held_out_samples_keep_their_weights_and_class_weights(class_weight):
    given = []

    def scorer(estimator, X, y, sample_weight=None):
        given.append((X, y, sample_weight))
        return estimator.score(X, y, sample_weight)

    options = {"early_stopping": True, "class_weight": class_weight, "max_iter": 2}
    w = np.random.RandomState(1).uniform(0.5, 1, len(y))
    model, default = make(scoring=scorer, **options).fit(X, y, w), make(**options).fit(X, y, w)
    assert_allclose(model.validation_scores_, default.validation_scores_, rtol=1e-12)
    X_out, y_out, w_out = given[0]
    assert len(X_out) == np.ceil(0.1 * len(y))
    number_of = {sample.tobytes(): number for number, sample in enumerate(X)}
    held_out = [number_of[sample.tobytes()] for sample in X_out]
    assert_array_equal(y_out, y[held_out])
    factor = np.where(y[held_out] == 1, 9 if class_weight else 1, 1)
    assert_allclose(w_out, w[held_out] * factor)
    assert given[0][0] is given[1][0]  # the samples are copied once


def test_only_scorers_that_take_weights_get_them():
    samples = {"X_val": X_val, "y_val": y_val, "sample_weight_val": w_val}

    def without(estimator, X, y):
        return estimator.score(X, y)

    def with_all(estimator, X, y, **kwargs):
        return estimator.score(X, y, **kwargs)

    def metric(y_true, y_pred):
        return float((y_true == y_pred).mean())

    weighted = make().fit(X, y, **samples)
    plain = make().fit(X, y, X_val=X_val, y_val=y_val)
    assert weighted.validation_scores_ != plain.validation_scores_
    for scoring, expected in (
        (without, plain),
        (make_scorer(metric), plain),
        (with_all, weighted),
        ("accuracy", weighted),
    ):
        model = make(scoring=scoring).fit(X, y, **samples)
        assert_allclose(model.validation_scores_, expected.validation_scores_, rtol=1e-12)


def test_samples_of_weight_zero_are_not_scored():
    w = np.arange(len(y_val)) % 2
    model = make(scoring=lambda estimator, X, y: -len(y))
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=w)
    assert set(model.validation_scores_) == {-np.count_nonzero(w)}


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_the_scorer_gets_the_parameters_in_training_and_cannot_change_them(container):
    seen = []

    def scorer(estimator, X, y):
        estimator.predict(X)
        assert not hasattr(estimator, "feature_names_in_")
        for array in [*estimator.coefs_, *estimator.intercepts_]:
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 0
        seen.append(estimator.coefs_[0])
        return float(len(seen))

    make(scoring=scorer).fit(container(X), y, X_val=container(X_val), y_val=y_val)
    assert len(seen) == 8
    assert all(np.shares_memory(seen[0], W1) for W1 in seen)


def test_column_names_give_no_warnings():
    frame = pandas.DataFrame(X, columns=[f"column {i}" for i in range(12)])
    model = make(scoring="roc_auc", early_stopping=True, max_iter=2)
    with pytest.warns() as caught:
        model.fit(frame, y)
    assert [warning.category.__name__ for warning in caught] == ["ConvergenceWarning"]
    assert list(model.feature_names_in_) == list(frame.columns)


def test_label_indicators():
    X, Y = make_multilabel_classification(300, random_state=0)
    model = make(scoring="f1_macro", early_stopping=True, learning_rate=0.05).fit(X, Y)
    assert max(model.validation_scores_) > 0.5
    model.fit(X, Y, X_val=X, y_val=Y)
    expected = f1_score(Y, model.predict(X), average="macro")
    assert_allclose(model.best_validation_score_, expected)


def test_a_warm_start_scores_the_parameters_it_starts_with():
    model, samples = make(scoring="roc_auc", warm_start=True), {"X_val": X_val, "y_val": y_val}
    best = model.set_params(momentum=0.0).fit(X, y, **samples).best_validation_score_
    model.set_params(learning_rate=1e-12, max_iter=1).fit(X, y, **samples)
    assert_allclose(model.best_validation_score_, best)
    assert len(model.validation_scores_) == 9


def test_continuous_targets():
    X, y = make_friedman1(400, random_state=0)
    X, X_val, y, y_val = train_test_split(X, 100 * y, random_state=0)
    options = {"hidden_size": 20, "max_iter": 6, "random_state": 0}
    model = TwoLayerRegressor(scoring="neg_mean_absolute_error", **options)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    error = mean_absolute_error(y_val, model.predict(X_val))
    assert_allclose(model.best_validation_score_, -error)
    assert error > 10  # in the units of y
    default = TwoLayerRegressor(**options).fit(X, y, X_val=X_val, y_val=y_val)
    named = TwoLayerRegressor(scoring="r2", **options).fit(X, y, X_val=X_val, y_val=y_val)
    assert_allclose(named.validation_scores_, default.validation_scores_, rtol=1e-10)


def test_in_a_search_and_a_pickle():
    grid = {"scoring": [None, "loss", "roc_auc"]}
    search = GridSearchCV(make(early_stopping=True, max_iter=2), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    model = pickle.loads(pickle.dumps(make(scoring=make_scorer(f1_score, pos_label=0))))
    model.fit(X, y, X_val=X_val, y_val=y_val)
    expected = f1_score(y_val, model.predict(X_val), pos_label=0)
    assert_allclose(model.best_validation_score_, expected)


def test_printed_lines_and_curves_name_the_score(capsys):
    samples = {"X_val": X_val, "y_val": y_val}
    model = make(scoring="roc_auc", verbose=True).fit(X, y, **samples)
    line = capsys.readouterr().out.splitlines()[-1]
    assert "training accuracy" in line
    assert f"validation score {model.validation_scores_[-1]:.4f}" in line
    for scoring, name in (("roc_auc", "roc_auc"), ("loss", "minus the loss")):
        display = LossCurveDisplay.from_estimator(make(scoring=scoring).fit(X, y, **samples))
        assert display.validation_line_.get_label() == f"validation, {name}"
        assert display.axes_[1].get_ylabel() == "score"
    display = LossCurveDisplay.from_estimator(make().fit(X, y, **samples))
    assert display.validation_line_.get_label() == "validation"
    assert display.axes_[1].get_ylabel() == "accuracy"
    display = LossCurveDisplay.from_estimator(make(scoring="roc_auc").fit(X, y))
    assert display.axes_[1].get_ylabel() == "accuracy"


# Errors.


def failing_scorer(estimator, X, y):
    raise KeyError("no such column")


def test_an_exception_of_a_scorer_keeps_its_type_and_gets_a_note():
    samples = {"X_val": X_val, "y_val": y_val}
    for model in (make(scoring=failing_scorer), make(scoring=failing_scorer, early_stopping=True)):
        given = {} if model.early_stopping else samples
        with pytest.raises(KeyError, match="no such column") as caught:
            model.fit(X, y, **given)
        (note,) = caught.value.__notes__
        assert note.startswith("scoring=failing_scorer failed on the validation samples after ")
        assert not hasattr(model, "coefs_")
    with pytest.raises(ValueError, match="pos_label=1 is not a valid label") as caught:
        make(scoring="f1", early_stopping=True).fit(X, np.array(["many", "few"])[y])
    assert caught.value.__notes__[0].startswith("scoring=f1 failed")


def test_scoring_without_validation_samples_warns():
    with pytest.warns(UserWarning, match="scoring='f1' scores validation samples.*early_stopping"):
        make(scoring="f1").fit(X, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "scoring=")
        make(scoring="f1", early_stopping=True).fit(X, y)


def test_a_scorer_cannot_reach_the_fit():
    """It gets an estimator that trains on, and whose arrays it cannot make writeable."""
    n_failed = [0]

    def scorer(model, X, y):
        model.classes_[:] = 7
        model.loss_curve_.clear()
        model.validation_scores_ = model.alpha_ = None
        for array in (*model.coefs_, *model.intercepts_):
            try:
                array.flags.writeable = True
            except ValueError:
                n_failed[0] += 1
        with pytest.raises(ValueError, match="read-only"):
            model.coefs_[0][:] = 0
        model.set_params(early_stopping=False).partial_fit(X, np.full(len(X), 7))
        return 0.5

    def steady(model, X, y):
        return 0.5

    model = make(scoring=scorer, early_stopping=True).fit(X, y)
    assert n_failed[0] == 4 * model.n_iter_
    expected = make(scoring=steady, early_stopping=True).fit(X, y)
    for name in ("classes_", "loss_curve_", "validation_scores_", "alpha_"):
        assert_array_equal(getattr(model, name), getattr(expected, name))
    for mine, other in zip(model.coefs_, expected.coefs_, strict=True):
        assert_array_equal(mine, other)
        assert mine.flags.writeable


def scorer_without_memory(estimator, X, y):
    raise MemoryError("Unable to allocate 64 GiB")


def test_a_memory_error_is_not_blamed_on_the_scorer():
    with pytest.raises(MemoryError, match="64 GiB"):
        make(scoring=scorer_without_memory).fit(X, y, X_val=X_val, y_val=y_val)


@pytest.mark.filterwarnings("ignore:Only one class is present")
def test_scores_must_be_numbers():
    for value in (None, "high", np.array([0.5]), float("nan")):
        with pytest.raises(ValueError, match=r"gave .* must give a number, the larger the better"):
            make(scoring=lambda *args, value=value: value).fit(X, y, X_val=X_val, y_val=y_val)
    one = y_val == 0
    with pytest.raises(ValueError, match=r"scoring=roc_auc (gave nan|failed) .*"):
        make(scoring="roc_auc").fit(X, y, X_val=X_val[one], y_val=y_val[one])


@pytest.mark.parametrize("scoring", ["acuracy", 3, ["accuracy"], {"roc": "roc_auc"}])
def test_scikit_learns_errors_refuse_an_invalid_scorer(scoring):
    for cls in (HistGradientBoostingClassifier, TwoLayerClassifier, TwoLayerRegressor):
        model = cls(scoring=scoring, early_stopping=True)
        with pytest.raises(ValueError, match=r"scoring' parameter|is not a valid scoring value"):
            model.fit(X, y)


def test_a_metric_is_refused_as_a_scorer():
    for model in (make(scoring=f1_score), make(scoring=f1_score, early_stopping=True)):
        with pytest.raises(ValueError, match="looks like it is a metric function"):
            model.fit(X, y)
