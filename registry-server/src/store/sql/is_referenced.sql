SELECT EXISTS (
    SELECT 1 FROM schema_references
    WHERE target_context = $1 AND target_subject = $2 AND target_version = $3)
