"""Every address of the site. Login is the default (LoginRequiredMiddleware)."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django.views.generic import RedirectView

from moderation.views import home, passwords

urlpatterns = [
    path("", home.home, name="home"),
    path("login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("password/", passwords.ChangePassword.as_view(), name="password"),
    path(
        "password/<uidb64>/<token>/",
        passwords.ChoosePassword.as_view(),
        name="choose_password",
    ),
    path("theme/", home.set_theme, name="theme"),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("moderation.api.urls")),
    path("reports/", include("reports.urls")),
    path("", include("moderation.urls")),
]
