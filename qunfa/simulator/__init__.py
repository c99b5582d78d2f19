"""A local api.weixin.qq.com for demonstrations, tests, rehearsals and chaos runs. Its state is in memory only."""

from qunfa.simulator.accounts import openid
from qunfa.simulator.config import SimulatorConfig, load_config
from qunfa.simulator.content import Content
from qunfa.simulator.jobs import Job
from qunfa.simulator.plans import Counts, Fault, JobPlan
from qunfa.simulator.server import Simulator, serve
from qunfa.simulator.uploads import Upload
from qunfa.simulator.world import World
