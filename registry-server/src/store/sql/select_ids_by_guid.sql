SELECT context, id FROM schemas WHERE guid = $1 ORDER BY context, id;
