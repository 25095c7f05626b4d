"""Input of every kind for `fuzz.py`: parameters, labels, weights and validation rows, good and bad.

Options are good, bad, or odd: such as may be refused and may be accepted. A call with a bad one
must raise, a call with good ones only must not.
"""

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
from fuzz_rows import make_rows

BAD_PARAMETERS = {
    "hidden_size": [0, -3, 2.5, "x", None],
    "activation": ["softplus", 1],
    "solver": ["newton", None],
    "alpha": [-1e-3, np.nan, "x", None],
    "batch_size": [0, -1, 1.5, "all"],
    "learning_rate": [0.0, -0.1, np.nan, "x"],
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
    "class_weight": ["even", 3],
    "random_state": ["x", -1],
}

KINDS = {  # of labels, which a case keeps
    "good": ["int", "negative", "str", "bool", "float", "object", "list", "tuple", "column"],
    "odd": ["bytes", "datetime"],
    "bad": ["complex"],
}
INDICATORS = ["indicator", "sparse indicator", "list indicator"]
KINDS["good"] += ["Series", "Categorical", "polars", *INDICATORS]
LABELS = {
    "good": ["usual"],
    "odd": ["unseen", "other kind"],
    "bad": ["one class", "NaN", "continuous", "mixed", "shorter", "multioutput", "None"],
}
LABELS["bad"] += ["indicator of -1 and 1", "indicator of 0 and 2"]
WEIGHTS = {
    "good": ["none", "none", "none", "uniform", "some zero", "list", "float32"],
    "odd": ["huge", "tiny", "number", "one huge"],
    "bad": ["all zero", "negative", "NaN", "inf", "one class", "shorter", "2-d", "text", "complex"],
}
CLASS_WEIGHTS = {
    "good": ["none", "none", "balanced", "full"],
    "odd": ["partial", "unknown class", "zero", "huge", "all zero"],
    "bad": ["negative", "NaN", "inf", "text"],
}
VALIDATION = {
    "good": ["none", "none", "rows", "one row", "sparse", "weighted"],
    "odd": ["one class"],
    "bad": ["columns", "no labels", "no rows", "unseen", "NaN", "other kind", "weightless"],
}
VALIDATION["bad"] += ["negative"]
CLASSES = {
    "good": ["given", "given", "shuffled"],
    "odd": ["twice", "missing", "more", "2-d"],
    "bad": ["others", "texts"],
}


class Case:
    """What one case draws, what has been chosen, and whether it must be refused."""

    def __init__(self, seed, number, solvers, folder):
        self.rng = np.random.default_rng([seed, number])
        self.folder = folder
        self.n_features = int(self.rng.choice([1, 2, 5, 12, 40]))
        self.n_classes = int(self.rng.choice([2, 3]))
        self.unsure = False  # whether an odd call was accepted, so that a later one may be refused
        self.chosen, self.verdicts = {}, {}
        self.kind = self.pick("kind of labels", KINDS, other=0.01)
        self.parameters = self.draw_parameters(solvers)
        self.kept = self.chosen, self.verdicts  # by all calls

    def happens(self, probability):
        return self.rng.random() < probability

    def pick(self, what, options, other=0.035):
        """Draw one of the options, and remember it; odd and bad ones each so often."""
        verdict = str(self.rng.choice(["good", "odd", "bad"], p=[1 - 2 * other, other, other]))
        choice = options[verdict][self.rng.integers(len(options[verdict]))]
        self.chosen[what] = choice
        self.verdicts[what] = verdict
        return choice

    def verdict(self):
        """Return what must become of the call: that of its worst part."""
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
        chosen["class_weight"] = self.class_weight()
        if self.happens(0.04):
            name = str(rng.choice(list(BAD_PARAMETERS)))
            chosen[name] = BAD_PARAMETERS[name][rng.integers(len(BAD_PARAMETERS[name]))]
            self.chosen["parameter"], self.verdicts["parameter"] = name, "bad"
        self.chosen["solver"] = chosen["solver"]
        return chosen

    def name(self, codes, kind):
        """Turn class numbers into labels of a kind; an indicator has three columns."""
        texts = np.array(["b", "aa", "c", "dd", "e"])[codes]
        if kind in INDICATORS:
            Y = (self.rng.random((len(codes), 3)) < 0.5).astype(int)
            Y[:2] = np.array([[1, 0, 1], [0, 1, 0]])[: len(codes)]
            return {"indicator": Y, "sparse indicator": sp.csr_array(Y)}.get(kind, Y.tolist())
        return {
            "negative": lambda: codes - 7,
            "bool": lambda: codes.astype(bool) if self.n_classes == 2 else codes,
            "float": lambda: codes.astype(float),
            "complex": lambda: codes * 1j,
            "column": lambda: codes[:, np.newaxis],
            "object": lambda: texts.astype(object),
            "list": lambda: texts.tolist(),
            "tuple": lambda: tuple(codes.tolist()),
            "bytes": lambda: texts.astype("S2"),
            "datetime": lambda: codes.astype("M8[D]"),
            "Series": lambda: pd.Series(texts),
            "Categorical": lambda: pd.Series(texts, dtype="category"),
            "polars": lambda: pl.Series(texts.tolist()),
            "str": lambda: texts,
        }.get(kind, lambda: codes)()

    def labels(self, n):
        """Return labels for n rows, of each class if they are good, and the class numbers."""
        what = self.pick("labels", LABELS)
        codes = self.rng.permutation(np.resize(np.arange(self.n_classes), n))
        first = np.arange(n) == 0
        kind = self.kind
        if what == "other kind":
            kind = "int" if kind in INDICATORS else str(self.rng.choice(["indicator", "str"]))
        elif what == "unseen":
            codes = np.where(first, 4 if self.kind != "bool" else 1, codes)
        elif what == "one class":
            codes = np.zeros(n, int)
            kind = "int" if kind in INDICATORS else kind
        elif what == "shorter":
            return self.name(codes[1:], kind), None
        elif what != "usual":
            return {
                "NaN": np.where(first, np.nan, codes),
                "continuous": codes + 0.5,
                "mixed": np.where(first, "a", codes.astype(object)),
                "multioutput": np.stack([codes, codes + 2, codes + 4], axis=1),
                "indicator of -1 and 1": 2 * self.name(codes, "indicator") - 1,
                "indicator of 0 and 2": 2 * self.name(codes, "indicator"),
            }.get(what), None
        return self.name(codes, kind), None if kind in INDICATORS else codes

    def weights(self, n, codes):
        kind = self.pick("weights", WEIGHTS)
        w = self.rng.uniform(0.5, 2, n)
        codes = np.zeros(n, int) if codes is None or len(codes) != n else codes
        special = np.arange(n) == n // 2
        return {
            "none": None,
            "uniform": w,
            "some zero": np.where(np.arange(n) < min(2 * self.n_classes, n), w, w * (w > 1)),
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
            "one class": w * (codes == codes[-1]),
            "shorter": w[1:],
            "2-d": w[:, np.newaxis] * np.ones(2),
            "text": np.full(n, "heavy"),
            "complex": w * 1j,
        }[kind]

    def class_weight(self):
        kind = self.pick("class_weight", CLASS_WEIGHTS, other=0.03)
        if kind in ("none", "balanced", "text"):
            return {"none": None, "balanced": "balanced", "text": "even"}[kind]
        if self.kind in INDICATORS:
            self.verdicts["class_weight"] = "bad"
        weights = dict.fromkeys(self.all_classes(self.n_classes).tolist(), 2.0)
        first = next(iter(weights))
        values = {"zero": 0.0, "huge": 1e308, "negative": -1.0, "NaN": np.nan, "inf": np.inf}
        if kind == "partial":
            del weights[first]
        elif kind == "unknown class":
            weights["nobody"] = 1.0
        elif kind == "all zero":
            weights = dict.fromkeys(weights, 0.0)
        elif kind in values:
            weights[first] = values[kind]
        return weights

    def all_classes(self, n):
        """Return the first n classes, or the numbers of the columns of a label indicator."""
        if self.kind in INDICATORS:
            return np.arange(3 + n - self.n_classes)
        return np.unique(np.asarray(self.name(np.arange(n), self.kind)))

    def classes(self):
        kind = self.pick("classes", CLASSES)
        classes = self.all_classes(self.n_classes)
        return {
            "given": classes,
            "shuffled": classes[::-1],
            "twice": np.tile(classes, 2),
            "missing": None,
            "others": np.array(["x", "y", "z"])[: len(classes)],
            "more": self.all_classes(self.n_classes + 1),
            "texts": np.array([f"{label} " for label in classes]),
            "2-d": classes[:, np.newaxis],
        }[kind]

    def validation(self):
        """Return validation rows to add to the arguments of `fit`."""
        kind = self.pick("validation", VALIDATION)
        if kind == "none":
            return {}
        n = 1 if kind == "one row" else 9
        X = self.rng.poisson(0.7, (n, self.n_features)).astype("f8")
        codes = np.resize(np.arange(self.n_classes), n) * (kind != "one class")
        y, other = self.name(codes, self.kind), self.name(codes, "indicator")
        unseen = self.name(np.where(codes == 1, 4, codes), self.kind)
        if self.kind in INDICATORS:
            other, unseen = codes, np.hstack([other, other])
        elif self.kind == "bool" and self.n_classes == 2:
            unseen = codes + 5
        made = {"X_val": X, "y_val": y}
        return {
            "sparse": made | {"X_val": sp.csr_array(X)},
            "weighted": made | {"sample_weight_val": self.rng.uniform(0.5, 2, n)},
            "columns": made | {"X_val": np.hstack([X, X])},
            "no labels": {"X_val": X},
            "no rows": {"y_val": y},
            "unseen": made | {"y_val": unseen},
            "NaN": made | {"X_val": np.where(X.max() == X, np.nan, X)},
            "other kind": made | {"y_val": other},
            "weightless": made | {"sample_weight_val": np.zeros(n)},
            "negative": made | {"sample_weight_val": -np.ones(n)},
        }.get(kind, made)

    def arguments(self, call):
        """Return the arguments of `fit` or `partial_fit`, and X as a dense array if it is good."""
        self.chosen = {"call": call} | self.kept[0]
        self.verdicts = dict(self.kept[1])
        n = int(self.rng.integers(9, 60))
        if self.happens(0.05):
            n = int(self.rng.choice([1, 2, 3, 300]))
            self.verdicts["n_rows"] = "odd" if n < 9 else "good"
        X, dense = make_rows(self, n)
        y, codes = self.labels(n)
        given = {"X": X, "y": y, "sample_weight": self.weights(n, codes)}
        if call == "fit":
            given |= self.validation()
        else:
            given["classes"] = self.classes()
        for what in ("weights", "labels"):
            if self.chosen[what] == "one class" and (call == "partial_fit" or codes is None):
                self.verdicts[what] = "odd"  # a chunk may hold one class only
        if self.kind in INDICATORS and self.chosen["labels"] in ("other kind", "one class"):
            self.verdicts["class_weight"] = "odd"  # no indicator this time
        if self.chosen["labels"] == "other kind":
            self.verdicts["kind of labels"] = "odd"
        if self.verdicts["labels"] == "odd" and self.chosen.get("validation") in LABELS["odd"]:
            self.verdicts["validation"] = "odd"  # its labels may be those of the training rows
        solver, early_stopping = self.parameters["solver"], self.parameters["early_stopping"]
        if (call == "partial_fit" and (solver == "lbfgs" or early_stopping)) or (
            call == "fit" and solver == "lbfgs" and self.parameters["dropout"] not in (0, "auto")
        ):
            self.verdicts["method"] = "bad"
        elif early_stopping:  # needs more rows
            self.verdicts["method"] = "odd"
        return given, dense
