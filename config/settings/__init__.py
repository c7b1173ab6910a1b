"""Settings: base is shared; development, test and production say where they differ."""
