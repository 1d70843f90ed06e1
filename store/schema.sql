-- Every index table and column: what it means and in which unit. Valid on its own: duckdb x.db < store/schema.sql
--
-- A generation is a short list of files. The base file holds what follows from the lake alone; the labels file
-- holds what depends on the label version, so that new labels are published without rebuilding the base. Beside each
-- lies a folder of arrays: the coin graph, and where all coins came from and went (see the end of docs/schema.md).
-- Kinds, for deltas over a base: fixed (rows never change), additive (rows add up), superseding (newest row wins).
-- tx_id = height * 2**20 + position in block. Values are satoshi. Times come from block by tx_id >> 20.
-- Every table is written sorted by its first columns: a look-up is a scan of few row groups, not an index.
--
-- Inside a generation an address goes by its number: its rank by address_id (a delta goes on counting). Four small
-- bytes instead of eight random ones wherever an address is meant take a quarter off the index (75 bytes per
-- transaction). A cluster goes by the number of its earliest member; an address that is alone is a cluster too.

-- base ------------------------------------------------------------------------------------------------------

CREATE TABLE meta (                       -- superseding: what this file was built from
    key VARCHAR NOT NULL,                 -- schema_version, chain, network, first_height, height, block_hash, rules, unresolved (spends)
    value VARCHAR NOT NULL                -- as text; JSON where structured
);

CREATE TABLE block (                      -- fixed, by height
    height INTEGER NOT NULL,              -- blocks from genesis
    hash BLOB NOT NULL,                   -- 32 bytes, internal byte order
    time BIGINT NOT NULL,                 -- header time, seconds since 1970 UTC
    n_tx INTEGER NOT NULL                 -- transactions in the block
);

CREATE TABLE tx (                         -- fixed, by tx_id
    tx_id BIGINT NOT NULL,                -- height * 2**20 + position
    txid BLOB NOT NULL                    -- 32 bytes, internal byte order
);

CREATE TABLE tx_lookup (                  -- fixed, by tx_key
    tx_key BIGINT NOT NULL,               -- SipHash-2-4 of the txid, keyed with the lake's secret
    tx_id BIGINT NOT NULL                 -- the transaction
);

CREATE TABLE address (                    -- superseding, by address_id and by number
    address_id BIGINT NOT NULL,           -- SipHash-2-4 of the locking script, keyed with the lake's secret
    number INTEGER NOT NULL,              -- what the other tables call it in this generation
    script_type UTINYINT NOT NULL,        -- chains.bitcoin.tables.ScriptType
    payload BLOB NOT NULL,                -- key hash, script hash, witness program, compressed key, or whole script
    cluster INTEGER,                      -- number of the cluster's earliest member; NULL: alone
    first_tx_id BIGINT NOT NULL,          -- first transaction that pays or spends it
    last_tx_id BIGINT NOT NULL,           -- last such transaction
    n_received INTEGER NOT NULL,          -- transactions that pay it
    n_sent INTEGER NOT NULL,              -- transactions that spend from it
    received BIGINT NOT NULL,             -- satoshi, sum of outputs
    sent BIGINT NOT NULL                  -- satoshi, sum of spends (balance = received - sent where history is whole)
);

CREATE TABLE cluster (                    -- superseding, by cluster; only clusters of two or more addresses
    cluster INTEGER NOT NULL,             -- number of the earliest member
    n_addresses INTEGER NOT NULL,         -- members
    first_tx_id BIGINT NOT NULL,          -- earliest transaction of any member
    last_tx_id BIGINT NOT NULL            -- latest transaction of any member
);

CREATE TABLE cluster_member (             -- superseding, by cluster; only clusters of two or more addresses
    cluster INTEGER NOT NULL,             -- number of the earliest member
    number INTEGER NOT NULL               -- a member
);

CREATE TABLE cluster_edge (               -- superseding, by number: the evidence, a tree per cluster, rooted at its earliest member
    number INTEGER NOT NULL,              -- the member that this edge ties to the tree
    parent INTEGER NOT NULL,              -- the member it is tied to, one step nearer to the root
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule
    tx_id BIGINT NOT NULL,                -- the transaction that shows it (first use of the later address for same-key identity)
    confidence UTINYINT NOT NULL          -- percent
);

CREATE TABLE flow (                       -- additive, by cluster: value between a cluster and a counterparty, self-transfers left out
    cluster INTEGER NOT NULL,             -- whose flow
    direction UTINYINT NOT NULL,          -- 0 received, 1 sent
    counterparty INTEGER NOT NULL,        -- the other cluster; -1 coinbase, -2 CoinJoin or more than 10,000 pairs of parties, -3 unresolved origin
    value BIGINT NOT NULL,                -- satoshi
    n_tx INTEGER NOT NULL,                -- transactions
    first_tx_id BIGINT NOT NULL,          -- first such transaction
    last_tx_id BIGINT NOT NULL            -- last such transaction
);

CREATE TABLE address_tx (                 -- additive, by number, tx_id: an address's history
    number INTEGER NOT NULL,              -- the address
    tx_id BIGINT NOT NULL,                -- the transaction
    received BIGINT NOT NULL,             -- satoshi paid to it in this transaction
    sent BIGINT NOT NULL                  -- satoshi spent from it in this transaction
);

CREATE TABLE coinjoin (                   -- fixed, by tx_id: multi-party transactions, where inputs are not united
    tx_id BIGINT NOT NULL,                -- the transaction
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule saw it
    participants INTEGER NOT NULL,        -- number of equal outputs (0 where the rule does not count)
    denomination BIGINT NOT NULL,         -- satoshi, the equal value (0 where there is none)
    confidence UTINYINT NOT NULL          -- percent
);

CREATE TABLE quarantine (                 -- superseding, by address_id: scripts whose 64-bit ids collide; kept out of clusters
    address_id BIGINT NOT NULL,           -- the shared id
    payload BLOB NOT NULL,                -- one of the payloads
    script_type UTINYINT NOT NULL         -- its kind
);

-- labels ----------------------------------------------------------------------------------------------------

CREATE TABLE label_meta (                 -- superseding: what this labels file was built from
    key VARCHAR NOT NULL,                 -- schema_version, overlay_version, label_version, base
    value VARCHAR NOT NULL                -- as text; JSON where structured
);

CREATE TABLE entity (                     -- superseding, by entity_id: real-world parties from actor packs and lists
    entity_id VARCHAR NOT NULL,           -- stable id, e.g. garantex or ofac_sdn-12345
    name VARCHAR NOT NULL,                -- display name
    category VARCHAR NOT NULL,            -- service.api /v1/categories: exchange, sanctioned_entity, mixer, ...
    jurisdictions VARCHAR[] NOT NULL,     -- ISO 3166-1 alpha-2, upper case
    source_sha256 VARCHAR NOT NULL        -- the file that says so
);

CREATE TABLE list (                       -- superseding, by list_id: the legal lists of this label version
    list_id VARCHAR NOT NULL,             -- ofac_sdn, ...
    name VARCHAR NOT NULL,                -- display name
    date DATE,                            -- date of the newest vintage
    sha256 VARCHAR NOT NULL,              -- content hash of the newest vintage
    entries BIGINT NOT NULL               -- addresses on it
);

CREATE TABLE tag (                        -- superseding, by address_id: one claim each
    address_id BIGINT NOT NULL,           -- the address claimed
    number INTEGER,                       -- the address in the base; NULL: never seen on chain
    cluster INTEGER,                      -- its cluster; NULL: never seen on chain
    tag_id BIGINT NOT NULL,               -- row number in the label version
    address VARCHAR NOT NULL,             -- canonical text
    entity_id VARCHAR,                    -- who it is, where the source says
    label VARCHAR NOT NULL,               -- the source's own words
    category VARCHAR NOT NULL,            -- our category
    confidence UTINYINT NOT NULL,         -- percent, by the source's ladder
    cluster_definer BOOLEAN NOT NULL,     -- whether the claim may name the whole cluster
    list_id VARCHAR,                      -- ofac_sdn, ...: set where the claim is a legal listing
    listed_from DATE,                     -- first date on the list
    listed_to DATE,                       -- date of removal; NULL: still listed
    source_name VARCHAR NOT NULL,         -- title of the pack or list
    source_sha256 VARCHAR NOT NULL,       -- content hash of the file
    source_date DATE,                     -- published or last modified
    source_uri VARCHAR                    -- where the source points to
);

CREATE TABLE same_key (                   -- superseding, by address_id: what a tag says of the other scripts of the key that its address shows
    address_id BIGINT NOT NULL,           -- another script of the tagged key (P2PKH, P2WPKH, nested P2WPKH, P2PK); left out where the tag's cluster says it
    number INTEGER,                       -- the same in the base; NULL: never seen on chain
    cluster INTEGER,                      -- its cluster; NULL: never seen on chain
    script_type UTINYINT NOT NULL,        -- its chains.bitcoin.tables.ScriptType
    payload BLOB NOT NULL,                -- its payload, as in address
    tag_id BIGINT NOT NULL,               -- the tag
    named_id BIGINT NOT NULL,             -- the address that the tag names
    named_type UTINYINT NOT NULL,         -- the ScriptType of that one
    named_payload BLOB NOT NULL           -- the payload of that one
);

CREATE TABLE attribution (                -- superseding, by cluster: conclusions; rank 0 is the answer, the rest are conflicts
    cluster INTEGER NOT NULL,             -- the cluster (an address's number where alone)
    rank INTEGER NOT NULL,                -- 0 best: listed now, then listed once, then by confidence
    entity_id VARCHAR,                    -- who; NULL where the tags give no entity
    category VARCHAR NOT NULL,            -- our category
    confidence UTINYINT NOT NULL,         -- percent, of the best tag, before the edges that lead to another member
    tag_id BIGINT NOT NULL,               -- the best tag behind it
    number INTEGER NOT NULL,              -- the tagged member, or one that is another script of a tagged key
    address_id BIGINT NOT NULL,           -- the same
    named_id BIGINT NOT NULL,             -- the address that the tag names: the same, or as same_key has it
    n_tags BIGINT NOT NULL,               -- tags in the cluster that agree
    list_id VARCHAR,                      -- the list, where a member is or was listed
    listed_from DATE,                     -- first date on it
    listed_to DATE,                       -- date of removal; NULL: still listed
    conflict BOOLEAN NOT NULL             -- two entities with confidence >= 50 in this cluster
);
