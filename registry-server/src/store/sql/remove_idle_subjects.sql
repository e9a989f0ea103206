-- As `remove_idle_subject.sql`, of all subjects that one change has raised.
DELETE FROM subjects
WHERE context = $1 AND revision = $2
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.subject = subjects.subject)
  AND NOT EXISTS (SELECT 1 FROM configs c WHERE c.scope = 'subject' AND c.context = $1 AND c.subject = subjects.subject)
  AND NOT EXISTS (SELECT 1 FROM modes m WHERE m.scope = 'subject' AND m.context = $1 AND m.subject = subjects.subject)
RETURNING subject
