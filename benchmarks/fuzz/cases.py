"""Cases: hyper-parameters, sample weights and validation samples of every kind, good and bad.

Every option is good, bad or odd. A call must raise if an option is bad, and must succeed if all are
good. Odd options may be refused or accepted. `class_targets` draws y for classifiers, and
`continuous_targets` draws it for regressors.
"""

import numpy as np
import scipy.sparse as sp
from samples import make_samples

BAD_PARAMETERS = {
    "hidden_size": [0, -3, 2.5, "x", None],
    "activation": ["softplus", 1],
    "solver": ["newton", None],
    "alpha": [-1e-3, np.nan, "x", None, 10**400],
    "batch_size": [0, -1, 1.5, "all"],
    "learning_rate": [0.0, -0.1, np.nan, "x", 10**400],
    "learning_rate_schedule": ["linear", None, 1],
    "warmup_fraction": [1.0, -0.1, "x", None],
    "learning_rate_decay": [0.0, 1.5],
    "momentum": [1.0, -0.1],
    "nesterov": ["yes"],
    "beta_1": [1.0],
    "beta_2": [-0.5],
    "epsilon": [0.0],
    "dropout": [1.0, -0.1],
    "init": [0.0, "xavier", -1.0],
    "max_iter": [0, 1.5, "x"],
    "max_updates": [0],
    "tol": [-1.0],
    "n_iter_no_change": [0],
    "scoring": ["acuracy", 3],
    "validation_fraction": [0.0, 1.0],
    "random_state": ["x", -1],
}

WEIGHTS = {
    "good": ["none", "none", "none", "uniform", "some zero", "list", "float32"],
    "odd": ["huge", "tiny", "number", "one huge"],
    "bad": ["all zero", "negative", "NaN", "inf", "shorter", "2-d", "text", "complex", "huge int"],
}
VALIDATION = {
    "good": ["none", "none", "samples", "one sample", "sparse", "weighted"],
    "odd": ["one value"],
    "bad": ["features", "no targets", "no samples", "NaN", "other kind", "weightless", "negative"],
}


def largest_weight(estimator, X, y):
    """Score a fitted estimator of any kind."""
    return float(np.abs(estimator.coefs_[0]).max())


class Case:
    """One case: it draws the arguments of its calls, and knows whether they must be refused.

    A subclass sets `estimator` and `metrics`, the scorers that suit it, and draws y in `targets`
    and `validation_targets`.

    Attributes
    ----------
    chosen : dict
        The options drawn for the current call, by what they are options of.
    verdicts : dict
        "good", "odd" or "bad" for each of them.
    unsure : bool
        True if an odd call was accepted, so that later calls may be refused.
    """

    validation_kinds, weight_kinds = VALIDATION, WEIGHTS

    def __init__(self, rng, solvers, folder):
        self.rng = rng
        self.folder = folder
        # Sparse chunks of wide samples contain few of the features; other updates stay pending.
        self.n_features = int(self.rng.choice([1, 2, 5, 12, 40, 600]))
        self.is_wide = self.n_features == 600
        self.unsure = False
        self.chosen, self.verdicts = {"estimator": self.estimator.__name__}, {}
        self.draw_kind()
        self.parameters = self.draw_parameters(solvers)
        self.kept = self.chosen, self.verdicts  # the same for all calls of the case

    def happens(self, probability):
        return self.rng.random() < probability

    def draw_counts(self, n):
        """Draw the counts of n samples."""
        return self.rng.poisson(0.005 if self.is_wide else 0.7, (n, self.n_features))

    def pick(self, what, options, other=0.035):
        """Draw and record an option; an odd or a bad one with probability `other` each."""
        verdict = str(self.rng.choice(["good", "odd", "bad"], p=[1 - 2 * other, other, other]))
        choice = options[verdict][self.rng.integers(len(options[verdict]))]
        self.chosen[what] = choice
        self.verdicts[what] = verdict
        return choice

    def verdict(self):
        """Return the worst verdict of all options of the call."""
        verdicts = [*self.verdicts.values(), "odd" if self.unsure else "good"]
        return next(verdict for verdict in ("bad", "odd", "good") if verdict in verdicts)

    def draw_parameters(self, solvers):
        rng = self.rng
        chosen = {
            "hidden_size": int(rng.integers(1, 6)),
            "activation": str(rng.choice(["relu", "tanh", "logistic", "identity"])),
            "solver": str(rng.choice(solvers)),
            "alpha": [0.0, 1e-3, 0.1, "auto"][rng.integers(4)],
            "batch_size": [1, 7, 1000, "auto"][rng.integers(1, 4)],
            "learning_rate": [0.01, 0.05, "auto"][rng.integers(3)],
            "learning_rate_schedule": str(rng.choice(["constant", "exponential", "cosine"])),
            "warmup_fraction": float(rng.choice([0, 0.1, 0.5])),
            "learning_rate_decay": float(rng.choice([0.9, 1.0])),
            "momentum": float(rng.choice([0, 0.9])),
            "nesterov": self.happens(0.5),
            "dropout": [0.0, 0.0, 0.3, "auto"][rng.integers(4)],
            "init": ["auto", "he", "glorot", 0.1][rng.integers(4)],
            "replacement": self.happens(0.2),
            "max_iter": int(rng.integers(1, 4)) if self.happens(0.9) else "auto",
            "max_updates": [None, 1, 5][rng.integers(3)],
            "n_iter_no_change": [None, 1, 10, "auto"][rng.integers(4)],
            "early_stopping": self.happens(0.08),
            "warm_start": self.happens(0.3),
            "random_state": int(rng.integers(100)),
        }
        if chosen["solver"] == "lbfgs" and self.happens(0.95):
            chosen["dropout"] = ["auto", 0.0][rng.integers(2)]
        if self.happens(0.1):
            chosen["random_state"] = np.random.RandomState(chosen["random_state"])
        scoring = ["none", "none", "none", "loss", "callable", *self.metrics]
        scoring = self.chosen["scoring"] = str(rng.choice(scoring))
        chosen["scoring"] = {"none": None, "callable": largest_weight}.get(scoring, scoring)
        if self.happens(0.04):
            name = str(rng.choice(list(BAD_PARAMETERS)))
            chosen[name] = BAD_PARAMETERS[name][rng.integers(len(BAD_PARAMETERS[name]))]
            self.chosen["parameter"], self.verdicts["parameter"] = name, "bad"
        self.chosen["solver"] = chosen["solver"]
        return chosen

    def weights(self, n):
        kind = self.pick("weights", self.weight_kinds)
        w = self.rng.uniform(0.5, 2, n)
        special = np.arange(n) == n // 2
        return {
            "none": None,
            "uniform": w,
            "some zero": np.where(np.arange(n) < min(6, n), w, w * (w > 1)),
            "list": w.tolist(),
            "float32": w.astype("f4"),
            "huge": w * 1e307,
            "tiny": w * 1e-320,
            "number": 2.0,
            "one huge": np.where(special, 1e300, w),
            "all zero": 0 * w,
            "negative": np.where(special, -1, w),
            "NaN": np.where(special, np.nan, w),
            "inf": np.where(special, np.inf, w),
            "shorter": w[1:],
            "2-d": w[:, np.newaxis] * np.ones(2),
            "text": np.full(n, "heavy"),
            "complex": w * 1j,
            "huge int": np.where(special, 10**400, w.astype(object)),
        }.get(kind)

    def validation(self):
        """Draw validation samples; return the arguments of `fit` that pass them."""
        kind = self.pick("validation", self.validation_kinds)
        if kind == "none":
            return {}
        n = 1 if kind == "one sample" else 9
        X = self.draw_counts(n).astype("f8")
        made = {"X_val": X, "y_val": self.validation_targets(kind, n)}
        if self.chosen["scoring"] in self.metrics and kind in ("one sample", "one value"):
            self.verdicts["validation"] = "odd"  # the score may be undefined
        return {
            "sparse": made | {"X_val": sp.csr_array(X)},
            "weighted": made | {"sample_weight_val": self.rng.uniform(0.5, 2, n)},
            "features": made | {"X_val": np.hstack([X, X])},
            "no targets": {"X_val": X},
            "no samples": {"y_val": made["y_val"]},
            "NaN": made | {"X_val": np.where(X.max() == X, np.nan, X)},
            "weightless": made | {"sample_weight_val": np.zeros(n)},
            "negative": made | {"sample_weight_val": -np.ones(n)},
        }.get(kind, made)

    def arguments(self, call):
        """Draw the arguments of `fit` or `partial_fit`; return them, and X as a dense array."""
        self.chosen = {"call": call} | self.kept[0]
        self.verdicts = dict(self.kept[1])
        n = int(self.rng.integers(9, 60))
        if self.happens(0.05):
            n = int(self.rng.choice([1, 2, 3, 300]))
            self.verdicts["n_samples"] = "odd" if n < 9 else "good"
        X, dense = make_samples(self, n)
        given = {"X": X, "y": self.targets(n), "sample_weight": self.weights(n)}
        if call == "fit":
            given |= self.validation()
        solver, early_stopping = self.parameters["solver"], self.parameters["early_stopping"]
        if (call == "partial_fit" and (solver == "lbfgs" or early_stopping)) or (
            call == "fit" and solver == "lbfgs" and self.parameters["dropout"] not in (0, "auto")
        ):
            self.verdicts["method"] = "bad"
        elif early_stopping:  # there may be too few samples to hold some out
            self.verdicts["method"] = "odd"
        return given, dense
