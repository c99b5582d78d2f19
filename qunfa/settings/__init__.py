"""Configuration: `qunfa.toml`, the environment, and secrets in files.

Every value may stand in the file or in the environment (`QUNFA_ACCOUNTS__DEMO__KIND`); the environment wins.
"""

from qunfa.settings.account import AccountSettings, CallbackSettings, NoticeSettings
from qunfa.settings.loading import SettingsError, load_language, load_settings, load_task_queue
from qunfa.settings.model import (
    DisplaySettings,
    Language,
    MediaSettings,
    MetricsSettings,
    ReceiverSettings,
    Settings,
    TimingSettings,
    WeChatSettings,
)

__all__ = [
    "AccountSettings",
    "CallbackSettings",
    "DisplaySettings",
    "Language",
    "MediaSettings",
    "MetricsSettings",
    "NoticeSettings",
    "ReceiverSettings",
    "Settings",
    "SettingsError",
    "TimingSettings",
    "WeChatSettings",
    "load_language",
    "load_settings",
    "load_task_queue",
]
