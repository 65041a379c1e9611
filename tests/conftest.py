"""Settings of all tests."""

from hypothesis import settings

# No deadline: a test's verdict must not depend on how busy the machine is. One fixed seed: nor on the day.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")
