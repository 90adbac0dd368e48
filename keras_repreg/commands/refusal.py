"""What a command says, in one line, when it cannot do what it was asked to."""

from keras_repreg.commands.text import printable


class Refusal(Exception):  # noqa: N818 - it is no error of the program
    """Ends a command with exit code 2; its text is one line for the person at the terminal."""

    def __init__(self, text: object):
        super().__init__(printable(" ".join(str(text).split())))
