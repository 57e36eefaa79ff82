"""What people were told, how it reached them, and how it reads."""
