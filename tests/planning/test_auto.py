"""The "auto" values follow the rules in the docstrings, which are recomputed here."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.data import ClassTargets, Data, DataSummary
from sk_twolayer.planning.auto import AutoRules

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def data():
    return make_classification(
        n_samples=120, n_features=8, n_informative=6, n_classes=3, random_state=0
    )


@pytest.mark.parametrize("as_sparse", [False, True])
def test_the_automatic_learning_rate_follows_the_norm_of_the_samples(data, as_sparse):
    X, y = data
    X = X / np.sqrt(np.mean((X**2).sum(axis=1)))  # of mean squared norm 1
    expected = [(0.1, 64, 8 / 32), (0.1, 32, 32**-0.5), (1.25, 64, 0.25 / 1.25**2)]
    expected += [(0.1, 16, 4 / 32 / 2), (10, 8, 0.1 / 4)]  # less than 32 samples
    expected += [(10, 64, 0.1), (100, 64, 30 / 100**2)]
    for scale, batch_size, rate in expected:
        scaled = csr_matrix(scale * X) if as_sparse else scale * X
        model = plain_classifier(batch_size=batch_size, max_iter=1, random_state=0)
        assert_allclose(model.fit(scaled, y).learning_rate_, rate)
    # In a stream, the first chunks set the rate, until they have 300 samples.
    model = plain_classifier(random_state=0).partial_fit(100 * X, y, classes=[0, 1, 2])
    assert_allclose(model.learning_rate_, 30 / 100**2)
    for squared in (10001 / 2, 10002 / 3, 10002 / 3):
        assert_allclose(model.partial_fit(X, y).learning_rate_, 30 / squared)
    # A sample of weight 2 counts like two samples.
    weights = np.repeat([1, 2], len(X) // 2)
    weighted = plain_classifier(random_state=0, max_iter=1).fit(1e4 * X**2, y, weights)
    repeated = np.repeat(X, weights, axis=0), np.repeat(y, weights)
    repeated = plain_classifier(random_state=0, max_iter=1).fit(1e4 * repeated[0] ** 2, repeated[1])
    assert_allclose(weighted.learning_rate_, repeated.learning_rate_)


@pytest.mark.parametrize(
    ("n_rows", "of_a_tenth", "of_a_fiftieth"), [(300, 10, 10), (3000, 15, 50), (20_000, 100, 100)]
)
def test_the_automatic_batch_size_follows_the_number_of_samples(n_rows, of_a_tenth, of_a_fiftieth):
    rows = np.arange(n_rows)
    narrow, wide = (csr_matrix((np.ones(n_rows), (rows, rows % n))) for n in (2, 1000))
    for X, solver, n_updates in [
        (narrow.toarray(), "sgd", of_a_tenth),
        (narrow, "sgd", of_a_tenth),  # every feature occurs in every batch
        (wide, "sgd", of_a_fiftieth),
        (wide, "adam", of_a_tenth),
    ]:
        model = TwoLayerClassifier(2, solver=solver, max_iter=1, random_state=0)
        assert model.fit(X, rows % 2).n_updates_ == n_updates


def test_the_automatic_rate_is_for_batches_of_no_more_than_all_samples(data):
    X, y = data
    X = X[:64] / np.sqrt(np.mean((X[:64] ** 2).sum(axis=1)))
    model = plain_classifier(batch_size=1000, max_iter=1, random_state=0).fit(X, y[:64])
    assert_allclose(model.learning_rate_, np.sqrt(64) / 32)


@pytest.mark.parametrize(
    ("activation", "init"),
    [("relu", "he"), ("tanh", "glorot"), ("logistic", "glorot"), ("identity", "glorot")],
)
def test_the_automatic_initialization_divides_W1_by_the_scales_of_the_columns(
    data, activation, init
):
    X, y = data
    X = X * np.logspace(-3, 6, 8) * (np.abs(X) > 0.3)
    X[:, 5] = 0
    options = {"activation": activation, "learning_rate": 1e-300, "max_updates": 1}
    automatic, chosen = (
        TwoLayerClassifier(init=init, random_state=0, **options).fit(X, y)
        for init in ("auto", init)
    )
    scales = np.array([np.sqrt(np.mean(x[x != 0] ** 2)) if x.any() else 0 for x in X.T])
    scales[5] = np.median(np.delete(scales, 5))
    scaled = automatic.coefs_[0] * scales[:, np.newaxis]
    assert_allclose(scaled, chosen.coefs_[0], rtol=1e-10)
    assert_array_equal(automatic.coefs_[1], chosen.coefs_[1])


def scales_of(X, weights=None):
    return DataSummary(Data(X, np.zeros(X.shape[0]), weights)).column_scales()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_a_column_that_is_constant_up_to_rounding_has_the_scale_of_the_others(container, dtype):
    X = np.random.default_rng(0).normal(size=(100, 5)) * [0.5, 2, 7, 1, 1]
    for constant in (1e-16, 1e-5, 0.1):
        X[:, 3], X[:, 4] = constant, np.random.default_rng(1).normal(scale=1e-16, size=100)
        common = np.median(np.sqrt(np.mean(X[:, [0, 1, 2, 4]] ** 2, axis=0)))
        for unit in (1e-20, 1, 1e12):
            scales = scales_of(container((unit * X).astype(dtype)))
            assert_allclose(scales[3], unit * common, rtol=1e-5)
            assert_allclose(scales[4], unit * common, rtol=1e-5)
    X[:, 3] = 20.1  # of its own size, as the input of a unit is its product with a weight
    assert_allclose(scales_of(container(X.astype(dtype)))[3], 20.1, rtol=1e-5)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_a_large_column_leaves_the_scales_of_the_others(container):
    X = np.random.default_rng(0).normal(size=(100, 8)) * np.append(np.logspace(-3, 3, 7), 1e6)
    rms = np.sqrt(np.mean(X**2, axis=0))
    assert_allclose(scales_of(container(X)), rms, rtol=1e-10)
    assert_allclose(scales_of(container(X.astype(np.float32))), rms, rtol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_the_scale_of_a_column_with_few_entries_is_near_the_others(container):
    X = np.random.default_rng(0).choice([-4.0, 4.0], (100, 5))
    X[:, 1:] = 0
    X[:12, 1:] = np.random.default_rng(1).choice([-4.0, 4.0], (12, 4))
    X[:3, 4] = 4e-6
    X[3:, 4] = 0
    X[:3, 3] = 4e6
    X[3:, 3] = 0
    scales = scales_of(container(X))
    assert_allclose(scales[:3], 4)
    assert_allclose(scales[3], 4e6)  # its own entries are never larger than its scale
    assert_allclose(scales[4], 4e-6**0.3 * 4**0.7)  # three entries count three tenths
    # An integer weight counts like repetitions.
    weights = np.arange(100) % 3 + 1.0
    repeated = np.repeat(X, weights.astype(int), axis=0)
    assert_allclose(scales_of(container(X), weights), scales_of(container(repeated)))
    # With a single sample nothing is told apart from a constant.
    assert_allclose(scales_of(container(np.array([[1e-6, 3.0, 8.0, 0.0]]))), [3, 3, 8, 3])


@pytest.mark.parametrize("solver", ["adamw", "adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("estimator", [TwoLayerClassifier, TwoLayerRegressor])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_a_constant_column_behind_a_scaler_may_change(container, estimator, solver):
    X = np.random.default_rng(0).normal(size=(300, 4))
    y = X[:, 0] if estimator is TwoLayerRegressor else X[:, 0] > 0
    scaler = StandardScaler().fit(np.column_stack([X, np.full(300, 0.1)]))
    X_train = scaler.transform(np.column_stack([X, np.full(300, 0.1)]))
    assert 0 < np.abs(X_train[:, 4]).max() < 1e-15
    model = estimator(20, solver=solver, random_state=0).fit(container(X_train), y)
    X_changed = scaler.transform(np.column_stack([X, np.full(300, 0.11)]))
    assert model.score(container(X_changed), y) > 0.8


def test_duplicate_sparse_entries_count_as_their_sum(data):
    X, y = data
    X = 10 * X
    whole = csr_matrix(X)
    # Split each entry in two: the squares of the parts exceed the square of the sum.
    halves = np.stack([3 * whole.data, -2 * whole.data], axis=1).ravel()
    twice = csr_matrix((halves, whole.indices.repeat(2), 2 * whole.indptr), shape=X.shape)
    rates = [
        plain_classifier(max_iter=1, batch_size=32, random_state=0).fit(rows, y).learning_rate_
        for rows in (whole, twice)
    ]
    assert_allclose(rates, 30 / np.mean((X**2).sum(axis=1)))
    assert twice.nnz == 2 * whole.nnz  # the input itself is unchanged


@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
@pytest.mark.parametrize("weight", [1e-300, 1, 1e300])
def test_the_automatic_rate_is_positive_and_finite_at_any_scale(data, container, weight):
    X, y = data
    weights = np.full(len(X), weight)
    for scale in (1e-320, 1e-200, 1e100, 1e153, 1e200, 1e307):
        rows = Data(container(np.clip(X, -1, 1) * scale), y, weights)
        targets = ClassTargets(np.arange(3), indicator=False)
        rules = AutoRules(TwoLayerClassifier(solver="sgd"), rows, targets, one_pass=False)
        rate, first_layer = rules.learning_rates(batch_size=64)
        with np.errstate(over="ignore"):
            length = np.mean(np.clip(X, -1, 1) ** 2) * X.shape[1] * scale * np.float64(scale)
        expected = 0.25 if scale < 1 else 30 / min(length, np.finfo(float).max)
        assert_allclose(rate, expected)
        assert rate > 0
        assert first_layer == 1


# "adamw" and "adam": the rate of W1 is at most 1 / (mean absolute sum of a sample).


def fitted(X, y, weights=None, **options):
    options = {"max_updates": 2, "random_state": 0} | options
    return TwoLayerClassifier(3, **options).fit(X, y, weights)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", ["adam", "adamw"])
def test_the_rate_of_W1_is_bounded_by_the_absolute_sums_of_the_samples(data, solver, container):
    X, y = data
    X = X / np.abs(X).sum(axis=1).mean()  # of mean absolute sum 1
    largest = fitted(container(1e-6 * X), y, solver=solver).learning_rate_W1_
    for scale in (2, 1e3, 1e6):
        model = fitted(container(scale * X / largest), y, solver=solver)
        assert_allclose(model.learning_rate_W1_, largest / scale)
        rest = model.learning_rate_W1_ if solver == "adam" else largest  # adam has a single rate
        assert_allclose(model.learning_rate_, rest)
    assert_allclose(fitted(container(0.9 * X / largest), y, solver=solver).learning_rate_, largest)
    # A stream scales both rates by the same factor, at most 1.
    stream = TwoLayerClassifier(3, solver=solver, random_state=0)
    stream.partial_fit(container(1e3 * X), y, classes=[0, 1, 2])
    whole = fitted(container(1e3 * X), y, solver=solver)
    share = stream.learning_rate_ / whole.learning_rate_
    assert 0 < share <= 1
    assert_allclose(stream.learning_rate_W1_, share * whole.learning_rate_W1_)


def test_a_constant_column_lowers_the_rate_of_W1(data):
    X, y = data
    constant = np.column_stack([X, np.full(len(X), -1e6)])
    model = fitted(constant, y)
    assert_allclose(model.learning_rate_W1_, 1 / (1e6 + np.abs(X).sum(axis=1).mean()))


def test_sample_weights_count_like_repetitions(data):
    X, y = data
    X, weights = 1e4 * X**2, np.repeat([1, 3], len(X) // 2)
    weighted = fitted(X, y, weights)
    repeated = fitted(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert_allclose(weighted.learning_rate_W1_, repeated.learning_rate_W1_)
    for weight in (1e-300, 1e300):
        assert_allclose(
            fitted(X, y, weights * weight).learning_rate_W1_, weighted.learning_rate_W1_
        )


@pytest.mark.parametrize("kind", ["raw", "heavy tails", "a constant", "one in the millions"])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_the_defaults_learn_from_columns_of_any_scale(kind, container):
    X, y = load_breast_cancer(return_X_y=True)
    if kind == "heavy tails":
        X = np.sign(X - X.mean(axis=0)) * np.expm1(np.abs((X - X.mean(axis=0)) / X.std(axis=0)))
    elif kind == "a constant":
        X = np.column_stack([X, np.full(len(X), 100.0)])
    elif kind == "one in the millions":
        X = np.column_stack([X, np.random.default_rng(0).uniform(1e6, 3e6, len(X))])
    model = TwoLayerClassifier(random_state=0).fit(container(X), y)
    assert model.score(X, y) > 0.85  # the larger class has a share of 0.63
    other = TwoLayerClassifier(random_state=0).fit(np.asarray(X), y)
    names = ("alpha", "batch_size", "dropout", "max_iter", "learning_rate", "learning_rate_W1")
    for name in names:
        assert_allclose(getattr(model, name + "_"), getattr(other, name + "_"), rtol=1e-12)


# The fitted attributes hold the values in use.


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
def test_fitted_attributes_equal_the_given_parameters(data, solver):
    chosen = {"alpha": 0.02, "dropout": 0.0, "max_iter": 2}
    if solver != "lbfgs":
        chosen |= {"dropout": 0.3, "batch_size": 7, "learning_rate": 0.03}
    model = TwoLayerClassifier(3, solver=solver, **chosen, random_state=0).fit(*data)
    for name, value in chosen.items():
        assert getattr(model, name + "_") == value
    assert model.learning_rate_W1_ == chosen.get("learning_rate")
    assert model.n_iter_ == 2


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
def test_a_fit_with_the_automatic_values_given_is_the_same(data, solver):
    """X is small, so that W1 has no rate of its own, which cannot be given."""
    X, y = data
    X = 0.1 * X
    automatic = TwoLayerClassifier(3, solver=solver, random_state=0).fit(X, y)
    names = ["alpha", "batch_size", "dropout", "max_iter", "learning_rate"]
    resolved = {name: getattr(automatic, name + "_") for name in names}
    if solver == "lbfgs":
        assert (resolved.pop("learning_rate"), automatic.learning_rate_W1_) == (None, None)
        assert automatic.dropout_ == 0
    else:
        assert automatic.learning_rate_W1_ == automatic.learning_rate_
        assert automatic.n_iter_ == automatic.max_iter_
    same = TwoLayerClassifier(3, solver=solver, random_state=0, **resolved).fit(X, y)
    assert_array_equal(same.coefs_[0], automatic.coefs_[0])
    assert automatic.get_params()["max_iter"] == "auto"


def test_a_small_table_gets_more_epochs_but_fewer_updates_than_a_large_one():
    X, y = make_classification(n_samples=6000, random_state=0)
    large = TwoLayerClassifier(3, random_state=0).fit(X, y)
    small = TwoLayerClassifier(3, random_state=0).fit(X[:100], y[:100])
    assert small.max_iter_ > large.max_iter_
    assert small.n_updates_ < large.n_updates_
    assert small.batch_size_ < large.batch_size_
    assert small.alpha_ > large.alpha_


@pytest.mark.parametrize(
    ("n_rows", "n_features", "n_classes", "alpha"),
    [
        (100, 30, 2, 5 / 2),
        (100, 30, 3, 5 / 3),
        (100, 30, 6, 1),
        (2000, 17, 2, 5000 / 4000),
        (2000, 17, 4, 5000 / 8000),
        (1400, 10, 2, 5000 / 2800 / 2),  # 1,400 = 2 * 7 * 10^2
        (1400, 2, 2, 5000 / 2800 / 50),
        (112, 2, 2, 5 / 2 / 4),
    ],
)
def test_the_decay_falls_with_samples_classes_and_samples_per_pair_of_features(
    n_rows, n_features, n_classes, alpha
):
    X = np.random.default_rng(0).normal(size=(n_rows, n_features))
    model = TwoLayerClassifier(3, max_iter=1).fit(X, np.arange(n_rows) % n_classes)
    assert_allclose(model.alpha_, alpha, rtol=0.02)  # the mean of X is not exactly 0
    assert model.partial_fit(X, np.arange(n_rows) % n_classes).alpha_ == 0


@pytest.mark.parametrize(
    ("n_rows", "n_features", "alpha"),
    [(100, 30, 1.5), (1000, 30, 0.4), (1400, 10, 400 / 1400 / 2), (112, 2, 1.5 / 4)],
)
def test_the_decay_of_a_regressor_falls_with_the_number_of_samples(n_rows, n_features, alpha):
    X = np.random.default_rng(0).normal(7, 1, size=(n_rows, n_features))
    model = TwoLayerRegressor(3, max_iter=1).fit(X, X[:, 0])
    assert_allclose(model.alpha_, alpha)
    assert model.partial_fit(X, X[:, 0]).alpha_ == 0


@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_the_decay_is_smaller_if_columns_vary_little(container, unit):
    rng = np.random.default_rng(0)
    X = rng.normal([0, 3, 100, 7, 0, 50], [2, 1, 4, 0, 0, 0.5], size=(300, 6))
    y, weights = np.arange(300) % 2, rng.integers(3, size=300)
    repeated = np.repeat(X, weights, axis=0)
    ratios = repeated.std(axis=0) / np.sqrt(np.mean(repeated**2, axis=0).clip(min=1e-9))
    data = Data(container(unit * X), y, weights.astype(float))
    assert_allclose(DataSummary(data).relative_deviation, ratios[[0, 1, 2, 5]].mean(), atol=0.005)
    constant = Data(container(np.full((9, 2), unit)), np.zeros(9), None)
    assert DataSummary(constant).relative_deviation == 1

    model = TwoLayerClassifier(3, max_iter=1).fit(container(X), y)
    ratios = X.std(axis=0) / np.sqrt(np.mean(X**2, axis=0).clip(min=1e-9))
    assert_allclose(model.alpha_, 7 * 6**2 / 300 * 2.5 * ratios[[0, 1, 2, 5]].mean(), atol=0.0125)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", ["adamw", "adam", "sgd"])
def test_numpy_scalars_as_parameters_do_not_change_a_float32_fit(solver, container, data):
    X, y = data
    X = container(X.astype(np.float32))
    numbers = {"learning_rate": 0.03, "alpha": 0.07, "dropout": 0.3, "momentum": 0.7}
    numbers |= {"beta_1": 0.8, "beta_2": 0.93, "epsilon": 1e-7, "learning_rate_decay": 0.77}
    schedule = {"learning_rate_schedule": "exponential", "warmup_fraction": 0.0}
    model = TwoLayerClassifier(9, solver=solver, max_iter=3, tol=0, random_state=0, **schedule)
    model.set_params(**numbers).fit(X, y)
    of_numpy = {name: np.float64(number) for name, number in numbers.items()}
    same = clone(model).set_params(**of_numpy).fit(X, y)
    for mine, own in zip(same.coefs_, model.coefs_, strict=True):
        assert_array_equal(mine, own)
    automatic = TwoLayerClassifier(9, solver=solver, max_iter=1).fit(X * 100, y)
    for number in ("learning_rate_", "learning_rate_W1_", "alpha_", "dropout_"):
        assert type(getattr(automatic, number)) is float


def test_curves_of_one_feature_are_learned():
    x = np.random.default_rng(0).uniform(-3, 3, (1300, 1))
    regressor = TwoLayerRegressor(random_state=0).fit(x[:300], np.sin(3 * x[:300, 0]))
    # With a decay of 400 / 300, the score would be 0.3.
    assert regressor.score(x[300:], np.sin(3 * x[300:, 0])) > 0.8
    stripes = np.sin(3 * x[:, 0]) > 0
    classifier = TwoLayerClassifier(random_state=0).fit(x[:300], stripes[:300])
    assert classifier.score(x[300:], stripes[300:]) > 0.95


def test_a_model_that_continues_keeps_its_rates(data):
    X, y = data
    model = TwoLayerClassifier(3, warm_start=True, random_state=0, max_updates=2).fit(1e3 * X, y)
    rates = model.learning_rate_, model.learning_rate_W1_
    model.fit(X, y)
    assert (model.learning_rate_, model.learning_rate_W1_) == rates
    # A stream has a third of the rates of a fit, and keeps them.
    for rows in (1e3 * X, X):
        model.partial_fit(rows, y)
        assert_allclose([model.learning_rate_, model.learning_rate_W1_], np.divide(rates, 3))
    model.set_params(learning_rate=0.5).partial_fit(X, y)
    assert (model.learning_rate_, model.learning_rate_W1_) == (0.5, 0.5)


@pytest.mark.parametrize("estimator", [TwoLayerClassifier, TwoLayerRegressor])
@pytest.mark.parametrize(("solver", "power"), [("sgd", 1), ("adam", 0.75), ("adamw", 0.75)])
def test_the_automatic_rates_fall_with_batches_below_32(estimator, solver, power, data):
    X, y = data

    def rates(n_samples, **options):
        model = estimator(3, solver=solver, max_updates=1, random_state=0, **options)
        model.fit(X[:n_samples], y[:n_samples])
        return np.array([model.learning_rate_, model.learning_rate_W1_])

    def streams(n_samples):
        model = estimator(3, solver=solver, random_state=0)
        model.partial_fit(X[:n_samples], y[:n_samples], **classes)
        return np.array([model.learning_rate_, model.learning_rate_W1_])

    X = X / np.abs(X).sum(axis=1, keepdims=True)  # samples of norm 1 have the same rates
    X /= np.sqrt((X**2).sum(axis=1).max())
    classes = {"classes": [0, 1, 2]} if estimator is TwoLayerClassifier else {}
    at_32 = rates(120, batch_size=32)
    if solver == "sgd" and estimator is TwoLayerClassifier:
        at_32 = np.full(2, 0.1)
        X *= np.sqrt(10 / np.mean((X**2).sum(axis=1)))  # there the rate is 0.1 at least
    for batch_size in (1, 2, 8):
        assert_allclose(rates(120, batch_size=batch_size), at_32 * (batch_size / 32) ** power)
    if estimator is TwoLayerClassifier:
        assert_allclose(rates(20), rates(20, batch_size=32))  # there are no more samples
        share = streams(8) / streams(32)  # there are more to come
        assert_allclose(share, (8 / 32) ** power, rtol=0.4)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_stochastic_gradient_descent_learns_from_batches_of_few_samples(batch_size):
    X, y = load_digits(return_X_y=True)
    options = {"solver": "sgd", "batch_size": batch_size, "max_iter": 3, "random_state": 0}
    model = TwoLayerClassifier(50, **options).fit(X[:1000], y[:1000])
    assert model.score(X[1000:], y[1000:]) > 0.88  # MLPClassifier has 0.9
    regressor = TwoLayerRegressor(50, **options).fit(X[:1000], y[:1000])
    assert regressor.score(X[1000:], y[1000:]) > 0.5


# The start of small networks.


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_inputs_of_hidden_units_have_mean_zero_at_first(container, activation):
    rng = np.random.default_rng(0)
    X, weights = rng.normal([0, 3, 100, 1e6], [1, 2, 3, 4], (50, 4)), rng.integers(1, 3, 50)
    options = {"learning_rate": 1e-300, "max_updates": 1, "random_state": 0}
    model = TwoLayerRegressor(9, activation=activation, **options)
    (W1, _), (b1, _) = (model.fit(container(X), X[:, 0], weights).coefs_, model.intercepts_)
    mean = np.average(X, axis=0, weights=weights)
    assert_allclose(b1, -mean @ W1, rtol=1e-10)
    assert np.abs(model.set_params(init="he").fit(X, X[:, 0]).intercepts_[0]).max() <= 1e-300


@pytest.mark.parametrize("solver", ["adamw", "lbfgs"])
def test_small_networks_do_not_die_on_correlated_columns_of_one_sign(solver):
    """As from the first estimators of a stack: three predictions of y."""
    rng = np.random.default_rng(0)
    y = rng.normal(14, 5, 400)
    X = y[:, np.newaxis] + rng.normal(0, [2, 3, 4], (400, 3))
    for seed in range(10):
        assert TwoLayerRegressor(5, solver=solver, random_state=seed).fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_a_network_without_an_active_unit_warns(container, data):
    X, y = data
    model = TwoLayerClassifier(3, max_iter=20, learning_rate=1.0, alpha=0, random_state=0)
    with pytest.warns(ConvergenceWarning, match="All 3 hidden units are dead.*learning_rate"):
        model.fit(container(np.abs(X)), y)
    assert not model.transform(np.abs(X)).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(activation="tanh").fit(container(np.abs(X)), y)
        model.set_params(activation="relu", learning_rate="auto").fit(container(np.abs(X)), y)
