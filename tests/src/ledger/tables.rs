//! What the tables of a registry must agree on, in any database.

/// Lists what contradicts itself: counts of versions, the counter of ids, preferred ids, contents that nothing uses and
/// references to what is not there. `1000000000` and above are ids that imports have chosen.
pub const CONTRADICTIONS: &str = "
    SELECT 'counts of ' || s.context || ' ' || s.subject FROM subjects s
    WHERE s.live <> (SELECT count(*) FROM versions v
                     WHERE v.context = s.context AND v.subject = s.subject AND v.deleted = 0)
       OR s.deleted <> (SELECT count(*) FROM versions v
                        WHERE v.context = s.context AND v.subject = s.subject AND v.deleted = 1)
    UNION ALL
    SELECT 'last id of ' || c.context FROM contexts c
    WHERE c.last_id < (SELECT coalesce(max(s.id), 0) FROM schemas s WHERE s.context = c.context AND s.id < 1000000000)
    UNION ALL
    SELECT 'preferred id ' || p.context || ' ' || p.id FROM preferred_ids p
    WHERE NOT EXISTS (SELECT 1 FROM schemas s
                      WHERE s.context = p.context AND s.id = p.id AND s.dedup_key = p.dedup_key)
    UNION ALL
    SELECT 'no preferred id ' || s.context || ' ' || min(s.id) FROM schemas s
    WHERE NOT EXISTS (SELECT 1 FROM preferred_ids p WHERE p.context = s.context AND p.dedup_key = s.dedup_key)
    GROUP BY s.context, s.dedup_key HAVING count(*) > 1
    UNION ALL
    SELECT 'unused content ' || s.context || ' ' || s.id FROM schemas s
    WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.context = s.context AND v.id = s.id)
    UNION ALL
    SELECT 'content of ' || v.context || ' ' || v.subject || ' ' || v.version FROM versions v
    WHERE NOT EXISTS (SELECT 1 FROM schemas s WHERE s.context = v.context AND s.id = v.id)
    UNION ALL
    SELECT 'reference of ' || r.context || ' ' || r.id FROM schema_references r
    WHERE NOT EXISTS (SELECT 1 FROM versions v
                      WHERE v.context = r.target_context AND v.subject = r.target_subject
                        AND v.version = r.target_version)";
