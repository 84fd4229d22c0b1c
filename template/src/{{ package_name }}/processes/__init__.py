"""The process types (rule 8.1)."""
