-- What the texts of a pair are to a chat template: NULL is a flat dialogue, 'plain' one message of a
-- person and one of the model, 'whole' no conversation, else where the messages lie (JSON, as
-- `domain::conversation::Spans` writes it).
ALTER TABLE pair_texts ADD COLUMN form TEXT;
