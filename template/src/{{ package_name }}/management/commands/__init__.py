"""The commands of the CLI, one module each. They import what is heavy inside their bodies: `--help` must be quick."""
