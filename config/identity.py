"""The identity provider of the settings, as django-allauth wants it written."""

from typing import Any


def provider(issuer: str, client: str, secret: str, *, name: str) -> dict[str, Any]:
    """Return the entry for SOCIALACCOUNT_PROVIDERS; empty without an issuer.

    The issuer is the provider's id, so that a subject of one never counts at another.
    """
    if not issuer:
        return {}
    more = {
        "server_url": f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        "oauth_pkce_enabled": True,
        "scope": ["openid", "email"],
    }
    app = {"provider_id": issuer, "client_id": client, "secret": secret, "name": name}
    return {"openid_connect": {"APPS": [app | {"settings": more}]}}
