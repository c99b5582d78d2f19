"""`qunfa doctor`: what of Temporal, workers, accounts and callbacks works, and what to do about the rest."""
