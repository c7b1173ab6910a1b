"""Addresses of the report desk."""

app_name = "reports"
urlpatterns: list = []
