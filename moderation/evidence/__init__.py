"""What must be kept lies sealed here: one store, its own keys, retention and legal hold."""
