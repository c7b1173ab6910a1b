"""Addresses of the review console."""

from django.urls import path

from .views import (
    audit,
    cases,
    datasets,
    hash_lists,
    legal_holds,
    manifests,
    previews,
    queue,
    scans,
)

app_name = "moderation"
urlpatterns = [
    path("queue/", queue.queue, name="queue"),
    path("queue/next/", queue.queue_next, name="queue_next"),
    path("cases/<int:pk>/", cases.case, name="case"),
    path("cases/<int:pk>/claim/", cases.claim, name="case_claim"),
    path("cases/<int:pk>/answer/", cases.answer, name="case_answer"),
    path("cases/<int:pk>/undo/", cases.undo, name="case_undo"),
    path("cases/<int:pk>/release/", cases.release, name="case_release"),
    path("cases/<int:pk>/renew/", cases.renew, name="case_renew"),
    path("cases/<int:pk>/reveal/", cases.reveal, name="case_reveal"),
    path("cases/<int:pk>/url/", cases.url, name="case_url"),
    path("cases/<int:pk>/caption/", cases.caption, name="case_caption"),
    path("cases/<int:pk>/legal-hold/set/", legal_holds.set_hold, name="set_legal_hold"),
    path("cases/<int:pk>/legal-hold/lift/", legal_holds.lift_hold, name="lift_legal_hold"),
    path("previews/<str:ticket>/", previews.preview, name="preview"),
    path("datasets/", datasets.datasets, name="datasets"),
    path("datasets/<int:pk>/", datasets.revision, name="revision"),
    path("datasets/<int:pk>/scan/", scans.start_scan, name="start_scan"),
    path("datasets/<int:pk>/manifest/", manifests.build_manifest, name="build_manifest"),
    path("scans/", scans.scans, name="scans"),
    path("scans/<int:pk>/", scans.scan, name="scan"),
    path("scans/<int:pk>/progress/", scans.scan_progress, name="scan_progress"),
    path("scans/<int:pk>/pause/", scans.pause_scan, name="pause_scan"),
    path("scans/<int:pk>/resume/", scans.resume_scan, name="resume_scan"),
    path("scans/<int:pk>/cancel/", scans.cancel_scan, name="cancel_scan"),
    path("hash-lists/", hash_lists.hash_lists, name="hash_lists"),
    path("hash-lists/<slug:slug>/", hash_lists.hash_list, name="hash_list"),
    path("hash-lists/<slug:slug>/switch/", hash_lists.switch_hash_list, name="switch_hash_list"),
    path("hash-lists/load/file/", hash_lists.load_hash_list, name="load_hash_list"),
    path("hash-lists/load/confirm/", hash_lists.confirm_load, name="confirm_load"),
    path("manifests/", manifests.manifests, name="manifests"),
    path("manifests/<int:pk>/download/", manifests.download_manifest, name="download_manifest"),
    path("audit/", audit.audit, name="audit"),
    path("audit/verify/", audit.verify_chain, name="verify_chain"),
]
