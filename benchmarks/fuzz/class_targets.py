"""Class labels and class weights of every kind, good and bad, for cases of the classifier."""

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
from cases import VALIDATION, WEIGHTS, Case

from sk_twolayer import TwoLayerClassifier

KINDS = {  # the type of the labels, the same for all calls of a case
    "good": ["int", "negative", "str", "bool", "float", "object", "list", "tuple", "column"],
    "odd": ["bytes", "datetime"],
    "bad": ["complex"],
}
INDICATORS = ["indicator", "sparse indicator", "list indicator"]
KINDS["good"] += ["Series", "Categorical", "polars", *INDICATORS]
LABELS = {
    "good": ["usual"],
    "odd": ["unseen", "other kind", "huge int"],
    "bad": ["one class", "NaN", "continuous", "mixed", "shorter", "multioutput", "None"],
}
LABELS["bad"] += ["indicator of -1 and 1", "indicator of 0 and 2"]
LABELS["bad"] += ["NaT", "NaT, Series", "NaT, objects"]
CLASS_WEIGHTS = {
    "good": ["none", "none", "balanced", "full"],
    "odd": ["partial", "unknown class", "zero", "huge", "all zero"],
    "bad": ["negative", "NaN", "inf", "text", "huge int"],
}
CLASSES = {
    "good": ["given", "given", "shuffled"],
    "odd": ["twice", "missing", "more", "2-d"],
    "bad": ["others", "texts", "NaT"],
}


class ClassifierCase(Case):
    """A case with two or three classes, or with a label indicator of three columns."""

    estimator = TwoLayerClassifier
    metrics = ("accuracy", "f1_micro")
    validation_kinds = VALIDATION | {"bad": [*VALIDATION["bad"], "unseen"]}
    weight_kinds = WEIGHTS | {"bad": [*WEIGHTS["bad"], "one class"]}

    def draw_kind(self):
        self.n_classes = int(self.rng.choice([2, 3]))
        self.kind = self.pick("kind of labels", KINDS, other=0.01)

    def draw_parameters(self, solvers):
        chosen = super().draw_parameters(solvers) | {"class_weight": self.class_weight()}
        if self.happens(0.002):
            chosen["class_weight"] = 3
            self.chosen["parameter"], self.verdicts["parameter"] = "class_weight", "bad"
        return chosen

    def encode(self, codes, kind):
        """Return class labels of a kind for class numbers; an indicator is drawn at random."""
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

    def targets(self, n):
        """Draw labels of n samples; good labels contain every class."""
        what = self.pick("labels", LABELS)
        codes = self.rng.permutation(np.resize(np.arange(self.n_classes), n))
        first = np.arange(n) == 0
        kind, self.codes = self.kind, None
        if what == "other kind":
            kind = "int" if kind in INDICATORS else str(self.rng.choice(["indicator", "str"]))
        elif what == "unseen":
            codes = np.where(first, 4 if self.kind != "bool" else 1, codes)
        elif what == "one class":
            codes = np.zeros(n, int)
            kind = "int" if kind in INDICATORS else kind
        elif what == "shorter":
            return self.encode(codes[1:], kind)
        elif what != "usual":
            dates = np.where(first, np.datetime64("NaT"), codes.astype("M8[D]"))
            return {
                "huge int": np.where(first, 10**400, codes.astype(object)),
                "NaT": dates,
                "NaT, Series": pd.Series(dates),
                "NaT, objects": pd.Series(dates).astype(object),
                "NaN": np.where(first, np.nan, codes),
                "continuous": codes + 0.5,
                "mixed": np.where(first, "a", codes.astype(object)),
                "multioutput": np.stack([codes, codes + 2, codes + 4], axis=1),
                "indicator of -1 and 1": 2 * self.encode(codes, "indicator") - 1,
                "indicator of 0 and 2": 2 * self.encode(codes, "indicator"),
            }.get(what)
        self.codes = None if kind in INDICATORS else codes
        return self.encode(codes, kind)

    def weights(self, n):
        weights = super().weights(n)
        if self.chosen["weights"] == "one class":
            codes = np.zeros(n, int) if self.codes is None else self.codes
            return 1.0 * (codes == codes[-1])
        return weights

    def class_weight(self):
        kind = self.pick("class_weight", CLASS_WEIGHTS, other=0.03)
        if kind in ("none", "balanced", "text"):
            return {"none": None, "balanced": "balanced", "text": "even"}[kind]
        if self.kind in INDICATORS:
            self.verdicts["class_weight"] = "bad"
        weights = dict.fromkeys(self.all_classes(self.n_classes).tolist(), 2.0)
        first = next(iter(weights))
        values = {"zero": 0.0, "huge": 1e308, "negative": -1.0, "NaN": np.nan, "inf": np.inf}
        values["huge int"] = 10**400
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
        """Return the first n classes, or the column numbers of a label indicator."""
        if self.kind in INDICATORS:
            return np.arange(3 + n - self.n_classes)
        return np.unique(np.asarray(self.encode(np.arange(n), self.kind)))

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
            "NaT": np.append(np.arange(self.n_classes).astype("M8[D]"), np.datetime64("NaT")),
        }[kind]

    def validation_targets(self, kind, n):
        codes = np.resize(np.arange(self.n_classes), n) * (kind != "one value")
        indicator = self.kind in INDICATORS
        if kind == "other kind":
            return codes if indicator else self.encode(codes, "indicator")
        if kind == "unseen":
            if indicator:
                return np.hstack([self.encode(codes, "indicator")] * 2)
            if self.kind == "bool" and self.n_classes == 2:
                return codes + 5
            return self.encode(np.where(codes == 1, 4, codes), self.kind)
        return self.encode(codes, self.kind)

    def arguments(self, call):
        given, dense = super().arguments(call)
        if call == "partial_fit":
            given["classes"] = self.classes()
        for what in ("weights", "labels"):
            if self.chosen[what] == "one class" and (call == "partial_fit" or self.codes is None):
                self.verdicts[what] = "odd"  # a chunk may hold one class only
        if self.kind in INDICATORS and self.chosen["labels"] in ("other kind", "one class"):
            self.verdicts["class_weight"] = "odd"  # y is no indicator in this call
        if self.chosen["labels"] == "other kind":
            self.verdicts["kind of labels"] = "odd"
        if self.verdicts["labels"] == "odd" and self.chosen.get("validation") in LABELS["odd"]:
            self.verdicts["validation"] = "odd"  # y may contain the same unseen label
        return given, dense
