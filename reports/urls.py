"""Addresses of the report desk."""

from django.urls import path

from .views import desk, exports, steps, telling

app_name = "reports"
urlpatterns = [
    path("", desk.reports, name="list"),
    path("<int:pk>/", desk.report, name="detail"),
    path("<int:pk>/items/<int:item>/url/", desk.url, name="url"),
    path("cases/<int:pk>/draft/", steps.draft, name="draft"),
    path("cases/<int:pk>/tell/", telling.tell, name="tell"),
    path("<int:pk>/edit/", steps.edit, name="edit"),
    path("<int:pk>/propose/", steps.propose, name="propose"),
    path("<int:pk>/send-back/", steps.send_back, name="send_back"),
    path("<int:pk>/approve/", steps.approve, name="approve"),
    path("<int:pk>/withdraw/", steps.withdraw, name="withdraw"),
    path("<int:pk>/file/", steps.file, name="file"),
    path("<int:pk>/correct/", steps.correct, name="correct"),
    path("<int:pk>/answer/", steps.answer, name="answer"),
    path("export/", exports.choose, name="export"),
    path("export/file/", exports.download, name="export_file"),
]
