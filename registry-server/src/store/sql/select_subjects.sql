SELECT s.subject
FROM subjects s
WHERE s.context = $1
  AND EXISTS (SELECT 1 FROM versions v WHERE v.context = s.context AND v.subject = s.subject)
