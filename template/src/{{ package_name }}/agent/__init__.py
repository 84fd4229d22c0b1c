"""Yours: what makes this service your agent. Nothing in this package is touched when the template is updated."""
