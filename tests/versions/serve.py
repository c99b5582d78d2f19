"""A worker of the build that PYTHONPATH names: `serve.py [FORGETFUL]`.

With an argument it keeps no workflow between two tasks, so that each task replays the history from its start.
"""

import sys

from temporalio.worker import Worker

import worker


def forget() -> None:
    """Whatever a build makes of Temporal's worker: this is what it does where it is not told otherwise."""
    defaults = Worker.__init__.__kwdefaults__
    assert defaults
    assert "max_cached_workflows" in defaults
    defaults["max_cached_workflows"] = 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        forget()
    sys.exit(worker.main())
