"""The commands of the CLI. They import expensive modules inside their functions, so that `--help` stays fast."""
