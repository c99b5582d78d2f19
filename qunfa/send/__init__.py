"""A mass send as pure functions: facts, what follows from them, and what comes next."""
