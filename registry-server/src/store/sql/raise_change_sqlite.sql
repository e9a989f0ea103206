UPDATE registry SET last_change = last_change + 1 RETURNING last_change
