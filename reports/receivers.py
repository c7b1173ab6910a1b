"""What reports does when moderation says that a case was confirmed or reopened."""
