"""Accuracy and fit time of default settings on small real tables.

scikit-learn's bundled tables, and those of a folder of CSV files, if one is given (no
header, the label in the last column). Numbers are standardised and categories one-hot
encoded in front of every contender; two times five shuffled, stratified folds; one
thread. The mean accuracy is over tables, each the mean of its folds; the mean rank is of
the contenders within each fold. The time is that of all fits together.
"""

import argparse
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

CONTENDERS = {
    "ours": TwoLayerClassifier,
    "ours, adam": partial(TwoLayerClassifier, solver="adam"),
    "MLPClassifier": MLPClassifier,
    "LogisticRegression": LogisticRegression,
    "HistGradientBoosting": HistGradientBoostingClassifier,
}


def load_tables(folder):
    """Return the tables as a dict of (data frame, labels)."""
    bundled = {
        "iris": load_iris,
        "wine": load_wine,
        "breast cancer": load_breast_cancer,
        "digits": load_digits,
    }
    tables = {}
    for name, load in bundled.items():
        X, y = load(return_X_y=True)
        tables[name] = pd.DataFrame(X).rename(columns=str), y
    for path in sorted(folder.glob("*.csv")) if folder else []:
        table = pd.read_csv(path, header=None).rename(columns=str)
        tables[path.stem] = table.iloc[:, :-1], table.iloc[:, -1].to_numpy()
    return tables


def preprocessing():
    return make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
        (StandardScaler(), make_column_selector(dtype_include="number")),
    )


def main(folder):
    warnings.simplefilter("ignore")
    accuracy = {name: [] for name in CONTENDERS}
    seconds = dict.fromkeys(CONTENDERS, 0.0)
    ranks = []
    print(f"{'table':>24}", *(f"{name:>21}" for name in CONTENDERS))
    for table, (X, y) in load_tables(folder).items():
        folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
        scores = {name: [] for name in CONTENDERS}
        for seed, (train, test) in enumerate(folds.split(X, y)):
            prepare = preprocessing()
            X_train, X_test = prepare.fit_transform(X.iloc[train]), prepare.transform(X.iloc[test])
            for name, contender in CONTENDERS.items():
                model = contender(random_state=seed)
                start = time.perf_counter()
                with threadpool_limits(1):
                    model.fit(X_train, y[train])
                seconds[name] += time.perf_counter() - start
                scores[name].append(model.score(X_test, y[test]))
        for name in CONTENDERS:
            accuracy[name].append(np.mean(scores[name]))
        ranks.extend(rankdata(-np.array(list(scores.values())), axis=0).T)
        cells = (f"{accuracy[name][-1]:.4f}".rjust(21) for name in CONTENDERS)
        print(f"{table:>24}", *cells, flush=True)

    means = {name: np.mean(values) for name, values in accuracy.items()}
    print(f"{'mean accuracy':>24}", *(f"{mean:21.4f}" for mean in means.values()))
    print(f"{'mean rank':>24}", *(f"{rank:21.2f}" for rank in np.mean(ranks, axis=0)))
    print(f"{'seconds of fitting':>24}", *(f"{value:21.1f}" for value in seconds.values()))

    points = 100 * (means["ours"] - means["MLPClassifier"])
    share = seconds["ours"] / seconds["MLPClassifier"]
    verdicts = ["met" if met else "NOT met" for met in (points >= 0.5, share <= 0.25)]
    print("\ntargets, against MLPClassifier")
    print(f"accuracy: {points:+.2f} points, 0.5 asked: {verdicts[0]}")
    print(f"fit time: {share:.2f} of its, 0.25 asked: {verdicts[1]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, help="folder of more tables, as CSV files")
    main(parser.parse_args().tables)
