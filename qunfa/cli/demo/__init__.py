"""`qunfa demo`: everything on one machine, as real processes."""
