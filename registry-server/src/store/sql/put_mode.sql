INSERT INTO modes (scope, context, subject, mode) VALUES ($1, $2, $3, $4)
ON CONFLICT (scope, context, subject) DO UPDATE SET mode = excluded.mode
