"""Production: every key from outside, secure cookies, nothing synthetic."""

from config import env

from .base import *  # noqa: F403

PRODUCTION = True
DEBUG = False
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS")
SECRET_KEY = env.secret("SECRET_KEY")
EVIDENCE_KEY = env.secret("EVIDENCE_KEY")
URL_KEY = env.secret("URL_KEY")
SIGNING_KEY = env.secret("SIGNING_KEY")
SYNTHETIC = False
MFA_REQUIRED = env.flag("MFA_REQUIRED", True)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 3600)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
