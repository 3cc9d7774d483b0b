-- The table of dialerd-cdr-sqlite3.conf, column for column. Once, before Asterisk loads that file:
--
--   sudo -u asterisk sqlite3 /var/log/asterisk/dialerd-cdr.db < dialerd-cdr.sql
CREATE TABLE IF NOT EXISTS cdr (
    AcctId INTEGER PRIMARY KEY,
    uniqueid TEXT,
    linkedid TEXT,
    start REAL,
    answer REAL,
    "end" REAL,
    duration INTEGER,
    billsec INTEGER,
    disposition TEXT,
    src TEXT,
    dst TEXT,
    dcontext TEXT,
    channel TEXT,
    dstchannel TEXT,
    lastapp TEXT,
    lastdata TEXT,
    userfield TEXT,
    cause TEXT
);
CREATE INDEX IF NOT EXISTS cdr_uniqueid ON cdr (uniqueid);
