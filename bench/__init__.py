"""`make bench`: what the house does per second, each figure beside its floor, measured in the same run."""
