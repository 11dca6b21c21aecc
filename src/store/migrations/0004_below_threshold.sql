-- The reason of the rule `confidence`.
INSERT INTO left_out_reasons (code, name) VALUES (6, 'below_threshold');
