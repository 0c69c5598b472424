"""Lets the processes that a planted test starts have the defect too: Python imports this file at every start."""

import os

if name := os.environ.get("PLANT"):
    from planted import sow

    sow(name)
