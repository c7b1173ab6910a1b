"""What people type into the console, checked."""
