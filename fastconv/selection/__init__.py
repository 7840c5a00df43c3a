"""Chooses an algorithm for a problem, explains and remembers the choice."""

from .choose import Choice, select
from .memory import PLANS
from .options import Config, config, get_config, set_config

__all__ = ["PLANS", "Choice", "Config", "config", "get_config", "select", "set_config"]
