"""Accuracy and log loss as one parameter leaves its default, on scikit-learn's bundled tables.

Five-fold cross-validation with three seeds, columns standardised; the mean over folds and seeds.
The learning rate and the weight decay are multiples of the value of "auto" on the table. Diamonds
are the defaults. They can differ from the lines at a learning rate of once "auto": a number is the
rate of all parameters, while "auto" has a smaller rate for W1 where the samples have large norms.
Takes some minutes on one core.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

TABLES = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}
SEEDS = (0, 1, 2)
FACTORS = (0.03, 0.1, 0.3, 1, 3, 10, 30)
SWEEPS = {
    "learning_rate": FACTORS,
    "hidden_size": (5, 10, 25, 50, 100, 200, 400),
    "alpha": (0, 0.1, 0.3, 1, 3, 10, 30),
}
LABELS = {
    "learning_rate": 'learning rate, multiples of "auto"',
    "hidden_size": "hidden units",
    "alpha": 'alpha, multiples of "auto"',
}


def setting(parameter, value, default):
    """Return the hyper-parameters of a point of a sweep, given a fit with the defaults."""
    if parameter == "hidden_size":
        return {"hidden_size": value}
    if parameter == "alpha":
        return {"alpha": value * default.alpha_}
    return {"learning_rate": value * default.learning_rate_}


def folds(X, y):
    """Yield a seed for the network, X_train, y_train, X_test and y_test of each fold."""
    for seed in SEEDS:
        splits = StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y)
        for fold, (train, test) in enumerate(splits):
            scaler = StandardScaler().fit(X[train])
            X_train, X_test = scaler.transform(X[train]), scaler.transform(X[test])
            yield 10 * seed + fold, X_train, y[train], X_test, y[test]


def measure():
    """Return {(table, parameter or "auto"): accuracies and log losses}."""
    results = {}
    for table, load in TABLES.items():
        for seed, X_train, y_train, X_test, y_test in folds(*load(return_X_y=True)):
            default = TwoLayerClassifier(random_state=seed).fit(X_train, y_train)
            p = default.predict_proba(X_test)
            scores = [(accuracy_score(y_test, p.argmax(axis=1)), log_loss(y_test, p))]
            results.setdefault((table, "auto"), []).append(scores)
            for parameter, values in SWEEPS.items():
                scores = []
                for value in values:
                    model = TwoLayerClassifier(random_state=seed)
                    model.set_params(**setting(parameter, value, default))
                    p = model.fit(X_train, y_train).predict_proba(X_test)
                    scores.append((accuracy_score(y_test, p.argmax(axis=1)), log_loss(y_test, p)))
                results.setdefault((table, parameter), []).append(scores)
    return {key: np.mean(scores, axis=0).T for key, scores in results.items()}


def main():
    with threadpool_limits(1):
        results = measure()
    figure, axes = plt.subplots(
        3, 2, figsize=(6.4, 8), sharex="row", sharey="col", layout="constrained"
    )
    for (parameter, values), (left, right) in zip(SWEEPS.items(), axes, strict=True):
        print(parameter, *values)
        for table in TABLES:
            accuracies, losses = results[table, parameter]
            default = 200 if parameter == "hidden_size" else 1
            for ax, scores, of_default in zip(
                (left, right), (accuracies, losses), results[table, "auto"], strict=True
            ):
                (line,) = ax.plot(values, scores, "o-", markersize=4, label=table)
                ax.plot(default, of_default, "D", color=line.get_color(), markeredgecolor="0.2")
            print(f"  {table:14} accuracy", *(f"{accuracy:.3f}" for accuracy in accuracies))
            print(f"  {table:14} log loss", *(f"{loss:.3f}" for loss in losses))
        for ax in (left, right):
            if 0 in values:
                ax.set_xscale("symlog", linthresh=0.1)
            else:
                ax.set_xscale("log")
            ax.axvline(default, color="0.6", lw=1, zorder=0)
            ax.grid(alpha=0.3)
            ax.set_xlabel(LABELS[parameter])
    axes[0, 0].set(title="accuracy", ylim=(0.85, 1))
    axes[0, 1].set(title="log loss", ylim=(0, 0.5))
    lines = axes[0, 0].get_lines()[: 2 * len(TABLES) : 2]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(TABLES))
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
