SELECT last_id FROM contexts WHERE context = $1 AND last_id > 0;
