-- Agreement across rounds and the length guard leave pairs out.
INSERT INTO left_out_reasons (code, name) VALUES (7, 'flipped'), (8, 'longer_near_tie');
