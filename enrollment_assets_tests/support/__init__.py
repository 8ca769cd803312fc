"""What tests use: figures, histories, servers, and files that went wrong."""
