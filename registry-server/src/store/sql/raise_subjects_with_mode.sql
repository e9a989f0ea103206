UPDATE subjects SET revision = $2
WHERE context = $1
  AND EXISTS (SELECT 1 FROM modes m WHERE m.scope = 'subject' AND m.context = $1 AND m.subject = subjects.subject)
RETURNING subject
