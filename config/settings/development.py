"""`make run`: one machine, made-up data, keys made on first use in the data folder."""

from config import env, keys

from .base import *  # noqa: F403

DEBUG = env.flag("DEBUG", False)
SECRET_KEY = keys.of_this_machine("secret")
EVIDENCE_KEY = keys.of_this_machine("evidence")
URL_KEY = keys.of_this_machine("url")
SIGNING_KEY = keys.of_this_machine("signing")
SYNTHETIC = True
