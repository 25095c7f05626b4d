"""Learning-rate schedules.

A schedule gives a factor of the learning rate for each of a planned number of updates. It may begin
with a linear warm-up, while the moments of the optimizer settle. The decay of "exponential" after
each epoch is not part of the schedule: the training loop applies it.
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
        After the warm-up, "cosine" falls from 1 to nearly 0 along half a period of the cosine
        [1]_, without restarts. The other kinds stay at 1.
    n_updates : int, default=0
        Number of planned updates.
    warmup_fraction : float, default=0.0
        Share of the updates in which the factor rises linearly to 1 [2]_.

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

    __module__ = "sk_twolayer.schedules"

    kind: str = "constant"
    n_updates: int = 0
    warmup_fraction: float = 0.0

    @property
    def n_warmup(self):
        """Return the number of updates of the warm-up."""
        return round(self.warmup_fraction * self.n_updates)

    def factor(self, update):
        """Return the factor at an update. The first update has number 0."""
        n_warmup = self.n_warmup
        if update < n_warmup:
            return (update + 1) / n_warmup
        if self.kind != "cosine":
            return 1.0
        share = (update - n_warmup) / max(self.n_updates - n_warmup, 1)
        return 0.5 * (1 + cos(pi * min(share, 1.0)))
