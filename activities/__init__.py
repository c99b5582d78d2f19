"""The side effects of a mass send, one noun a file: classes whose methods are the activities."""

from activities.lost_queues import LostQueues
from activities.onlooker import Onlooker
from activities.registry import all_activities

__all__ = ["LostQueues", "Onlooker", "all_activities"]
