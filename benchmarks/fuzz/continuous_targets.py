"""Continuous targets of every kind, good and bad, for cases of the regressor."""

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
from cases import Case

from sk_twolayer import TwoLayerRegressor

FORMS = {  # the type of the targets, the same for all calls of a case
    "good": ["array", "int", "float32", "list", "Series", "polars", "object", "column"],
    "odd": ["numeric strings"],
    "bad": ["complex", "text", "datetime"],
}
SEVERAL = ["two targets", "two targets, data frame", "two targets, sparse"]
FORMS["good"] += [*SEVERAL, "big-endian"]
VALUES = {
    "good": ["usual", "usual", "far from 0", "small", "large", "two values"],
    "odd": ["huge", "tiny", "opposite", "one outlier", "other number of targets"],
    "bad": ["NaN", "inf", "shorter", "None", "3-d", "no targets", "huge int", "huge int, list"],
}
VALUES["good"] += ["constant", "constant 0.1", "constant 20.1"]


class RegressorCase(Case):
    """A case with one or two targets."""

    estimator = TwoLayerRegressor
    metrics = ("neg_mean_absolute_error", "r2")

    def draw_kind(self):
        self.kind, self.first = self.pick("form of targets", FORMS, other=0.01), None

    def draw_parameters(self, solvers):
        chosen = super().draw_parameters(solvers)
        if chosen["solver"] == "sgd" and chosen["learning_rate"] != "auto":
            self.verdicts["rate"] = "odd"  # training may diverge on the squared loss
        return chosen

    def shape(self, n):
        return (n, 2) if self.kind in SEVERAL else (n,)

    def convert(self, y):
        """Return targets in the form of this case."""
        return {
            "int": lambda: np.clip(y, -1e15, 1e15).astype(int) if np.isfinite(y).all() else y,
            "float32": lambda: np.where(abs(y) < 1e38, y, y / 1e300).astype("f4"),
            "list": y.tolist,
            "big-endian": lambda: y.astype(">f8"),
            "Series": lambda: pd.Series(y),
            "polars": lambda: pl.Series(y),
            "object": lambda: y.astype(object),
            "column": lambda: y[:, np.newaxis],
            "numeric strings": lambda: y.astype(str).astype(object),
            "complex": lambda: y * 1j,
            "text": lambda: np.full(y.shape, "high"),
            "datetime": lambda: np.arange(len(y)).astype("M8[D]"),
            "two targets, data frame": lambda: pd.DataFrame(y, columns=["a", "b"]),
            "two targets, sparse": lambda: sp.csr_array(y),
        }.get(self.kind, lambda: y)()

    def targets(self, n):
        """Draw targets of n samples."""
        what = self.pick("targets", VALUES)
        self.first = self.first or what
        if what != self.first and self.verdicts["targets"] == "good":
            self.verdicts["targets"] = (
                "odd"  # the scale of the first call is kept, so training may diverge
            )
        y = 3 * self.rng.standard_normal(self.shape(n))
        special = np.zeros(y.shape, bool)
        special[0] = True
        if what == "other number of targets":
            return self.rng.standard_normal((n, 3 if self.kind in SEVERAL else 2))
        if what in ("huge int", "huge int, list"):
            y = np.where(special, 10**400, y.astype(object))
            return y if what == "huge int" else y.tolist()
        if what in ("None", "3-d", "no targets"):
            made = {"None": None, "3-d": np.zeros((n, 1, 2))}
            return made.get(what, np.zeros((n, 0)))
        y = {
            "constant": np.full(y.shape, 7.0),
            "constant 0.1": np.full(y.shape, 0.1),  # its mean is rounded
            "constant 20.1": np.full(y.shape, 20.1),
            "far from 0": y + 1e6,
            "small": y * 1e-6,
            "large": y * 1e6,
            "two values": np.sign(y),
            "huge": y * 1e300,
            "tiny": y * 1e-310,
            "opposite": np.sign(y) * 1.5e308,
            "one outlier": np.where(special, 1e12, y),
            "NaN": np.where(special, np.nan, y),
            "inf": np.where(special, np.inf, y),
            "shorter": y[1:],
        }.get(what, y)
        return self.convert(y)

    def validation_targets(self, kind, n):
        y = self.rng.standard_normal(self.shape(n)) * (kind != "one value")
        if kind == "other kind":
            return np.stack([y, y, y], axis=-1).reshape(n, -1)
        return self.convert(y)

    def arguments(self, call):
        given, dense = super().arguments(call)
        if self.chosen["targets"] == "other number of targets":
            self.verdicts["form of targets"] = "odd"  # y is an array in this call
            if self.verdicts.get("validation") != "bad":
                self.verdicts["validation"] = "odd"
        return given, dense
