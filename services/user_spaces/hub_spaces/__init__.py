"""Controller of users' spaces: makes, mends and puts away what each UserSpace describes. What to do is decided in `user_space.lifecycle`."""

__version__ = "0.2.0"
