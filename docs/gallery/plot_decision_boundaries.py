"""
Decision boundaries as hidden units grow
========================================

Each relu unit folds the plane along a straight line. The unit is zero on one side of the line, and
grows with the distance on the other side. The network is a sum of such folds. With few units the
decision boundary has corners, and with many units it looks smooth.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split

from sk_twolayer import TwoLayerClassifier

X, y = make_moons(600, noise=0.18, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# The data set is small, so the solver is L-BFGS, which uses all samples at once. On each dashed
# line, the input of a hidden unit is zero: these are the folds. On the white line, both classes are
# equally likely.

first, second = np.meshgrid(np.linspace(-2, 3, 200), np.linspace(-1.6, 2.1, 200))
figure, axes = plt.subplots(2, 3, figsize=(6.4, 5), sharex=True, sharey=True, layout="constrained")
for ax, hidden_size in zip(axes.flat, [1, 3, 5, 10, 30, 200], strict=True):
    model = TwoLayerClassifier(
        hidden_size, solver="lbfgs", alpha=3e-4, tol=1e-3, max_iter=1000, random_state=0
    )
    model.fit(X_train, y_train)
    p = model.predict_proba(np.column_stack([first.ravel(), second.ravel()]))[:, 1]
    p = p.reshape(first.shape)
    regions = ax.contourf(first, second, p, levels=np.linspace(0, 1, 21), cmap="RdBu_r", alpha=0.75)
    ax.contour(first, second, p, levels=[0.5], colors="white", linewidths=2.5)
    if hidden_size <= 5:
        z1 = np.stack([first, second], axis=-1) @ model.coefs_[0] + model.intercepts_[0]
        for z in np.moveaxis(z1, -1, 0):
            ax.contour(first, second, z, levels=[0], colors="black", linewidths=1, linestyles="--")
    ax.scatter(*X_test.T, c=y_test, cmap="RdBu_r", s=10, edgecolors="white", linewidths=0.4)
    units = "1 hidden unit" if hidden_size == 1 else f"{hidden_size} hidden units"
    ax.set_title(f"{units}\naccuracy {model.score(X_test, y_test):.3f}", fontsize="medium")
figure.supxlabel("first feature", fontsize="medium")
figure.supylabel("second feature", fontsize="medium")
figure.colorbar(regions, ax=axes, label="probability of the red class", ticks=[0, 0.5, 1])
plt.show()

# %%
# One unit gives a linear boundary. With five units the boundary has the shape of the moons. More
# units only make it smoother. Unnecessary units do no harm, since the weights are penalised.
