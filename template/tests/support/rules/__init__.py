"""What the checks of the rules are made of, and the program that runs them: `python -m tests.support.rules`.

Light on purpose: the static checks of all rules take less than three seconds.
"""
