"""The JSON shapes that faces show: one place, so that API and command line never differ."""
