"""Compare successive halving with a plain grid search: similar accuracy in less time.

Successive halving first trains all candidates with a small resource. It then trains the better
third with three times as much, and so on, until the last few use the full resource. Two resources
suit a network: samples, and epochs, as the learning rate decays within however few epochs are
planned. Both searches are compared with the plain grid search over the same candidates and folds:
in time, in accuracy on test samples that no search has seen, and in the parameters found.

The data set is scikit-learn's bundled digits.
"""

import argparse
import time
from pathlib import Path

import joblib
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier

GRID = {
    "network__learning_rate": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    "network__alpha": [0.01, 0.3, 3.0],
    "network__hidden_size": [50, 200],
}


def make_searches(network, epochs, cv, n_jobs):
    """Return the plain search, and one for each resource, which starts at no less than a ninth."""
    model = Pipeline([("standardise", StandardScaler()), ("network", network)])
    common = {"cv": cv, "n_jobs": n_jobs}
    halving = {"factor": 3, "random_state": 0, **common}
    return {
        "plain": GridSearchCV(model, GRID, **common),
        "epochs": HalvingGridSearchCV(
            model,
            GRID,
            resource="network__max_iter",
            max_resources=epochs,
            min_resources=max(epochs // 9, 1),
            **halving,
        ),
        "samples": HalvingGridSearchCV(
            model, GRID, resource="n_samples", min_resources="exhaust", **halving
        ),
    }


def main(output, n_jobs, epochs, repeats, seed):
    output.mkdir(parents=True, exist_ok=True)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X.astype(np.float32), y, test_size=0.25, stratify=y, random_state=seed
    )
    cv = StratifiedKFold(3, shuffle=True, random_state=seed)
    network = TwoLayerClassifier(max_iter=epochs, random_state=seed)
    searches = make_searches(network, epochs, cv, n_jobs)
    n_candidates = int(np.prod([len(values) for values in GRID.values()]))
    print(
        f"{n_candidates} candidates, {cv.n_splits} folds of {len(X_train)} samples, {epochs} epochs"
    )

    # Start the processes and import their packages before the time is taken.
    joblib.Parallel(n_jobs)(joblib.delayed(network.fit)(X[:200], y[:200]) for _ in range(8))
    seconds = {name: [] for name in searches}
    for repeat in range(repeats):  # take turns, as the load of a machine changes
        for name, search in searches.items():
            start = time.perf_counter()
            search.fit(X_train, y_train)
            seconds[name].append(time.perf_counter() - start)
            print(f"round {repeat + 1}: {name} took {seconds[name][-1]:.1f} s", flush=True)

    print(f"\n{'search':>8}{'fits':>8}{'seconds':>10}{'ratio':>8}{'test accuracy':>16}   found")
    medians = {name: np.median(times) for name, times in seconds.items()}
    for name, search in searches.items():
        n_fits = len(search.cv_results_["params"]) * cv.n_splits + 1
        ratio, accuracy = medians[name] / medians["plain"], search.score(X_test, y_test)
        found = ", ".join(f"{key.split('__')[1]}={search.best_params_[key]:g}" for key in GRID)
        line = f"{name:>8}{n_fits:8d}{medians[name]:10.2f}{ratio:8.2f}{accuracy:16.4f}   {found}"
        print(line)
    path = output / "halving.png"
    draw({name: search for name, search in searches.items() if name != "plain"}, path)
    print(f"scores of all candidates: {path}")


def draw(searches, path):
    """Draw the score of each candidate against its resources."""
    figure, axes = plt.subplots(1, len(searches), figsize=(10, 4), layout="constrained")
    for ax, (name, search) in zip(axes, searches.items(), strict=True):
        results = search.cv_results_
        for candidate in range(search.n_candidates_[0]):
            params = results["params"][candidate]
            same = [all(other[key] == params[key] for key in GRID) for other in results["params"]]
            resources, scores = results["n_resources"][same], results["mean_test_score"][same]
            ax.plot(resources, scores, marker="o", markersize=3, color="tab:blue", alpha=0.5)
        ax.set(xscale="log", xlabel=name, ylabel="validation accuracy", title=f"halving by {name}")
        ax.set_xticks(search.n_resources_, labels=search.n_resources_)
        ax.minorticks_off()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, default=Path("halving_output"), help="folder for the picture"
    )
    parser.add_argument("--n-jobs", type=int, default=-1, help="processes; -1: all cores")
    parser.add_argument("--epochs", type=int, default=36, help="epochs of the plain search")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of the three searches")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    arguments = parser.parse_args()
    main(arguments.output, arguments.n_jobs, arguments.epochs, arguments.repeats, arguments.seed)
