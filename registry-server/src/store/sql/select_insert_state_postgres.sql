-- What an insert decides on: counters as in `select_revision.sql`, the number of its change, the last id (which others
-- may raise until the context's row is locked), the preferred id (that of its row in
-- `preferred_ids`, or else the largest that holds the content), the last version.
SELECT r.revision, coalesce(d.revision, 0), coalesce(c.revision, 0), coalesce(s.revision, 0),
       nextval('change_numbers'), coalesce(c.last_id, 0),
       coalesce(p.id, (SELECT max(k.id) FROM schemas k WHERE k.guid = $4 AND k.context = $1 AND k.dedup_key = $3)),
       coalesce((SELECT max(v.version) FROM versions v WHERE v.context = $1 AND v.subject = $2), 0)
FROM registry r
LEFT JOIN contexts d ON d.context = '.'
LEFT JOIN contexts c ON c.context = $1
LEFT JOIN subjects s ON s.context = $1 AND s.subject = $2
LEFT JOIN preferred_ids p ON p.context = $1 AND p.dedup_key = $3
