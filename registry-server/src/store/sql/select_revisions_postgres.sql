-- As `select_revision.sql`, for many subjects: a row for each, in the order of the arrays.
SELECT r.revision, coalesce(d.revision, 0), coalesce(c.revision, 0), coalesce(s.revision, 0)
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (context, subject, place)
CROSS JOIN registry r
LEFT JOIN contexts d ON d.context = '.'
LEFT JOIN contexts c ON c.context = k.context
LEFT JOIN subjects s ON s.context = k.context AND s.subject = k.subject
ORDER BY k.place
