INSERT INTO contexts (context) VALUES ($1) ON CONFLICT (context) DO NOTHING
