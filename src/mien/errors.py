"""The exceptions that a user meets; each message is one clear line."""


class MienError(Exception):
    """Something that the user can understand and act on."""


class InputError(MienError):
    """An input could not be used; the message starts with its name: ``photo.jpg: not an image``."""


class UsageError(MienError):
    """mien was called in a wrong way; the command line exits with code 2."""
