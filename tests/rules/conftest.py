from hypothesis import settings

settings.register_profile("qunfa", deadline=None, derandomize=True, database=None, max_examples=75)
settings.load_profile("qunfa")
