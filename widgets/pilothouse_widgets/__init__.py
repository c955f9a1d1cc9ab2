"""Live widgets of pilothouse."""
