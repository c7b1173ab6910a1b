"""Internet Watch Foundation (United Kingdom): export; a person files it."""
