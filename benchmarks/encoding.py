"""Compare ways to show numeric columns to the network: accuracy, probabilities and seconds.

Tables, folds, metrics and options are the same as in `tables.py`. Each contender is
`tabular_pipeline` in front of the network with default settings. Its step "numbers" varies:
columns standardised; softly clipped (`n_bins=0`); scikit-learn's `SplineTransformer` of degree 1
with quantiles as knots, which spans the same functions as the encoder, beside standardised columns;
and `PiecewiseLinearEncoder` of several numbers of bins. Categories take the same way for all.
"""

import tables
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import SplineTransformer, StandardScaler

from sk_twolayer.preprocessing import PiecewiseLinearEncoder, tabular_pipeline


def imputed(*steps):
    """Return a pipeline of the median for missing values and of the given steps."""
    median = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(median, *steps)


def spline(n_bins):
    """Return piecewise linear functions of quantiles, standardised, beside standardised columns."""
    functions = SplineTransformer(n_bins + 1, degree=1, knots="quantile")
    return imputed(make_union(make_pipeline(functions, StandardScaler()), StandardScaler()))


def contenders(task, X, seed):
    """Return the contenders for a table as a dict of estimators."""
    ways = {
        tables.BASE: imputed(StandardScaler()),
        "softly clipped": PiecewiseLinearEncoder(n_bins=0),
        **{f"spline, {n} bins": spline(n) for n in (4, 8)},
        **{f"encoder, {n} bins": PiecewiseLinearEncoder(n_bins=n) for n in (4, 8, 16)},
    }
    network = {"classification": "classifier", "regression": "regressor"}[task]
    return {
        name: tabular_pipeline(network).set_params(
            preprocessing__numbers=way, network__random_state=seed
        )
        for name, way in ways.items()
    }


if __name__ == "__main__":
    tables.main(contenders, **tables.options(__doc__))
