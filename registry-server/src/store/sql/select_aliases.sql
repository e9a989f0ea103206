SELECT context, subject, alias FROM configs WHERE alias IS NOT NULL AND scope = 'subject' ORDER BY context, subject;
