"""Tools for developing the project: the local environment, the checks of the rules, generated files."""
