"""TwoLayerClassifier: the exercise's numbers, plain recomputations, labels, weights, errors."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sk_twolayer import TwoLayerClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TOY_X = 10 * np.random.RandomState(1).standard_normal((5, 4))
TOY_Y = np.array([0, 1, 2, 2, 1])


@pytest.fixture(scope="module")
def data():
    return make_classification(
        n_samples=120, n_features=8, n_informative=6, n_classes=3, random_state=0
    )


def parameters(model):
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


# The numbers that the exercise publishes.


def toy_model(**params):
    defaults = {
        "hidden_size": 10,
        "init": 0.1,
        "momentum": 0,
        "nesterov": False,
        "n_iter_no_change": None,
        "random_state": 0,
    }
    return plain_classifier(**defaults | params)


def test_toy_scores_and_loss_are_the_published_ones():
    # An update with so small a learning rate leaves every bit of the initial parameters unchanged.
    model = toy_model(alpha=0.1, learning_rate=1e-300, max_updates=1).fit(TOY_X, TOY_Y)
    published = [
        [-0.81233741, -1.27654624, -0.70335995],
        [-0.17129677, -1.18803311, -0.47310444],
        [-0.51590475, -1.01354314, -0.8504215],
        [-0.15419291, -0.48629638, -0.52901952],
        [-0.00618733, -0.12435261, -0.15226949],
    ]
    assert np.abs(model.decision_function(TOY_X) - published).sum() < 3.7e-8
    assert abs(model.batch_loss_curve_[0] - 1.30378789133) < 1e-11


def test_toy_last_loss_is_the_published_one():
    model = toy_model(
        alpha=1e-5,
        learning_rate=0.1,
        learning_rate_decay=0.95,
        batch_size=200,
        replacement=True,
        max_updates=100,
    ).fit(TOY_X, TOY_Y)
    assert model.n_updates_ == 100
    assert_allclose(model.batch_loss_curve_[-1], 0.0171496079387320, rtol=1e-10)


# Fifty updates against plain formulas.


def plain_updates(X, y, w, n_updates, *, alpha, rate, decay, momentum, batch_size, rng):
    """Train on three classes in plain float64; random numbers are drawn as in the exercise."""
    W1 = rng.standard_normal((X.shape[1], 6)) * np.sqrt(2 / X.shape[1])
    W2 = rng.standard_normal((6, 3)) * np.sqrt(2 / 6)
    params = [W1, W2, np.zeros(6), np.zeros(3)]
    velocities = [np.zeros_like(p) for p in params]
    losses = []
    while True:
        order = rng.permutation(len(X))
        for start in range(0, len(X), batch_size):
            batch = order[start : start + batch_size]
            W1, W2, b1, b2 = params
            A = np.maximum(X[batch] @ W1 + b1, 0)
            scores = A @ W2 + b2
            p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            share = w[batch] / w[batch].sum()
            losses.append(
                -share @ np.log(p[np.arange(len(batch)), y[batch]])
                + alpha / 2 * ((W1**2).sum() + (W2**2).sum())
            )
            d = (p - np.eye(3)[y[batch]]) * share[:, None]
            dz = (d @ W2.T) * (A > 0)
            gradients = [X[batch].T @ dz + alpha * W1, A.T @ d + alpha * W2, dz.sum(0), d.sum(0)]
            velocities = [
                momentum * v - rate * g for v, g in zip(velocities, gradients, strict=True)
            ]
            params = [
                p + momentum * v - rate * g
                for p, v, g in zip(params, velocities, gradients, strict=True)
            ]
            if len(losses) == n_updates:
                return params, losses
        rate *= decay


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
def test_fifty_updates_equal_the_plain_formulas(data, dtype, tolerance):
    X, y = data
    X = X.astype(dtype)
    w = np.random.RandomState(1).uniform(0.1, 3, len(X))
    model = plain_classifier(
        6,
        init="he",
        alpha=0.01,
        learning_rate=0.05,
        learning_rate_decay=0.9,
        momentum=0.8,
        batch_size=25,
        max_updates=50,
        random_state=0,
    ).fit(X, y, sample_weight=w)
    expected, losses = plain_updates(
        X.astype(float),
        y,
        w,
        50,
        alpha=0.01,
        rate=0.05,
        decay=0.9,
        momentum=0.8,
        batch_size=25,
        rng=np.random.RandomState(0),
    )
    assert parameters(model).dtype == dtype
    assert_allclose(
        parameters(model), np.concatenate([p.ravel() for p in expected]), atol=tolerance
    )
    assert_allclose(model.batch_loss_curve_, losses, rtol=tolerance)
    assert model.n_iter_ == 10


# Labels and probabilities.


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["ant", "bee", "cat"]),
        np.array(["ant", "bee", "cat"], dtype=object),
        np.array([-7, 0, 5]),
        np.array([False, True]),
        np.array([-1.0, 1.0]),
        np.array(["no", "yes"]),
    ],
    ids=str,
)
def test_labels_of_any_kind(data, labels):
    X, y = data
    y = labels[y % len(labels)]
    model = TwoLayerClassifier(max_iter=5, random_state=0).fit(X, y)
    assert_array_equal(model.classes_, labels)
    assert model.classes_.dtype == labels.dtype
    predicted, p = model.predict(X), model.predict_proba(X)
    assert predicted.dtype == labels.dtype
    assert_array_equal(predicted, labels[p.argmax(axis=1)])
    assert p.shape == (len(X), len(labels))
    assert_allclose(p.sum(axis=1), 1)
    assert_allclose(model.predict_log_proba(X), np.log(p))
    numbered = TwoLayerClassifier(max_iter=5, random_state=0).fit(X, np.searchsorted(labels, y))
    assert_array_equal(parameters(model), parameters(numbered))


def test_probabilities_are_the_softmax_or_sigmoid_of_the_scores(data):
    X, y = data
    three = TwoLayerClassifier(max_iter=5, random_state=0).fit(X, y)
    e = np.exp(three.decision_function(X))
    assert_allclose(three.predict_proba(X), e / e.sum(axis=1, keepdims=True))
    two = TwoLayerClassifier(max_iter=5, random_state=0).fit(X, y == 1)
    scores = two.decision_function(X)
    assert scores.shape == (len(X),)
    assert_allclose(two.predict_proba(X)[:, 1], 1 / (1 + np.exp(-scores)))
    assert (three.out_activation_, two.out_activation_) == ("softmax", "logistic")


def test_pandas_names_are_kept_and_checked():
    frame, y = load_iris(as_frame=True, return_X_y=True)
    model = TwoLayerClassifier(max_iter=5, random_state=0).fit(frame, y)
    assert_array_equal(model.feature_names_in_, frame.columns)
    assert_array_equal(model.predict(frame), model.fit(frame.to_numpy(), y).predict(frame.values))
    model.fit(frame, y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[frame.columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(frame.to_numpy())


# Dtypes and layouts of X.


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("uint8", "float32"),
        ("int8", "float32"),
        ("int16", "float32"),
        ("uint16", "float32"),
        ("bool", "float32"),
        ("int32", "float64"),
        ("int64", "float64"),
        ("float16", "float64"),
    ],
)
def test_computing_dtype(data, given, computed):
    X, y = data
    X = (10 * X).astype(given)
    model = TwoLayerClassifier(max_iter=3, random_state=0, learning_rate=0.01).fit(X, y)
    assert {array.dtype for array in model.coefs_ + model.intercepts_} == {np.dtype(computed)}
    assert model.predict_proba(X).dtype == computed
    cast = TwoLayerClassifier(max_iter=3, random_state=0, learning_rate=0.01)
    cast.fit(X.astype(computed), y)
    assert_array_equal(parameters(model), parameters(cast))


@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed", "read-only", "memmap"])
def test_any_layout_gives_the_same_and_is_not_written_to(data, layout, tmp_path):
    X, y = data
    if layout == "memmap":
        np.save(tmp_path / "X.npy", X)
    given = {
        "fortran": lambda: np.asfortranarray(X),
        "strided": lambda: np.repeat(X, 2, axis=1)[:, ::2],
        "reversed": lambda: X[::-1].copy()[::-1],
        "read-only": X.copy,
        "memmap": lambda: np.load(tmp_path / "X.npy", mmap_mode="r"),
    }[layout]()
    labels = y.copy()
    if layout == "read-only":
        given.flags.writeable = labels.flags.writeable = False
    w = np.ones(len(X))
    model = TwoLayerClassifier(max_iter=5, random_state=0).fit(given, labels, w)
    assert_array_equal(given, X)
    assert_array_equal(labels, y)
    assert_array_equal(w, np.ones(len(X)))
    plain = TwoLayerClassifier(max_iter=5, random_state=0).fit(X, y, w)
    assert_array_equal(parameters(model), parameters(plain))
    assert_allclose(model.predict_proba(given), plain.predict_proba(X), rtol=1e-12)


# Weights.


def test_samples_of_weight_zero_are_left_out(data):
    X, y = data
    w = np.random.RandomState(0).randint(0, 3, len(X)).astype(float)
    options = {"max_iter": 4, "random_state": 0, "batch_size": 16}
    weighted = TwoLayerClassifier(**options).fit(X, y, w)
    left_out = TwoLayerClassifier(**options).fit(X[w > 0], y[w > 0], w[w > 0])
    assert_array_equal(parameters(weighted), parameters(left_out))


def test_integer_weights_are_repetitions_if_a_batch_holds_all_samples(data):
    X, y = data
    w = np.random.RandomState(0).randint(0, 3, len(X))
    options = {"max_iter": 20, "random_state": 0, "batch_size": 1000}
    weighted = plain_classifier(**options).fit(X, y, w)
    repeated = plain_classifier(**options).fit(X.repeat(w, axis=0), y.repeat(w))
    assert_allclose(parameters(weighted), parameters(repeated), rtol=1e-9, atol=1e-12)
    assert_allclose(weighted.train_scores_, repeated.train_scores_)


@pytest.mark.parametrize("class_weight", [{0: 2.0, 2: 0.5}, "balanced"])
def test_class_weight_is_sample_weight_by_class(data, class_weight):
    X, y = data
    w = np.random.RandomState(0).uniform(0.5, 2, len(X))
    weight = {0: 2.0, 1: 1.0, 2: 0.5}
    if class_weight == "balanced":
        weight = {c: w.sum() / (3 * w[y == c].sum()) for c in (0, 1, 2)}
    by_sample = w * np.array([weight[c] for c in y])
    options = {"max_iter": 4, "random_state": 0}
    by_class = TwoLayerClassifier(class_weight=class_weight, **options).fit(X, y, w)
    expected = TwoLayerClassifier(**options).fit(X, y, by_sample)
    assert_allclose(parameters(by_class), parameters(expected), rtol=1e-10)


def test_balanced_partial_fit_counts_all_samples_so_far(data):
    X, y = data
    first, second = slice(0, 40), slice(40, 120)
    options = {"random_state": 0}
    model = TwoLayerClassifier(class_weight="balanced", **options)
    expected = TwoLayerClassifier(**options)
    for chunk, seen in [(first, first), (second, slice(0, 120))]:
        counts = np.bincount(y[seen])
        model.partial_fit(X[chunk], y[chunk], classes=[0, 1, 2])
        weights = (counts.sum() / (3 * counts))[y[chunk]]
        expected.partial_fit(X[chunk], y[chunk], classes=[0, 1, 2], sample_weight=weights)
    assert_allclose(parameters(model), parameters(expected), rtol=1e-10)


# Continued training: partial_fit, warm_start, random numbers, pickles.


def test_a_warm_start_continues_the_last_fit(data):
    X, y = data
    options = {"random_state": 0, "batch_size": 32, "learning_rate_decay": 0.9}
    whole = plain_classifier(max_iter=6, **options).fit(X, y)
    parts = plain_classifier(max_iter=3, warm_start=True, **options).fit(X, y)
    parts = pickle.loads(pickle.dumps(parts)).fit(X, y)
    assert_array_equal(parameters(parts), parameters(whole))
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.batch_loss_curve_ == whole.batch_loss_curve_
    assert (parts.n_iter_, parts.n_updates_) == (3, whole.n_updates_)


def test_partial_fit_equals_fit_without_decay(data):
    X, y = data
    options = {"random_state": 0, "batch_size": 32, "learning_rate_decay": 1.0}
    whole = plain_classifier(max_iter=5, **options).fit(X, y)
    parts = plain_classifier(**options)
    for _ in range(5):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    # The scales of columns are sums over all samples so far, and agree up to rounding.
    assert_allclose(parameters(parts), parameters(whole), rtol=1e-9)
    assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_models_continue_training_in_the_same_way(data, protocol):
    X, y = data
    for model in [
        TwoLayerClassifier(random_state=0, max_iter=3).fit(X, y),
        TwoLayerClassifier(random_state=0).partial_fit(X, y, classes=[0, 1, 2]),
    ]:
        loaded = pickle.loads(pickle.dumps(model, protocol))
        assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        model.partial_fit(X[:50], y[:50])
        loaded.partial_fit(X[:50], y[:50])
        assert_array_equal(parameters(loaded), parameters(model))


def test_the_global_random_state_is_unchanged(data):
    X, y = data
    before = np.random.mtrand._rand.get_state()[1].copy()
    TwoLayerClassifier(random_state=0, max_iter=2).fit(X, y).predict(X)
    assert_array_equal(np.random.mtrand._rand.get_state()[1], before)


def test_a_random_state_instance_advances(data):
    X, y = data
    rng = np.random.RandomState(3)
    first = TwoLayerClassifier(random_state=rng, max_iter=2).fit(X, y)
    second = TwoLayerClassifier(random_state=rng, max_iter=2).fit(X, y)
    same = TwoLayerClassifier(random_state=np.random.RandomState(3), max_iter=2).fit(X, y)
    assert_array_equal(parameters(first), parameters(same))
    assert not np.array_equal(parameters(first), parameters(second))


def test_a_pickle_is_hardly_larger_than_the_parameters(data):
    X, y = data
    model = TwoLayerClassifier(batch_size=5, max_iter=50, n_iter_no_change=None).fit(X, y)
    assert len(model.batch_loss_curve_) == 50 * 24
    assert len(pickle.dumps(model)) < parameters(model).nbytes + 4096


def test_a_pickle_without_batch_losses_still_counts_their_updates(data):
    X, y = data
    model = TwoLayerClassifier(batch_size=40, max_iter=2, random_state=0).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.batch_loss_curve_ is None
    assert loaded.n_updates_ == 6
    loaded.partial_fit(X[:80], y[:80])
    model.partial_fit(X[:80], y[:80])
    assert loaded.batch_loss_curve_ == model.batch_loss_curve_[6:]
    assert loaded.n_updates_ == model.n_updates_ == 8
    # This training can be continued, so that pickles hold all losses.
    assert pickle.loads(pickle.dumps(model)).batch_loss_curve_ == model.batch_loss_curve_


def test_features_that_are_not_scaled_do_not_diverge(data):
    X, y = data
    adamw = TwoLayerClassifier(activation="identity", max_iter=20, random_state=0).fit(1e4 * X, y)
    assert adamw.loss_curve_[-1] < adamw.loss_curve_[0] < 10
    model = plain_classifier(activation="identity", init="glorot", max_iter=20, random_state=0)
    model.fit(1e4 * X, y)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(learning_rate=0.1).fit(1e4 * X, y)


# History and stopping.


def test_history(data):
    X, y = data
    model = TwoLayerClassifier(max_iter=4, batch_size=50, random_state=0).fit(X, y)
    batches = np.reshape(model.batch_loss_curve_, (4, 3))  # of 50, 50 and 20 samples
    assert_allclose(model.loss_curve_, batches @ [50, 50, 20] / 120)
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert (model.n_iter_, model.n_updates_) == (4, 12)
    assert model.learning_rate_ > 0


def test_train_scores_are_accuracies_of_the_batches():
    # At so small a learning rate no prediction changes, and all batches see the final network.
    X, y = load_iris(return_X_y=True)
    model = plain_classifier(max_iter=2, learning_rate=1e-12, random_state=0).fit(X, y)
    assert_allclose(model.train_scores_, [model.score(X, y)] * 2)


def test_max_updates_can_stop_within_an_epoch(data):
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = plain_classifier(batch_size=50, max_updates=7, random_state=0).fit(X, y)
    assert (model.n_updates_, model.n_iter_, len(model.loss_curve_)) == (7, 3, 3)
    assert_allclose(model.loss_curve_[2], model.batch_loss_curve_[6])


def test_stopping_by_tol(data):
    model = plain_classifier(tol=0.5, n_iter_no_change=4, random_state=0).fit(*data)
    curve = np.array(model.loss_curve_)
    best_before = np.minimum.accumulate(np.r_[np.inf, curve[:-1]])
    assert not (curve[-4:] <= best_before[-4:] - 0.5).any()
    assert curve[-5] <= best_before[-5] - 0.5
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        plain_classifier(max_iter=3, random_state=0).fit(*data)


def test_verbose_prints_a_line_for_each_epoch(data, capsys):
    TwoLayerClassifier(max_iter=3, verbose=True, random_state=0).fit(*data)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    assert all("loss" in line and "accuracy" in line for line in lines)


# Errors.


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_size": 0}, "'hidden_size' parameter .* Got 0"),
        ({"batch_size": 0}, "'batch_size' parameter .* Got 0"),
        ({"learning_rate": -1.0}, "'learning_rate' parameter .* Got -1.0"),
        ({"alpha": -1.0}, "'alpha' parameter .* Got -1.0"),
        ({"momentum": 1.0}, "'momentum' parameter .* Got 1.0"),
        ({"init": "xavier"}, "'init' parameter .* Got 'xavier'"),
        ({"init": 0.0}, "'init' parameter .* Got 0.0"),
        ({"learning_rate_decay": 1.1}, "'learning_rate_decay' parameter .* Got 1.1"),
        ({"max_updates": 0}, "'max_updates' parameter .* Got 0"),
        ({"n_iter_no_change": 0}, "'n_iter_no_change' parameter .* Got 0"),
    ],
    ids=str,
)
def test_errors_name_invalid_hyper_parameters(data, params, message):
    with pytest.raises(ValueError, match=message):
        TwoLayerClassifier(**params).fit(*data)


def test_errors_name_invalid_data(data):
    X, y = data
    model = TwoLayerClassifier()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.predict(X)
    broken = X.copy()
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(broken, y)
    with pytest.raises(
        ValueError, match=r"y has only 1 class of a weight above zero, 4: .* at least 2"
    ):
        model.fit(X, np.full(len(X), 4))
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        model.fit(X, y, -np.ones(len(X)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y[:-1])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        model.fit(X, X[:, 0])
    with pytest.raises(ValueError, match="dtype datetime64"):
        model.fit(X.astype("datetime64[s]"), y)
    assert not hasattr(model, "coefs_")
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"X has 7 features, but .* is expecting 8"):
        model.predict(X[:, 1:])


def test_partial_fit_errors(data):
    X, y = data
    model = plain_classifier(random_state=0)
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"labels \[2\] that are not in classes \[0 1\]"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes=\[3\] has only 1 class"):
        model.partial_fit(X, y, classes=[3])
    assert not hasattr(model, "coefs_")
    model.partial_fit(X, y, classes=[0, 1, 2])
    before = parameters(model)
    with pytest.raises(ValueError, match=r"classes=\[0 1 3\] is not the same"):
        model.partial_fit(X, y, classes=[0, 1, 3])
    with pytest.raises(ValueError, match=r"labels \[5\]"):
        model.partial_fit(X[:2], [0, 5])
    with pytest.raises(ValueError, match="X has 7 features"):
        model.partial_fit(X[:, 1:], y)
    with pytest.raises(ValueError, match=r"hidden_size=7.*100 hidden units"):
        model.set_params(hidden_size=7).partial_fit(X, y)
    assert_array_equal(parameters(model), before)


def test_warm_start_errors(data):
    X, y = data
    model = TwoLayerClassifier(warm_start=True, max_iter=2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"Previously got \[0 1 2\], `y` has \[0 1\]"):
        model.fit(X, y % 2)
    with pytest.raises(ValueError, match="X has 7 features"):
        model.fit(X[:, 1:], y)
    with pytest.raises(ValueError, match="hidden_size=7"):
        model.set_params(hidden_size=7).fit(X, y)


def test_divergence_stops_the_training_and_changes_nothing(data):
    X, y = data
    model = plain_classifier(learning_rate=1e200, alpha=1.0, random_state=0)
    message = r"loss became (nan|inf) at update \d, with learning_rate=1e\+200.*smaller"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an overflow before the error gives no warning
        with pytest.raises(ValueError, match=message):
            model.fit(X, y)
    assert not hasattr(model, "coefs_")

    model.set_params(learning_rate=0.1).partial_fit(X, y, classes=[0, 1, 2])
    before = parameters(model)
    with pytest.raises(ValueError, match="diverged"):
        model.set_params(learning_rate=1e200).partial_fit(X, y).partial_fit(X, y)
    after = parameters(model)
    assert np.isfinite(after).all()
    assert_array_equal(after, before)


def test_the_last_update_is_checked_too(data):
    model = plain_classifier(learning_rate=1e308, alpha=1e5, max_updates=1, random_state=0)
    with pytest.raises(ValueError, match=r"parameters became infinite at update 1"):
        model.fit(*data)
