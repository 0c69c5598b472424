"""Work of several steps with calls between them; they take clients and a database, never a transaction."""
