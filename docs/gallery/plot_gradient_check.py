"""
The gradient check
==================

Training can hide mistakes in backpropagation. The gradient check finds them by the forward pass
alone. It moves one parameter a small step up and down. The difference of the two losses, divided by
twice the step, must equal the gradient. :func:`~sk_twolayer.gradient_check.gradient_check` does
this for every parameter. This page shows how precise it is.
"""

import matplotlib.pyplot as plt
import numpy as np

from sk_twolayer.gradient_check import gradient_check

# The toy model of the exercise: four inputs, ten hidden units, three classes, five samples.
rng = np.random.RandomState(0)
parameters = {
    "W1": 0.1 * rng.standard_normal((4, 10)),
    "W2": 0.1 * rng.standard_normal((10, 3)),
    "b1": np.zeros(10),
    "b2": np.zeros(3),
}
X = 10 * np.random.RandomState(1).standard_normal((5, 4))
y = [0, 1, 2, 2, 1]

print("largest relative error; the exercise asks for less than 1e-8")
for name, error in gradient_check(parameters, X, y, alpha=0.1).items():
    print(f"  {name}: {error:.1e}")

# %%
# How small is a small step?
# --------------------------
#
# The error of a central difference has two parts. The truncation error grows with the square of the
# step. The rounding error grows with the inverse of the step: the losses are rounded to 16 digits,
# and their difference becomes small. Both errors are about equal at the default, 1e-5. Here the
# activation is tanh. With relu the loss has kinks, and the check skips parameters whose step
# crosses one.

steps = np.logspace(0, -12, 37)
errors = [
    gradient_check(parameters, X, y, alpha=0.1, activation="tanh", step=step) for step in steps
]

figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
for name in parameters:
    ax.loglog(steps, [error[name] for error in errors], marker=".", label=name)
near, far = np.array([1e-12, 1e-5]), np.array([1e-5, 1])
ax.loglog(near, 1e-16 / near, color="0.5", ls=":", zorder=0)
ax.loglog(far, 0.05 * far**2, color="0.5", ls=":", zorder=0)
ax.text(1e-9, 5e-9, "rounding: 1 / step", ha="right", color="0.35")
ax.text(5e-3, 2e-8, "truncation: step²", color="0.35")
ax.axvline(1e-5, color="0.5", lw=0.8, zorder=0)
ax.text(1.2e-5, 0.3, "default", color="0.35")
ax.set(xlabel="step", ylabel="largest relative error", ylim=(1e-12, 2))
ax.set_title("analytic gradient against central differences")
ax.legend(title="parameter")
plt.show()
