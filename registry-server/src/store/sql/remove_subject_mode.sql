DELETE FROM modes WHERE scope = 'subject' AND context = $1 AND subject = $2
