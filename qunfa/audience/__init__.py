"""Audiences of any size: read, combined, and cut into batches that stand in a store."""

from qunfa.audience.plans import PlanFile, PlanLostError, Plans
from qunfa.audience.store import Store, StoreUnavailable

__all__ = ["PlanFile", "PlanLostError", "Plans", "Store", "StoreUnavailable"]
