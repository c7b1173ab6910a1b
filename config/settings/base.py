"""What every installation shares. Every value from outside is a typed read of the environment."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from config import env, identity, services

BASE_DIR = Path(__file__).resolve().parent.parent.parent
PRODUCTION = False
DEBUG = False
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.listing("CSRF_TRUSTED_ORIGINS")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
USE_I18N = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "csp",
    "pgtrigger",
    "django_htmx",
    "django_celery_beat",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "moderation",
    "reports",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "moderation.middleware.NothingStored",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "moderation.middleware.LoggedIn",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "moderation.middleware.SecondStepRequired",
    "moderation.middleware.IdleLock",
    "moderation.middleware.RefusalsNoted",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "moderation.middleware.MethodsTold",  # innermost: what it answers gets every header
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "moderation.views.context.shell",
            ]
        },
    }
]

# --- stores ------------------------------------------------------------------------------------
DATABASES: dict[str, Any] = {"default": env.database(services.database_url())}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

REDIS_URL = services.redis_url()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": services.cache_url(),
    }
}
LEDGER_URL = env.text("LEDGER_URL", (env.DATA / "ledgers").as_uri())
EVIDENCE_URL = env.text("EVIDENCE_URL", (env.DATA / "evidence").as_uri())

# --- people ------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_RESET_TIMEOUT = 24 * 3600  # of the link to choose a password
SESSION_ENGINE = "config.sessions"
SESSION_COOKIE_AGE = 12 * 3600
IDLE_MINUTES = env.number("IDLE_MINUTES", 15)  # without input; then the password is asked for
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
MFA_REQUIRED = env.flag("MFA_REQUIRED", False)  # production turns it on
MFA_ADAPTER = "moderation.people.factors.FactorAdapter"
MFA_FORMS = {
    "add_webauthn": "moderation.forms.passkeys.AddPasskeyForm",
    "authenticate_webauthn": "moderation.forms.passkeys.ShowPasskeyForm",
    "reauthenticate_webauthn": "moderation.forms.passkeys.ShowPasskeyAgainForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Breakwater"
MFA_RECOVERY_CODES_SHOW_ONCE = True
ACCOUNT_ADAPTER = "moderation.people.factors.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]  # nobody signs up: there is no such address
ACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_ADAPTER = "moderation.people.signing_in.SignInAdapter"
OIDC_ISSUER = env.text("OIDC_ISSUER")  # of the identity provider; empty: nobody signs in at one
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.secret("OIDC_CLIENT_SECRET", "")
OIDC_NAME = env.text("OIDC_NAME", "your organisation")  # on the button
OIDC_SECOND_STEP = env.listing("OIDC_SECOND_STEP")  # claims of it that count, as amr=mfa
OIDC_SECONDS = env.number("OIDC_SECONDS", 10.0)  # for each question to it
SOCIALACCOUNT_PROVIDERS = identity.provider(
    OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, name=OIDC_NAME
)
ACCOUNT_RATE_LIMITS = {"login_failed": "5/5m/key"}  # wrong codes of one person, from anywhere
AXES_FAILURE_LIMIT = env.number("LOGIN_FAILURE_LIMIT", 10)
LOGIN_FAILURE_LIMIT_EVERYWHERE = env.number("LOGIN_FAILURE_LIMIT_EVERYWHERE", 50)  # of one login
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "moderation.people.lockouts.Handler"
# What is tried while a login is locked does not keep it so: nobody holds another out by going on.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_VERBOSE = False  # its log lines carry names and addresses (H16)

# --- what a browser may do -----------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
# Not "no-referrer": with it browsers send "Origin: null" on our own forms; CSRF refuses that.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True

# --- static files --------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "npm.finders.NpmFinder",
]
NPM_ROOT_PATH = BASE_DIR
NPM_STATIC_FILES_PREFIX = "vendor"
NPM_FILE_PATTERNS = {
    "@tabler/core": [
        "dist/css/tabler.min.css",
        "dist/css/tabler.min.css.map",
        "dist/js/tabler.min.js",
        "dist/js/tabler.min.js.map",
    ]
}

# --- Celery --------------------------------------------------------------------------------------
CELERY_BROKER_URL = services.broker_url()
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "moderation.tasks.scan_shard_fetching": {"queue": "fetch"},
    "moderation.tasks.scan_shard": {"queue": "match"},
    "reports.tasks.*": {"queue": "report"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = env.number("TASK_TIME_LIMIT", 6 * 3600)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": env.number("TASK_TIME_LIMIT", 6 * 3600) + 600,
    "socket_timeout": 30,
    "socket_connect_timeout": 10,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.5}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# --- API -----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "moderation.api.refused.handle",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"screen": env.text("SCREEN_RATE", "600/min")},
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Breakwater",
    "VERSION": "1",
    "DESCRIPTION": "Screen a hash or a picture against the hash lists in force.",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
}

# --- scanning ------------------------------------------------------------------------------------
ALGORITHM_VERSION = "2"  # of our hashing; a change makes every ledger due again
SCAN_IN_FULL = env.flag("SCAN_IN_FULL", False)  # no JPEG is hashed from a copy made smaller
SCAN_BATCH_ROWS = env.number("SCAN_BATCH_ROWS", 4096)
SCAN_SILENCE_SECONDS = env.number("SCAN_SILENCE_SECONDS", 60)
SCAN_ATTEMPTS = 5
SCAN_LOST_AFTER = timedelta(seconds=env.number("SCAN_LOST_SECONDS", 60))
FLOOD_MATCHES = env.number("FLOOD_MATCHES", 1000)  # new entries a value is near to, in one scan
SCAN_QUEUE_LIMIT = 64  # shards of one scan in the queue at a time
FETCH_ALLOW_ADDRESSES = env.listing("FETCH_ALLOW_ADDRESSES")
FETCH_THREADS = env.number("FETCH_THREADS", 64)  # downloads at once, of one worker process
FETCH_PER_HOST = env.number("FETCH_PER_HOST", 8)  # of these from one host
FETCH_LONGEST_PAUSE = env.number("FETCH_LONGEST_PAUSE", 60.0)  # seconds, when a host asks for one
FETCH_CONNECT_SECONDS = env.number("FETCH_CONNECT_SECONDS", 5.0)
FETCH_TOTAL_SECONDS = env.number("FETCH_TOTAL_SECONDS", 20.0)
FETCH_MAX_BYTES = env.number("FETCH_MAX_BYTES", 32 * 1024 * 1024)
FETCH_MAX_REDIRECTS = env.number("FETCH_MAX_REDIRECTS", 5)
FETCH_USER_AGENT = env.text("FETCH_USER_AGENT", "Breakwater/1 (dataset safety scan)")
HASH_THREADS = env.number("HASH_THREADS", 2)  # that decode and hash, of one worker process
PICTURE_MEMORY_BYTES = env.number("PICTURE_MEMORY_BYTES", 256 * 1024 * 1024)  # not decoded yet
SCREEN_MAX_BYTES = 32 * 1024 * 1024

# --- review --------------------------------------------------------------------------------------
LEASE_SECONDS = env.number("LEASE_SECONDS", 600)
HOLD_HOURS = env.number("HOLD_HOURS", 24)  # at most, and how long a hand-over waits to be taken
HOLDS_EACH = env.number("HOLDS_EACH", 3)
# Whether a law makes this installation report (H14); the operator says so. Due dates follow.
DUTY_PROFILE = env.text("DUTY_PROFILE", "voluntary").lower()
DUE_HOURS = {  # by triage, from when a case comes to people
    "voluntary": {
        "critical": env.number("DUE_CRITICAL_HOURS", 24),
        "high": env.number("DUE_HIGH_HOURS", 48),
        "unknown": env.number("DUE_UNKNOWN_HOURS", 48),
        "standard": env.number("DUE_STANDARD_HOURS", 120),
        "harm_other": env.number("DUE_HARM_OTHER_HOURS", 240),
    },
    "mandatory": {
        "critical": env.number("DUE_MANDATORY_CRITICAL_HOURS", 12),
        "high": env.number("DUE_MANDATORY_HIGH_HOURS", 24),
        "unknown": env.number("DUE_MANDATORY_UNKNOWN_HOURS", 24),
        "standard": env.number("DUE_MANDATORY_STANDARD_HOURS", 48),
        "harm_other": env.number("DUE_MANDATORY_HARM_OTHER_HOURS", 240),
    },
}
ANSWER_GRACE_SECONDS = env.number("ANSWER_GRACE_SECONDS", 60)
WAIT_DAYS = env.number("WAIT_DAYS", 30)  # until what nobody could tell is open again
TICKET_SECONDS = 60
L3_SECONDS = 5  # of one look at L3, at most
L3_PAUSE_SECONDS = env.number("L3_PAUSE_SECONDS", 10)  # before another
# Points of exposure: starting values, which nobody has validated.
EXPOSURE_POINTS = {
    1: env.decimal("EXPOSURE_POINTS_L1", "0.1"),
    2: env.decimal("EXPOSURE_POINTS_L2", "0.5"),
    3: env.decimal("EXPOSURE_POINTS_L3", "1"),
}
EXPOSURE_PER_DAY = env.decimal("EXPOSURE_PER_DAY", "20")  # over the last 24 hours
EXPOSURE_PER_WEEK = env.decimal("EXPOSURE_PER_WEEK", "60")  # over the last 7 days
EXPOSURE_BANNER = 0.8  # share of a limit from which a banner says so
CASES_AFTER_L3 = env.number("CASES_AFTER_L3", 2)  # for their evidence alone
CASES_TO_BREAK = env.number("CASES_TO_BREAK", 50)  # answered, until a break is suggested
SHIFT_QUIET_MINUTES = env.number("SHIFT_QUIET_MINUTES", 30)  # before its end, without L3
PEOPLE_TO_TALK_TO = env.text("PEOPLE_TO_TALK_TO")  # shown under Me, as written
POLICY_FILE = env.text("POLICY_FILE", str(BASE_DIR / "moderation" / "policy.txt"))
REASONS_FILE = env.text("REASONS_FILE", str(BASE_DIR / "moderation" / "reasons.txt"))
PREVIEW_KEEP_DAYS = env.number("PREVIEW_KEEP_DAYS", 30)  # after the case is closed

# --- reports -------------------------------------------------------------------------------------
REPORT_ENVIRONMENT = env.text("REPORT_ENVIRONMENT", "test")
REPORT_AGENCY = env.text("REPORT_AGENCY", "iwf")
REPORTER_CONTACT = env.text("REPORTER_CONTACT")

# --- logs: ids only (H16) ------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"ids_only": {"()": "config.logs.IdsOnly"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["ids_only"],
        }
    },
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "urllib3": {"level": "ERROR"},
        "requests": {"level": "ERROR"},
        "PIL": {"level": "ERROR"},
    },
}
