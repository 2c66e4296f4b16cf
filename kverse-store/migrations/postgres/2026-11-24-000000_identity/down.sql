DELETE FROM meta WHERE name = 'identity';
