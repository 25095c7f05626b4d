"""Compare the default settings of regressors on tables: R2 and fit time.

The tables are scikit-learn's bundled ones: diabetes, and others of which some columns are predicted
from the rest. They are used twice: with columns standardised, and raw. Then come generated tables:
standardised, and with columns of all scales, offsets and constants. linnerud is left out, as 20
samples cannot tell the contenders apart.

Each seed draws splits into five folds. Each fit uses one thread, and the contenders take turns
within a fold. MLPRegressor competes twice: alone, and inside TransformedTargetRegressor, which
standardises y as TwoLayerRegressor does by itself. The R2 of a table is its mean over folds and
targets, and the mean R2 is the mean over tables. A difference is our R2 minus the R2 of
MLPRegressor on standardised y, in hundredths, with the standard error of its mean over folds. The
time is the sum over all fits. The verdicts compare the results with the targets for the defaults.
"""

import argparse
import warnings
from functools import partial

import numpy as np
import pandas as pd
from defaults import preprocessing, spoil_scales, timed_fit
from sklearn import datasets
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerRegressor

CONTENDERS = {
    "ours": TwoLayerRegressor(),
    "MLPRegressor": MLPRegressor(),
    "MLP, y standardised": TransformedTargetRegressor(MLPRegressor(), transformer=StandardScaler()),
    "HistGradientBoosting": HistGradientBoostingRegressor(),
    "Ridge": Ridge(),
}


def load_tables(seed):
    """Return the bundled tables as a dict of (data frame, targets)."""
    iris, wine, cancer, digits = (
        load().data
        for load in (
            datasets.load_iris,
            datasets.load_wine,
            datasets.load_breast_cancer,
            datasets.load_digits,
        )
    )
    varied = digits.std(axis=0) > 0.5
    left = np.tile(np.arange(8) < 4, 8)
    tables = {
        "diabetes": datasets.load_diabetes(return_X_y=True, scaled=False),
        "iris: petal width": (iris[:, :3], iris[:, 3]),
        "wine: proline": (wine[:, :12], wine[:, 12]),
        "cancer: worst of ten": (cancer[:, :20], cancer[:, 20:]),
        "digits: right halves": (digits[:, left & varied], digits[:, ~left & varied]),
    }
    return as_frames(tables)


def generate_tables(seed):
    """Draw tables from known distributions; return a dict of (data frame, targets)."""
    rng = np.random.default_rng(seed)
    linear = partial(datasets.make_regression, random_state=seed)
    X = rng.standard_normal((1200, 10))
    curved = np.column_stack(
        [X[:, 0] * X[:, 1], 1000 * np.sin(2 * X[:, 2]), np.exp(X[:, 3]), 1e6 + X[:, 4:].sum(axis=1)]
    )
    waves = rng.uniform(-3, 3, (800, 2))
    skewed = np.exp(rng.standard_normal((1200, 10)))
    tables = {
        "linear": linear(1000, 20, n_informative=10, noise=50),
        "linear, many columns": linear(400, 100, n_informative=10, noise=50),
        "linear, five targets": linear(1000, 20, n_informative=10, n_targets=5, noise=50),
        "friedman1": datasets.make_friedman1(1000, 10, noise=1.0, random_state=seed),
        "friedman2": datasets.make_friedman2(1000, noise=50.0, random_state=seed),
        "friedman3": datasets.make_friedman3(1000, noise=0.1, random_state=seed),
        "friedman1, few rows": datasets.make_friedman1(150, 10, noise=1.0, random_state=seed),
        "friedman1, many rows": datasets.make_friedman1(5000, 10, noise=1.0, random_state=seed),
        "curved, four targets": (
            X,
            curved + rng.normal(size=curved.shape) * curved.std(axis=0) / 5,
        ),
        "waves": (waves, np.sin(3 * waves[:, 0]) * waves[:, 1] + 0.1 * rng.normal(size=800)),
        "skewed": (skewed, np.log(skewed[:, :3]).sum(axis=1) + 0.3 * rng.normal(size=1200)),
    }
    return as_frames(tables)


def as_frames(tables):
    return {name: (pd.DataFrame(X).rename(columns=str), y) for name, (X, y) in tables.items()}


def prepared_folds(tables, standardised, seed):
    """Yield (table, fold, X_train, y_train, X_test, y_test)."""
    for table, (X, y) in tables.items():
        folds = KFold(5, shuffle=True, random_state=seed)
        for fold, (train, test) in enumerate(folds.split(X)):
            prepare = preprocessing(standardised)
            X_train, X_test = prepare.fit_transform(X.iloc[train]), prepare.transform(X.iloc[test])
            yield table, fold, X_train, y[train], X_test, y[test]


def make(contender, y, seed):
    """Return a contender for y; one that takes a single target is wrapped to take several."""
    model = clone(contender)
    seeds = [name for name in model.get_params() if name.endswith("random_state")]
    model.set_params(**dict.fromkeys(seeds, seed))
    boosted = isinstance(model, HistGradientBoostingRegressor)
    return MultiOutputRegressor(model) if boosted and y.ndim == 2 else model


def measure(tables_of, standardised, seeds):
    """Return {table: {contender: array with a row of R2 and seconds for each fold}}."""
    results = {}
    for seed in seeds:
        for table, fold, *samples in prepared_folds(tables_of(seed), standardised, seed):
            X_train, y_train, X_test, y_test = samples
            of_table = results.setdefault(table, {name: [] for name in CONTENDERS})
            for name, contender in CONTENDERS.items():
                model = make(contender, y_train, 10 * seed + fold)
                seconds = timed_fit(model, X_train, y_train)
                of_table[name].append((model.score(X_test, y_test), seconds))
    return {
        table: {name: np.array(values) for name, values in contenders.items()}
        for table, contenders in results.items()
    }


def report(title, results):
    """Print the results, and which targets are met."""
    print(f"\n{title}")
    heads = *CONTENDERS, "difference", "standard error"
    print(f"{'':>24}", *(f"{head:>21}" for head in heads))
    differences = []
    for table, contenders in results.items():
        hundredths = 100 * (contenders["ours"] - contenders["MLP, y standardised"])[:, 0]
        differences.append(hundredths.mean())
        error = hundredths.std(ddof=1) / np.sqrt(len(hundredths))
        cells = (f"{values[:, 0].mean():21.4f}" for values in contenders.values())
        print(f"{table:>24}", *cells, f"{differences[-1]:+21.2f}", f"{error:21.2f}")

    means, seconds = (
        {name: take(name) for name in CONTENDERS}
        for take in (
            lambda name: np.mean([of_table[name][:, 0].mean() for of_table in results.values()]),
            lambda name: sum(of_table[name][:, 1].sum() for of_table in results.values()),
        )
    )
    print(f"{'mean R2':>24}", *(f"{value:21.4f}" for value in means.values()))
    print(f"{'seconds of fitting':>24}", *(f"{value:21.1f}" for value in seconds.values()))
    for peer in "MLPRegressor", "MLP, y standardised":
        gain, share = means["ours"] - means[peer], seconds["ours"] / seconds[peer]
        for text, target, met in (
            (f"R2 {gain:+.4f} above {peer}", ">= 0", gain >= 0),
            (f"ratio of fit times {share:.2f}", "<= 0.25", share <= 0.25),
        ):
            print(f"  {text}, target {target}: {'met' if met else 'NOT met'}")


def main(seeds, quick):
    warnings.simplefilter("ignore")

    def some(tables):
        return dict(list(tables.items())[:3]) if quick else tables

    def given(seed):
        return some(load_tables(seed))

    def generated(seed):
        return some(generate_tables(seed))

    def spoiled(seed):
        return spoil_scales(generated(seed), seed)

    for title, tables_of, standardised in (
        ("tables, standardised", given, True),
        ("tables, raw", given, False),
        ("generated tables, standardised", generated, True),
        ("generated tables, scales spoiled", spoiled, False),
    ):
        report(title, measure(tables_of, standardised, seeds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of folds and models")
    parser.add_argument("--quick", action="store_true", help="use only three tables of each kind")
    arguments = parser.parse_args()
    main(arguments.seeds, arguments.quick)
