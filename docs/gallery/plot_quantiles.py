"""
A prediction interval from two quantiles
========================================

A prediction of the mean does not say how far y may be from it. ``loss="quantile"`` predicts
quantiles, and 90 % of all samples lie between the quantiles 0.05 and 0.95.
``loss="absolute_error"`` predicts the median. In this example, the noise depends on x and is not
symmetric.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import mean_pinball_loss

from sk_twolayer import TwoLayerRegressor


def draw_samples(n, seed):
    """Return x, and y with skewed noise that grows with x."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, n)
    noise = np.exp(0.4 * x - 0.5) * (rng.gamma(2, size=n) - 2)
    return x[:, np.newaxis], 2 * np.sin(2 * x) + noise


x_train, y_train = draw_samples(4000, seed=0)
x_test, y_test = draw_samples(4000, seed=1)

# %%
# There is one network for each quantile. The networks are independent, so quantiles that are close
# together may cross. These three are far apart.

models = {
    0.95: TwoLayerRegressor(loss="quantile", quantile=0.95, random_state=0),
    0.5: TwoLayerRegressor(loss="absolute_error", random_state=0),
    0.05: TwoLayerRegressor(loss="quantile", quantile=0.05, random_state=0),
}
for model in models.values():
    model.fit(x_train, y_train)

# %%
# The share of held-out samples below a prediction should equal its quantile. For comparison,
# another network predicts the mean, and quantiles of its training errors are added to the mean.
# This makes a band of constant width. The band also covers nine tenths of all samples. But on the
# left it covers nearly all of them, and on the right far too few.

mean = TwoLayerRegressor(random_state=0).fit(x_train, y_train)
shifts = np.quantile(y_train - mean.predict(x_train), list(models))
quantiles = {q: model.predict(x_test) for q, model in models.items()}
band = {q: mean.predict(x_test) + shift for q, shift in zip(models, shifts, strict=True)}

for name, predicted in {"quantile networks": quantiles, "mean plus constants": band}.items():
    print(name)
    for q, limit in predicted.items():
        below, loss = (y_test < limit).mean(), mean_pinball_loss(y_test, limit, alpha=q)
        print(f"    quantile {q:4}: {below:5.1%} of the samples are below, pinball loss {loss:.3f}")
    inside = (predicted[0.05] < y_test) & (y_test < predicted[0.95])
    small, large = (inside[chosen].mean() for chosen in (x_test[:, 0] < -2, x_test[:, 0] > 2))
    print(f"    in the 90 % interval: {inside.mean():.1%}; x < -2: {small:.1%}; x > 2: {large:.1%}")

# %%
# The interval is narrow where the noise is small. Like the noise, it extends further up than down.

x = np.linspace(-3, 3, 500)[:, np.newaxis]
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.plot(x_test[::4], y_test[::4], ".", color="0.6", markersize=3, label="samples held out")
low, median, high = (models[q].predict(x) for q in (0.05, 0.5, 0.95))
ax.fill_between(x[:, 0], low, high, color="tab:blue", alpha=0.25, label="90 % interval")
ax.plot(x, low, color="tab:blue", linewidth=1)
ax.plot(x, high, color="tab:blue", linewidth=1)
ax.plot(x, median, color="tab:red", label="median")
ax.set(xlabel="x", ylabel="y", xlim=(-3, 3))
ax.legend(loc="upper left")
plt.show()
