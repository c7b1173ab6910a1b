"""PostgreSQL and Valkey from wheels, for where no URL names real ones."""
