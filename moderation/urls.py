"""Addresses of the review console."""

from django.contrib.auth import views as auth_views
from django.urls import path

app_name = "moderation"
urlpatterns: list = []
