"""Whether tests that take a sample in the ordinary run take all: with CROSSCLEAR_COMPLETE=1."""

import os

COMPLETE = os.environ.get("CROSSCLEAR_COMPLETE") == "1"
