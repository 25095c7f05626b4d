"""What scikit-learn asks of its estimators, and the meta-estimators people put around them."""

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Each solver, activation, schedule, initialisation and way to draw rows, but not each with each:
# the code asks about one at a time, but for the early stopping of L-BFGS. Each solver is there
# without dropout, and the classifier's L-BFGS with a smooth activation, so as to pass all checks.
CLASSIFIERS = [
    {
        "solver": "sgd",
        "activation": "tanh",
        "init": "glorot",
        "nesterov": False,
        "learning_rate_schedule": "constant",
        "dropout": 0.0,
    },
    {
        "solver": "adam",
        "activation": "logistic",
        "learning_rate_schedule": "exponential",
        "warmup_fraction": 0.0,
        "class_weight": "balanced",
        "dropout": 0.0,
    },
    {
        "activation": "identity",
        "init": 0.1,
        "alpha": 0.01,
        "learning_rate": 0.01,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "batch_size": 32,
        "n_iter_no_change": 5,
    },
    {"solver": "lbfgs", "activation": "tanh"},
    {"warm_start": True},
    {"solver": "sgd", "replacement": True, "dropout": 0.2},
    # The untrained network of the warm-up is by a ten-millionth the best there in one check.
    {"early_stopping": True, "warmup_fraction": 0.0},
    {"early_stopping": True, "solver": "lbfgs", "init": "he"},
]
# What it does not share with the classifier are its targets and their loss.
REGRESSORS = [
    {"solver": "sgd", "activation": "identity"},
    {"solver": "adam", "activation": "logistic"},
    {"solver": "lbfgs"},
    {"warm_start": True},
    {"early_stopping": True},
]
SETTINGS = [
    TwoLayerClassifier(),
    TwoLayerRegressor(),
    *(TwoLayerClassifier(max_iter=30, **options) for options in CLASSIFIERS),
    *(TwoLayerRegressor(max_iter=30, **options) for options in REGRESSORS),
]


def expected_failures(estimator):
    """What is drawn at random from 15 rows and from 27 is never the same.

    Whether batches, dropped units or rows held out: with such a setting the weighted and
    the repeated rows of these two checks cannot lead to the same numbers. They do with all
    others, whose batches are the whole data there. L-BFGS crosses kinks of relu that tell apart
    how two sums were rounded, on its way down a flat valley.
    """
    drops = estimator.dropout not in ("auto", 0)  # "auto" is with solvers alone that drop none
    rounds = estimator.solver == "lbfgs" and estimator.activation == "relu"
    failures = {}
    if estimator.replacement or drops or rounds or estimator.early_stopping:
        check = "check_sample_weight_equivalence_on_{}_data".format
        reason = "draws, or roundings, differ with the number of rows"
        failures = {check(kind): reason for kind in ("dense", "sparse")}
    if estimator.warm_start:
        reason = "a second fit trains on, with a new plan, and need not predict what the first did"
        failures["check_classifiers_multilabel_representation_invariance"] = reason
        kinds = ("data_not_an_array", "general", "preserve_dtypes")
        failures |= {f"check_transformer_{kind}": reason for kind in kinds}
        failures["check_pipeline_consistency"] = reason
        if estimator.solver == "adamw":
            failures["check_supervised_y_2d"] = reason
    return failures


@parametrize_with_checks(SETTINGS, expected_failed_checks=expected_failures)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def pipeline(**params):
    return make_pipeline(StandardScaler(), TwoLayerClassifier(random_state=0, **params))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search_scores_do_not_depend_on_jobs(iris, backend):
    grid = {"twolayerclassifier__learning_rate": [0.01, 0.1, 1e200]}
    model = pipeline(max_iter=5)
    with pytest.warns(match="fits failed"):
        alone = GridSearchCV(model, grid, cv=3, n_jobs=1).fit(*iris)
    with joblib.parallel_backend(backend), pytest.warns(match="fits failed"):
        together = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(*iris)
    assert np.isnan(alone.cv_results_["mean_test_score"]).tolist() == [False, False, True]
    for key in alone.cv_results_:
        if key.endswith("_test_score"):
            assert_array_equal(alone.cv_results_[key], together.cv_results_[key])


@pytest.mark.parametrize("resource", ["max_iter", "max_updates"])
def test_halving_search_with_epochs_or_updates_as_the_resource(iris, resource):
    search = HalvingGridSearchCV(
        pipeline(),
        {"twolayerclassifier__alpha": [1e-4, 1e-2, 1.0]},
        resource=f"twolayerclassifier__{resource}",
        min_resources=10,
        max_resources=90,
        random_state=0,
    ).fit(*iris)
    assert search.n_resources_ == [10, 30]
    fitted = search.best_estimator_[-1]
    assert (fitted.n_iter_ if resource == "max_iter" else fitted.n_updates_) == 30
    assert search.best_score_ > 0.8


def test_meta_estimators(iris):
    X, y = iris
    model = pipeline(max_iter=30)
    for wrapped in [
        CalibratedClassifierCV(model, cv=3),
        BaggingClassifier(model, n_estimators=3, random_state=0),
        VotingClassifier(
            [("network", model), ("linear", LogisticRegression(max_iter=500))], voting="soft"
        ),
        OneVsRestClassifier(model),
    ]:
        assert wrapped.fit(X, y).score(X, y) > 0.9, wrapped
    predicted = cross_val_predict(model, X, y, cv=3, method="predict_proba", n_jobs=2)
    assert_allclose(predicted.sum(axis=1), 1)
    assert (predicted.argmax(axis=1) == y).mean() > 0.9
    importances = permutation_importance(
        model.fit(X, y), X, y, n_repeats=3, random_state=0
    ).importances_mean
    assert importances[2:].min() > importances[:2].max()  # petals tell irises apart


def test_clone_is_unfitted_and_equal(iris):
    model = TwoLayerClassifier(hidden_size=7, alpha=0.5, random_state=3).fit(*iris)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not hasattr(copied, "coefs_")


def test_defaults_are_good_on_digits():
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(pipeline(), *load_digits(return_X_y=True), cv=folds).mean() >= 0.97


def test_same_seed_same_bits_in_another_process(iris, tmp_path):
    X, y = iris
    model = TwoLayerClassifier(random_state=5, max_iter=3).fit(X, y)
    script = (
        "import joblib, sys; from sklearn.datasets import load_iris;"
        "from sk_twolayer import TwoLayerClassifier;"
        "m = TwoLayerClassifier(random_state=5, max_iter=3).fit(*load_iris(return_X_y=True));"
        "joblib.dump(m.coefs_ + m.intercepts_, sys.argv[1])"
    )
    path = tmp_path / "parameters.joblib"
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", script, path], check=True, env=environment)
    for ours, theirs in zip(model.coefs_ + model.intercepts_, joblib.load(path), strict=True):
        assert_array_equal(ours, theirs)
