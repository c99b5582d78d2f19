"""`python -m qunfa.cli`, where the `qunfa` script is not on PATH."""

from qunfa.cli import main

main()
