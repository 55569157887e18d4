"""What can be made of a trace: the space-time diagram, pictures and files of it, and its cost."""
