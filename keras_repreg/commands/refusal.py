"""The one-line reason why a command cannot be executed."""

from keras_repreg.commands.text import printable


class Refusal(Exception):  # noqa: N818 - it is no error of the program
    """Ends a command with exit code 2; its text is one line for the person at the terminal."""

    def __init__(self, text: object):
        super().__init__(printable(" ".join(str(text).split())))
