"""Answers that the template rejects: test_answers.py tries each, and the table at the end of a run lists them."""

from __future__ import annotations

FREE_TEXT = {"project_name": 60, "project_description": 180, "author_name": 80}  # maximum lengths
TOO_LONG = "x" * 200
NO_TEXT = ["", TOO_LONG, " x", "x ", "a\nb", "a\x00b", "\u202egnirts", "a\u2028b"]
NO_SLUG = ["", TOO_LONG, "../x", "my agent;rm -rf /", "Caps", "-x", "x-", "a--b", "a_b", "a.b", "zoë", "🙂", '"', "a\n"]
NO_SLUG += ["{{ 7*7 }}", "redis", "python", "pytest"]
NO_PACKAGE = ["", TOO_LONG, "../x", "my agent;rm -rf /", "class", "test", "json", "types", "fastapi", "redis", "tests"]
NO_PACKAGE += ["jwt", "match", "1st", "a-b", "a__b", "_a", "a_", "Caps", "zoë", "🙂", "'", "a\n", "{{ 7*7 }}"]
NO_ADDRESS = [
    "acme",
    "http://x.org/y",
    "https://x.org/a b",
    "https://x.org/\n",
    'https://x.org/"',
    "javascript:x",
    "https://" + TOO_LONG,
]
NO_IMAGE = [
    "",
    "Acme/x",
    "acme/x:1",
    "acme/x@sha256:0",
    "acme//x",
    "acme/-x",
    "https://acme/x",
    "a b",
    'x"',
    "x\n",
    TOO_LONG + "x" * 40,
]
INVALID = [
    *((name, value) for name in FREE_TEXT for value in NO_TEXT if (name, value) != ("project_description", "")),
    ("project_description", ""),
    *(("project_slug", value) for value in NO_SLUG),
    *(("package_name", value) for value in NO_PACKAGE),
    *(("repository_url", value) for value in NO_ADDRESS),
    *(("container_image", value) for value in NO_IMAGE),
    ("python_version", "3.10"),
    ("llm_provider", "none"),
    ("license", "gpl"),
    ("task_queue", "rq"),
    ("ci", "jenkins"),
    ("rules_language", "fr"),
    ("layers", ["kubernetes", "nomad"]),
    ("protocols", ["openai", "soap"]),
    ("assistants", ["claude", "clippy"]),
]
