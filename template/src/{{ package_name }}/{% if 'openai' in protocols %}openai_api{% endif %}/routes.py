"""The routes below /v1."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response as HttpResponse

from ..constants import SLUG
from ..security.authentication import Authenticated
from . import completions, conversations, objects
from . import responses as of_responses
from .dependencies import answer
from .errors import PREFIX, responses
from .inputs import check_model

router = APIRouter(
    prefix=PREFIX, tags=["openai"], dependencies=[Authenticated], responses=responses(401, 403, 429, 503)
)
THE_MODEL = objects.Model(id=SLUG, owned_by=SLUG)


@router.get("/models", response_model=objects.ModelList, response_description="The agent, as the only model.")
async def list_models() -> HttpResponse:
    """List the models: the agent is one."""
    return answer(objects.ModelList(data=[THE_MODEL]))


@router.get(
    "/models/{model}", response_model=objects.Model, response_description="The model.", responses=responses(404)
)
async def get_model(model: Annotated[str, Path(description="The id of a model.")]) -> HttpResponse:
    """Return a model."""
    check_model(model)
    return answer(THE_MODEL)


router.include_router(of_responses.router)
router.include_router(conversations.router)
router.include_router(completions.router)
