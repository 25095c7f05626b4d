"""
Callbacks live
==============

Callbacks observe a fit: a progress bar, a monitor that scores each epoch, or a class of your own.
They need scikit-learn 1.9 or newer. You can set them on a network, a pipeline or a search. Unless
a callback stops it, the fit has the same result as without callbacks.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ScoringMonitor
from sklearn.datasets import make_moons

from sk_twolayer import TwoLayerClassifier

X, y = make_moons(400, noise=0.2, random_state=0)

# %%
# A custom callback
# -----------------
#
# A callback has four methods. This one stores predictions after some of the epochs. After each
# epoch it receives the network as it would be if the fit ended there. A callback ends the fit by
# returning True; this one never does.

first, second = np.meshgrid(np.linspace(-2, 3, 150), np.linspace(-1.6, 2.1, 150))
points = np.column_stack([first.ravel(), second.ravel()])


class Film:
    """Store the predictions of the network after some of the epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def setup(self, estimator, context):
        self.pictures = {}

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch" and context.task_id + 1 in self.epochs:
            p = fitted_estimator.predict_proba(points)[:, 1]
            self.pictures[context.task_id + 1] = p.reshape(first.shape)

    def teardown(self, estimator, context):
        pass


film = Film(epochs=[1, 5, 10, 20, 30, 60])
monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
model = TwoLayerClassifier(alpha=0.01, max_iter=60, random_state=0)
model.set_callbacks(film, monitor).fit(X, y)

figure, axes = plt.subplots(2, 3, figsize=(6.4, 4), sharex=True, sharey=True, layout="constrained")
for ax, (epoch, p) in zip(axes.flat, film.pictures.items(), strict=True):
    levels = np.linspace(0, 1, 21)
    regions = ax.contourf(first, second, p, levels=levels, cmap="RdBu_r", alpha=0.75)
    ax.contour(first, second, p, levels=[0.5], colors="white", linewidths=2.5)
    ax.scatter(*X.T, c=y, cmap="RdBu_r", s=10, edgecolors="white", linewidths=0.4)
    ax.set_title(f"after epoch {epoch}", fontsize="medium")
figure.supxlabel("first feature", fontsize="medium")
figure.supylabel("second feature", fontsize="medium")
figure.colorbar(regions, ax=axes, label="probability of the red class", ticks=[0, 0.5, 1])
plt.show()

# %%
# The monitor's log
# -----------------
#
# The same fit had scikit-learn's `ScoringMonitor`, which may compute any number of scores. Its log
# has a row for each epoch and a row for the whole fit. Here the monitor scores the training
# samples. If you pass ``X_val`` and ``y_val`` to `fit`, it scores the validation samples.

log = monitor.get_logs().data_as_pandas
log = log[log["task_name"] == "epoch"].sort_values("task_id")
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3), layout="constrained")
for ax, score in zip(axes, ["accuracy", "neg_log_loss"], strict=True):
    ax.plot(log["task_id"] + 1, log[score])
    for epoch in film.epochs:
        ax.axvline(epoch, color="0.5", lw=0.8, ls=":")
    ax.set(xlabel="epoch (dotted: epochs of the film)", ylabel=score)
plt.show()

# %%
# A progress bar for a search
# ---------------------------
#
# On a search, scikit-learn's `ProgressBar` shows a tree, from the search down to the epochs of each
# network. It also works if the fits run in other processes::
#
#     from sklearn.callback import ProgressBar
#
#     search = GridSearchCV(model, {"hidden_size": [10, 50]}, cv=2, n_jobs=2)
#     search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
#
# The final state of the bar is this:
#
# .. code-block:: none
#
#     GridSearchCV - fit                                                        100%
#       GridSearchCV - search #0                                                100%
#         GridSearchCV - candidate-split-evaluation | TwoLayerClassifier - fit #0 100%
#         GridSearchCV - candidate-split-evaluation | TwoLayerClassifier - fit #1 100%
#         GridSearchCV - candidate-split-evaluation | TwoLayerClassifier - fit #2 100%
#         GridSearchCV - candidate-split-evaluation | TwoLayerClassifier - fit #3 100%
#       GridSearchCV - refit-with-best-params | TwoLayerClassifier - fit #1     100%
