"""`python -m keras_repreg`, the same as the command `keras-repreg`."""

import sys

from keras_repreg.commands import main

if __name__ == "__main__":
    sys.exit(main())
