DELETE FROM schema_references WHERE context = $1
