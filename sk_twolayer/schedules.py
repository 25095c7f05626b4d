"""The learning-rate schedule, at its public address."""

from sk_twolayer.optimizers.schedules import Schedule

__all__ = ["Schedule"]
