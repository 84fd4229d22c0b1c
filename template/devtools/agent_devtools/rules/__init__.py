"""The engine of the rules: helpers for checks, and the runner behind the command `rules`.

It imports little, so that the static checks of all rules take less than three seconds.
"""
