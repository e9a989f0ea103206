INSERT INTO schema_references
    (context, id, position, name, subject, target_context, target_subject, target_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
