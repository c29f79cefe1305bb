-- Identifiers and JSON are TEXT, times are milliseconds since the Unix epoch.
CREATE TABLE counters (
    name TEXT PRIMARY KEY NOT NULL,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('generation', 0);

CREATE TABLE servers (
    id TEXT PRIMARY KEY NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    spec TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    generation BIGINT NOT NULL,
    ready_install TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE installs (
    id TEXT PRIMARY KEY NOT NULL,
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    volume TEXT NOT NULL,
    package TEXT NOT NULL,
    resolved_version TEXT,
    lock TEXT,
    lock_sha256 TEXT,
    integrity TEXT,
    build_scripts TEXT NOT NULL,
    consent TEXT NOT NULL,
    argv TEXT,
    size_bytes BIGINT,
    failure TEXT,
    attempt BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX installs_server ON installs (server_id, created_at);
CREATE INDEX installs_state ON installs (state);

CREATE TABLE install_steps (
    install_id TEXT NOT NULL REFERENCES installs (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    reason TEXT,
    log_head TEXT NOT NULL,
    log_tail TEXT NOT NULL,
    log_cut_bytes BIGINT NOT NULL,
    PRIMARY KEY (install_id, position)
);

CREATE TABLE server_lists (
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (server_id, kind)
);

CREATE TABLE secrets (
    id TEXT PRIMARY KEY NOT NULL,
    server_id TEXT REFERENCES servers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    given_at BIGINT NOT NULL,
    given_by TEXT NOT NULL
);
CREATE INDEX secrets_server ON secrets (server_id);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    principal TEXT NOT NULL,
    kind TEXT NOT NULL,
    access TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE web_sessions (
    hash TEXT PRIMARY KEY NOT NULL,
    principal TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE login_links (
    hash TEXT PRIMARY KEY NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

-- No references: what was done stays known when the server or the token is gone.
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    principal TEXT,
    token_id TEXT,
    server_id TEXT,
    server_slug TEXT,
    tool TEXT,
    decision TEXT,
    outcome TEXT,
    duration_ms BIGINT,
    request_bytes BIGINT,
    response_bytes BIGINT,
    detail TEXT
);
CREATE INDEX audit_kind ON audit (kind, id);
CREATE INDEX audit_server ON audit (server_id, id);
