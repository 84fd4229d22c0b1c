"""Bearer tokens: JSON Web Tokens signed with SECRET_KEY (RFC 7519, RFC 8725)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jwt

if TYPE_CHECKING:
    from ..config import Settings

ALGORITHM = "HS256"
MAX_SUBJECT = 200
_jwt = jwt.PyJWT(options={"enforce_minimum_key_length": True})


class InvalidToken(Exception):
    """The token is not one of ours, or no longer. The message says why, in words that may be shown."""


def issue_token(settings: Settings, subject: str, minutes: int | None = None) -> str:
    """A token for `subject`, valid for `minutes` (JWT_EXPIRE_MINUTES when not given)."""
    now = datetime.now(UTC)
    claims = {
        "sub": subject,
        "iss": settings.JWT_ISSUER,
        "aud": settings.JWT_AUDIENCE,
        "iat": now,
        "exp": now + timedelta(minutes=minutes or settings.JWT_EXPIRE_MINUTES),
    }
    return _jwt.encode(claims, settings.SECRET_KEY.get_secret_value(), ALGORITHM)


def subject_of(settings: Settings, token: str) -> str:
    """Whom the token was issued to. Raises `InvalidToken`."""
    try:
        claims = _jwt.decode(
            token,
            settings.SECRET_KEY.get_secret_value(),
            algorithms=[ALGORITHM],
            audience=settings.JWT_AUDIENCE,
            issuer=settings.JWT_ISSUER,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.ExpiredSignatureError:
        raise InvalidToken("The token has expired.") from None
    except jwt.InvalidTokenError:
        raise InvalidToken("The token is not valid.") from None
    subject: str = claims["sub"]
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise InvalidToken("The token is not valid.")
    return subject
