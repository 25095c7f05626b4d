"""
Early stopping by a scorer
==========================

``early_stopping=True`` holds rows out, scores the network on them after each epoch, and keeps the
weights of the best one. What "best" means is up to the problem: `scoring` takes any of
scikit-learn's scorers. On an imbalanced table accuracy hardly tells a good network from one that
never names the rare class; balanced accuracy, the mean of the recall of both classes, does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from sk_twolayer import TwoLayerClassifier

X, y = make_classification(
    6000, n_features=12, n_informative=6, weights=[0.93], class_sep=0.7, random_state=5
)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# Two networks that differ in what they are stopped by alone: the same rows are held out, and up to
# the end of the shorter training their weights are equal, bit for bit.

models = {}
for scoring in ["accuracy", "balanced_accuracy"]:
    models[scoring] = TwoLayerClassifier(
        class_weight="balanced",
        early_stopping=True,
        scoring=scoring,
        validation_fraction=0.2,
        learning_rate_schedule="constant",
        n_iter_no_change=15,
        max_iter=100,
        random_state=0,
    ).fit(X_train, y_train)

figure, axes = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
for ax, (scoring, model) in zip(axes, models.items(), strict=True):
    scores = model.validation_scores_
    kept = len(scores) - 1 - np.argmax(scores[::-1])  # of equal epochs the last is kept
    ax.plot(np.arange(1, len(scores) + 1), scores, color="tab:orange")
    ax.plot(kept + 1, scores[kept], "o", color="tab:red", label=f"kept: epoch {kept + 1}")
    ax.set(xlabel="epoch", ylabel=f"{scoring.replace('_', ' ')} on the rows held out")
    test = balanced_accuracy_score(y_test, model.predict(X_test))
    ax.set_title(
        f"stopped by {scoring.replace('_', ' ')}: {test:.3f} on test rows", fontsize="medium"
    )
    ax.legend(loc="lower right")
figure.suptitle("balanced accuracy on the test rows, of the epoch that was kept")
plt.show()
