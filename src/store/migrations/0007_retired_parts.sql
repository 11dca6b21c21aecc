-- Parts of the method that were taken out, because they did nothing or cut both ways. What a stored spec
-- says about one goes away where it was off, and stands under `retired` where it was on: such a
-- run is read and compared as before, and cannot be resumed.
UPDATE run_specs SET spec = json_set(spec, '$.retired', json('{}'))
WHERE coalesce(spec ->> '$.train.token_dropout', 0) > 0
   OR coalesce(spec ->> '$.train.pseudo_weights', 'equal') <> 'equal'
   OR coalesce(spec ->> '$.train.pseudo_targets', 'hard') IN ('smoothed', 'forward')
   OR coalesce(spec ->> '$.selection.agreement', 0)
   OR coalesce(spec ->> '$.selection.length_guard', 0.5) > 0.5
   OR (coalesce(spec ->> '$.rounds.seed_share', 0) > 0 AND spec ->> '$.rounds.max' > 0);

UPDATE run_specs
SET spec = json_set(spec, '$.retired."train.token_dropout"',
                    CAST(spec ->> '$.train.token_dropout' AS TEXT))
WHERE spec ->> '$.train.token_dropout' > 0;

UPDATE run_specs
SET spec = json_set(spec, '$.retired."train.pseudo_weights"', spec ->> '$.train.pseudo_weights')
WHERE spec ->> '$.train.pseudo_weights' <> 'equal';

UPDATE run_specs
SET spec = json_remove(json_set(spec, '$.retired."train.pseudo_targets"',
                                spec ->> '$.train.pseudo_targets'),
                       '$.train.pseudo_targets')
WHERE spec ->> '$.train.pseudo_targets' IN ('smoothed', 'forward');

UPDATE run_specs SET spec = json_set(spec, '$.retired."selection.agreement"', 'true')
WHERE spec ->> '$.selection.agreement';

UPDATE run_specs
SET spec = json_set(spec, '$.retired."selection.length_guard"',
                    CAST(spec ->> '$.selection.length_guard' AS TEXT))
WHERE spec ->> '$.selection.length_guard' > 0.5;

-- Without a round after the first there are no pseudo-labels that human labels could be mixed with.
UPDATE run_specs
SET spec = json_set(spec, '$.retired."rounds.seed_share"',
                    CAST(spec ->> '$.rounds.seed_share' AS TEXT))
WHERE spec ->> '$.rounds.seed_share' > 0 AND spec ->> '$.rounds.max' > 0;

UPDATE run_specs
SET spec = json_remove(spec, '$.train.token_dropout', '$.train.pseudo_weights',
                       '$.selection.agreement', '$.selection.length_guard',
                       '$.rounds.seed_share');
