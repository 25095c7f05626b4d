"""
Early stopping by a scorer
==========================

``early_stopping=True`` holds out samples, scores the network on them after each epoch, and keeps
the weights of the best epoch. `scoring` defines which epoch is best, and accepts any scikit-learn
scorer. On imbalanced classes, accuracy hardly distinguishes a good network from one that never
predicts the rare class. Balanced accuracy does: it is the mean of the recalls of both classes.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from sk_twolayer import TwoLayerClassifier

X, y = make_classification(
    6000, n_features=12, n_informative=6, weights=[0.93], class_sep=0.7, random_state=1
)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# The three networks differ only in the scorer. They hold out the same samples, and they have the
# same weights, bit for bit, until one of them stops. What differs is the epoch that each keeps.

scorers = ["accuracy", "neg_log_loss", "balanced_accuracy"]
figure, axes = plt.subplots(3, 1, figsize=(6.4, 7.5), sharex=True, layout="constrained")
for ax, scoring in zip(axes, scorers, strict=True):
    model = TwoLayerClassifier(
        early_stopping=True,
        scoring=scoring,
        validation_fraction=0.2,
        learning_rate_schedule="constant",
        n_iter_no_change=15,
        max_iter=150,
        random_state=0,
    ).fit(X_train, y_train)
    scores = model.validation_scores_
    kept = len(scores) - 1 - np.argmax(scores[::-1])  # among equal scores, the last epoch is kept
    ax.plot(np.arange(1, len(scores) + 1), scores, color="tab:orange")
    ax.plot(kept + 1, scores[kept], "o", color="tab:red", label=f"kept: epoch {kept + 1}")
    ax.set_ylabel(scoring)
    on_test = balanced_accuracy_score(y_test, model.predict(X_test))
    ax.set_title(f"balanced accuracy on test samples: {on_test:.3f}", fontsize="medium")
    ax.legend(loc="lower right")
axes[-1].set_xlabel("epoch")
figure.supylabel("on held-out samples", fontsize="medium")
plt.show()

# %%
# From one epoch to the next, balanced accuracy changes by 0.04 on average, and accuracy by 0.006.
# The reason is that balanced accuracy depends on the few samples of the rare class: 66 of the 900
# held-out samples. The difference between the networks varies with the data. On similar data sets
# it is often smaller, and sometimes has the opposite sign.
