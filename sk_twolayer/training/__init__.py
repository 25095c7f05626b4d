"""Training: from a plan to a trained state, by updates that a fit and a chunk of a stream share.

``loop`` is the training loop, and ``lbfgs`` takes its place for "lbfgs". ``state`` is all that
training needs to go on; ``progress`` records epochs, scores validation samples and decides when to
stop; ``scoring`` computes the score; ``observers`` are notified of epochs; ``tasks`` makes fits and
epochs tasks of scikit-learn's callbacks; ``interrupts`` honours Ctrl-C between two updates.
"""

from sk_twolayer.training.interrupts import Interrupts
from sk_twolayer.training.loop import train
from sk_twolayer.training.observers import Observer, PrintedLines
from sk_twolayer.training.progress import all_units_dead
from sk_twolayer.training.scoring import resolve_scorer, score_function, scoring_name
from sk_twolayer.training.state import History, TrainingState
from sk_twolayer.training.tasks import FitTaskMixin, TrainingCallback
