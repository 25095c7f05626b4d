"""Compare models on tables of mixed columns: accuracy, probabilities and seconds of fitting.

`--tables FOLDER` names a folder with the subfolders "classification" and "regression". Each holds
CSV files (.csv or .csv.gz) with a header and the target in the column "target". Columns of text are
categories, and so are columns whose names begin with "c_"; empty cells are missing values.

The contenders have their default settings. Ours compete three times: `tabular_pipeline` in front of
the network, and the network alone on standardised and on raw numbers. MLPClassifier and
MLPRegressor get standardised numbers, and MLPRegressor also a standardised target. For these,
categories are one-hot encoded, and the median stands for missing values. The boosted trees of
scikit-learn and LightGBM get the numbers as they are, and categories as categories. LightGBM and
RealMLP-TD-S (package pytabkit) compete if they are installed.

Each seed draws up to `--most` samples of a table and splits them into three folds. The contenders
take turns within a fold, on one thread. Seconds are processor time of a fit, preprocessing
included. Every mean is over tables. A difference is taken to the network alone on standardised
numbers, table by table, and its standard error is over tables. AUC is the area under the ROC curve
on the tables of two classes. `--figure FILE` draws accuracy and R2 against seconds, with a line
through the contenders that no faster one beats. It leaves out the network on raw numbers, and
contenders with a mean R2 below 0.
"""

import argparse
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.preprocessing import tabular_pipeline

NUMBERS = make_column_selector(dtype_include="number")
CATEGORIES = make_column_selector(dtype_exclude="number")
BASE = "ours, standardised"
METRICS = {
    "classification": ("accuracy", "log loss", "AUC"),
    "regression": ("R2",),
}


def load_tables(folder):
    """Return the tables of a folder as a dict of (data frame, target)."""
    tables = {}
    for path in sorted(folder.glob("*.csv*")):
        X = pd.read_csv(path)
        y = X.pop("target").to_numpy()
        for name in X.columns:
            if name.startswith("c_") or not pd.api.types.is_numeric_dtype(X[name]):
                text = X[name].map(str, na_action="ignore")
                X[name] = text.astype(object).where(text.notna(), None)
        tables[path.name.split(".")[0]] = X, y
    return tables


def numbers_and_one_hot(scale):
    """Return a transformer for networks: imputed numbers, standardised or not, and one-hot."""
    numbers = SimpleImputer(strategy="median", keep_empty_features=True)
    if scale:
        numbers = make_pipeline(numbers, StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer((numbers, NUMBERS), (one_hot, CATEGORIES))


def codes_and_numbers():
    """Return a transformer for boosted trees: first the codes of categories, then the numbers."""
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=254
    )
    return make_column_transformer((codes, CATEGORIES), ("passthrough", NUMBERS))


def frame_of_categories():
    """Return a transformer to a data frame of imputed numbers and columns of dtype category."""
    numbers = SimpleImputer(strategy="median", keep_empty_features=True)
    text = SimpleImputer(strategy="constant", fill_value="missing")
    columns = make_column_transformer((numbers, NUMBERS), (text, CATEGORIES))
    return make_pipeline(
        columns.set_output(transform="pandas"),
        FunctionTransformer(
            lambda X: X.astype(dict.fromkeys(X.select_dtypes(exclude="number"), "category"))
        ),
    )


def contenders(task, X, seed):
    """Return the contenders for a table as a dict of estimators."""
    classifies = task == "classification"
    network = TwoLayerClassifier if classifies else TwoLayerRegressor
    mlp = MLPClassifier if classifies else MLPRegressor
    boosting = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
    categories = list(range(len(CATEGORIES(X))))
    models = {
        "tabular_pipeline": tabular_pipeline(network(random_state=seed)),
        BASE: make_pipeline(numbers_and_one_hot(True), network(random_state=seed)),
        "ours, raw": make_pipeline(numbers_and_one_hot(False), network(random_state=seed)),
        mlp.__name__: make_pipeline(numbers_and_one_hot(True), mlp(random_state=seed)),
        "HistGradientBoosting": make_pipeline(
            codes_and_numbers(), boosting(categorical_features=categories, random_state=seed)
        ),
    }
    if not classifies:
        scaled = TransformedTargetRegressor(mlp(random_state=seed), transformer=StandardScaler())
        models["MLP, y standardised"] = make_pipeline(numbers_and_one_hot(True), scaled)
    if find_spec("lightgbm"):
        import lightgbm

        boosting = lightgbm.LGBMClassifier if classifies else lightgbm.LGBMRegressor
        model = boosting(categorical_feature=categories, n_jobs=1, random_state=seed, verbosity=-1)
        models["LightGBM"] = make_pipeline(codes_and_numbers(), model)
    if find_spec("pytabkit"):
        import pytabkit

        kind = "Classifier" if classifies else "Regressor"
        model = getattr(pytabkit, f"RealMLP_TD_S_{kind}")
        model = model(device="cpu", n_threads=1, random_state=seed)
        models["RealMLP-TD-S"] = make_pipeline(frame_of_categories(), model)
    return models


def folds_of(task, X, y, most, seed):
    """Draw samples and split them; return X, y and three pairs of indices."""
    classifies = task == "classification"
    if classifies:
        y = np.unique(y, return_inverse=True)[1]
        common = np.bincount(y) >= 3  # fewer cannot be in each fold
        X, y = X[common[y]].reset_index(drop=True), np.unique(y[common[y]], return_inverse=True)[1]
    if len(y) > most:
        stratify = y if classifies else None
        chosen, _ = train_test_split(
            np.arange(len(y)), train_size=most, stratify=stratify, random_state=seed
        )
        X, y = X.iloc[chosen].reset_index(drop=True), y[chosen]
    splitter = StratifiedKFold if classifies else KFold
    return X, y, list(splitter(3, shuffle=True, random_state=seed).split(X, y))


def metrics_of(task, model, X, y, n_classes):
    """Return the metrics of a fitted model on test samples."""
    if task == "regression":
        return (r2_score(y, np.ravel(model.predict(X))),)
    probabilities = np.asarray(model.predict_proba(X), dtype=float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    area = roc_auc_score(y, probabilities[:, 1]) if n_classes == 2 else np.nan
    accuracy = np.mean(probabilities.argmax(axis=1) == y)
    return accuracy, log_loss(y, probabilities, labels=np.arange(n_classes)), area


def measure(task, tables, contenders, most, seeds):
    """Return {contender: array of shape (n_tables, n_metrics + 1)}; the last column is seconds."""
    results = {}
    for table, (X, y) in tables.items():
        rows = {}
        for seed in seeds:
            X_drawn, y_drawn, folds = folds_of(task, X, y, most, seed)
            n_classes = len(np.unique(y_drawn))
            for fold, (train, test) in enumerate(folds):
                X_train, X_test = X_drawn.iloc[train], X_drawn.iloc[test]
                for name, model in contenders(task, X_train, 10 * seed + fold).items():
                    start = time.process_time()
                    with threadpool_limits(1):
                        model.fit(X_train, y_drawn[train])
                    seconds = time.process_time() - start
                    row = metrics_of(task, model, X_test, y_drawn[test], n_classes)
                    rows.setdefault(name, []).append((*row, seconds))
        cells = ", ".join(f"{name} {np.mean(row, axis=0)[0]:.4f}" for name, row in rows.items())
        print(f"{table:>16}: {cells}", flush=True)
        for name, row in rows.items():
            results.setdefault(name, []).append(np.mean(row, axis=0))
    return {name: np.array(rows) for name, rows in results.items()}


def report(task, results):
    """Print means, differences with standard errors, and the ratio of the seconds."""
    print(f"\n{task}: mean, and difference to {BASE!r} (standard error over tables)")
    base = results[BASE]
    for name, rows in results.items():
        cells = []
        for column, metric in enumerate(METRICS[task]):
            differences = (rows - base)[:, column]
            differences = differences[~np.isnan(differences)]
            error = differences.std(ddof=1) / np.sqrt(len(differences))
            mean = np.nanmean(rows[:, column])
            cells.append(f"{metric} {mean:.4f} {differences.mean():+.4f} ({error:.4f})")
        if task == "regression":
            medians = np.median(rows[:, 0]), np.median((rows - base)[:, 0]), rows[:, 0].min()
            cells.append("median {:.4f}, of the differences {:+.4f}, least {:.4f}".format(*medians))
        ratio = rows[:, -1].sum() / base[:, -1].sum()
        cells.append(f"{rows[:, -1].mean():.3f} s a fit ({ratio:.2f})")
        print(f"{name:>22}: " + "; ".join(cells))


def draw_figure(path, results_of):
    """Draw the mean accuracy or R2 of every contender against the mean seconds of a fit."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, panels = plt.subplots(
        1,
        len(results_of),
        figsize=(5.5 * len(results_of), 4.5),
        layout="constrained",
        squeeze=False,
    )
    names = [
        name
        for results in results_of.values()
        for name, rows in results.items()
        if name != "ours, raw" and rows[:, 0].mean() > 0
    ]
    names = list(dict.fromkeys(names))
    for axes, (task, results) in zip(panels[0], results_of.items(), strict=True):
        points = {
            name: (results[name][:, -1].mean(), results[name][:, 0].mean())
            for name in names
            if name in results
        }
        best, frontier = -np.inf, []
        for seconds, score in sorted(points.values()):
            if score > best:
                best = score
                frontier.append((seconds, score))
        axes.step(*zip(*frontier, strict=True), where="post", color="0.7", zorder=1)
        for name, point in points.items():
            k = names.index(name)
            axes.scatter(*point, s=70, color=f"C{k}", marker="oosDvP^X"[k], label=name, zorder=2)
        axes.set_xscale("log")
        seconds = [point[0] for point in points.values()]
        axes.set_xlim(min(seconds) / 2, max(seconds) * 2)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.margins(y=0.15)
        axes.set_xlabel("seconds of one fit (mean over tables, one thread)")
        axes.set_ylabel(f"{METRICS[task][0]} (mean over tables)")
        axes.set_title(f"{task}: {len(results[BASE])} tables")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    figure.savefig(path, dpi=150)
    print(f"\nfigure: {path}")


def main(contenders, tables, only, most, seeds, figure):
    """Measure the contenders on the tables of a folder, and print and draw what came out."""
    warnings.simplefilter("ignore")
    results_of = {}
    for task in METRICS:
        of_task = load_tables(tables / task)
        of_task = {name: of_task[name] for name in of_task if not only or name in only}
        if of_task:
            results_of[task] = measure(task, of_task, contenders, most, seeds)
    if not results_of:
        raise SystemExit(
            f"No table was found in {tables}/classification or {tables}/regression: expected CSV "
            f"files with a column 'target'."
        )
    for task, results in results_of.items():
        report(task, results)
    if figure:
        draw_figure(figure, results_of)


def options(description):
    """Read the options of the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--only", nargs="+", help="names of the tables to use; all by default")
    parser.add_argument("--most", type=int, default=3000, help="samples of a table (default 3000)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of samples and models")
    parser.add_argument("--figure", type=Path, help="file for a figure of score and seconds")
    return vars(parser.parse_args())


if __name__ == "__main__":
    main(contenders, **options(__doc__))
