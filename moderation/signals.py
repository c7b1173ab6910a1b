"""Signals that moderation sends; reports listens. moderation never imports reports."""

from django.dispatch import Signal

case_confirmed = Signal()  # sender Case; case, decision. Sent inside the deciding transaction.
case_reopened = Signal()  # sender Case; case. A report not yet sent is withdrawn.
