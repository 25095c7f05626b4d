"""The optimizers, which turn gradients into updates of the parameters, and the schedules.

An optimizer keeps what it needs of earlier gradients in its `moments`, vectors with the layout of
the parameters. It updates the flat vector of parameters in place, and overwrites the gradient
rather than allocate memory. SGD and Adam follow scikit-learn's formulas, so that both libraries can
be compared number by number. A `Schedule` gives the factor of the learning rate at each update.

SGD and AdamW also support lazy updates. If a feature does not occur in a batch, the cross-entropy
has a zero gradient for the feature's row of W1, and the update of that row is a fixed linear map.
`zero_gradient_map` returns the map of one update, `compose` joins the maps of several updates, and
`apply_maps` applies them.
"""

from sk_twolayer.optimizers.adam import Adam, AdamW, change_betas
from sk_twolayer.optimizers.schedules import SCHEDULES, Schedule
from sk_twolayer.optimizers.sgd import SGD

OPTIMIZERS = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
LAZY_SOLVERS = ("sgd", "adamw")  # the optimizers that support lazy updates
