"""Every address of the site. Login is the default (`moderation.middleware.LoggedIn`)."""

from allauth.account.views import ReauthenticateView
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateByCode
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView as ReauthenticateByPasskey
from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django.views.generic import RedirectView

from moderation.views import (
    factors,
    home,
    letter_keys,
    logins,
    own_sessions,
    passwords,
    sign_in,
)

handler400 = "moderation.api.refused.bad_request"
handler404 = "moderation.api.refused.not_found"

AGAIN = {"template_name": "account/again.html"}

# The names account_* and mfa_* are those by which django-allauth finds its pages.
account = [
    path("", factors.account, name="mfa_index"),
    path("sessions/end/", own_sessions.end_session, name="end_session"),
    path("at-work/", own_sessions.at_work, name="at_work"),
    path("keys/", letter_keys.letter_keys, name="letter_keys"),
    path("lock/", own_sessions.lock, name="lock"),
    path("unlock/", own_sessions.unlock, name="unlock"),
    path("set-up/", factors.set_up, name="set_up"),
    path("app/add/", factors.AddApp.as_view(), name="mfa_activate_totp"),
    path("app/remove/", factors.RemoveApp.as_view(), name="mfa_deactivate_totp"),
    path("passkeys/add/", factors.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path("passkeys/<int:pk>/remove/", factors.RemovePasskey.as_view(), name="mfa_remove_webauthn"),
    path("recovery-codes/", factors.Codes.as_view(), name="mfa_view_recovery_codes"),
    path("recovery-codes/renew/", factors.RenewCodes.as_view(), name="mfa_generate_recovery_codes"),
    path("again/", ReauthenticateView.as_view(**AGAIN), name="account_reauthenticate"),
    path("again/code/", ReauthenticateByCode.as_view(**AGAIN), name="mfa_reauthenticate"),
    path(
        "again/passkey/",
        ReauthenticateByPasskey.as_view(**AGAIN),
        name="mfa_reauthenticate_webauthn",
    ),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("login/", logins.LogIn.as_view(), name="login"),
    path("login/", logins.LogIn.as_view(), name="account_login"),
    path("login/second-step/", logins.SecondStep.as_view(), name="mfa_authenticate"),
    path("login/provider/", sign_in.sign_in, name="sign_in"),
    path("login/provider/back/", sign_in.signed_in, name="signed_in"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("account/", include(account)),
    path("password/", passwords.ChangePassword.as_view(), name="password"),
    path(
        "password/<uidb64>/<token>/",
        passwords.ChoosePassword.as_view(),
        name="choose_password",
    ),
    path("theme/", home.set_look, name="theme"),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password")),
    path("admin/login/", logins.admin_login),
    path("admin/", admin.site.urls),
    path("api/v1/", include("moderation.api.urls")),
    path("reports/", include("reports.urls")),
    path("", include("moderation.urls")),
]
