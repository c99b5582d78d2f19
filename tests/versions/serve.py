"""A worker of the build that PYTHONPATH names: `serve.py [FORGETFUL]`.

With an argument it keeps no workflow between two tasks, so that each task replays the history from its start.
"""

import functools
import sys

from temporalio.worker import Worker

import worker

if __name__ == "__main__":
    if len(sys.argv) > 1:
        forgetful = functools.partial(Worker, max_cached_workflows=0)
        worker.Worker = forgetful  # type: ignore[attr-defined,assignment]  # what it imports, in its place
    sys.exit(worker.main())
