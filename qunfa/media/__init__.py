"""The media of a message: where they come from."""
