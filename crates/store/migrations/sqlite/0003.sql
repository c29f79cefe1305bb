-- What a principal's new chats ask, where they say nothing else.
CREATE TABLE model_defaults (
    principal TEXT PRIMARY KEY NOT NULL,
    provider_id TEXT NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
    model TEXT NOT NULL
);
CREATE INDEX model_defaults_provider ON model_defaults (provider_id);
