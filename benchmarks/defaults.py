"""Compare the default settings of classifiers on tables: accuracy, probabilities and fit time.

The tables are scikit-learn's bundled ones, and the CSV files of a folder if `--tables` names one
(no header, the label in the last column). They are used twice: with numbers standardised, and raw.
Categories are one-hot encoded for every contender. Then come generated tables: standardised, and
with columns of all scales, offsets and constants. The last ones are small tables with one or two
columns and curved class boundaries.

Each seed draws stratified splits into five folds. Each fit uses one thread, and the contenders take
turns within a fold. The accuracy of a table is its mean over folds, and the mean accuracy is the
mean over tables. A difference is our accuracy minus MLPClassifier's, in percentage points, with the
standard error of its mean over folds. "ECE" is the expected calibration error over ten bins of the
largest probability. The time is the sum over all fits. The verdicts compare the results with the
targets for the defaults.
"""

import argparse
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

CONTENDERS = {
    "ours": TwoLayerClassifier,
    "MLPClassifier": MLPClassifier,
    "HistGradientBoosting": HistGradientBoostingClassifier,
    "LogisticRegression": LogisticRegression,
}
CURVES = {
    "ours": ("max_iter", (3, 6, 12, 30, 60)),
    "MLPClassifier": ("max_iter", (10, 25, 50, 100, 200)),
    "HistGradientBoosting": ("max_iter", (3, 10, 30, 100)),
    "LogisticRegression": ("max_iter", (100,)),
}


def load_tables(folder):
    """Return the tables as a dict of (data frame, labels)."""
    bundled = {
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
        "breast cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
    }
    tables = {}
    for name, load in bundled.items():
        X, y = load(return_X_y=True)
        tables[name] = pd.DataFrame(X).rename(columns=str), y
    for path in sorted(folder.glob("*.csv")) if folder else []:
        table = pd.read_csv(path, header=None).rename(columns=str)
        tables[path.stem] = table.iloc[:, :-1], table.iloc[:, -1].to_numpy()
    return tables


def generate_tables(seed):
    """Draw tables from known distributions; return a dict of (data frame, labels)."""
    draw = partial(datasets.make_classification, random_state=seed)
    blobs, centres = datasets.make_blobs(1500, 8, centers=24, cluster_std=3, random_state=seed)
    rng = np.random.default_rng(seed)
    skewed = np.exp(1.5 * rng.standard_normal((1200, 10)))
    logs = np.log(skewed)
    scores = logs @ rng.standard_normal((10, 3)) + logs[:, :3] * logs[:, 3:6]
    tables = {
        "easy": draw(1000, 20, n_informative=5, n_redundant=5),
        "noisy labels": draw(1500, 30, n_informative=8, n_classes=3, flip_y=0.2),
        "many columns": draw(600, 100, n_informative=10, n_redundant=10, flip_y=0.05),
        "eight classes": draw(2500, 20, n_informative=15, n_redundant=0, n_classes=8),
        "few rows": draw(200, 10, n_informative=4),
        "imbalanced": draw(1500, 15, n_informative=6, weights=[0.9], class_sep=0.8),
        "moons": datasets.make_moons(800, noise=0.3, random_state=seed),
        "circles": datasets.make_circles(800, noise=0.15, factor=0.5, random_state=seed),
        "shells": datasets.make_gaussian_quantiles(
            n_samples=1200, n_features=6, n_classes=4, random_state=seed
        ),
        "blobs": (blobs, centres % 4),
        "skewed": (skewed, np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)),
    }
    return {name: (pd.DataFrame(X).rename(columns=str), y) for name, (X, y) in tables.items()}


def generate_curves(seed):
    """Draw tables with one or two columns and curved class boundaries, 300 training samples."""
    rng = np.random.default_rng(seed)
    n = 375
    square, normal = rng.uniform(-2, 2, (n, 2)), rng.standard_normal((n, 2))
    turns, arm = 3.5 * np.sqrt(rng.uniform(0.05, 1, n)), rng.integers(2, size=n)
    angle = 2 * np.pi * (turns / 2 + arm / 2)
    spirals = turns[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    x = rng.uniform(-3, 3, (n, 1))
    blobs = datasets.make_blobs(n, 2, centers=6, cluster_std=1.5, random_state=seed)
    tables = {
        "sine": (x, np.sin(3 * x[:, 0]) > 0),
        "spirals": (spirals + 0.1 * normal, arm),
        "checkerboard": (square, np.floor(square).sum(axis=1) % 2),
        "two moons": datasets.make_moons(n, noise=0.3, random_state=seed),
        "two circles": datasets.make_circles(n, noise=0.15, factor=0.5, random_state=seed),
        "six blobs": (blobs[0], blobs[1] % 3),
        "noisy line": (normal, normal[:, 0] + 0.5 * rng.logistic(size=n) > 0),
    }
    return {name: (pd.DataFrame(X).rename(columns=str), y) for name, (X, y) in tables.items()}


def spoil_scales(tables, seed):
    """Give the columns other scales and offsets, one in the millions, and add a constant column."""
    spoiled = {}
    for name, (X, y) in tables.items():
        rng = np.random.default_rng(seed)
        deviations = X.to_numpy().std(axis=0)
        X = X + deviations * rng.normal(size=len(deviations))
        X *= 10 ** rng.uniform(-3, 3, len(deviations))
        X.iloc[:, rng.integers(len(deviations))] *= 1e6 / X.to_numpy().std(axis=0).max()
        spoiled[name] = X.assign(constant=1000.0), y
    return spoiled


def preprocessing(standardised):
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer(
        (categories, make_column_selector(dtype_exclude="number")),
        (
            StandardScaler() if standardised else "passthrough",
            make_column_selector(dtype_include="number"),
        ),
    )


def prepared_folds(tables, standardised, seed):
    """Yield (table, fold, X_train, y_train, X_test, y_test)."""
    for table, (X, y) in tables.items():
        y = np.unique(y, return_inverse=True)[1]
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        for fold, (train, test) in enumerate(folds.split(X, y)):
            prepare = preprocessing(standardised)
            X_train, X_test = prepare.fit_transform(X.iloc[train]), prepare.transform(X.iloc[test])
            yield table, fold, X_train, y[train], X_test, y[test]


def timed_fit(model, X, y):
    """Fit on one thread; return the time in seconds."""
    start = time.perf_counter()
    with threadpool_limits(1):
        model.fit(X, y)
    return time.perf_counter() - start


def calibration_error(probabilities, y):
    """Return the expected calibration error over ten bins of the largest probability."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bins = np.minimum((10 * confidence).astype(int), 9)
    return sum(abs(np.sum((correct - confidence)[bins == b])) for b in range(10)) / len(y)


def measure(tables_of, standardised, seeds):
    """Return {table: {contender: array with a row for each fold}}.

    The columns are accuracy, log loss, calibration error and seconds.
    """
    results = {}
    for seed in seeds:
        for table, fold, *samples in prepared_folds(tables_of(seed), standardised, seed):
            X_train, y_train, X_test, y_test = samples
            of_table = results.setdefault(table, {name: [] for name in CONTENDERS})
            for name, contender in CONTENDERS.items():
                model = contender(random_state=10 * seed + fold)
                seconds = timed_fit(model, X_train, y_train)
                probabilities = model.predict_proba(X_test)
                of_table[name].append(
                    (
                        np.mean(probabilities.argmax(axis=1) == y_test),
                        log_loss(y_test, probabilities, labels=np.arange(y_train.max() + 1)),
                        calibration_error(probabilities, y_test),
                        seconds,
                    )
                )
    return {
        table: {name: np.array(values) for name, values in contenders.items()}
        for table, contenders in results.items()
    }


def report(title, results):
    """Print the results; return differences, their standard errors, and the ratio of the times."""
    print(f"\n{title}")
    heads = *CONTENDERS, "difference", "standard error"
    print(f"{'':>24}", *(f"{head:>21}" for head in heads))
    differences, errors = [], []
    for table, contenders in results.items():
        points = 100 * (contenders["ours"] - contenders["MLPClassifier"])[:, 0]
        differences.append(points.mean())
        errors.append(points.std(ddof=1) / np.sqrt(len(points)))
        cells = (f"{values[:, 0].mean():21.4f}" for values in contenders.values())
        print(f"{table:>24}", *cells, f"{differences[-1]:+21.2f}", f"{errors[-1]:21.2f}")

    means = {
        name: np.mean([contenders[name].mean(axis=0) for contenders in results.values()], axis=0)
        for name in CONTENDERS
    }
    seconds = {
        name: sum(contenders[name][:, 3].sum() for contenders in results.values())
        for name in CONTENDERS
    }
    for column, head in enumerate(("mean accuracy", "mean log loss", "mean ECE")):
        print(f"{head:>24}", *(f"{mean[column]:21.4f}" for mean in means.values()))
    print(f"{'seconds of fitting':>24}", *(f"{value:21.1f}" for value in seconds.values()))
    return np.array(differences), np.array(errors), seconds["ours"] / seconds["MLPClassifier"]


def judge(differences, errors, share, *, gain, loss, most_time):
    """Print which targets are met; `loss` is in points, or None for one standard error."""
    below = differences < -(errors if loss is None else loss)
    allowed = "one standard error" if loss is None else f"{loss} points"
    lines = (
        (f"accuracy {differences.mean():+.2f} points", f">= {gain:+}", differences.mean() >= gain),
        (f"tables more than {allowed} below: {below.sum()}", "none", not below.any()),
        (f"fit time {share:.2f} of MLPClassifier's", f"<= {most_time:.2f}", share <= most_time),
    )
    for text, target, met in lines:
        print(f"  {text}, target {target}: {'met' if met else 'NOT met'}")


def draw_figure(path, tables, seed):
    """Draw accuracy against fit time for several values of max_iter."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    cases = [
        (name, parameter, value) for name, (parameter, values) in CURVES.items() for value in values
    ]
    measured = {case: {} for case in cases}
    for table, fold, X_train, y_train, X_test, y_test in prepared_folds(tables, True, seed):
        for case in cases:
            name, parameter, value = case
            model = CONTENDERS[name](random_state=10 * seed + fold, **{parameter: value})
            seconds = timed_fit(model, X_train, y_train)
            accuracy = model.score(X_test, y_test)
            measured[case].setdefault(table, []).append((seconds, accuracy))
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for marker, (name, (parameter, values)) in zip("osD*", CURVES.items(), strict=True):
        folds = [measured[name, parameter, value].values() for value in values]
        points = np.array(
            [np.mean([np.mean(pairs, axis=0) for pairs in of_value], axis=0) for of_value in folds]
        )
        axes.plot(*points.T, marker=marker, label=name)
        for value, point in zip(values, points, strict=True):
            axes.annotate(value, point, xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("seconds of one fit (mean over tables, one thread)")
    axes.set_ylabel("accuracy (mean over tables)")
    axes.set_title("Standardised tables; numbers at the points are max_iter")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
    print(f"\nfigure: {path}")


def main(folder, seeds, quick, figure):
    warnings.simplefilter("ignore")
    tables = load_tables(folder)

    def some(tables):
        return dict(list(tables.items())[:3]) if quick else tables

    def given(seed):
        return some(tables)

    def generated(seed):
        return some(generate_tables(seed))

    def curves(seed):
        return some(generate_curves(seed))

    def spoiled(seed):
        return spoil_scales(generated(seed), seed)

    targets = {
        True: {"gain": 0.5, "loss": None, "most_time": 0.25},
        False: {"gain": 1.0, "loss": 1.0, "most_time": 1 / 3},
    }
    for title, tables_of, standardised in (
        ("tables, standardised", given, True),
        ("tables, raw", given, False),
        ("generated tables, standardised", generated, True),
        ("generated tables, scales spoiled", spoiled, False),
        ("curves of one or two columns", curves, True),
    ):
        measured = report(title, measure(tables_of, standardised, seeds))
        judge(*measured, **targets[standardised])
    if figure:
        draw_figure(figure, some(tables), seeds[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, help="folder with more tables, as CSV files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of folds and models")
    parser.add_argument("--quick", action="store_true", help="use only three tables of each kind")
    parser.add_argument("--figure", type=Path, help="file for a figure of accuracy and time")
    arguments = parser.parse_args()
    main(arguments.tables, arguments.seeds, arguments.quick, arguments.figure)
