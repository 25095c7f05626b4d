"""Planning: from hyper-parameters and data to everything that training needs.

``auto`` holds the rules behind "auto" hyper-parameters; ``plan`` decides everything before the
first update; ``starting_state`` draws the weights, or has them continued by ``warm_start``, which
also resumes interrupted fits; ``stream_start`` learns scales from the first samples of a stream.
"""

from sk_twolayer.planning.plan import Plan, make_plan
from sk_twolayer.planning.warm_start import kept_weights, make_checkpoint
