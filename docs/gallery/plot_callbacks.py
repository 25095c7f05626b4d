"""
Callbacks live
==============

With scikit-learn 1.9 and newer, callbacks watch a fit from outside: a progress bar, a monitor that
scores each epoch, or a class of one's own. They are set on a network, a pipeline or a search, and
a fit does the same with them as without.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ScoringMonitor
from sklearn.datasets import make_moons

from sk_twolayer import TwoLayerClassifier

X, y = make_moons(400, noise=0.2, random_state=0)

# %%
# A callback of one's own
# -----------------------
#
# A callback has four methods. This one looks over the shoulder of a training: after some of the
# epochs it asks for the network as if the fit had ended there, and notes what it would predict. A
# callback that returns True ends the fit, as this one does not.

first, second = np.meshgrid(np.linspace(-2, 3, 150), np.linspace(-1.6, 2.1, 150))
points = np.column_stack([first.ravel(), second.ravel()])


class Film:
    """Keep what the network predicts after some of the epochs."""

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

figure, axes = plt.subplots(2, 3, figsize=(9.5, 6), sharex=True, sharey=True, layout="constrained")
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
# scikit-learn's `ScoringMonitor` was set on the same fit. Its log has a row for each epoch and one
# for the whole fit, and any number of scorers. The network leaves the rows it trains on to the
# monitor, so these are scores on them; for others, pass ``X_val`` to `fit`.

log = monitor.get_logs().data_as_pandas
log = log[log["task_name"] == "epoch"].sort_values("task_id")
figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
for ax, score in zip(axes, ["accuracy", "neg_log_loss"], strict=True):
    ax.plot(log["task_id"] + 1, log[score])
    for epoch in film.epochs:
        ax.axvline(epoch, color="0.5", lw=0.8, ls=":")
    ax.set(xlabel="epoch (dotted: those of the film)", ylabel=score)
plt.show()

# %%
# A progress bar for a search
# ---------------------------
#
# Set on a search, scikit-learn's `ProgressBar` shows a tree, from the search down to the epochs of
# every network, also of those in other processes. Here is what it leaves behind::
#
#     from sklearn.callback import ProgressBar
#
#     search = GridSearchCV(model, {"hidden_size": [10, 50]}, cv=2, n_jobs=2)
#     search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
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
