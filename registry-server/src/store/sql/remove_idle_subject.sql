-- A subject's row stays as long as it has a version or a setting.
DELETE FROM subjects
WHERE context = $1 AND subject = $2
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.subject = $2)
  AND NOT EXISTS (SELECT 1 FROM configs c WHERE c.scope = 'subject' AND c.context = $1 AND c.subject = $2)
  AND NOT EXISTS (SELECT 1 FROM modes m WHERE m.scope = 'subject' AND m.context = $1 AND m.subject = $2)
