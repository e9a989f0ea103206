SELECT context FROM contexts WHERE is_listed = 1 AND context >= $1 AND ($2 IS NULL OR context < $2);
