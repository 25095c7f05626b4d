"""Any sequence of calls on an estimator gives what it gives on a plain float64 model.

A machine trains, copies, changes, breaks and interrupts estimators on dense and sparse samples, in
an order that hypothesis draws, and compares them with `PlainModel` after each step. Numbers must be
equal up to rounding. A call that raises must change nothing, bit for bit. A fit that Ctrl-C ends
after k updates must be the first k updates of the same plan. Copies must be independent, and arrays
that were returned must not change.
"""

import copy
import pickle
import signal
import warnings

import numpy as np
import pytest
from estimator_state import frozen
from faults import Fault
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.testing import assert_allclose, assert_array_equal
from plain_model import SOLVERS, DivergedError, PlainModel
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sk_twolayer import TwoLayerClassifier

N_FEATURES = 50
CLASSES = {
    "two": np.array(["no", "yes"]),
    "three": np.array([10, 20, 30]),
    "indicator": np.arange(3),  # three labels, any of which a sample may have
}

# What `set_params` may change between calls. Momentum stays zero or stays above zero, as nothing is
# promised of a velocity that was not used.
CHANGES = {
    "solver": sorted(SOLVERS),
    "alpha": [0.0, 1e-3, 0.1],
    "activation": ["relu", "tanh"],
    "beta_1": [0.5, 0.9],
    "beta_2": [0.9, 0.99],
    "learning_rate": [0.01, 0.03],
    "learning_rate_schedule": ["constant", "exponential", "cosine"],
    "warmup_fraction": [0.0, 0.4],
    "learning_rate_decay": [0.9, 1.0],
    "batch_size": [7, 16],
    "replacement": [False, True],
    "dropout": [0.0, 0.3],
    "max_iter": [1, 3],
    "max_updates": [None, 4],
    "warm_start": [False, True],
}

samples = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**16),
        "n_samples": st.integers(20, 60),
        "sparse": st.sampled_from([True, True, True, False]),
        "weighted": st.booleans(),
    }
)
chunks = st.lists(samples, min_size=2, max_size=3)
calls = st.sampled_from(["fit", "partial_fit"])


class RaisingCallback:
    """A callback that fails after the first epoch."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            raise OSError("disk full")

    def teardown(self, estimator, context):
        pass


class Estimators(RuleBasedStateMachine):
    """Up to three estimators, each with its plain model; rules work with the last one."""

    @initialize(
        start=st.fixed_dictionaries({name: st.sampled_from(of) for name, of in CHANGES.items()}),
        momentum=st.sampled_from([0.0, 0.9]),
        nesterov=st.booleans(),
        labels=st.sampled_from(sorted(CLASSES)),
        weigh_classes=st.booleans(),
        instance=st.sampled_from([False, False, True]),
        looks=st.sampled_from([False, False, True]),
    )
    def begin(self, start, momentum, nesterov, labels, weigh_classes, instance, looks):
        parameters = {
            **start,
            **{"hidden_size": 3, "init": 0.5, "momentum": momentum, "nesterov": nesterov},
            **{"epsilon": 1e-2, "n_iter_no_change": None},
            **{"class_weight": None, "random_state": 7},
        }
        if weigh_classes and labels != "indicator":
            parameters["class_weight"] = "balanced"
        if instance:
            parameters["random_state"] = np.random.RandomState(7)
        self.labels, self.classes = labels, CLASSES[labels]
        # Whether parameters are read after each step, which applies the pending updates of W1.
        # Predictions leave them pending.
        self.looks = looks
        self.aliased, self.returned = False, []
        self.handler = signal.getsignal(signal.SIGINT)
        self.pairs = [(TwoLayerClassifier(**parameters), PlainModel(**copy.deepcopy(parameters)))]
        self.probe = np.concatenate([np.eye(N_FEATURES), self.draw(0, 20)[0]])

    @property
    def model(self):
        return self.pairs[-1][0]

    @property
    def plain(self):
        return self.pairs[-1][1]

    @plain.setter
    def plain(self, plain):
        self.pairs[-1] = self.model, plain

    def draw(self, seed, n_samples):
        """Return samples, and labels of each class.

        In most draws less than half of the features occur, each in few samples or in many: a chunk
        of a stream then copies the rows of W1 of its own features alone.
        """
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((n_samples, N_FEATURES))
        X *= rng.random(X.shape) < rng.choice([0.1, 0.4])
        X *= rng.random(N_FEATURES) < rng.choice([0.2, 0.2, 0.8])
        X[:, -2:] = 0
        y = rng.permutation(np.resize(self.classes, n_samples))
        if self.labels == "indicator":
            y = (rng.random((n_samples, len(self.classes))) < 0.4).astype(int)
        return X, y

    def arguments(self, call, samples):
        """Return what to call the estimator with, as a dict, and the same samples, dense."""
        X, y = self.draw(samples["seed"], samples["n_samples"])
        given = {"X": csr_array(X) if samples["sparse"] else X, "y": y}
        if samples["weighted"]:
            weights = np.random.default_rng(samples["seed"]).uniform(-0.5, 2, len(y)).clip(0)
            weights[: 2 * len(self.classes)] = 1
            if self.labels != "indicator":  # so that no class is without weight
                y[: 2 * len(self.classes)] = np.repeat(self.classes, 2)
            given["sample_weight"] = weights
        if call == "partial_fit":
            given["classes"] = self.classes
        return given, given | {"X": X}

    def train_plain(self, call, arguments, **options):
        trained = copy.deepcopy(self.plain)
        getattr(trained, call)(**arguments, **options)
        self.plain = trained

    def refuse(self, call, given, errors):
        """Make a call that must raise one of the errors, and change nothing."""
        before = frozen(vars(self.model))
        with pytest.raises(errors):
            getattr(self.model, call)(**given)
        self.assert_unchanged(before)

    def assert_unchanged(self, before):
        after = frozen(vars(self.model))
        changed = [name for name in before | after if before.get(name) != after.get(name)]
        assert not changed, f"a call that raised has changed {changed}"

    # Calls that succeed.

    @rule(samples=samples, validate=st.booleans())
    def fit(self, samples, validate):
        given, plain = self.arguments("fit", samples)
        self.model.fit(**given, **self.validation(validate, plain))
        self.train_plain("fit", plain)

    def validation(self, validate, plain):
        """Return validation samples if wanted; a warm start would keep the best earlier score."""
        if not validate or (self.plain.fitted and self.plain.parameters["warm_start"]):
            return {}
        X_val, y_val = self.draw(1, 25)
        plain["validation"] = X_val, y_val
        return {"X_val": X_val, "y_val": y_val}

    @rule(chunks=chunks)
    def partial_fit(self, chunks):
        for samples in chunks:
            given, plain = self.arguments("partial_fit", samples)
            self.model.partial_fit(**given)
            self.train_plain("partial_fit", plain)

    @rule(change=st.sampled_from(sorted(CHANGES)), position=st.integers(0, 2))
    def set_params(self, change, position):
        value = CHANGES[change][position % len(CHANGES[change])]
        self.model.set_params(**{change: value})
        self.plain.parameters[change] = value

    @precondition(lambda self: self.plain.fitted)
    @rule(seed=st.integers(0, 2**16), both=st.booleans())
    def set_coefs_by_hand(self, seed, both):
        rng = np.random.default_rng(seed)
        coefs = [0.3 * rng.standard_normal(w.shape) for w in self.plain.weights[:2]]
        self.model.coefs_ = coefs if both else [coefs[0], self.model.coefs_[1]]
        self.plain.weights[: 2 if both else 1] = [w.copy() for w in coefs[: 2 if both else 1]]

    @precondition(lambda self: self.plain.fitted and not self.aliased)
    @rule()
    def change_coefs_in_place(self):
        self.returned = []
        for ours, plain in zip(self.model.coefs_, self.plain.weights[:2], strict=True):
            ours *= 0.5
            plain *= 0.5

    @precondition(lambda self: self.plain.fitted)
    @rule(sparse=st.booleans())
    def predict(self, sparse):
        X = csr_array(self.probe) if sparse else self.probe
        scores = self.plain.scores(self.probe)
        sure = np.abs(scores).min(axis=1) > 1e-6
        expected = scores > 0
        if self.labels == "two":
            expected = self.classes[expected[:, 0].astype(int)]
        elif self.labels == "three":
            best = np.sort(scores, axis=1)
            sure = best[:, -1] - best[:, -2] > 1e-6
            expected = self.classes[scores.argmax(axis=1)]
        assert_array_equal(self.model.predict(X)[sure], expected[sure])

    # Copies.

    @rule(how=st.sampled_from(["pickle", "deepcopy", "copy"]), copy_goes_first=st.booleans())
    def copy(self, how, copy_goes_first):
        if how == "copy":
            if not isinstance(self.model.random_state, int):
                return  # the two would share a generator, as in all of scikit-learn
            self.aliased = True
        make = {
            "pickle": lambda model: pickle.loads(pickle.dumps(model)),
            "deepcopy": copy.deepcopy,
            "copy": copy.copy,
        }[how]
        plain = copy.deepcopy(self.plain)
        plain.copied = True
        self.pairs.append((make(self.model), plain))
        del self.pairs[:-3]
        if not copy_goes_first:
            self.pairs.insert(0, self.pairs.pop())

    @rule()
    def clone(self):
        plain = PlainModel(**copy.deepcopy(self.plain.parameters))
        self.pairs = [*self.pairs[-2:], (clone(self.model), plain)]

    @precondition(lambda self: len(self.pairs) > 1)
    @rule()
    def return_to_another(self):
        self.pairs.insert(0, self.pairs.pop())

    # Calls that fail.

    @rule(
        call=calls,
        samples=samples,
        wrong=st.sampled_from(
            ["NaN", "columns", "length", "labels", "negative", "weightless", "alpha"]
        ),
    )
    def refuse_bad_input(self, call, samples, wrong):
        given, plain = self.arguments(call, samples)
        X, n = given["X"], len(given["y"])
        if wrong == "NaN":
            given["X"] = X * np.where(np.arange(n) == n // 2, np.nan, 1)[:, np.newaxis]
            if not np.isnan(given["X"].sum()):
                return  # the sparse sample has no entries
        elif wrong == "columns":  # and one class, as a new fit may have any columns
            given["X"] = np.hstack([plain["X"], plain["X"]])
            given["y"] = given["y"][:1].repeat(n, axis=0)
            if call == "partial_fit" or self.labels == "indicator":
                given["y"] = given["y"][:-1]
        elif wrong == "length":
            given["y"] = given["y"][1:]
        elif wrong == "labels":
            given["y"] = np.linspace(0.1, 0.9, n) if call == "fit" else np.full(n, 77)
        elif wrong == "negative":
            given["sample_weight"] = np.where(np.arange(n) == n // 2, -1.0, 1.0)
        elif wrong == "weightless":
            given["sample_weight"] = np.zeros(n)
        alpha = self.model.alpha
        if wrong == "alpha":
            self.model.set_params(alpha=-1.0)
        self.refuse(call, given, ValueError)
        self.model.set_params(alpha=alpha)

    @rule(call=calls, samples=samples)
    def diverge(self, call, samples):
        given, plain = self.arguments(call, samples)
        given["X"], plain["X"] = given["X"] * 1e300, plain["X"] * 1e300
        learning_rate, doomed = self.model.learning_rate, copy.deepcopy(self.plain)
        # So large that sums overflow in whatever order their terms are added.
        doomed.parameters["learning_rate"] = 1e100
        try:
            getattr(doomed, call)(**plain)
        except DivergedError:
            self.model.set_params(learning_rate=1e100)
            self.refuse(call, given, ValueError)
            self.model.set_params(learning_rate=learning_rate)

    @precondition(lambda self: hasattr(self.model, "set_callbacks"))
    @rule(samples=samples)
    def fail_in_a_callback(self, samples):
        given, _ = self.arguments("fit", samples)
        self.model.set_callbacks(RaisingCallback())
        self.refuse("fit", given, OSError)
        self.model.set_callbacks()

    def rehearse(self, call, given, error, share):
        """Return the moment at a share of all moments in which the error can strike this call.

        A copy of the model makes the rehearsal, and another copy takes the place of the model: an
        estimator that was copied no longer writes to its arrays, so that it would not exchange
        rows, and go through other lines.
        """
        rehearsing, self.plain.copied = copy.deepcopy(self.model), True
        self.pairs[-1] = copy.deepcopy(self.model), self.plain
        with Fault(rehearsing, error) as rehearsal:
            getattr(rehearsing, call)(**given)
        return 1 + int(share * rehearsal.n_moments)

    @rule(call=calls, samples=samples, share=st.floats(0, 1, exclude_max=True))
    def run_out_of_memory(self, call, samples, share):
        given, _ = self.arguments(call, samples)
        moment = self.rehearse(call, given, MemoryError, share)
        with Fault(self.model, MemoryError, moment) as fault:
            self.refuse(call, given, MemoryError)
        assert fault.struck

    @rule(samples=samples, validate=st.booleans(), share=st.floats(0, 1, exclude_max=True))
    def interrupt_fit(self, samples, validate, share):
        given, plain = self.arguments("fit", samples)
        given |= self.validation(validate, plain)
        continues = self.plain.fitted and self.plain.parameters["warm_start"]
        n_before = len(self.plain.batch_losses) if continues else 0
        moment = self.rehearse("fit", given, KeyboardInterrupt, share)
        before = frozen(vars(self.model))
        try:
            with Fault(self.model, KeyboardInterrupt, moment) as fault:
                self.model.fit(**given)
        except KeyboardInterrupt:
            assert fault.struck
            # Most of the moments are in updates.
            assert share < 0.9, "an interrupt after many updates must keep them"
            self.assert_unchanged(before)
        else:
            self.train_plain("fit", plain, max_updates=self.model.n_updates_ - n_before)

    @rule(chunks=chunks, share=st.floats(0, 1, exclude_max=True))
    def interrupt_partial_fit(self, chunks, share):
        self.partial_fit(chunks[1:])
        given, _ = self.arguments("partial_fit", chunks[0])
        moment = self.rehearse("partial_fit", given, KeyboardInterrupt, share)
        with Fault(self.model, KeyboardInterrupt, moment):
            self.refuse("partial_fit", given, KeyboardInterrupt)

    # What must hold after each step.

    @invariant()
    def the_handler_of_interrupts_is_back(self):
        assert signal.getsignal(signal.SIGINT) is getattr(
            self, "handler", signal.default_int_handler
        )

    @invariant()
    def arrays_returned_stay_as_they_were(self):
        for array, as_it_was in getattr(self, "returned", []):
            assert_array_equal(array, as_it_was)

    @invariant()
    def estimators_are_what_they_should_be(self):
        for model, plain in getattr(self, "pairs", []):
            self.compare(model, plain)

    def compare(self, model, plain):
        if not plain.fitted:
            fitted = [name for name in vars(model) if name.endswith("_") and name[0] != "_"]
            assert not fitted
            return
        assert_array_equal(model.classes_, self.classes)
        assert model.n_features_in_ == N_FEATURES
        assert model.n_iter_ == plain.n_iter
        assert model.n_updates_ == len(plain.batch_losses)
        assert model.learning_rate_ == plain.initial_rate
        curve = model.batch_loss_curve_
        if not plain.copied:
            assert len(curve) == model.n_updates_
        n_kept = len(curve or [])  # a copy leaves losses out if no call can continue the training
        same(curve or [], plain.batch_losses[len(plain.batch_losses) - n_kept :])
        same(model.loss_curve_, plain.losses)
        same(model.loss_, plain.losses[-1])
        same(model.train_scores_, plain.train_scores)
        same(model.validation_scores_ or [], plain.validation_scores)
        same(model.validation_loss_curve_ or [], plain.validation_losses)
        if plain.best_loss is None:
            assert model.best_loss_ is None
        else:
            same(model.best_loss_, plain.best_loss)
        scores = model.decision_function(csr_array(self.probe))
        same(scores.reshape(len(self.probe), -1), plain.scores(self.probe))
        if self.looks:
            arrays = [*model.coefs_, *model.intercepts_]
            for ours, plain_array in zip(arrays, plain.weights, strict=True):
                same(ours, plain_array)
            self.returned = [*self.returned[-12:], *((array, array.copy()) for array in arrays)]


def same(ours, plain):
    assert_allclose(ours, plain, rtol=1e-9, atol=1e-10)


Estimators.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_any_sequence_of_calls_gives_what_the_plain_model_gives():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Training interrupted", UserWarning)
        Estimators.TestCase("runTest").runTest()
