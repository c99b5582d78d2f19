"""What people type: each command with its arguments, its options and its help.

Nothing here loads what a command works with: `--help`, completion and a wrong option are there at once so.
"""
