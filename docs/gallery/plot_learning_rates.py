"""
The landscape of learning rates
===============================

The exercise ends with a sweep over learning rate and L2 penalty, written as nested loops. Here the
network is a scikit-learn estimator, so one `GridSearchCV` does the sweep. Its results form a
landscape. The best settings are in a valley, and training diverges beyond a cliff.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit

from sk_twolayer import TwoLayerClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
network = TwoLayerClassifier(
    50,
    solver="sgd",
    learning_rate_schedule="exponential",
    warmup_fraction=0.0,
    dropout=0.0,
    max_updates=150,
    n_iter_no_change=None,
    random_state=0,
)
rates = np.logspace(-3.5, 1, 10)
alphas = np.logspace(-4, 0, 5)
search = GridSearchCV(
    network,
    {"alpha": alphas, "learning_rate": rates},
    scoring="neg_log_loss",
    cv=StratifiedShuffleSplit(1, random_state=0),
    refit=False,
)
with warnings.catch_warnings():
    # Large rates warn: training diverges, or no hidden unit is active any more.
    warnings.simplefilter("ignore")
    search.fit(X, y)

# %%
# Left of the valley, 150 updates are not enough. Right of it is the cliff: large rates lead to a
# loss of about 2.30, the loss of a network that only guesses. With a large penalty (at the bottom)
# there is no valley. There, training diverges at smaller rates: the gradient of the penalty alone
# multiplies every weight by ``1 - rate * alpha`` at each update.

losses = -search.cv_results_["mean_test_score"].reshape(len(alphas), len(rates))
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.set_facecolor("0.88")
landscape = ax.imshow(losses, norm=LogNorm(vmax=2.3), cmap="viridis", aspect="auto")
for row, column in np.ndindex(losses.shape):
    loss = losses[row, column]
    if not np.isnan(loss):
        color = "0.15" if loss > 0.8 else "white"
        ax.text(column, row, f"{loss:.2f}", ha="center", va="center", color=color, fontsize="small")
row, column = np.unravel_index(np.nanargmin(losses), losses.shape)
ax.plot(column, row, "o", markersize=30, markerfacecolor="none", color="tab:orange", mew=2.5)
ax.set_xticks(range(len(rates)), [f"{rate:.2g}" for rate in rates], rotation=45)
ax.set_yticks(range(len(alphas)), [f"{alpha:.2g}" for alpha in alphas])
ax.set(xlabel="learning rate", ylabel="alpha, the L2 penalty")
ax.set_title(
    "loss on held-out digits after 150 updates\n(ring: lowest; grey: diverged)", fontsize="medium"
)
bar = figure.colorbar(landscape, label="log loss", extend="max", ticks=[0.1, 0.2, 0.5, 1, 2])
bar.ax.yaxis.set_major_formatter("{x:g}")
plt.show()

# %%
# The loss of every update shows why the middle is best. With a small rate, the loss falls slowly.
# With a large rate, it jumps. The default, ``learning_rate="auto"``, follows the scale of the
# samples.

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for rate in [0.003, 0.03, 0.3, 3.0]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        curve = network.set_params(alpha=1e-4, learning_rate=rate).fit(X, y).batch_loss_curve_
    ax.plot(np.arange(1, len(curve) + 1), curve, label=f"{rate:g}", lw=1.5)
network.set_params(learning_rate="auto").fit(X, y)
curve, label = network.batch_loss_curve_, f'"auto": {network.learning_rate_:.2g}'
ax.plot(np.arange(1, len(curve) + 1), curve, color="0.2", ls="--", lw=1.5, label=label)
ax.set(yscale="log", xlabel="update", ylabel="loss of the batch")
ax.legend(title="learning rate", loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
