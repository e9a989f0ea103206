-- Versions of many subjects, a page. $4: the subjects' names end before it. $5, $6: live ones,
-- soft-deleted ones. $7: of each subject the highest alone. $9: what is looked for in their rule sets, empty for
-- nothing: where it is, the rule set stands behind the other columns, or an empty text for one of more than $10 bytes.
-- The page comes first: a server that does not know yet how many versions there are would join all of them.
SELECT p.version, p.id, k.dedup_key, p.deleted, p.timestamp_ms, p.subject,
  CASE
    WHEN $9 = '' OR k.rule_set IS NULL OR replace(k.rule_set, $9, '') = k.rule_set THEN NULL
    WHEN octet_length(k.rule_set) > $10 THEN ''
    ELSE k.rule_set
  END
FROM (
  SELECT v.context, v.subject, v.version, v.id, v.deleted, v.timestamp_ms
  FROM versions v
  WHERE v.context = $1 AND (v.subject, v.version) > ($2, $3) AND v.subject < $4
    AND ((v.deleted = 0 AND $5 = 1) OR (v.deleted = 1 AND $6 = 1))
    AND ($7 = 0 OR NOT EXISTS (
        SELECT 1 FROM versions w
        WHERE w.context = $1 AND w.subject = v.subject AND w.version > v.version
          AND ((w.deleted = 0 AND $5 = 1) OR (w.deleted = 1 AND $6 = 1))))
  ORDER BY v.subject, v.version
  LIMIT $8
) p
JOIN schemas k ON k.context = p.context AND k.id = p.id
ORDER BY p.subject, p.version;
