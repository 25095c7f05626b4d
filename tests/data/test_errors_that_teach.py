"""Errors that name what is wrong and what to do, and forms of input that are as good as others."""

import inspect
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.callbacks import EarlyStopping, TimeLimit

pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning"),
    pytest.mark.filterwarnings("ignore:X has feature names:UserWarning"),
]

rng = np.random.RandomState(0)
X = rng.standard_normal((60, 4))
y = np.arange(60) % 3
indicator = (rng.uniform(size=(60, 3)) > 0.5).astype(int)
weights = rng.uniform(1, 9, 60).round(2)
ESTIMATORS = [TwoLayerClassifier, TwoLayerRegressor]
HUGE = 10**400
SMALL = {"hidden_size": 5, "max_iter": 2, "random_state": 0}


def classifier(**params):
    return TwoLayerClassifier(**SMALL | params)


def regressor(**params):
    return TwoLayerRegressor(**SMALL | params)


FITTED = classifier().fit(X, y)


def assert_refused(samples, message, error=ValueError):
    """Whatever takes samples refuses them alike."""
    for call in (
        lambda: classifier().fit(samples, y),
        lambda: classifier().partial_fit(samples, y, classes=[0, 1, 2]),
        lambda: classifier().fit(X, y, X_val=samples, y_val=y),
        lambda: regressor().fit(samples, y),
        lambda: FITTED.predict(samples),
        lambda: FITTED.transform(samples),
    ):
        with pytest.raises(error, match=message):
            call()


# Hyper-parameters.


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("hidden_layer_sizes", "one hidden layer.*hidden_size"),
        ("learning_rate_init", "learning_rate"),
        ("nesterovs_momentum", "nesterov"),
        ("shuffle", "always shuffled.*replacement"),
        ("power_t", "learning_rate_schedule"),
        ("max_fun", "max_iter"),
        ("loss", "cross-entropy.*TwoLayerRegressor.*squared error"),
        ("unknown", "$"),
    ],
)
def test_a_name_of_the_perceptrons_points_to_the_name_here(estimator, name, advice):
    class Derived(estimator):
        pass

    for cls in (estimator, Derived):
        message = rf"^{cls.__name__}\(\) got an unexpected .*'{name}'.*{advice}"
        with pytest.raises(TypeError, match=message):
            cls(alpha=1, **{name: 1})


def test_all_unknown_names_are_explained_at_once():
    with pytest.raises(
        TypeError, match=r"'hidden_layer_sizes', 'power_t'.*one hidden layer.*schedule"
    ):
        TwoLayerClassifier(hidden_layer_sizes=100, power_t=0.5)


def test_class_weight_is_not_for_a_regressor():
    with pytest.raises(TypeError, match=r"TwoLayerRegressor\(\).*'class_weight'.*sample_weight"):
        TwoLayerRegressor(class_weight="balanced")
    with pytest.raises(TypeError, match=r"^(?!.*sample_weight).*'unknown'"):
        TwoLayerClassifier(class_weight="balanced", unknown=1)


def test_a_constructor_that_is_called_wrongly_says_so():
    with pytest.raises(TypeError, match=r"TwoLayerClassifier.*2 positional arguments but 3"):
        TwoLayerClassifier(10, "relu")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_signature_is_that_of_the_constructor(estimator):
    signature = inspect.signature(estimator)
    assert signature.parameters.keys() == estimator().get_params().keys()
    assert list(inspect.signature(estimator.__init__).parameters) == ["self", *signature.parameters]
    assert signature.parameters["hidden_size"].default == 200
    assert inspect.getfullargspec(estimator.__init__).kwonlydefaults["activation"] == "relu"
    changed = estimator(7, alpha=2.0)
    assert clone(changed).get_params() == changed.get_params()
    with pytest.raises(ValueError, match="Invalid parameter 'hidden_layer_sizes'"):
        changed.set_params(hidden_layer_sizes=3)


@pytest.mark.parametrize("name", ["constant", "adaptive", "invscaling"])
def test_a_schedule_given_as_learning_rate_points_to_learning_rate_schedule(name):
    message = f"'learning_rate' .*learning_rate_schedule.* Got '{name}'"
    with pytest.raises(ValueError, match=message):
        classifier(learning_rate=name).fit(X, y)


@pytest.mark.parametrize("sizes", [(100, 50), (100,), [7]])
def test_sizes_of_several_layers_are_told_that_there_is_one(sizes):
    with pytest.raises(ValueError, match=r"'hidden_size' .*one hidden layer.* Got [(\[]"):
        classifier(hidden_size=sizes).fit(X, y)


REALS = """alpha learning_rate warmup_fraction learning_rate_decay momentum beta_1 beta_2 epsilon
dropout init tol validation_fraction"""


@pytest.mark.parametrize("solver", ["adamw", "adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", REALS.split())
def test_a_number_that_float_cannot_hold_is_refused(name, solver):
    with pytest.raises(ValueError, match=rf"'{name}' .* in the range .* Got 1000"):
        classifier(solver=solver, **{name: HUGE}).fit(X, y)


@pytest.mark.parametrize("epsilon", [1e19, 1e200, 1.7e308])
def test_an_epsilon_whose_square_overflows_is_refused(epsilon):
    with pytest.raises(ValueError, match=r"'epsilon' .* in the range"):
        classifier(epsilon=epsilon).fit(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("epsilon", [1e-300, 1e18])
def test_the_extremes_of_epsilon_are_usable(dtype, epsilon):
    model = classifier(epsilon=epsilon).fit(X.astype(dtype), y)
    assert np.isfinite(model.loss_)


@pytest.mark.callbacks
@pytest.mark.parametrize("value", [HUGE, -HUGE, Fraction(HUGE, 3)])
def test_callbacks_refuse_a_number_that_float_cannot_hold(value):
    for callback, name in ((EarlyStopping, "target"), (TimeLimit, "seconds")):
        with pytest.raises(ValueError, match=rf"{name}=.*000.* float"):
            callback(value)


# Parameters that were set by hand.


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("samples", [X, csr_array(X)], ids=["dense", "sparse"])
def test_parameters_may_be_set_to_lists(make, samples):
    model = make().fit(X, y)
    expected, hidden = model.predict(samples), model.transform(samples)
    model.coefs_ = [W.tolist() for W in model.coefs_]
    model.intercepts_ = [b.tolist() for b in model.intercepts_]
    assert_array_equal(model.predict(samples), expected)
    assert_array_equal(model.transform(samples), hidden)
