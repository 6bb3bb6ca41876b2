"""Access tokens: signed, short-lived, and without any rights in them.

A token says who somebody is (JSON Web Tokens, RFC 7519). What they may do is looked up when it is used, so that rights that
were taken away are gone at once. With a scope it is good for less than its holder may do, never for more.
"""

from __future__ import annotations

from dataclasses import dataclass

import jwt

from hub.identity.keys import KeyFile
from hub.model.clock import Clock
from hub.model.errors import Unauthenticated

#: Seconds that a token is good for.
LIFETIME = 3_600
_AUDIENCE = "hub-api"
_ALGORITHM = "HS256"
_LONGEST = 4_096
#: Clocks of nodes that serve one store may differ by so many seconds.
_LEEWAY = 5
_CLAIMS = ["iss", "aud", "sub", "iat", "exp", "jti"]


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a token says that holds."""

    auth_namespace: str
    name: str
    #: The secret that it was got with; "": the operator made it.
    secret_id: str
    #: Permissions that it is narrowed to; None: it is not.
    scope: tuple[str, ...] | None
    #: Milliseconds since 1970.
    issued_at: int


class Tokens:
    """Makes and reads tokens of one installation."""

    def __init__(self, keys: KeyFile, clock: Clock) -> None:
        self.keys = keys
        self._clock = clock

    def issue(self, claims: TokenClaims, token_id: str) -> str:
        """A token that is good for `LIFETIME` seconds. Raises BadInput when the keys cannot be used."""
        keys = self.keys.load()
        now = claims.issued_at // 1000
        said = {
            "iss": keys.installation,
            "aud": _AUDIENCE,
            "sub": f"{claims.auth_namespace}/{claims.name}",
            "iat": now,
            "exp": now + LIFETIME,
            "jti": token_id,
            "sid": claims.secret_id,
        }
        if claims.scope is not None:
            said["scope"] = " ".join(claims.scope)
        return jwt.encode(said, keys.keys[0].key, algorithm=_ALGORITHM, headers={"kid": keys.keys[0].id})

    def read(self, token: str) -> TokenClaims:
        """What a token says. Raises Unauthenticated, which says as little as possible about why."""
        keys = self.keys.load()
        try:
            if len(token) > _LONGEST:
                raise Unauthenticated
            wanted = jwt.get_unverified_header(token).get("kid")
            (key,) = [one.key for one in keys.keys if one.id == wanted]
            # The algorithm is ours to say, and time comes from the clock that everything goes by.
            said = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=keys.installation,
                options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            issued, ends = int(said["iat"]), int(said["exp"])
            now = self._clock.now() / 1000
            if not (issued - _LEEWAY <= now < ends and ends - issued <= LIFETIME):
                raise Unauthenticated("the access token has expired; get a new one from /oauth2/token.")
            space, _, name = str(said["sub"]).partition("/")
            scope = said.get("scope")
            narrowed = None if scope is None else tuple(str(scope).split())
            return TokenClaims(space, name, str(said.get("sid", "")), narrowed, issued * 1000)
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
            raise Unauthenticated from None
