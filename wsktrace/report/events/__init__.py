"""Events as lines and as one table, in the order of time."""
