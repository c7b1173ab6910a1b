"""Addresses of the API, version 1."""

from csp.decorators import csp_update
from django.contrib.auth.decorators import login_required
from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated

from .views import ScreenView

# Swagger UI writes style attributes and has its icons in its style sheet; scripts stay our own.
docs = csp_update({"style-src": ["'unsafe-inline'"], "img-src": ["data:"]})(
    login_required(SpectacularSwaggerSplitView.as_view(url_name="api-schema"))
)

urlpatterns = [
    path("screen/", ScreenView.as_view(), name="api-screen"),
    path(
        "schema/",
        SpectacularAPIView.as_view(permission_classes=[IsAuthenticated]),
        name="api-schema",
    ),
    path("docs/", docs, name="api-docs"),
]
