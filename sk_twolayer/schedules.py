"""How the learning rate changes from update to update.

A schedule is planned over a number of updates: it says for each of them by what factor the
learning rate is multiplied. A linear warm-up may come first, while the moments of the optimizer
settle. "exponential", which decays after each epoch, is a matter of the training loop.
"""

from dataclasses import dataclass
from math import cos, pi

SCHEDULES = ("constant", "exponential", "cosine")


@dataclass(frozen=True)
class Schedule:
    """The factor of the learning rate at each update of a plan.

    Parameters
    ----------
    kind : {"constant", "exponential", "cosine"}, default="constant"
        "cosine" falls from 1 to nearly 0 over the updates after the warm-up, along half a period
        of the cosine [1]_ (without its restarts). The others stay at 1.
    n_updates : int, default=0
        Updates that are planned.
    warmup_fraction : float, default=0.0
        Share of them in which the factor rises to 1 linearly [2]_.

    References
    ----------
    .. [1] Loshchilov, Hutter. "SGDR: stochastic gradient descent with warm restarts." ICLR 2017.
    .. [2] Goyal et al. "Accurate, large minibatch SGD: training ImageNet in 1 hour." 2017.

    Examples
    --------
    >>> from sk_twolayer.schedules import Schedule
    >>> schedule = Schedule("cosine", n_updates=8, warmup_fraction=0.25)
    >>> [round(schedule.factor(update), 3) for update in range(8)]
    [0.5, 1.0, 1.0, 0.933, 0.75, 0.5, 0.25, 0.067]
    """

    kind: str = "constant"
    n_updates: int = 0
    warmup_fraction: float = 0.0

    @property
    def n_warmup(self):
        """Updates of the warm-up."""
        return round(self.warmup_fraction * self.n_updates)

    def factor(self, update):
        """Return the factor at an update, the first being number 0."""
        n_warmup = self.n_warmup
        if update < n_warmup:
            return (update + 1) / n_warmup
        if self.kind != "cosine":
            return 1.0
        share = (update - n_warmup) / max(self.n_updates - n_warmup, 1)
        return 0.5 * (1 + cos(pi * min(share, 1.0)))
