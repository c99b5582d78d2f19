"""Configuration: `qunfa.toml`, the environment, and secrets in files.

Every value may stand in the file or in the environment (`QUNFA_ACCOUNTS__DEMO__KIND`); the environment wins.
"""

from qunfa.config_file import SettingsError
from qunfa.settings.account import AccountSettings, CallbackSettings, NoticeSettings
from qunfa.settings.loading import check_variables, load_settings, load_task_queue
from qunfa.settings.model import MetricsSettings, ReceiverSettings, Settings
