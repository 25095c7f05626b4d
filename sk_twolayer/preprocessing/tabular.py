"""A network for a data frame: a pipeline that shows its columns to the network."""

from dataclasses import dataclass

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.preprocessing.columns import column_kind, columns_of
from sk_twolayer.preprocessing.dates import DateParts
from sk_twolayer.preprocessing.encoder import PiecewiseLinearEncoder
from sk_twolayer.preprocessing.levels import TextLevels

NETWORKS = {"classifier": TwoLayerClassifier, "regressor": TwoLayerRegressor}


@dataclass(frozen=True)
class ColumnsOfKind:
    """Select the columns of a kind from a table, as `ColumnTransformer` asks for them in `fit`."""

    kind: str

    def __call__(self, X):
        """Return the positions of the columns."""
        return [j for j, column in enumerate(columns_of(X)) if column_kind(column) == self.kind]


ColumnsOfKind.__module__ = "sk_twolayer.preprocessing"


def tabular_pipeline(estimator):
    """Return a pipeline from a data frame to a network.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.preprocessing import tabular_pipeline
    >>> X = pd.DataFrame({"size": [1.0, 2.0, None, 4.0], "colour": ["red", "blue", "blue", None]})
    >>> model = tabular_pipeline(TwoLayerClassifier(random_state=0)).fit(X, [0, 0, 1, 1])
    >>> model.predict(X).tolist()
    [0, 0, 1, 1]
    """
    if isinstance(estimator, str):
        estimator = NETWORKS[estimator]()
    float32 = np.float32
    categories = OneHotEncoder(
        min_frequency=5,
        max_categories=40,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
        dtype=float32,
    )
    numbers = PiecewiseLinearEncoder(dtype=float32)
    dates = [("parts", DateParts()), ("encoder", PiecewiseLinearEncoder(dtype=float32))]
    preprocessing = ColumnTransformer(
        [
            ("numbers", numbers, ColumnsOfKind("number")),
            (
                "categories",
                Pipeline([("levels", TextLevels()), ("encoder", categories)]),
                ColumnsOfKind("category"),
            ),
            ("dates", Pipeline(dates), ColumnsOfKind("date")),
        ]
    )
    return Pipeline([("preprocessing", preprocessing), ("network", estimator)])
