ALTER TABLE servers ADD COLUMN tool_changes TEXT NOT NULL DEFAULT 'ask';
-- When the first list of tools was pinned, which may have been empty.
ALTER TABLE servers ADD COLUMN pinned_at BIGINT;

-- The server that is built in. It is not among those that people add, and has the same tables.
INSERT INTO servers (id, slug, title, spec, enabled, generation, created_at, updated_at, tool_changes)
VALUES ('61726368-6573-7472-8000-000000000001', 'archestra', 'Archestra', '{}', TRUE, 0, 0, 0, 'follow');

-- One row for each thing that is counted before it grows: who holds it in a transaction is alone.
INSERT INTO counters (name, value) VALUES ('rules', 0), ('approvals', 0), ('memories', 0), ('providers', 0);

CREATE TABLE providers (
    id TEXT PRIMARY KEY NOT NULL,
    principal TEXT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    base_url TEXT NOT NULL,
    key_secret_id TEXT REFERENCES secrets (id) ON DELETE SET NULL,
    default_model TEXT,
    enabled BOOLEAN NOT NULL,
    found BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX providers_key ON providers (key_secret_id);
ALTER TABLE secrets ADD COLUMN provider_id TEXT REFERENCES providers (id) ON DELETE CASCADE;
CREATE INDEX secrets_provider ON secrets (provider_id);

CREATE TABLE chats (
    id TEXT PRIMARY KEY NOT NULL,
    principal TEXT NOT NULL,
    title TEXT NOT NULL,
    title_is_auto BOOLEAN NOT NULL,
    tools_default TEXT NOT NULL,
    provider_id TEXT REFERENCES providers (id) ON DELETE SET NULL,
    model TEXT,
    -- The message that is the end of what is shown. No reference, since messages refer to chats.
    leaf TEXT,
    archived BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX chats_page ON chats (principal, updated_at, id);
CREATE INDEX chats_provider ON chats (provider_id);

CREATE TABLE chat_tools (
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    PRIMARY KEY (chat_id, server_id, tool)
);
CREATE INDEX chat_tools_server ON chat_tools (server_id);

CREATE TABLE messages (
    id TEXT PRIMARY KEY NOT NULL,
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    parent_id TEXT,
    position BIGINT NOT NULL,
    role TEXT NOT NULL,
    run_id TEXT,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- What people search for. The long ones come last, so that the others are read without them.
    text TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE UNIQUE INDEX messages_position ON messages (chat_id, position);
CREATE INDEX messages_queued ON messages (chat_id, position) WHERE state = 'queued';

CREATE TABLE runs (
    id TEXT PRIMARY KEY NOT NULL,
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL,
    answer_id TEXT NOT NULL,
    state TEXT NOT NULL,
    model TEXT NOT NULL,
    provider_id TEXT,
    last_seq BIGINT NOT NULL,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX runs_chat ON runs (chat_id, created_at);
CREATE UNIQUE INDEX runs_active ON runs (chat_id) WHERE state IN ('running', 'parked');
CREATE INDEX runs_state ON runs (state);

CREATE TABLE run_events (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE tool_pins (
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    pin TEXT NOT NULL,
    definition TEXT NOT NULL,
    looked_at BIGINT,
    looked_by TEXT,
    setting TEXT,
    pinned_at BIGINT NOT NULL,
    PRIMARY KEY (server_id, tool)
);

CREATE TABLE policy_rules (
    id TEXT PRIMARY KEY NOT NULL,
    server_id TEXT REFERENCES servers (id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    effect TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX policy_rules_server ON policy_rules (server_id);

-- No references: what was asked and decided stays known when the server or the chat is gone.
CREATE TABLE approvals (
    id TEXT PRIMARY KEY NOT NULL,
    principal TEXT NOT NULL,
    token_id TEXT,
    chat_id TEXT,
    server_id TEXT NOT NULL,
    server_slug TEXT NOT NULL,
    tool TEXT NOT NULL,
    pin TEXT NOT NULL,
    arguments_sha256 TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    decided_at BIGINT,
    decided_by TEXT,
    scope TEXT,
    reason TEXT,
    why TEXT NOT NULL,
    -- A hash of what makes two requests equal.
    open_key TEXT NOT NULL,
    definition TEXT NOT NULL,
    arguments TEXT NOT NULL,
    edited_arguments TEXT
);
CREATE UNIQUE INDEX approvals_open ON approvals (open_key) WHERE state = 'open';
CREATE INDEX approvals_state ON approvals (state, created_at, id);
CREATE INDEX approvals_page ON approvals (principal, created_at, id);

CREATE TABLE grants (
    id TEXT PRIMARY KEY NOT NULL,
    principal TEXT NOT NULL,
    scope TEXT NOT NULL,
    token_id TEXT,
    chat_id TEXT REFERENCES chats (id) ON DELETE CASCADE,
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    pin TEXT NOT NULL,
    arguments_sha256 TEXT,
    approval_id TEXT,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX grants_page ON grants (principal, created_at, id);
CREATE INDEX grants_once ON grants (principal, arguments_sha256) WHERE used_at IS NULL AND revoked_at IS NULL;
CREATE INDEX grants_server ON grants (server_id);
CREATE INDEX grants_chat ON grants (chat_id) WHERE chat_id IS NOT NULL;
CREATE INDEX grants_token ON grants (token_id) WHERE token_id IS NOT NULL;

CREATE TABLE memories (
    principal TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (principal, name)
);

ALTER TABLE audit ADD COLUMN pin TEXT;
ALTER TABLE audit ADD COLUMN basis TEXT;
ALTER TABLE audit ADD COLUMN chat_id TEXT;
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_principal ON audit (principal, id);
CREATE INDEX audit_token ON audit (token_id, id) WHERE token_id IS NOT NULL;
CREATE INDEX audit_chat ON audit (chat_id, id) WHERE chat_id IS NOT NULL;
