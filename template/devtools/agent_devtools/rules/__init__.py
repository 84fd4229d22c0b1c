"""What the checks of the rules are made of, and the program that runs them: `python -m agent_devtools.rules`.

Light on purpose: the static checks of all rules take less than three seconds.
"""
