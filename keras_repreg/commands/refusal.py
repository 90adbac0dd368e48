"""The error that ends a command with a one-line reason."""

from keras_repreg.commands.text import printable


class Refusal(Exception):  # noqa: N818 - not an error of the program
    """Ends a command with exit code 2; its text is a one-line message for the user."""

    def __init__(self, text: object):
        super().__init__(printable(" ".join(str(text).split())))
