"""Input of every kind for `fuzz.py`: parameters, rows, labels and weights, good and bad.

Options are good, bad, or odd: such as may be refused and may be accepted. A call with a bad one
must raise, a call with good ones only must not.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp

BAD_PARAMETERS = {
    "hidden_size": [0, -3, 2.5, "x", None],
    "activation": ["softplus", 1],
    "solver": ["newton", None],
    "alpha": [-1e-3, np.nan, "x", None],
    "batch_size": [0, -1, 1.5, "all"],
    "learning_rate": [0.0, -0.1, np.nan, "x"],
    "learning_rate_decay": [0.0, 1.5],
    "momentum": [1.0, -0.1],
    "nesterov": ["yes"],
    "beta_1": [1.0],
    "beta_2": [-0.5],
    "epsilon": [0.0],
    "dropout": [1.0, -0.1],
    "init": [0.0, "xavier", -1.0],
    "max_iter": [0, 1.5],
    "max_updates": [0],
    "tol": [-1.0],
    "n_iter_no_change": [0],
    "validation_fraction": [0.0, 1.0],
    "class_weight": ["even", 3],
    "random_state": ["x", -1],
}

LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "memmap": None,  # needs a folder
    "list": lambda X: X.tolist(),
    "pandas": lambda X: pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])]),
    "polars": lambda X: pl.DataFrame(X, schema=[f"f{i}" for i in range(X.shape[1])]),
}


def unsorted(X):
    X = sp.csr_array(X)
    order = np.concatenate(
        [np.arange(a, b)[::-1] for a, b in zip(X.indptr, X.indptr[1:], strict=False)]
        or [np.zeros(0, int)]
    ).astype(int)
    return sp.csr_array((X.data[order], X.indices[order], X.indptr), shape=X.shape)


def duplicated(X):
    """Give each entry in two parts."""
    X = sp.coo_array(X.astype(np.float64))
    entries = np.concatenate([X.data * 0.75, X.data * 0.25])
    row, column = np.tile(X.coords[0], 2), np.tile(X.coords[1], 2)
    order = np.argsort(row, kind="stable")
    indptr = np.searchsorted(row[order], np.arange(X.shape[0] + 1))
    return sp.csr_array((entries[order], column[order], indptr), shape=X.shape)


def with_int64(X):
    X = sp.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def explicit_zeros(X):
    X = sp.csr_array(X)
    X.data[::3] = 0
    return X


SPARSE = {
    **{name: getattr(sp, f"{name}_array") for name in ("csr", "csc", "coo", "lil", "dok", "bsr")},
    **{f"{name} matrix": getattr(sp, f"{name}_matrix") for name in ("csr", "csc", "coo", "dia")},
    **{"dia": sp.dia_array, "unsorted": unsorted, "duplicates": duplicated},
    **{"int64 indices": with_int64, "explicit zeros": explicit_zeros},
}

VALUES = {
    "good": ["counts", "counts", "zeros", "tiny"],
    "odd": ["huge", "large", "uneven"],
    "bad": ["NaN", "inf", "1-d", "3-d", "no rows", "no columns", "None", "text"],
}
DTYPES = {
    "good": ["f8", "f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"],
    "odd": ["O", "g", "S3", "U3"],
    "bad": ["c16", "M8[s]", "m8[s]"],
}
LABELS = {
    "good": ["int", "negative", "str", "bool", "float", "object", "list", "column", "Series"],
    "odd": ["bytes", "tuple", "datetime", "unseen", "other kind"],
    "bad": ["one class", "NaN", "continuous", "mixed", "shorter", "multioutput", "None", "complex"],
}
LABELS["good"] += ["Categorical", "polars", "indicator", "sparse indicator", "list indicator"]
INDICATORS = ("indicator", "sparse indicator", "list indicator")
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
        self.solvers, self.folder = solvers, folder
        self.n_features = int(self.rng.choice([1, 2, 5, 12, 40]))
        self.n_classes = int(self.rng.choice([2, 3]))
        self.kind = None  # of the labels, which later calls keep
        self.unsure = False  # whether an odd call was accepted, so that a later one may be refused
        self.chosen, self.verdicts = {}, {}

    def happens(self, probability):
        return self.rng.random() < probability

    def pick(self, what, options, other=0.06):
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

    def parameters(self):
        rng = self.rng
        chosen = {
            "hidden_size": int(rng.integers(1, 6)),
            "activation": str(rng.choice(["relu", "tanh", "logistic", "identity"])),
            "solver": str(rng.choice(self.solvers)),
            "alpha": float(rng.choice([0, 1e-3, 0.1])),
            "batch_size": [1, 7, 1000, "auto"][rng.integers(1, 4)],
            "learning_rate": [0.01, 0.05, "auto"][rng.integers(3)],
            "learning_rate_decay": float(rng.choice([0.9, 1.0])),
            "momentum": float(rng.choice([0, 0.9])),
            "nesterov": self.happens(0.5),
            "dropout": 0.3 if self.happens(0.2) else 0.0,
            "init": ["auto", "he", "glorot", 0.1][rng.integers(4)],
            "replacement": self.happens(0.2),
            "max_iter": int(rng.integers(1, 4)),
            "max_updates": [None, 1, 5][rng.integers(3)],
            "n_iter_no_change": [None, 1, 10][rng.integers(3)],
            "early_stopping": self.happens(0.08),
            "warm_start": self.happens(0.3),
            "random_state": int(rng.integers(100)),
        }
        if chosen["solver"] == "lbfgs" and self.happens(0.95):
            chosen["dropout"] = 0.0
        if self.happens(0.1):
            chosen["random_state"] = np.random.RandomState(chosen["random_state"])
        self.bad_parameter = str(rng.choice(list(BAD_PARAMETERS))) if self.happens(0.04) else None
        if self.bad_parameter:
            bad = BAD_PARAMETERS[self.bad_parameter]
            chosen[self.bad_parameter] = bad[rng.integers(len(bad))]
        self.given = chosen
        return chosen

    def rows(self, n, plain=False):
        """Return X of any kind with n rows, and the same as a dense array if it is a good one."""
        values = "counts" if plain else self.pick("values", VALUES)
        dtype = np.dtype("f8" if plain else self.pick("dtype", DTYPES))
        X = self.rng.poisson(0.7, (n, self.n_features)) * self.rng.choice([1, 2], self.n_features)
        if values == "zeros":
            X[:] = 0
        elif values in ("tiny", "huge", "large", "uneven"):
            X = X * {"tiny": 1e-300, "huge": 1e300, "large": 1e8, "uneven": 1.0}[values]
            X[:, -1] *= 1e9 if values == "uneven" else 1
            dtype = dtype if dtype.kind in "OcMm" else np.dtype("f8")
        elif values in ("NaN", "inf"):
            X = X.astype(float)
            X[self.rng.integers(n), self.rng.integers(self.n_features)] = float(values)
            dtype = dtype if dtype.kind in "fc" else np.dtype("f8")
        elif values in ("no rows", "no columns"):
            X = X[:0] if values == "no rows" else X[:, :0]
        elif values in ("1-d", "3-d", "None", "text"):
            dense = X.astype(float)
            made = {"1-d": dense[:, 0], "3-d": dense[:, :, np.newaxis], "None": None}
            return made.get(values, np.full(X.shape, "word", object)), None
        X = X.astype("i8").astype(dtype) if dtype.kind in "Mm" else X.astype(dtype)
        if self.happens(0.35) and dtype.kind in "fiub?" and dtype.char not in "eg" and X.size:
            name = str(self.rng.choice(list(SPARSE)))
            self.chosen["layout"] = name
            made = SPARSE[name](X)
            return made, made.toarray()
        layout = "C" if plain else str(self.rng.choice(list(LAYOUTS)))
        layout = "C" if dtype.kind not in "fiub?" or dtype.char in "eg" else layout
        layout = "C" if layout == "polars" and X.size == 0 else layout
        self.chosen["layout"] = layout
        if layout == "memmap" and X.size:
            path = Path(self.folder) / "rows"
            path.unlink(missing_ok=True)  # those of an earlier call go on being read
            X.tofile(path)
            return np.memmap(path, X.dtype, "r", shape=X.shape), X
        return LAYOUTS[layout](X) if layout != "memmap" else X, X

    def name(self, codes, kind):
        """Turn class numbers into labels of a kind."""
        texts = np.array(["b", "aa", "c", "dd", "e"])[codes]
        make = {
            "int": lambda: codes,
            "negative": lambda: codes - 7,
            "bool": lambda: codes.astype(bool) if self.n_classes == 2 else codes,
            "float": lambda: codes.astype(float),
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
        }
        return make[kind]()

    def labels(self, n):
        """Return labels for n rows, of each class if they are good, and the class numbers."""
        kind = self.pick("labels", LABELS)
        codes = self.rng.permutation(np.resize(np.arange(self.n_classes), n))
        if self.kind and kind in LABELS["good"] + LABELS["odd"][:3]:
            kind = self.chosen["labels"] = self.kind  # as it was in the last call
        if kind in LABELS["good"] + LABELS["odd"][:3] and self.kind is None:
            self.kind = kind
        usual = self.kind or "int"
        if kind == "other kind":
            kind = "int" if usual in INDICATORS else str(self.rng.choice(["indicator", "str"]))
        if kind in INDICATORS or (usual in INDICATORS and kind == "shorter"):
            Y = (self.rng.random((n, 3)) < 0.5).astype(int)
            Y[:2] = np.array([[1, 0, 1], [0, 1, 0]])[:n]
            Y = Y[1:] if kind == "shorter" else Y
            return {"sparse indicator": sp.csr_array, "list indicator": np.ndarray.tolist}.get(
                kind, np.asarray
            )(Y), None
        bad = {
            "one class": lambda: self.name(np.zeros(n, int), "int"),
            "NaN": lambda: np.where(np.arange(n) == 0, np.nan, codes),
            "continuous": lambda: codes + 0.5,
            "mixed": lambda: np.array([1, "a"] * n, object)[:n],
            "multioutput": lambda: np.stack([codes, codes + 2], axis=1),
            "None": lambda: None,
            "complex": lambda: codes * 1j,
        }
        if kind in bad:
            return bad[kind](), None
        if kind == "unseen":
            codes = np.where(np.arange(n) == n - 1, 4, codes)
        usual = "int" if usual in INDICATORS else usual
        y = self.name(codes, usual if kind in ("unseen", "shorter") else kind)
        return (y[1:] if kind == "shorter" else y), codes

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
        """Return the parameter for the kind of labels that this case has."""
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
        return np.unique(np.asarray(self.name(np.arange(n), self.kind or "int")))

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
        n, usual = 1 if kind == "one row" else 9, self.kind or "int"
        X = self.rng.poisson(0.7, (n, self.n_features)).astype("f8")
        if usual in INDICATORS:
            y = (self.rng.random((n, 3)) < 0.5).astype(int)
            y[0] = [1, 0, 1]
            other, unseen = np.arange(n) % 3, np.hstack([y, y])
        else:
            codes = np.resize(np.arange(self.n_classes), n) * (kind != "one class")
            y, unseen = self.name(codes, usual), self.name(np.where(codes == 1, 4, codes), usual)
            other = (self.rng.random((n, self.n_classes)) < 0.5).astype(int)
            other[:2] = (np.arange(self.n_classes) < np.array([[1], [2]]))[:n]
            if usual == "bool" and self.n_classes == 2:
                unseen = codes + 5
        made = {"X_val": X, "y_val": y}
        return {
            "sparse": made | {"X_val": sp.csr_array(X)},
            "weighted": made | {"sample_weight_val": self.rng.uniform(0.5, 2, n)},
            "columns": made | {"X_val": np.hstack([X, X])},
            "no labels": {"X_val": X},
            "no rows": {"y_val": y},
            "unseen": made | {"y_val": unseen},
            "NaN": made | {"X_val": np.where(X == X.max(), np.nan, X)},
            "other kind": made | {"y_val": other},
            "weightless": made | {"sample_weight_val": np.zeros(n)},
            "negative": made | {"sample_weight_val": -np.ones(n)},
        }.get(kind, made)

    def arguments(self, call):
        """Return the arguments of `fit` or `partial_fit`, and X as a dense array if it is good."""
        self.chosen, self.verdicts = {"call": call}, {}
        n = int(self.rng.integers(9, 60))
        if self.happens(0.05):
            n = int(self.rng.choice([1, 2, 3, 300]))
            self.verdicts["n_rows"] = "odd" if n < 9 else "good"
        X, dense = self.rows(n)
        y, codes = self.labels(n)
        given = {"X": X, "y": y, "sample_weight": self.weights(n, codes)}
        if call == "fit":
            given |= self.validation()
        else:
            given["classes"] = self.classes()
        one_class = "one class" in (self.chosen["weights"], self.chosen["labels"])
        if one_class and (call == "partial_fit" or codes is None):
            for what in ("weights", "labels"):  # a chunk may hold one class only
                if self.chosen[what] == "one class":
                    self.verdicts[what] = "odd"
        solver, early_stopping = self.given["solver"], self.given["early_stopping"]
        if self.bad_parameter:
            self.chosen["parameter"] = self.bad_parameter
            self.verdicts["parameter"] = "bad"
        elif call == "partial_fit" and (solver == "lbfgs" or early_stopping):
            self.verdicts["parameter"] = "bad"
        elif call == "fit" and solver == "lbfgs" and self.given["dropout"]:
            self.verdicts["parameter"] = "bad"
        elif early_stopping:
            self.verdicts["parameter"] = "odd"
        self.chosen |= {"solver": solver, "n_features": self.n_features}
        return given, dense
