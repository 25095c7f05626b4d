"""Callbacks for what the hyper-parameters do not reach: checkpoints, a target score, a time limit.

They are set like all callbacks of scikit-learn, and need scikit-learn 1.9, which introduced them:
on the network, alone or as a step of a pipeline in a search, by ``set_callbacks``. Each is a plain
value, which any number of networks may share, in threads and processes too.
"""

from sk_twolayer.callbacks.checkpoint import Checkpoint
from sk_twolayer.callbacks.stopping import EarlyStopping, TimeLimit

__all__ = ["Checkpoint", "EarlyStopping", "TimeLimit"]
