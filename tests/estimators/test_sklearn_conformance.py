"""scikit-learn's checks of estimators, and its meta-estimators around ours."""

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

# Each solver, activation, schedule, initialization and way to draw samples occurs, but not in every
# combination: the code asks for one at a time, except for early stopping with L-BFGS. Each solver
# occurs without dropout, and L-BFGS with a smooth activation, so that each passes all checks.
CLASSIFIERS = [
    {
        "solver": "sgd",
        "activation": "logistic",
        "init": "glorot",
        "nesterov": False,
        "learning_rate_schedule": "constant",
        "dropout": 0.0,
    },
    {
        "solver": "adam",
        "activation": "identity",
        "init": 0.1,
        "alpha": 0.01,
        "learning_rate": 0.01,
        "learning_rate_schedule": "exponential",
        "warmup_fraction": 0.0,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "class_weight": "balanced",
        "batch_size": 32,
        "dropout": 0.0,
        "n_iter_no_change": 5,
    },
    {"solver": "lbfgs", "activation": "tanh"},
    {"warm_start": True},
    # One check compares predictions, and there the untrained network would score best.
    {"early_stopping": True, "replacement": True, "dropout": 0.2, "warmup_fraction": 0.0},
    {"early_stopping": True, "solver": "lbfgs", "init": "he"},
]
# A regressor differs from a classifier in its targets and their losses alone.
REGRESSORS = [
    {"solver": "sgd", "activation": "identity", "early_stopping": True},
    {"solver": "adam", "activation": "logistic", "warm_start": True},
    {"solver": "lbfgs", "activation": "tanh"},
    {"loss": "absolute_error", "solver": "adam", "dropout": 0.0},
    {"loss": "quantile", "quantile": 0.8},
    {"loss": "poisson", "solver": "sgd", "activation": "identity"},
    {"loss": "poisson", "solver": "lbfgs", "activation": "tanh"},
]
SETTINGS = [
    TwoLayerClassifier(),
    TwoLayerRegressor(),
    *(TwoLayerClassifier(max_iter=20, **options) for options in CLASSIFIERS),
    *(TwoLayerRegressor(max_iter=20, **options) for options in REGRESSORS),
]


def expected_failures(estimator):
    """Return the checks that cannot pass, and why.

    Two checks compare 15 weighted samples with 27 repeated samples. Batches drawn with replacement,
    dropped units and held-out samples differ between the two. With L-BFGS and relu, the rounding of
    a sum can decide on which side of a kink the training continues.
    """
    drops = estimator.dropout not in ("auto", 0)  # "auto" occurs only with solvers without dropout
    rounds = estimator.solver == "lbfgs" and estimator.activation == "relu"
    failures = {}
    if estimator.replacement or drops or rounds or estimator.early_stopping:
        check = "check_sample_weight_equivalence_on_{}_data".format
        reason = "draws, or roundings, depend on the number of samples"
        failures = {check(kind): reason for kind in ("dense", "sparse")}
    if estimator.warm_start:
        reason = "a second fit continues the first one, so that predictions change"
        failures["check_classifiers_multilabel_representation_invariance"] = reason
        kinds = ("data_not_an_array", "general", "preserve_dtypes")
        failures |= {f"check_transformer_{kind}": reason for kind in kinds}
        failures["check_pipeline_consistency"] = reason
        failures["check_supervised_y_2d"] = reason
    if getattr(estimator, "loss", None) == "poisson":
        reason = "the check makes negative y, whatever the tags say"
        failures["check_regressor_multioutput"] = reason
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
def test_grid_search_scores_do_not_depend_on_n_jobs(iris, backend):
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
    assert importances[2:].min() > importances[:2].max()  # petals matter more than sepals


def test_clone_is_unfitted_and_equal(iris):
    model = TwoLayerClassifier(hidden_size=7, alpha=0.5, random_state=3).fit(*iris)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not hasattr(copied, "coefs_")


def test_defaults_score_97_percent_on_digits():
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(pipeline(), *load_digits(return_X_y=True), cv=folds).mean() >= 0.97
