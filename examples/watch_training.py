"""Use callbacks during training: live progress, learning curves, a time limit.

A grid search over a pipeline shows one live tree of progress, from the search down to the epochs of
each network, although the networks are trained in two processes. A monitor computes the log loss of
each network after each epoch, and its log is drawn as the learning curves of all candidates.
Finally, a time limit stops a training.
"""

import argparse
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.callbacks import TimeLimit

try:
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError:
    raise SystemExit("This example needs callbacks, which came with scikit-learn 1.9.") from None

N_SPLITS = 3
LEARNING_RATES = [0.001, 0.01, 0.1]


def main(output, n_jobs, epochs, budget):
    output.mkdir(parents=True, exist_ok=True)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    # Training never stops early, so all curves have the same length.
    network = TwoLayerClassifier(
        hidden_size=100,
        solver="sgd",
        momentum=0.9,
        alpha=1e-3,
        learning_rate=0.1,
        learning_rate_schedule="exponential",
        warmup_fraction=0.0,
        init="he",
        learning_rate_decay=0.95,
        batch_size=100,
        dropout=0.0,
        early_stopping=False,
        max_iter=epochs,
        n_iter_no_change=None,
        random_state=0,
    )
    warnings.simplefilter("ignore", ConvergenceWarning)

    # The monitor is set on the network, and the progress bar on the search.
    monitor = ScoringMonitor(scoring="neg_log_loss")
    model = make_pipeline(StandardScaler(), network.set_callbacks(monitor))
    search = GridSearchCV(
        model, {"twolayerclassifier__learning_rate": LEARNING_RATES}, cv=N_SPLITS, n_jobs=n_jobs
    )
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X_train, y_train)
    print(f"best: {search.best_params_}, test accuracy {search.score(X_test, y_test):.3f}")
    path = output / "learning_curves.png"
    draw_learning_curves(monitor.get_logs().data, epochs, path)
    print(f"learning curves of all candidates: {path}")

    network.set_params(max_iter=1_000_000).set_callbacks(TimeLimit(budget))
    start = time.perf_counter()
    model.fit(X_train, y_train)
    print(
        f"a training of {network.max_iter} epochs with a limit of {budget:g} s ended after "
        f"{network.n_iter_} epochs and {time.perf_counter() - start:.2f} s; test accuracy "
        f"{model.score(X_test, y_test):.3f}"
    )


def draw_learning_curves(log, epochs, path):
    """Draw the training loss: a line for each candidate, and the range of its splits."""
    curves = np.full((len(LEARNING_RATES), N_SPLITS, epochs), np.nan)
    for row in log:
        search_or_refit, fit, *_ = (*row["task_id_path"][1:], None)
        if row["task_name"] == "epoch" and search_or_refit == 0:
            candidate, split = divmod(fit, N_SPLITS)  # fits are numbered candidate by candidate
            curves[candidate, split, row["task_id"]] = -row["neg_log_loss"]

    figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    epoch = np.arange(1, epochs + 1)
    for rate, of_candidate in zip(LEARNING_RATES, curves, strict=True):
        ax.plot(epoch, of_candidate.mean(axis=0), label=f"{rate:g}")
        ax.fill_between(epoch, of_candidate.min(axis=0), of_candidate.max(axis=0), alpha=0.3)
    ax.set(
        title=f"learning curves of all candidates (mean and range of {N_SPLITS} splits)",
        xlabel="epoch",
        ylabel="log loss on the training samples",
        yscale="log",
    )
    ax.yaxis.set_major_formatter("{x:g}")
    figure.legend(title="learning rate", loc="outside upper center", ncols=len(LEARNING_RATES))
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("watch_output"), help="folder for the picture"
    )
    parser.add_argument("--n-jobs", type=int, default=2, help="processes of the search")
    parser.add_argument("--epochs", type=int, default=60, help="epochs of each network")
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of the last training")
    arguments = parser.parse_args()
    main(arguments.output, arguments.n_jobs, arguments.epochs, arguments.budget)
