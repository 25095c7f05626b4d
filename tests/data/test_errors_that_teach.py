"""Errors that name what is wrong and what to do, and forms of input that are as good as others."""

import datetime
import inspect
import subprocess
import sys
from fractions import Fraction
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import coo_array, csc_array, csr_array, dia_array
from sklearn import config_context
from sklearn.base import clone

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.callbacks import EarlyStopping, TimeLimit
from sk_twolayer.preprocessing import tabular_pipeline

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


# Sparse arrays whose indices lead outside of them.

BROKEN_SPARSE_ARRAYS = """
import warnings
from contextlib import suppress
import numpy as np
import scipy.sparse
from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor

warnings.simplefilter("ignore")
rng = np.random.RandomState(0)
X, y = rng.uniform(1, 2, (60, 5)), np.arange(60) % 3
labels = np.c_[y == 0, y == 1, y == 2, y > 0, y < 2].astype(int)
fitted = TwoLayerClassifier(3, max_iter=1, random_state=0).fit(X, y)
stream = TwoLayerClassifier(3, random_state=0).partial_fit(X, y, classes=[0, 1, 2])
regressor = TwoLayerRegressor(3, max_iter=1)
anew = TwoLayerClassifier(3, max_iter=1)
calls = {
    "fit": lambda broken: anew.fit(broken(X), y),
    "X_val": lambda broken: anew.fit(X, y, X_val=broken(X), y_val=y),
    "partial_fit": lambda broken: stream.partial_fit(broken(X), y),
    "predict": lambda broken: fitted.predict(broken(X)),
    "transform": lambda broken: fitted.transform(broken(X)),
    "label indicator": lambda broken: anew.fit(X, broken(labels)),
    "continuous y": lambda broken: regressor.fit(X, broken(X)),
}


def set_entry(attribute, position, value):
    def change(array):
        parts = getattr(array, attribute)
        (parts[1] if attribute == "coords" else parts)[position] = value
    return change


def shorten(attribute):
    return lambda array: setattr(array, attribute, getattr(array, attribute)[:1])


compressed = [set_entry("indices", 0, 77), set_entry("indices", 0, -1), shorten("indices")]
compressed += [set_entry("indptr", -1, 10**6), set_entry("indptr", 1, -7), shorten("data")]
lists = [[77], [-1], [], [77] * 5, [-1] * 5, [2**40] * 5, [0, 1, 2, 3, 4, 0, 0, 0], ["a"] * 5]
keys = [(77, 0), (0, 77), (-1, 0), (2**40, 0), ("a", 0), 5]
changes = {
    "csr": compressed,
    "csc": compressed,
    "bsr": compressed,
    "coo": [set_entry("coords", 0, 77), set_entry("coords", 0, -1), shorten("data")],
    "lil": [set_entry("rows", 0, row) for row in lists] + [shorten("rows"), shorten("data")],
    "dok": [lambda array, key=key: array._dict.update({key: 1}) for key in keys],
    "dia": [shorten("offsets"), lambda array: setattr(array, "data", array.data[0])],
}


def outcome(call, *arguments):
    try:
        call(*arguments)
    except ValueError as error:
        return "refused" if "broken sparse array" in str(error) else error
    except Exception as error:
        return repr(error)
    return "accepted"


def make(name, change, dense):
    array = getattr(scipy.sparse, name)(dense)
    change(array)
    return array


for container in ("array", "matrix"):
    for format, some in changes.items():
        for number, change in enumerate(some):
            for name, call in calls.items():
                print(format, container, number, name, end=": ", flush=True)
                broken = lambda dense: make(f"{format}_{container}", change, dense)
                print(outcome(call, broken), flush=True)

for format in ("coo", "csr"):
    with suppress(ValueError):  # SciPy before 1.15 has no CSR vectors
        vector = getattr(scipy.sparse, f"{format}_array")(np.arange(1.0, 61))
        (vector.coords[0] if format == "coo" else vector.indices)[0] = 10**6
        for estimator in (anew, regressor):
            print(format, "vector", end=": ", flush=True)
            print(outcome(estimator.fit, X, vector), flush=True)
"""


def test_broken_sparse_arrays_of_every_format_are_refused_and_crash_nothing():
    command = [sys.executable, "-c", BROKEN_SPARSE_ARRAYS]
    run = subprocess.run(command, capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert run.returncode == 0, (lines[-1:], run.stderr[-500:])  # the last line names the crash
    assert len(lines) > 400
    assert [line for line in lines if not line.endswith(": refused")] == []


@pytest.mark.parametrize("estimator", [classifier, regressor])
def test_a_sparse_vector_y_is_as_good_as_a_dense_one(estimator):
    assert_array_equal(estimator().fit(X, coo_array(y)).coefs_[0], estimator().fit(X, y).coefs_[0])


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


@pytest.mark.parametrize("name", ["loss", "quantile"])
def test_losses_are_for_a_regressor(name):
    with pytest.raises(TypeError, match=rf"TwoLayerClassifier\(\).*'{name}'.*TwoLayerRegressor"):
        TwoLayerClassifier(**{name: 0.5})


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


# y.


def test_continuous_targets_lead_to_the_regressor():
    for targets in (X[:, 0], X[:, :2], X[:, 0].astype(np.float32).tolist()):
        for call in (
            lambda targets=targets: classifier().fit(X, targets),
            lambda targets=targets: classifier().partial_fit(X, targets, classes=[0, 1]),
            lambda targets=targets: classifier().fit(X, y, X_val=X, y_val=targets),
        ):
            with pytest.raises(ValueError, match=r"Unknown label type: continu.*TwoLayerRegressor"):
                call()


@pytest.mark.parametrize(
    "make", [list, partial(np.array, dtype=object), partial(pd.DataFrame, dtype=object)]
)
def test_targets_that_float_cannot_hold_are_named(make):
    targets = make([*range(59), HUGE] if make is list else [[1, 2]] * 59 + [[HUGE, 3]])
    for call in (
        lambda: regressor().fit(X, targets),
        lambda: regressor().partial_fit(X, targets),
        lambda: regressor().fit(X, y, X_val=X, y_val=targets),
    ):
        with pytest.raises(ValueError, match=r"y must hold real numbers.*1e\+400.*too large"):
            call()
    with pytest.raises(ValueError, match="Unknown label type"):
        classifier().fit(X, targets)


@pytest.mark.parametrize("value", [HUGE, [1] * 59 + [HUGE], np.array([HUGE] * 60)])
def test_weights_that_float_cannot_hold_are_named(value):
    for call, name in (
        (lambda: classifier().fit(X, y, value), "sample_weight"),
        (lambda: regressor().partial_fit(X, y, value), "sample_weight"),
        (lambda: classifier().fit(X, y, X_val=X, y_val=y, sample_weight_val=value), "weight_val"),
    ):
        with pytest.raises(ValueError, match=rf"{name} holds 1e\+400.*too large"):
            call()


@pytest.mark.parametrize("kind", ["M8[s]", "m8[s]"])
def test_nat_is_a_missing_label(kind):
    labels = y.astype(kind)
    missing = labels.copy()
    missing[7] = "NaT"
    for some in (missing, pd.Series(missing), missing[:, np.newaxis]):
        for call in (
            lambda some=some: classifier().fit(X, some),
            lambda some=some: classifier().partial_fit(X, some, classes=labels[:3]),
            lambda some=some: classifier().fit(X, labels, X_val=X, y_val=some),
        ):
            with pytest.raises(ValueError, match="Input y contains NaT"):
                call()
    assert_array_equal(classifier().fit(X, labels).classes_, labels[:3])


# Samples that are not numbers.

COLOURS = np.array(["red", "blue", "green"])[y]
DATES = [datetime.date(2020, 1, 1 + day) for day in range(20)] * 3


def frame(module, **columns):
    numbers = {name: X[:, column] for column, name in enumerate("abc")}
    return module.DataFrame(numbers | columns)


@pytest.mark.parametrize("module", [pd, pl])
def test_a_column_of_strings_is_named(module):
    message = r"'colour' of X .*'(red|blue)'.*tabular_pipeline"
    strings = frame(module, colour=COLOURS.tolist())
    assert_refused(strings, message)
    if module is pd:
        strings["colour"] = strings["colour"].astype("category")
        assert_refused(strings, message)
        strings["d"] = strings.pop("colour").astype(object)
        strings.columns = ["a", "a", "a", "colour"]  # names may repeat
        assert_refused(strings, message)
    else:
        assert_refused(strings.with_columns(pl.col("colour").cast(pl.Categorical)), message)


def test_a_column_of_strings_is_named_in_arrays_of_objects_and_in_lists():
    strings = X.astype(object)
    strings[:, 2] = COLOURS
    assert_refused(strings, r"Column 2 of X .*'red'.*tabular_pipeline")
    assert_refused(strings.tolist(), r"Column 2 of X .*'red'.*tabular_pipeline")


@pytest.mark.parametrize(
    ("value", "error"),
    [({"a": 1}, TypeError), ([1, 2], ValueError), (datetime.date(2020, 1, 1), TypeError)],
)
def test_a_column_of_objects_is_named(value, error):
    objects = X.astype(object)
    objects[3, 1] = value
    assert_refused(objects, r"Column 1 of X holds .*tabular_pipeline", error)


@pytest.mark.parametrize("values", [DATES, pd.date_range("2020", periods=60).tolist()])
@pytest.mark.parametrize("module", [pd, pl])
def test_a_column_of_dates_is_named(module, values):
    assert_refused(
        frame(module, when=values), "'when' of X .*tabular_pipeline", (ValueError, TypeError)
    )


@pytest.mark.parametrize(
    "values",
    [
        pd.date_range("2020", periods=60),
        pd.date_range("2020", periods=60, tz="UTC"),
        pd.to_timedelta(np.arange(60), unit="D"),
        X[:, 0] + 1j,
    ],
    ids=["dates", "dates of a time zone", "durations", "complex"],
)
def test_a_column_that_numpy_does_not_promote_is_named(values):
    data = frame(pd, when=values)
    assert_refused(data, f"'when' of X has dtype {data['when'].dtype.name[:8]}.*real numbers")
    assert_refused(data[["when"]], "'when' of X has dtype .*real numbers")


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us"), pl.Duration("us"), pl.Time])
def test_a_column_that_polars_makes_numbers_of_is_named(dtype):
    assert_refused(
        frame(pl, when=pl.Series(range(60)).cast(dtype)), "'when' of X has dtype .*tabular_pipeline"
    )


def test_missing_values_are_still_called_missing():
    for missing in (
        frame(pd, d=pd.array([pd.NA] * 60, dtype="Int64")),
        frame(pd, d=[None] * 60),
        frame(pl, d=[None, *X[1:, 3]]),
    ):
        assert_refused(missing, "Input X contains NaN")
    missing = frame(pd, colour=pd.array([pd.NA] * 60, dtype="string"))
    assert_refused(missing, "'colour' of X holds <NA>", TypeError)


@pytest.mark.parametrize("make", ESTIMATORS)
@pytest.mark.parametrize("container", [np.array, pd.DataFrame, csr_array])
def test_missing_values_lead_to_the_pipeline_that_encodes_them(make, container):
    missing = X.copy()
    missing[3, 1] = np.nan
    with pytest.raises(ValueError, match="X contains NaN") as caught:
        make().fit(container(missing), y)
    assert "tabular_pipeline" in caught.value.__notes__[0]
    missing[3, 1] = np.inf
    with pytest.raises(ValueError, match="X contains infinity") as caught:
        make().fit(container(missing), y)
    assert not hasattr(caught.value, "__notes__")


def test_columns_of_numbers_of_any_kind_are_welcome():
    data = frame(
        pd,
        objects=pd.Series(y, dtype=object),
        digits=y.astype(str),
        bools=y > 0,
    )
    plain = data.astype(float)
    assert_array_equal(classifier().fit(data, y).coefs_[0], classifier().fit(plain, y).coefs_[0])
    assert_array_equal(
        classifier().fit(data, y).predict(plain), classifier().fit(plain, y).predict(data)
    )


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, np.ndarray.tolist])
def test_a_value_that_float_cannot_hold_is_named(make):
    huge = X.astype(object)
    huge[5, 3] = HUGE
    assert_refused(make(huge), r"Column 3 of X holds 1e\+400, a value too large")


# Arrays of other libraries.


class Array:
    """An array of the array API standard that NumPy does not convert."""

    def __init__(self, values):
        self.values, self.dtype, self.shape = values, "float64", values.shape

    def __array_namespace__(self, api_version=None):
        return np


class HostArray(Array):
    """An array of the standard that NumPy converts."""

    def __array__(self, dtype=None, copy=None):
        return self.values


class DeviceArray(Array):
    """A tensor on another device."""

    __array_namespace__ = None

    def __dlpack__(self, **options):
        raise BufferError("another device")

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("use tensor.cpu() first")


@pytest.mark.parametrize(
    ("make", "reason"), [(Array, "no __array__"), (DeviceArray, r"use tensor\.cpu\(\) first")]
)
def test_arrays_that_numpy_does_not_convert(make, reason):
    message = rf"NAME is of .*\.{make.__name__}.* cannot convert \(.*{reason}.*NumPy arrays"
    assert_refused(make(X), message.replace("NAME", "X"), TypeError)
    for estimator in (classifier, regressor):
        with pytest.raises(TypeError, match=message.replace("NAME", "y")):
            estimator().fit(X, make(y))
        with pytest.raises(TypeError, match=message.replace("NAME", "sample_weight")):
            estimator().fit(X, y, make(weights))


def test_arrays_that_numpy_converts_are_as_good_as_numpy_arrays():
    model = classifier().fit(HostArray(X), HostArray(y), HostArray(weights))
    plain = classifier().fit(X, y, weights)
    assert_array_equal(model.coefs_[0], plain.coefs_[0])
    assert_array_equal(model.predict_proba(HostArray(X)), plain.predict_proba(X))


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


# Byte order.

NUMBERS = ["f4", "f8", "i2", "i4", "i8", "u2"]


def swap(array):
    """The same numbers in the byte order of other machines."""
    if isinstance(array, np.ndarray):
        return array.astype(array.dtype.newbyteorder("S"))
    parts = (array.offsets,) if array.format == "dia" else (array.indices, array.indptr)
    swapped = type(array)((swap(array.data), *parts), shape=array.shape)
    assert not swapped.dtype.isnative
    return swapped


def assert_alike(one, other):
    """Two fits to the bit."""
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            assert a.dtype == b.dtype
            assert_array_equal(a, b)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_scores_ == other.validation_scores_


@pytest.mark.parametrize("container", [np.asarray, csr_array, csc_array, dia_array])
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("solver", ["adamw", "lbfgs"])
def test_the_byte_order_of_samples_does_not_matter(container, dtype, make, solver):
    native = container((10 * X).astype(dtype))
    swapped = swap(native)
    validation = {"X_val": native, "y_val": y}
    model = make(solver=solver).fit(native, y, **validation)
    assert_alike(make(solver=solver).fit(swapped, y, X_val=swapped, y_val=y), model)
    assert model.coefs_[0].dtype == (np.float32 if dtype in ("f4", "i2", "u2") else np.float64)
    assert_array_equal(model.predict(swapped), model.predict(native))
    assert_array_equal(model.transform(swapped), model.transform(native))
    assert model.transform(swapped).dtype == model.transform(native).dtype
    if solver == "adamw":
        options = {"classes": [0, 1, 2]} if make is classifier else {}
        streams = make(), make()
        for stream, samples in zip(streams, (swapped, native), strict=True):
            stream.partial_fit(samples, y, **options).partial_fit(samples, y)
        assert_alike(*streams)
        assert_array_equal(streams[0].predict(swapped), streams[1].predict(native))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
@pytest.mark.parametrize(
    ("make", "targets"), [(classifier, y), (classifier, indicator), (regressor, 3 * y + 1)]
)
def test_the_byte_order_of_y_and_of_weights_does_not_matter(dtype, make, targets):
    samples, native, w = X.astype(np.float32), targets.astype(dtype), weights.astype(dtype)
    options = {"X_val": samples, "y_val": native, "sample_weight_val": w}
    swapped = {"X_val": samples, "y_val": swap(native), "sample_weight_val": swap(w)}
    model = make().fit(samples, native, w, **options)
    other = make().fit(samples, swap(native), swap(w), **swapped)
    assert_alike(other, model)
    assert other.predict(samples).dtype == model.predict(samples).dtype
    streams = make(), make()
    for stream, order in zip(streams, (swap, np.asarray), strict=True):
        known = {} if make is regressor else {"classes": order(np.arange(3).astype(dtype))}
        stream.partial_fit(samples, order(native), sample_weight=order(w), **known)
        stream.partial_fit(samples, order(native), sample_weight=order(w), **known)
    assert_alike(*streams)
    if make is classifier:
        assert other.classes_.dtype == model.classes_.dtype
        assert streams[0].classes_.dtype == streams[1].classes_.dtype


def test_the_byte_order_of_labels_that_are_no_numbers_does_not_matter():
    for labels in (COLOURS, y.astype("M8[s]")):
        model = classifier().fit(X, swap(labels))
        assert_array_equal(model.predict(X), classifier().fit(X, labels).predict(X))
        model.partial_fit(X, labels, classes=swap(np.unique(labels)))


def test_a_sparse_label_indicator_of_another_byte_order():
    native = csr_array(indicator)
    assert_alike(classifier().fit(X, swap(native)), classifier().fit(X, native))


@pytest.mark.parametrize("kind", ["default", "pandas"])
@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("column", [["red", "blue"] * 10, [1.0, None] * 10, range(20)])
def test_validation_samples_that_a_pipeline_does_not_transform(column, make, kind):
    frame, targets = pd.DataFrame({"size": range(20), "column": column}), [0, 1] * 10
    pipeline = tabular_pipeline(make()).set_output(transform=kind)
    with pytest.raises(ValueError, match=r"A Pipeline does not .*transform_input=\[\"X_val\"\]"):
        pipeline.fit(frame, targets, network__X_val=frame, network__y_val=targets)
    with config_context(enable_metadata_routing=True):  # the advice
        pipeline[-1].set_fit_request(X_val=True, y_val=True)
        pipeline.set_params(transform_input=["X_val"])
        pipeline.fit(frame, targets, X_val=frame, y_val=targets)
    assert len(pipeline[-1].validation_scores_) == 2
