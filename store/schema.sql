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
    n_tx INTEGER NOT NULL,                -- transactions in the block
    coinbase_script BLOB NOT NULL         -- scriptSig of its coinbase: what its miner wrote into it
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

CREATE TABLE change (                     -- superseding, by tx_id, vout: outputs that are their payer's own (T1 and what T0 shows)
    tx_id BIGINT NOT NULL,                -- the transaction
    vout INTEGER NOT NULL,                -- position of the output among its outputs
    probability USMALLINT NOT NULL,       -- per mille, calibrated per era; 1000: it goes back to an address of the inputs
    families UTINYINT NOT NULL,           -- bits, heuristics.clusters.change.votes.FAMILIES: which kinds of evidence say so
    rule UTINYINT NOT NULL                -- heuristics.rules: change_self, change_cospent or change
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

CREATE TABLE alias (                      -- superseding, by alias: other ids and names of entities, as actor packs give them
    alias VARCHAR NOT NULL,               -- another id (ofac_sdn-12345, an older id) or name
    kind VARCHAR NOT NULL,                -- id: another source's id, which means this entity everywhere; name: only for whoever searches
    entity_id VARCHAR NOT NULL,           -- the entity
    source_sha256 VARCHAR NOT NULL        -- the file that says so
);

CREATE TABLE relation (                   -- superseding, by entity_id: what sources say of two entities
    relation_id INTEGER NOT NULL,         -- row number in the label version
    entity_id VARCHAR NOT NULL,           -- of whom it is said
    kind VARCHAR NOT NULL,                -- store.formats.relations.KINDS: owned_by, successor_of, operated_by, nested_in, fronts_for
    other_id VARCHAR NOT NULL,            -- by, of, in or for whom
    percent DECIMAL(5, 2),                -- of owned_by: share that the other holds; NULL: not said
    valid_from DATE,                      -- first day; NULL: since ever
    valid_to DATE,                        -- first day on which it is over; NULL: it lasts
    source_name VARCHAR NOT NULL,         -- title of the pack
    source_sha256 VARCHAR NOT NULL,       -- content hash of the file
    source_date DATE,                     -- published or last modified
    source_uri VARCHAR                    -- the document that says so
);

CREATE TABLE tie (                        -- superseding, by entity_id: entities that a relation ties to a listed party, and when
    entity_id VARCHAR NOT NULL,           -- who is tied
    list_id VARCHAR NOT NULL,             -- the list that the party at the other end is, or was, on
    kinds VARCHAR[] NOT NULL,             -- every kind on the way: owned_50 (half or more, added up), successor_of, ...; listed: it is the listed party itself
    tied_from DATE,                       -- first day on which listing and relations hold; NULL: since ever
    tied_to DATE,                         -- first day on which they do not; NULL: they last
    percent DECIMAL(5, 2),                -- share that blocked owners hold together on the first day; NULL: not by ownership
    path INTEGER[] NOT NULL               -- relation_id of the relations that show it, nearest first
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
    source_uri VARCHAR,                   -- where the source points to
    valid_from DATE,                      -- first day of which the claim speaks; NULL: not said
    valid_to DATE,                        -- first day of which it speaks no more; NULL: it lasts
    retracted DATE,                       -- the day its source withdrew it; NULL: it stands by it
    stands BOOLEAN NOT NULL               -- whether it says who the address is now: a claim that ended or was withdrawn is only shown
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

CREATE TABLE wallet (                     -- superseding, by cluster: clusters that T1 links join; the others are wallets of their own
    cluster INTEGER NOT NULL,             -- a cluster, by the number of its earliest member
    wallet INTEGER NOT NULL               -- its wallet, by the number of the earliest member of all its clusters
);

CREATE TABLE wallet_edge (                -- superseding, by cluster: the evidence, a tree over each wallet's clusters, rooted at its earliest one
    cluster INTEGER NOT NULL,             -- the cluster that this edge ties to the tree
    parent INTEGER NOT NULL,              -- the cluster it is tied to, one step nearer to the root
    number INTEGER NOT NULL,              -- the address that is the payer's too, by this rule; in one of the two clusters
    payer INTEGER NOT NULL,               -- an address of the inputs; in the other
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule
    tx_id BIGINT NOT NULL,                -- the transaction that shows it
    confidence UTINYINT NOT NULL          -- percent
);

CREATE TABLE refusal (                    -- superseding, by number: links of clusters that a rule asked for and that were refused
    number INTEGER NOT NULL,              -- the address that was said to be the payer's too
    other INTEGER NOT NULL,               -- an address of the inputs
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule asked
    tx_id BIGINT NOT NULL,                -- the transaction that shows it
    probability USMALLINT NOT NULL,       -- per mille
    reason VARCHAR NOT NULL               -- two_actors, must_not_link, both_large or fingerprints_differ
);

CREATE TABLE cut (                        -- superseding, by wallet: change links that a conflict of two entities undid
    wallet INTEGER NOT NULL,              -- the wallet that it held together
    cluster INTEGER NOT NULL,             -- as in wallet_edge, and so below
    parent INTEGER NOT NULL,              -- the other cluster
    number INTEGER NOT NULL,              -- the address that got the change
    payer INTEGER NOT NULL,               -- an address that paid it
    rule UTINYINT NOT NULL,               -- which rule
    tx_id BIGINT NOT NULL,                -- the transaction
    confidence UTINYINT NOT NULL          -- percent
);

CREATE TABLE conflict (                   -- superseding, by wallet: entities that were claimed surely in one wallet
    wallet INTEGER NOT NULL,              -- the wallet, as it was before anything was cut
    entity_id VARCHAR NOT NULL,           -- one of them
    cluster INTEGER NOT NULL,             -- a cluster that is claimed for it
    shared BOOLEAN NOT NULL               -- shared custody: another one is claimed for the same cluster, so that no cut can part them
);

CREATE TABLE claim (                      -- superseding, by wallet: who a wallet is by rule, not by tag
    wallet INTEGER NOT NULL,              -- the wallet
    entity_id VARCHAR,                    -- who; NULL: nobody is named
    category VARCHAR NOT NULL,            -- our category
    confidence UTINYINT NOT NULL,         -- percent
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule
    toward INTEGER,                       -- the address reached, e.g. a hot wallet's; NULL: none
    tx_id BIGINT NOT NULL,                -- one transaction that shows it
    n BIGINT NOT NULL,                    -- transactions that show it
    value BIGINT NOT NULL                 -- satoshi in these
);

CREATE TABLE attribution (                -- superseding, by cluster: conclusions; rank 0 is the answer, the rest are conflicts
    cluster INTEGER NOT NULL,             -- the wallet (a cluster where change links add nothing, an address's number where alone)
    rank INTEGER NOT NULL,                -- 0 best: listed now, then listed once, then by confidence; services that nobody names last
    entity_id VARCHAR,                    -- who; NULL where nobody is named
    category VARCHAR NOT NULL,            -- our category
    confidence UTINYINT NOT NULL,         -- percent, of the best tag or the claim, before the edges that lead to another member
    tag_id BIGINT,                        -- the best tag behind it; NULL: a claim, whose tags are those of the wallet that it reaches
    number INTEGER NOT NULL,              -- the tagged member, or one that is another script of a tagged key; of a claim: a member in its transaction
    address_id BIGINT NOT NULL,           -- the same
    named_id BIGINT,                      -- the address that the tag names: the same, or as same_key has it; NULL: a claim
    n_tags BIGINT NOT NULL,               -- tags in the wallet that agree
    list_id VARCHAR,                      -- the list, where a member is or was listed
    listed_from DATE,                     -- first date on it
    listed_to DATE,                       -- date of removal; NULL: still listed
    conflict BOOLEAN NOT NULL,            -- two entities with confidence >= 50 in this wallet
    rule UTINYINT NOT NULL,               -- 0: tags; else heuristics.rules, which rule claims it (see claim)
    toward INTEGER,                       -- of a claim: the address reached
    tx_id BIGINT                          -- of a claim: one transaction that shows it
);

CREATE TABLE coinbase_tag (               -- superseding, by tag: what pools write into the coinbases of their blocks
    tag BLOB NOT NULL,                    -- the bytes, somewhere in block.coinbase_script
    entity_id VARCHAR NOT NULL,           -- the pool
    source_name VARCHAR NOT NULL,         -- title of the list
    source_sha256 VARCHAR NOT NULL        -- content hash of the file
);

CREATE TABLE pool_block (                 -- superseding, by height: who mined a block, where anything tells
    height INTEGER NOT NULL,              -- the block
    entity_id VARCHAR,                    -- the pool; NULL where two tags of different pools say as much
    confidence UTINYINT NOT NULL,         -- percent; 0 where no pool is concluded
    rule UTINYINT NOT NULL,               -- heuristics.rules: by tag and address, by address, by tag, by a learned text
    tag BLOB,                             -- the tag or text found in the coinbase; NULL where none is
    number INTEGER,                       -- the paid address whose wallet is the pool's; NULL where none is
    against VARCHAR[] NOT NULL            -- other pools that the tag, another tag or the address names
);

CREATE TABLE lead (                       -- superseding, by number: worth a look, and no conclusion
    number INTEGER NOT NULL,              -- the address, of a miner's wallet its earliest member
    kind VARCHAR NOT NULL,                -- miner_account: pool payouts go straight to a service; miner_cashing_out: a miner sells there
    entity_id VARCHAR,                    -- the service; NULL where nobody is named
    country VARCHAR,                      -- ISO 3166-1 alpha-2, where the service is at home; NULL where unknown: it says nothing of where machines stand
    confidence UTINYINT NOT NULL,         -- percent
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule
    tx_id BIGINT NOT NULL,                -- one transaction that shows it
    n BIGINT NOT NULL,                    -- transactions that show it
    value BIGINT NOT NULL,                -- satoshi that they carry
    share UTINYINT NOT NULL               -- percent of all that the wallet received or sent, that way
);

CREATE TABLE custody (                    -- superseding, by number: addresses of a custodian's wallet that amounts tell apart
    number INTEGER NOT NULL,              -- the address
    wallet INTEGER NOT NULL,              -- the custodian's wallet
    entity_id VARCHAR NOT NULL,           -- the exchange whose deposit address it is
    category VARCHAR NOT NULL,            -- our category of that exchange
    confidence UTINYINT NOT NULL,         -- percent
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule
    toward INTEGER,                       -- number of the address that it was swept to; NULL where its own tag alone tells
    tx_id BIGINT NOT NULL,                -- the last sweep that shows it
    n BIGINT NOT NULL,                    -- tags and named wallets that agree
    value BIGINT NOT NULL                 -- satoshi that it brought to such sweeps
);

CREATE TABLE omnibus (                    -- superseding, by wallet: shared custody, reported and not merged
    wallet INTEGER NOT NULL,              -- the custodian's wallet
    entity_id VARCHAR NOT NULL,           -- an exchange that is served there
    category VARCHAR NOT NULL,            -- our category of that exchange
    addresses BIGINT NOT NULL,            -- addresses that were told to be its customers'
    confidence UTINYINT NOT NULL,         -- percent
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule
    tx_id BIGINT NOT NULL,                -- the wallet's last transaction
    n BIGINT NOT NULL,                    -- sweeps whose amounts come out
    value BIGINT NOT NULL                 -- satoshi of those customers in such sweeps
);

CREATE TABLE role (                       -- superseding, by wallet: what a service's wallet is there for
    wallet INTEGER NOT NULL,              -- the wallet
    role VARCHAR NOT NULL,                -- deposit, hot, cold
    entity_id VARCHAR,                    -- whose it is
    toward INTEGER,                       -- the hot wallet that it deals with; NULL for a hot wallet
    tx_id BIGINT NOT NULL,                -- its last transaction
    payers INTEGER NOT NULL,              -- distinct wallets that pay it
    payees INTEGER NOT NULL,              -- distinct wallets that it pays
    entropy_in FLOAT NOT NULL,            -- nats, of what it receives over payers, by value
    entropy_out FLOAT NOT NULL,           -- nats, of what it sends over payees, by value
    hours FLOAT NOT NULL,                 -- mean time that its money waits, by value
    rounded FLOAT NOT NULL,               -- share of the amounts it pays that are multiples of 100,000 satoshi
    batches INTEGER NOT NULL              -- transactions that pay ten others or more
);

CREATE TABLE nested (                     -- superseding, by wallet: leads to services that run from an account at an exchange
    wallet INTEGER NOT NULL,              -- the account's deposit wallet
    host_id VARCHAR,                      -- the exchange
    senders INTEGER NOT NULL,             -- distinct wallets that pay it
    like_id VARCHAR,                      -- the known service whose senders are most alike; NULL where none are
    overlap FLOAT NOT NULL,               -- Jaccard overlap of the senders of both
    confidence UTINYINT NOT NULL,         -- percent
    rule UTINYINT NOT NULL,               -- heuristics.rules: which rule
    toward INTEGER,                       -- the host's wallet that it is swept into
    tx_id BIGINT NOT NULL,                -- the last sweep
    n BIGINT NOT NULL,                    -- sweeps
    value BIGINT NOT NULL                 -- satoshi swept
);

CREATE TABLE shell (                      -- superseding, by shell: who may be a front for whom; no name, and no attribution
    shell INTEGER NOT NULL,               -- number of the front: the earliest member of the wallets that are probably one (shell_wallet)
    score SMALLINT NOT NULL,              -- per mille, in its best window: passes * principals * control, less where payments are few
    tier UTINYINT NOT NULL,               -- 0 below a lead, 1 lead (500), 2 probable (800 and two families of signals), 3 attributed: a document says so
    principal_id VARCHAR NOT NULL,        -- the party whose payments would run through it
    principal INTEGER NOT NULL,           -- a wallet of that party
    from_time BIGINT NOT NULL,            -- seconds since 1970: the first payment in of the window's lots
    to_time BIGINT NOT NULL,              -- the last payment out
    passes SMALLINT NOT NULL,             -- per mille: that it passes on what the principal gives and gets
    principals SMALLINT NOT NULL,         -- per mille: that it is there for the principal
    control SMALLINT NOT NULL,            -- per mille: that the two act as one
    value BIGINT NOT NULL,                -- satoshi that pass through
    n_in INTEGER NOT NULL,                -- payments in
    n_out INTEGER NOT NULL,               -- payments out
    signals VARCHAR[] NOT NULL,           -- families that show control: substitution, diversity, two_way, rotation, chain
    against VARCHAR[] NOT NULL            -- the three strongest doubts (heuristics.shells.against), the strongest first
);

CREATE TABLE shell_wallet (               -- superseding, by wallet: what each front is made of
    wallet INTEGER NOT NULL,              -- a wallet
    shell INTEGER NOT NULL                -- the front that it is probably part of
);

CREATE TABLE shell_lot (                  -- superseding, by shell: the largest lots of each front, first in first out
    shell INTEGER NOT NULL,               -- the front
    tx_in BIGINT NOT NULL,                -- the payment to it
    tx_out BIGINT NOT NULL,               -- the payment by it
    value BIGINT NOT NULL,                -- satoshi that are in both
    dwell BIGINT NOT NULL,                -- seconds between them
    away BOOLEAN NOT NULL                 -- from the principal to others, rather than from others to it
);
