"""Bad input: the error names what is wrong and comes before any work; nothing is changed."""

import pickle
import warnings
from contextlib import suppress

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import coo_array, csc_array, csr_array
from sklearn.linear_model import LogisticRegression

from sk_twolayer import TwoLayerClassifier

pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X = np.random.RandomState(0).standard_normal((60, 4))
y = np.arange(60) % 3
words = np.array(["ant", "bee", "cat"])[y]
indicator = (np.random.RandomState(1).uniform(size=(60, 3)) > 0.5).astype(int)
ones = np.ones(60)


def make(**params):
    return TwoLayerClassifier(**{"hidden_size": 5, "max_iter": 2, "random_state": 0} | params)


@pytest.fixture(scope="module")
def fitted():
    return make().fit(X, y)


def changed(container, attribute, position, value):
    """Return a sparse copy of X in which one entry of the structure is changed."""
    sparse = container(X)
    array = getattr(sparse, attribute)
    array = array[0] if attribute == "coords" else array
    array[position] = value
    return sparse


# Samples.

NOT_NUMBERS = [
    ("M8[s]", "X has dtype datetime64.*tabular_pipeline"),
    ("m8[s]", "X has dtype timedelta64.*tabular_pipeline"),
    ("c16", "Complex data not supported: X has dtype complex128"),
    ("U9", r"X has dtype <U9.*X.astype\(float\)"),
    ("S9", r"X has dtype \|S9.*X.astype\(float\)"),
]


@pytest.mark.parametrize(("dtype", "message"), NOT_NUMBERS)
def test_fit_and_predict_refuse_samples_that_are_not_numbers(fitted, dtype, message):
    samples = X.astype(dtype)
    for call in (
        lambda: make().fit(samples, y),
        lambda: make().partial_fit(samples, y, classes=[0, 1, 2]),
        lambda: make().fit(X, y, X_val=samples, y_val=y),
        lambda: fitted.predict(samples),
        lambda: fitted.predict_proba(samples),
        lambda: fitted.decision_function(samples),
    ):
        with pytest.raises(ValueError, match=message):
            call()


BROKEN = [
    (csr_array, "indices", 3, -1, "X is a broken sparse array: .* must be >= 0"),
    (csr_array, "indices", 3, 99, "X is a broken sparse array: .* must be < 4"),
    (csr_array, "indptr", -1, 10**6, "X is a broken .*[Ll]ast value of index pointer"),
    (csr_array, "indptr", 3, 200, "X is a broken .* non-decreasing sequence"),
    (csc_array, "indices", 3, 60, "X is a broken sparse array: .* must be < 60"),
    (coo_array, "coords", 3, 60, "X is a broken .*axis 0 index 60 exceeds"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda case: f"{case[0].__name__} {case[1]}")
def test_sparse_indices_out_of_bounds_are_refused(fitted, broken):
    *change, message = broken
    with pytest.raises(ValueError, match=message):
        make().fit(changed(*change), y)
    with pytest.raises(ValueError, match=message):
        fitted.predict(changed(*change))


def test_a_network_in_float32_refuses_values_too_large_for_float32():
    model = make().partial_fit(X.astype(np.float32), y, classes=[0, 1, 2])
    for samples in (X * 1e39, csr_array(X * 1e39)):
        with pytest.raises(
            ValueError, match=r"X holds -2.55.*e\+39, a value too large for float32"
        ):
            model.partial_fit(samples, y)
        with pytest.raises(ValueError, match=r"X_val.*e\+39, a value too large for float32"):
            make().fit(X.astype(np.float32), y, X_val=samples, y_val=y)
    model.partial_fit(X, y)  # smaller values may have any dtype


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="no longer double")
def test_values_too_large_for_float64_are_refused():
    with pytest.raises(ValueError, match=r"e\+1000, a value too large for float64"):
        make().fit(X * np.longdouble("1e1000"), y)


# Predictions for huge samples.


def huge(dtype, sign):
    return (np.sign(X) if sign else np.ones_like(X)).astype(dtype) * np.finfo(dtype).max


@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [False, True])
def test_the_sample_whose_scores_overflow_is_named(activation, container, dtype, sign):
    samples = X.astype(dtype)
    for labels in (y, y > 0, indicator):
        model = make(activation=activation, learning_rate=1e-3).fit(samples, labels)
        model.intercepts_[0][:] = 0
        model.coefs_[0][:] = np.where(model.coefs_[0] > 0, 2, -2)
        mixed = container(np.vstack([samples[:7], huge(dtype, sign)]))
        for method in (model.predict, model.predict_proba, model.decision_function):
            with pytest.raises(
                ValueError, match=r"scores of sample 7 of X overflow float\d\d.*Scale X"
            ):
                method(mixed)
            assert np.isfinite(method(mixed[:7])).all()


@pytest.mark.parametrize("labels", [y, y > 0, indicator], ids=["three", "two", "indicator"])
def test_huge_scores_have_probabilities(labels):
    # The difference of two such scores is infinite; the probabilities are 0 and 1.
    model = make(activation="identity").fit(X, labels)
    scores = model.decision_function(X)
    factor = (1.5e308 if labels is y else 1e307) / np.abs(scores).max()
    for array in (model.coefs_[1], model.intercepts_[1]):
        array *= factor
    p = model.predict_proba(X)
    assert np.isfinite(p).all()
    scores = np.c_[np.zeros(60), scores] if scores.ndim == 1 else scores
    expected = scores > 0 if labels is indicator else scores == scores.max(axis=1, keepdims=True)
    assert_array_equal(p.round(), expected)


def test_a_hidden_unit_that_overflows_to_minus_infinity_is_refused():
    # relu(-inf) is 0, but summed in another order the input of the unit may be far above 0.
    model = make(hidden_size=1).fit(X, y)
    model.coefs_[0][:] = 2
    with pytest.raises(ValueError, match="scores of sample 0 of X overflow"):
        model.predict([[-1.5e308, 0, 0, 0]])


# Labels.


def test_labels_of_another_kind_than_the_classes_are_refused():
    # With so many classes, a comparison by sorting would convert the numbers to strings.
    numbers = np.arange(60)
    for labels, classes in [(numbers.astype(str), numbers), (numbers, numbers.astype(str))]:
        model = make()
        with pytest.raises(ValueError, match=r"y has labels that are .*but the\s*classes"):
            model.partial_fit(X[:3], labels[:3], classes=classes)
        assert not hasattr(model, "classes_")
    with pytest.raises(ValueError, match=r"strings, such as 'ant'.*\[0 1 2\] are numbers"):
        make(warm_start=True).fit(X, y).fit(X, words)
    with pytest.raises(ValueError, match=r"X_val.*strings, such as 'ant'"):
        make().fit(X, y, X_val=X, y_val=words)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (y.astype(float), [0, 1, 2]),
        (y, [0.0, 1.0, 2.0]),
        (y > 0, [0, 1]),
        (words.astype(object), ["ant", "bee", "cat"]),
        (words, np.array(["ant", "bee", "cat"], dtype=object)),
        (y, [2, 0, 1, 1]),
        (indicator, [0, 1, 2]),
    ],
)
def test_labels_equal_to_the_classes_may_have_any_dtype(labels, classes):
    model = make().partial_fit(X, labels, classes=classes)
    assert_array_equal(model.classes_, np.unique(classes))
    model.partial_fit(X, labels, classes=classes).partial_fit(X, labels)


ONE_LABEL = (
    "y is one label per sample, but the network is trained on a label indicator of 3 columns"
)
INDICATOR = (
    "y is a label indicator of 3 columns, but the network is trained on one label per sample"
)


@pytest.mark.parametrize(
    ("first", "then", "message"), [(y, indicator, INDICATOR), (indicator, y, ONE_LABEL)]
)
def test_a_label_indicator_does_not_mix_with_labels(first, then, message):
    stream = make().partial_fit(X, first, classes=[0, 1, 2])
    for call in (
        lambda: make().fit(X, first, X_val=X, y_val=then),
        lambda: make(warm_start=True).fit(X, first).fit(X, then),
        lambda: stream.partial_fit(X, then),
        lambda: stream.partial_fit(X, then, classes=[0, 1, 2]),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_label_indicators_have_as_many_columns_as_outputs():
    wider = np.hstack([indicator, indicator])
    message = "y has 6 label columns, but there are 3"
    with pytest.raises(ValueError, match=message):
        make().fit(X, indicator, X_val=X, y_val=wider)
    with pytest.raises(ValueError, match=message):
        make(warm_start=True).fit(X, indicator).fit(X, wider)
    with pytest.raises(ValueError, match=message):
        make().partial_fit(X, indicator, classes=[0, 1, 2]).partial_fit(X, wider)
    for classes in ([1, 2, 3], ["ant", "bee", "cat"], [0, 1], [0, 1, 2, 3]):
        with pytest.raises(ValueError, match=r"must be their numbers, \[0 1 2\]"):
            make().partial_fit(X, indicator, classes=classes)
    with pytest.raises(ValueError, match=r"a matrix of \[-1  1\].*one of 0 and 1"):
        make().fit(X, 2 * indicator - 1)


def test_sparse_and_dense_label_indicators_give_the_same():
    dense = make().fit(X, indicator, X_val=X, y_val=indicator)
    sparse = make().fit(X, csr_array(indicator), X_val=X, y_val=csr_array(indicator))
    assert_array_equal(dense.coefs_[0], sparse.coefs_[0])
    assert dense.validation_scores_ == sparse.validation_scores_


@pytest.mark.parametrize(
    ("labels", "types"),
    [
        (np.where(y == 0, None, words.astype(object)), "NoneType, str"),
        (np.where(y == 0, 1, words.astype(object)), "int, str"),
        (y.astype(object), "int"),
    ],
    ids=["None", "mixed", "numbers"],
)
def test_objects_that_are_not_all_strings_are_named(labels, types):
    with pytest.raises(ValueError, match=rf"y holds objects of type {types}\. .*y.astype\(str\)"):
        make().fit(X, labels)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (None, "classes must be given in the first call"),
        (3, "classes=3 must be a list"),
        ("abc", "classes='abc' must be a list"),
        ([[0, 1, 2]], "must be a list"),
        ([], r"classes=\[\] must be a list"),
        ([1], r"classes=\[1\] has only 1 class"),
        ([0, 1, 2, np.nan], "nan] are no labels"),
        ([0, 1, 2, np.inf], "inf] are no labels"),
        ([0, 1, 2, 2.5], "2.5] are no labels"),
        ([0, 1, "a"], "'a'] are no labels"),
        (np.array([0, 1, "a"], dtype=object), "classes holds objects of type int, str"),
        (["a", "b", None], "classes holds objects of type NoneType, str"),
        ([b"a", b"b"], "are no labels"),
        ([0, 1], r"y has labels \[2\] that are not in classes \[0 1\]"),
    ],
    ids=str,
)
def test_classes_that_are_not_labels_are_refused(classes, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, y, classes=classes)
    assert not hasattr(model, "classes_")


# Sample weights.


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-ones, "Negative values in data passed to `NAME`: sample 0 has -1"),
        (0 * ones, "NAME is zero for all 60 samples"),
        (0.0, "NAME is zero for all 60 samples"),
        (np.nan, "NAME contains NaN"),
        (np.nan * ones, "NAME contains NaN"),
        (np.inf * ones, "NAME contains infinity"),
        (ones[1:], r"NAME.shape is \(59,\), and must be \(60,\)"),
        (ones[:, np.newaxis], r"NAME.shape is \(60, 1\), and must be \(60,\)"),
        (ones.astype("M8[s]"), "NAME has dtype datetime64"),
        (ones + 1j, "NAME has dtype complex128"),
        (ones.astype(str), "NAME has dtype <U32"),
        (1e308 * ones, r"NAME sums to more than float64 holds.*1e\+308.*divide NAME by its max"),
    ],
)
def test_sample_weights_are_checked(weights, message):
    model = make()
    for call, name in (
        (lambda: model.fit(X, y, weights), "sample_weight"),
        (lambda: model.partial_fit(X, y, [0, 1, 2], weights), "sample_weight"),
        (
            lambda: model.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights),
            "sample_weight_val",
        ),
    ):
        with pytest.raises(ValueError, match=message.replace("NAME", name)):
            call()
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [1e-315, 1e-60, 1e-30, 1e38, 1e300])
def test_only_ratios_of_weights_matter(dtype, factor):
    samples, weights = X.astype(dtype), np.random.RandomState(0).uniform(0.5, 2, 60)
    options = {"sample_weight_val": factor * weights, "X_val": X, "y_val": y}
    # With few units, all may be 0 for some sample, whose scores would then differ by rounding only.
    scaled = make(hidden_size=50).fit(samples, y, factor * weights, **options)
    plain = make(hidden_size=50).fit(
        samples, y, weights, **options | {"sample_weight_val": weights}
    )
    tolerance = 1e-4 if dtype == np.float32 or factor < 1e-300 else 1e-12
    assert_allclose(scaled.coefs_[0], plain.coefs_[0], rtol=tolerance, atol=tolerance)
    assert_allclose(scaled.loss_curve_, plain.loss_curve_, rtol=tolerance)
    assert_allclose(scaled.validation_loss_curve_, plain.validation_loss_curve_, rtol=tolerance)
    power = make().fit(samples, y, 2.0**-20 * weights)  # exact in any dtype
    assert_array_equal(power.coefs_[0], make().fit(samples, y, weights).coefs_[0])


EXTREMES = [(1e-200, 1e-200), (1e200, 1e200), (1e150, 1e200), (1e200, 1e150)]


@pytest.mark.parametrize(("factor", "sample_weight"), EXTREMES)
def test_products_of_extreme_sample_weights_and_class_weights_keep_their_ratios(
    factor, sample_weight
):
    class_weight = {0: 1.0, 1: 2.0, 2: 0.5}
    extreme = make(class_weight={label: factor * w for label, w in class_weight.items()})
    plain = make(class_weight=class_weight).fit(X, y)
    assert_allclose(extreme.fit(X, y, sample_weight * ones).coefs_[0], plain.coefs_[0], rtol=1e-9)


def test_some_samples_must_have_a_weight_above_zero():
    nothing = "No sample has a weight above zero"
    with pytest.raises(ValueError, match=nothing):
        make(class_weight={0: 0.0, 1: 0.0, 2: 0.0}).fit(X, y)
    with pytest.raises(ValueError, match=nothing):
        make(class_weight={0: 0.0}).partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2])
    with pytest.raises(ValueError, match="only 1 class of a weight above zero, 2"):
        make(class_weight={0: 0.0, 1: 0.0}).fit(X, y)
    with pytest.raises(ValueError, match="only 1 class of a weight above zero, 1"):
        make().fit(X, y, y == 1)
    with pytest.raises(ValueError, match="'balanced' divides by the weight of its samples"):
        make(class_weight="balanced").fit(X, y, np.where(y == 0, 1e-320, 1.0))


# Class weights.


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, "a", None, [1, 2], 1j, 10**400])
def test_class_weights_must_be_finite_and_not_negative(weight):
    with pytest.raises(ValueError, match=r"class_weight has the weight .* for class 1\."):
        make(class_weight={1: weight}).fit(X, y)
    with pytest.raises(ValueError, match=r"class_weight has the weight .* for class 1\."):
        make(class_weight={1: weight}).partial_fit(X, y, classes=[0, 1, 2])


def test_a_class_weight_may_name_a_class_that_has_not_occurred():
    first = y < 2
    options = {"classes": [0, 1, 2]}
    named = make(class_weight={1: 3.0, 2: 0.5}).partial_fit(X[first], y[first], **options)
    by_sample = make().partial_fit(X[first], y[first], sample_weight=1 + 2 * y[first], **options)
    assert_array_equal(named.coefs_[0], by_sample.coefs_[0])
    with pytest.raises(ValueError, match=r"weights for \[5\], which are not among the classes"):
        make(class_weight={0: 1, 1: 1, 2: 1, 5: 1}).partial_fit(X, y, **options)


def test_a_class_weight_for_an_unknown_class_is_refused_as_in_scikit_learn():
    for unknown in ({7: 2.0}, {0: 2.0, 7: 2.0}, {"0": 2.0}):
        with pytest.raises(ValueError, match="not in class_weight"):
            LogisticRegression(class_weight=unknown).fit(X, y)
        with pytest.raises(ValueError, match=r"class_weight has weights for \['?[07]'?\]"):
            make(class_weight=unknown).fit(X, y)
    # A fold of a cross-validation may lack a class.
    complete = {0: 1.0, 1: 2.0, 2: 1.0, 7: 2.0}
    LogisticRegression(class_weight=complete).fit(X, y)
    weighted = make(class_weight=complete).fit(X, y)
    assert_array_equal(weighted.coefs_[0], make(class_weight={1: 2.0}).fit(X, y).coefs_[0])


# Held-out samples.


@pytest.mark.parametrize(
    ("n_samples", "labels", "fraction", "message"),
    [
        (60, y, 0.99, "validation_fraction=0.99 holds 60 samples out of n_samples=60"),
        (4, y, 0.1, "only 1 member of a weight above zero, such as 1"),
        (60, np.r_[2, y[1:] % 2], 0.1, "only 1 member of a weight above zero, such as 2"),
        (2, indicator, 0.1, "validation_fraction=0.1 holds 2 samples out of n_samples=2"),
    ],
)
def test_there_must_be_enough_samples_to_hold_some_out(n_samples, labels, fraction, message):
    model = make(early_stopping=True, validation_fraction=fraction)
    with pytest.raises(ValueError, match=message):
        model.fit(X[:n_samples], labels[:n_samples])


# Nothing is changed.


def test_calls_that_are_refused_change_nothing():
    model = make(warm_start=True).fit(X, y)
    before = pickle.dumps(model)
    for call in (
        lambda: model.fit(X[:, 1:], y),
        lambda: model.fit(X, words),
        lambda: model.fit(X, y, -ones),
        lambda: model.fit(X, y, X_val=X, y_val=y + 7),
        lambda: model.fit(X.astype("M8[s]"), y),
        lambda: model.partial_fit(X, indicator),
        lambda: model.partial_fit(X, y, classes=[0, 1]),
    ):
        with pytest.raises(ValueError, match=r"y has|X has|is not the same|Negative|y is"):
            call()
        assert pickle.dumps(model) == before
    anew = make().fit(X, y)
    before = pickle.dumps(anew)
    with pytest.raises(ValueError, match="X_val"):
        anew.fit(X[:, 1:], y, X_val=X[:, 1:], y_val=words)
    assert pickle.dumps(anew) == before


def test_samples_labels_and_weights_are_not_written_to():
    samples, labels, weights = X.copy(), y.copy(), 1e300 * ones
    sparse = csr_array((np.ones(4), [1, 1, 0, 3], [0, 2, 4, *[4] * 58]), shape=(60, 4))
    given = [samples, labels, weights, sparse.data, sparse.indices, sparse.indptr]
    copies = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    for given_X in (samples, sparse):
        make().fit(given_X, labels, weights, X_val=given_X, y_val=labels, sample_weight_val=weights)
        make().partial_fit(given_X, labels, [0, 1, 2], weights).predict(given_X)
    for array, copy in zip(given, copies, strict=True):
        assert_array_equal(array, copy)


def test_extreme_samples_give_no_runtime_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for factor in (1e-320, 1e-200, 1e150, 1e200, 1.7e308):
            scaled = np.clip(X, -1, 1) * factor
            for samples in (scaled, csr_array(scaled)):
                with suppress(ValueError):
                    make().fit(samples, y).predict_proba(samples)
