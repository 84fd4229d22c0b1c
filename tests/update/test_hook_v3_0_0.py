"""What the hook of 3.0.0 changes beside paths and imports."""

from __future__ import annotations

import pytest

import v3_0_0
from tests.support.template import FILES

OVERLAY = "deploy/kubernetes/overlays/staging/kustomization.yaml"
RENDERED = [f"deploy/kubernetes/components/{name}/kustomization.yaml" for name in ("model", "stores", "gateway")]
BEFORE = """\
namespace: desk-staging
resources:
  - ../../base
  - setup.yaml
# What this cluster offers, of ../../components: ... what each needs.
"""
AFTER = """\
namespace: desk-staging
resources:
  - ../../base
  - setup.yaml
  - ../../components/model.yaml
# Components from ../../components that suit this cluster: docs/kubernetes.md describes what each needs.
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BEFORE + "components:\n  - ../../components/model\npatches: []\n", AFTER + "components: []\npatches: []\n"),
        (
            BEFORE + 'components:\n  - ../../components/gateway\n  - "../../components/model/" # vLLM\n  - ../mine\n',
            AFTER.replace("model.yaml", "model.yaml # vLLM")
            + "components:\n  - ../../components/gateway\n  - ../mine\n",
        ),
        (
            BEFORE + "components:\n- ../../components/stores\n- ../../components/monitoring-token\n",
            AFTER.replace("model", "stores") + "components:\n- ../../components/monitoring-token\n",
        ),
    ],
)
def test_an_overlay_lists_components_that_became_files_as_resources(before: str, after: str, newline: str) -> None:
    old, new = (text.replace("\n", newline).encode() for text in (before, after))
    assert v3_0_0.list_as_resources(OVERLAY, old, RENDERED) == new
    assert v3_0_0.list_as_resources(OVERLAY, new, RENDERED) == new


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (OVERLAY, "resources:\n  - setup.yaml\ncomponents: []\n"),
        (OVERLAY, "resources:\n  - setup.yaml\ncomponents: [../../components/model]\n"),
        (OVERLAY, "resources:\n  - setup.yaml\ncomponents:\n  - ../../components/tracing\n"),  # the owner's own
        (OVERLAY, "components:\n  - ../../components/model\n"),
        ("docs/notes.yaml", BEFORE + "components:\n  - ../../components/model\n"),
    ],
)
def test_any_other_text_stays(path: str, text: str) -> None:
    assert v3_0_0.list_as_resources(path, text.encode(), RENDERED) == text.encode()


def test_dependencies_get_the_words_of_the_release() -> None:
    """So a dependency of the owner's beside them does not conflict."""
    new = (FILES / "pyproject.toml.jinja").read_bytes()
    for words in v3_0_0.DEPENDENCIES.values():
        assert words in new
    old = b"\r\n".join(v3_0_0.DEPENDENCIES)
    assert v3_0_0.reword("pyproject.toml", old, RENDERED) == b"\r\n".join(v3_0_0.DEPENDENCIES.values())
    assert v3_0_0.reword("docs/pyproject.toml", old, RENDERED) == old
