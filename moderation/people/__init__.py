"""Who gets in: second factors and sessions."""
